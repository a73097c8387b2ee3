//! One connection through the proxy: a thread for each direction.

use super::fault::{Did, Fault};
use super::protocol::{Ask, Piece, Place, Protocol};
use super::shared::{Shared, Waited};
use crate::wire::{Verb, Went};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) struct Link {
    /// Counted from 1, for the log; 0 before it counts as made.
    number: AtomicU64,
    shared: Arc<Shared>,
    client: TcpStream,
    server: TcpStream,
    talk: Mutex<Talk>,
    /// One answer at a time: both directions may have one for the client.
    writing: Mutex<()>,
    is_cut: AtomicBool,
}

struct Talk {
    protocol: Box<dyn Protocol>,
    exchanges: VecDeque<Exchange>,
    /// The client has asked and has no answer yet.
    is_waiting: bool,
    /// What was executed since the last BEGIN, COMMIT or ROLLBACK.
    executed: Vec<String>,
}

/// What was asked, and what becomes of its answer.
struct Exchange {
    sql: String,
    /// Something is executed, and not only prepared.
    executes: bool,
    rows: u64,
    /// An error has come.
    refused: bool,
    fate: Fate,
}

enum Fate {
    /// It goes to the client.
    Passes,
    /// It is kept back until it is complete; then the fault strikes.
    Kept(Fault, Vec<u8>),
    /// An error took the place of one of its rows.
    Refused,
}

/// What is to be done, once no lock is held.
enum Next {
    Nothing,
    Strike(Fault, Struck),
}

/// What a fault strikes of an answer.
struct Struck {
    kept: Vec<u8>,
    /// What the client hears with it, or never hears: the end of an answer, or no end of one.
    told: Option<Told>,
}

/// The end of an answer to something that was executed.
#[derive(Clone, Copy)]
struct Told {
    refused: bool,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Link")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// Serves a client that has just connected, until one of the two sides ends.
pub(super) fn serve(shared: &Arc<Shared>, client: TcpStream, protocol: Box<dyn Protocol>) {
    let mut number = 0;
    if protocol.server_speaks_first() {
        let (counted, fault) = shared.connected();
        number = counted;
        if let Some(fault) = fault
            && !lets_in(shared, &client, protocol.as_ref(), fault)
        {
            shared.note(number, Went::Ended);
            return;
        }
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", shared.upstream())) else {
        if number > 0 {
            shared.note(number, Went::Ended);
        }
        return; // which closes the client's side
    };
    for stream in [&client, &server] {
        // Without it the two ends of a conversation in small packets wait for each other.
        if stream.set_nodelay(true).is_err() {
            return;
        }
    }
    let link = Arc::new(Link {
        number: AtomicU64::new(number),
        shared: Arc::clone(shared),
        client,
        server,
        talk: Mutex::new(Talk {
            protocol,
            exchanges: VecDeque::new(),
            is_waiting: false,
            executed: Vec::new(),
        }),
        writing: Mutex::new(()),
        is_cut: AtomicBool::new(false),
    });
    if !shared.register(&link) {
        return;
    }
    let down = Arc::clone(&link);
    shared.spawn(move || down.read_server());
    link.read_client();
}

/// A fault at the connect of a client whose server speaks first; whether the client gets through in the end.
fn lets_in(shared: &Shared, client: &TcpStream, protocol: &dyn Protocol, fault: Fault) -> bool {
    let ticket = shared.has_fired();
    match fault {
        Fault::CutBefore | Fault::CutAfter => false,
        Fault::ResetBefore | Fault::ResetAfter => {
            end_in_a_reset(client);
            false
        }
        Fault::SwallowBefore | Fault::Swallow => {
            shared.hold(ticket, &AtomicBool::new(false));
            false
        }
        Fault::Hold | Fault::HoldAnswer => shared.hold(ticket, &AtomicBool::new(false)) == Waited::Released,
        Fault::Answer(refusal) | Fault::AnswerAfter(refusal) => {
            let mut client = client;
            let _ = client.write_all(&protocol.refusal(&refusal, Place::Connect));
            false
        }
    }
}

/// The next close sends RST, and what was not sent yet is thrown away.
fn end_in_a_reset(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

impl Talk {
    fn remember(&mut self, did: &[Did]) {
        for did in did {
            let Did::Execute(sql) = did else { continue };
            match Verb::of(sql) {
                Verb::Begin | Verb::Commit | Verb::Rollback => self.executed.clear(),
                _ => self.executed.push(sql.clone()),
            }
        }
    }
}

impl Link {
    /// Closes both sides.
    pub(super) fn cut(&self) {
        self.is_over();
        self.shared.wake();
        // Errors: the side is closed already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    fn reset(&self) {
        end_in_a_reset(&self.client);
        self.is_over();
        // An end that was sent would be an end in good order, so the two threads are told in another way; the socket is
        // closed with the last of them.
        let _ = self.client.shutdown(Shutdown::Read);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// It is noted before anybody can notice.
    fn is_over(&self) {
        if !self.is_cut.swap(true, Ordering::SeqCst) {
            self.note(Went::Ended);
        }
    }

    fn note(&self, went: Went) {
        let number = self.number.load(Ordering::SeqCst);
        if number > 0 {
            self.shared.note(number, went);
        }
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }

    fn to_client(&self, bytes: &[u8]) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // A client that is gone is noticed where it is read from.
        let _ = (&self.client).write_all(bytes);
    }

    fn read_client(&self) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match (&self.client).read(&mut buffer) {
                Ok(length) if length > 0 && !self.is_cut() => self.talk().protocol.client_sent(&buffer[..length]),
                _ => break,
            }
            while let Some((ask, fault)) = self.next_ask() {
                if !self.forward(ask, fault) {
                    return;
                }
            }
        }
        let _ = self.server.shutdown(Shutdown::Write);
    }

    /// What the client asks for next, noted, and the fault that it sets off.
    fn next_ask(&self) -> Option<(Ask, Option<Fault>)> {
        let mut talk = self.talk();
        let ask = talk.protocol.next_ask()?;
        let is_round_trip = ask.answered && !talk.is_waiting;
        talk.is_waiting |= ask.answered;
        let fault = if ask.did.contains(&Did::Connect) {
            let (number, fault) = self.shared.connected();
            self.number.store(number, Ordering::SeqCst);
            fault
        } else {
            let number = self.number.load(Ordering::SeqCst);
            let fault = self.shared.asked(number, &ask.did, &talk.executed, is_round_trip);
            talk.remember(&ask.did);
            fault
        };
        if ask.answered {
            let texts: Vec<&str> = ask.did.iter().filter_map(Did::sql).collect();
            talk.exchanges.push_back(Exchange {
                sql: texts.join("; "),
                executes: ask.executes(),
                rows: 0,
                refused: false,
                fate: match &fault {
                    Some(fault) if fault.needs_the_answer() => Fate::Kept(fault.clone(), Vec::new()),
                    _ => Fate::Passes,
                },
            });
        }
        Some((ask, fault))
    }

    /// Forwards what was asked, or does to it what the fault says; whether the conversation goes on.
    fn forward(&self, ask: Ask, fault: Option<Fault>) -> bool {
        if let Some(answer) = ask.own_answer {
            self.to_client(answer);
            return true;
        }
        let is_connect = ask.did.contains(&Did::Connect);
        match fault {
            None => {}
            Some(fault) if fault.needs_the_answer() && ask.answered => {}
            Some(fault) => {
                let ticket = self.shared.has_fired();
                match fault {
                    Fault::CutBefore | Fault::CutAfter => {
                        self.note_lost(&ask);
                        self.cut();
                        return false;
                    }
                    Fault::ResetBefore | Fault::ResetAfter => {
                        self.note_lost(&ask);
                        self.reset();
                        return false;
                    }
                    Fault::SwallowBefore | Fault::Swallow => {
                        self.note_lost(&ask);
                        self.shared.hold(ticket, &self.is_cut);
                        self.cut();
                        return false;
                    }
                    Fault::Hold | Fault::HoldAnswer => {
                        if self.shared.hold(ticket, &self.is_cut) != Waited::Released {
                            self.note_lost(&ask);
                            self.cut();
                            return false;
                        }
                    }
                    Fault::Answer(refusal) | Fault::AnswerAfter(refusal) => {
                        if ask.executes() {
                            self.note(Went::Answered { refused: true });
                        }
                        let place = if is_connect { Place::Connect } else { Place::Answer };
                        let bytes = {
                            let mut talk = self.talk();
                            if ask.answered {
                                talk.protocol.retract();
                                talk.exchanges.pop_back();
                                talk.is_waiting = !talk.exchanges.is_empty();
                            }
                            talk.protocol.refusal(&refusal, place)
                        };
                        self.to_client(&bytes);
                        if is_connect {
                            self.cut();
                        }
                        return !is_connect;
                    }
                }
            }
        }
        (&self.server).write_all(&ask.bytes).is_ok()
    }

    fn note_lost(&self, ask: &Ask) {
        if ask.executes() {
            self.note(Went::NeverArrived);
        }
    }

    fn read_server(&self) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match (&self.server).read(&mut buffer) {
                Ok(length) if length > 0 && !self.is_cut() => self.talk().protocol.server_sent(&buffer[..length]),
                _ => break,
            }
            let mut answer = Vec::new();
            loop {
                let mut talk = self.talk();
                let Some(piece) = talk.protocol.next_piece() else {
                    break;
                };
                let next = self.answer(&mut talk, piece, &mut answer);
                drop(talk);
                if let Next::Strike(fault, struck) = next {
                    self.to_client(&std::mem::take(&mut answer));
                    if !self.strike(fault, &struck) {
                        return;
                    }
                }
            }
            self.to_client(&answer);
        }
        if !self.is_cut() {
            self.cut();
        }
    }

    /// What becomes of one piece of an answer: it is added to what the client gets, kept, or thrown away.
    fn answer(&self, talk: &mut Talk, piece: Piece, answer: &mut Vec<u8>) -> Next {
        let mut next = Next::Nothing;
        match talk.exchanges.front_mut() {
            None => answer.extend(&piece.bytes),
            Some(exchange) => {
                exchange.rows += u64::from(piece.is_row);
                exchange.refused |= piece.is_error;
                match &mut exchange.fate {
                    Fate::Passes => {
                        let struck = piece.is_row.then(|| self.shared.row(&exchange.sql, exchange.rows));
                        match struck.flatten() {
                            None => answer.extend(&piece.bytes),
                            Some(Fault::Answer(refusal) | Fault::AnswerAfter(refusal)) => {
                                self.shared.has_fired();
                                exchange.refused = true;
                                exchange.fate = Fate::Refused;
                                answer.extend(talk.protocol.refusal(&refusal, Place::Row(&piece)));
                            }
                            Some(fault) => {
                                let kept = piece.bytes.clone();
                                next = Next::Strike(fault, Struck { kept, told: None });
                            }
                        }
                    }
                    Fate::Kept(_, kept) => kept.extend(&piece.bytes),
                    Fate::Refused if piece.is_last => answer.extend(talk.protocol.after_refused_rows(&piece)),
                    Fate::Refused => {}
                }
            }
        }
        if piece.is_last {
            let over = talk.exchanges.pop_front();
            talk.is_waiting = !talk.exchanges.is_empty();
            if let Some(over) = over {
                let told = over.executes.then_some(Told { refused: over.refused });
                match over.fate {
                    Fate::Kept(Fault::AnswerAfter(refusal), _) => {
                        self.shared.has_fired();
                        self.note_answered(told.map(|_| Told { refused: true }));
                        answer.extend(talk.protocol.refusal(&refusal, Place::Answer));
                    }
                    Fate::Kept(fault, kept) => next = Next::Strike(fault, Struck { kept, told }),
                    Fate::Passes | Fate::Refused => self.note_answered(told),
                }
            }
        }
        next
    }

    /// The client is about to have its answer.
    fn note_answered(&self, told: Option<Told>) {
        if let Some(Told { refused }) = told {
            self.note(Went::Answered { refused });
        }
    }

    /// The fault strikes the answer; whether the conversation goes on.
    fn strike(&self, fault: Fault, Struck { kept, told }: &Struck) -> bool {
        let ticket = self.shared.has_fired();
        if matches!(fault, Fault::Hold | Fault::HoldAnswer)
            && self.shared.hold(ticket, &self.is_cut) == Waited::Released
        {
            self.note_answered(*told);
            self.to_client(kept);
            return true;
        }
        if let Some(Told { refused }) = *told {
            self.note(Went::AnswerLost { refused });
        }
        match fault {
            Fault::ResetBefore | Fault::ResetAfter => self.reset(),
            Fault::SwallowBefore | Fault::Swallow => {
                self.shared.hold(ticket, &self.is_cut);
                self.cut();
            }
            _ => self.cut(),
        }
        false
    }
}
