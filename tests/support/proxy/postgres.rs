//! PostgreSQL's protocol, version 3 ("Frontend/Backend Protocol" in its manual). What is asked between two Syncs is one
//! ask: libpq sends Parse, Bind, Describe, Execute and Sync together.

use super::fault::{Did, Refusal};
use super::protocol::{Ask, Piece, Place, Protocol};
use std::collections::HashMap;

/// The codes in the place of a protocol version.
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// Longer ones are refused by the server as well.
const LONGEST_STARTUP: usize = 10_000;

#[derive(Debug)]
pub(super) struct Postgres {
    phase: Phase,
    client: Vec<u8>,
    server: Vec<u8>,
    prepared: HashMap<Vec<u8>, String>,
    portals: HashMap<Vec<u8>, String>,
    /// What is asked, up to the message that makes the server answer.
    unit: Ask,
    /// How many `ReadyForQuery` are to come.
    awaited: usize,
    /// What the last one said: `I`dle, in a `T`ransaction, in a failed one (`E`).
    status: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client has not said who it is.
    Startup,
    /// Until the first `ReadyForQuery`.
    Login,
    Ready,
    /// A cancel request, or nothing that can be understood.
    Opaque,
}

impl Postgres {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Startup,
            client: Vec::new(),
            server: Vec::new(),
            prepared: HashMap::new(),
            portals: HashMap::new(),
            unit: Ask::default(),
            awaited: 0,
            status: b'I',
        }
    }

    fn opaque(&mut self) -> Option<Ask> {
        self.phase = Phase::Opaque;
        let mut bytes = std::mem::take(&mut self.unit).bytes;
        bytes.append(&mut self.client);
        (!bytes.is_empty()).then(|| Ask {
            bytes,
            ..Ask::default()
        })
    }

    fn startup(&mut self) -> Option<Ask> {
        let length = be32(self.client.get(..4)?) as usize;
        if !(8..=LONGEST_STARTUP).contains(&length) {
            return self.opaque();
        }
        if self.client.len() < length {
            return None;
        }
        let code = be32(&self.client[4..8]);
        let bytes: Vec<u8> = self.client.drain(..length).collect();
        let mut ask = Ask {
            bytes,
            ..Ask::default()
        };
        match code {
            // In the clear, or the proxy could not read it.
            SSL | GSS => ask.own_answer = Some(b"N"),
            CANCEL => self.phase = Phase::Opaque,
            _ => {
                self.phase = Phase::Login;
                ask.did.push(Did::Connect);
            }
        }
        Some(ask)
    }

    /// Notes one message; whether the ask is complete with it.
    fn take_in(&mut self, message: Vec<u8>) -> bool {
        let body = &message[5..];
        let mut texts = body.split(|byte| *byte == 0);
        let mut next = || texts.next().unwrap_or_default().to_vec();
        let complete = match message[0] {
            b'Q' => {
                let sql = text(&next());
                self.unit.did.push(Did::Execute(sql));
                true
            }
            b'P' => {
                let (name, sql) = (next(), text(&next()));
                self.unit.did.push(Did::Prepare(sql.clone()));
                self.prepared.insert(name, sql);
                false
            }
            b'B' => {
                let (portal, name) = (next(), next());
                let sql = self.prepared.get(&name).cloned().unwrap_or_default();
                self.portals.insert(portal, sql);
                false
            }
            b'E' => {
                let sql = self.portals.get(&next()).cloned().unwrap_or_default();
                self.unit.did.push(Did::Execute(sql));
                false
            }
            b'C' => {
                self.unit.did.push(Did::Other("close"));
                false
            }
            b'F' => {
                self.unit.did.push(Did::Other("function"));
                true
            }
            b'S' => true,
            b'D' => false,
            // Nobody answers these by themselves: Flush, COPY's, Terminate.
            b'X' => {
                self.unit.did.push(Did::Other("quit"));
                self.unit.bytes.extend(message);
                return true;
            }
            _ => {
                self.unit.bytes.extend(message);
                return true;
            }
        };
        self.unit.bytes.extend(message);
        self.unit.answered = complete;
        complete
    }
}

impl Protocol for Postgres {
    fn server_speaks_first(&self) -> bool {
        false
    }

    fn client_sent(&mut self, bytes: &[u8]) {
        self.client.extend(bytes);
    }

    fn next_ask(&mut self) -> Option<Ask> {
        match self.phase {
            Phase::Opaque => return self.opaque(),
            Phase::Startup => return self.startup(),
            Phase::Login | Phase::Ready => {}
        }
        loop {
            let length = match message_length(&self.client) {
                Length::Incomplete => return None,
                Length::Nonsense => return self.opaque(),
                Length::Is(length) => length,
            };
            let message: Vec<u8> = self.client.drain(..length).collect();
            if self.phase == Phase::Login {
                return Some(Ask {
                    bytes: message,
                    ..Ask::default()
                });
            }
            if self.take_in(message) {
                let ask = std::mem::take(&mut self.unit);
                self.awaited += usize::from(ask.answered);
                return Some(ask);
            }
        }
    }

    fn retract(&mut self) {
        self.awaited = self.awaited.saturating_sub(1);
    }

    fn server_sent(&mut self, bytes: &[u8]) {
        self.server.extend(bytes);
    }

    fn next_piece(&mut self) -> Option<Piece> {
        let length = match message_length(&self.server) {
            _ if self.phase == Phase::Opaque && !self.server.is_empty() => self.server.len(),
            Length::Incomplete => return None,
            Length::Nonsense => self.server.len(),
            Length::Is(length) => length,
        };
        let mut piece = Piece {
            bytes: self.server.drain(..length).collect(),
            ..Piece::default()
        };
        match (self.phase, piece.bytes[0]) {
            (Phase::Login, b'Z') => self.phase = Phase::Ready,
            (Phase::Ready, b'Z') => {
                self.status = piece.bytes.get(5).copied().unwrap_or(self.status);
                piece.is_last = self.awaited > 0;
                self.awaited = self.awaited.saturating_sub(1);
            }
            (Phase::Ready, b'D') => piece.is_row = true,
            (Phase::Ready, b'E') => piece.is_error = true,
            _ => {}
        }
        Some(piece)
    }

    fn refusal(&self, refusal: &Refusal, place: Place<'_>) -> Vec<u8> {
        let severity = match place {
            Place::Connect => "FATAL",
            Place::Answer | Place::Row(_) => "ERROR",
        };
        let mut fields = Vec::new();
        for (field, value) in [
            (b'S', severity),
            (b'V', severity),
            (b'C', refusal.sqlstate),
            (b'M', &refusal.message),
        ] {
            fields.push(field);
            fields.extend(value.bytes());
            fields.push(0);
        }
        fields.push(0);
        let mut bytes = message(b'E', &fields);
        if matches!(place, Place::Answer) {
            bytes.extend(ready(self.status));
        }
        bytes
    }

    fn after_refused_rows(&self, _: &Piece) -> Vec<u8> {
        ready(self.status)
    }
}

enum Length {
    Incomplete,
    Nonsense,
    Is(usize),
}

fn message_length(buffer: &[u8]) -> Length {
    let Some(head) = buffer.get(..5) else {
        return match buffer.first() {
            Some(kind) if !kind.is_ascii_graphic() => Length::Nonsense,
            _ => Length::Incomplete,
        };
    };
    let length = be32(&head[1..]) as usize + 1;
    if !head[0].is_ascii_graphic() || !(5..=1 << 30).contains(&length) {
        Length::Nonsense
    } else if buffer.len() < length {
        Length::Incomplete
    } else {
        Length::Is(length)
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// `ReadyForQuery` after an error: a transaction that was open has failed.
fn ready(status: u8) -> Vec<u8> {
    message(b'Z', if status == b'I' { b"I" } else { b"E" })
}

fn be32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
