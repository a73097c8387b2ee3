//! The protocol of MySQL and MariaDB ("Client/Server Protocol" in their manuals). The proxy takes out of the server's
//! greeting what would make it harder to read: encryption, compression, and shorter forms of results. No round trip
//! depends on those.

use super::fault::{Did, Refusal};
use super::protocol::{Ask, Piece, Place, Protocol};
use std::collections::{HashMap, VecDeque};

/// Compressed, encrypted, session tracking in OK packets, OK in the place of EOF, results without metadata, zstd.
const HIDDEN_CAPABILITIES: u32 = 1 << 5 | 1 << 11 | 1 << 23 | 1 << 24 | 1 << 25 | 1 << 26;

/// A packet of this length goes on in the next one.
const FULL: usize = 0xff_ff_ff;

const MORE_RESULTS: u16 = 0x0008;
const CURSOR_EXISTS: u16 = 0x0040;

#[derive(Debug)]
pub(super) struct Mysql {
    phase: Phase,
    client: Vec<u8>,
    server: Vec<u8>,
    prepared: HashMap<u32, String>,
    last_prepared: u32,
    awaited: VecDeque<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The server has not greeted.
    Greeting,
    /// Until the server says OK.
    Login,
    Command,
}

/// What is still to come of an answer.
#[derive(Debug)]
enum Answer {
    /// Exactly one packet.
    Packet,
    /// OK, an error, or a column count, after which come columns and rows.
    Result,
    /// So many lists of column definitions, each ended by EOF, and then rows or not.
    Columns { then_rows: bool, lists: u8 },
    /// Rows up to an EOF.
    Rows,
    /// The answer to a prepare, whose statement is this.
    Prepare(String),
    /// Login, once more.
    Login,
}

impl Mysql {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Greeting,
            client: Vec::new(),
            server: Vec::new(),
            prepared: HashMap::new(),
            last_prepared: 0,
            awaited: VecDeque::new(),
        }
    }

    /// What a command is, and which answer it gets.
    fn command(&mut self, payload: &[u8]) -> (Did, Option<Answer>) {
        let text = || String::from_utf8_lossy(payload.get(1..).unwrap_or_default()).into_owned();
        let id = payload.get(1..5).map(le32).unwrap_or_default();
        match payload.first().copied().unwrap_or_default() {
            0x01 => (Did::Other("quit"), None),
            0x02 => (Did::Other("use database"), Some(Answer::Packet)),
            0x03 => (Did::Execute(text()), Some(Answer::Result)),
            0x04 => (
                Did::Other("list fields"),
                Some(Answer::Columns {
                    then_rows: false,
                    lists: 1,
                }),
            ),
            0x09 => (Did::Other("statistics"), Some(Answer::Packet)),
            0x0e => (Did::Other("ping"), Some(Answer::Packet)),
            0x11 => (Did::Other("change user"), Some(Answer::Login)),
            0x16 => (Did::Prepare(text()), Some(Answer::Prepare(text()))),
            0x17 => {
                // All ones: the one that was prepared last.
                let id = if id == u32::MAX { self.last_prepared } else { id };
                let sql = self.prepared.get(&id).cloned().unwrap_or_default();
                (Did::Execute(sql), Some(Answer::Result))
            }
            0x18 => (Did::Other("send long data"), None),
            0x19 => {
                self.prepared.remove(&id);
                (Did::Other("close"), None)
            }
            0x1a => (Did::Other("reset statement"), Some(Answer::Packet)),
            0x1b => (Did::Other("set option"), Some(Answer::Packet)),
            0x1c => (Did::Other("fetch"), Some(Answer::Rows)),
            0x1f => (Did::Other("reset connection"), Some(Answer::Packet)),
            _ => (Did::Other("command"), Some(Answer::Packet)),
        }
    }

    /// What a packet of the server's does to the answer that is being given: is it a row, and what is still to come?
    fn step(&mut self, answer: Answer, payload: &[u8]) -> (bool, Option<Answer>) {
        let first = payload.first().copied().unwrap_or(0xff);
        let is_end = first == 0xfe && payload.len() < 9;
        if first == 0xff && !matches!(answer, Answer::Packet) {
            return (false, None);
        }
        match answer {
            Answer::Packet => (false, None),
            Answer::Result => match first {
                0x00 => (false, more_results(ok_status(payload))),
                // The client sends a file now; the answer is still to come.
                0xfb => (false, Some(Answer::Result)),
                _ => (
                    false,
                    Some(Answer::Columns {
                        then_rows: true,
                        lists: 1,
                    }),
                ),
            },
            Answer::Columns { then_rows, lists } if is_end && lists <= 1 => {
                let has_cursor = end_status(payload) & CURSOR_EXISTS != 0;
                (false, (then_rows && !has_cursor).then_some(Answer::Rows))
            }
            Answer::Columns { then_rows, lists } => {
                let lists = lists - u8::from(is_end);
                (false, Some(Answer::Columns { then_rows, lists }))
            }
            Answer::Rows if is_end => (false, more_results(end_status(payload))),
            Answer::Rows => (true, Some(Answer::Rows)),
            Answer::Prepare(sql) => {
                let number = |at: usize| payload.get(at..at + 2).map(le16).unwrap_or_default();
                let lists = u8::from(number(5) > 0) + u8::from(number(7) > 0);
                self.last_prepared = payload.get(1..5).map(le32).unwrap_or_default();
                self.prepared.insert(self.last_prepared, sql);
                let columns = Answer::Columns {
                    then_rows: false,
                    lists,
                };
                (false, (lists > 0).then_some(columns))
            }
            Answer::Login => (false, (first != 0x00).then_some(Answer::Login)),
        }
    }
}

impl Protocol for Mysql {
    fn server_speaks_first(&self) -> bool {
        true
    }

    fn client_sent(&mut self, bytes: &[u8]) {
        self.client.extend(bytes);
    }

    fn next_ask(&mut self) -> Option<Ask> {
        let length = packets_length(&self.client)?;
        let bytes: Vec<u8> = self.client.drain(..length).collect();
        let mut ask = Ask {
            bytes,
            ..Ask::default()
        };
        // A number above zero goes on with what was asked before: a login, a file.
        if self.phase == Phase::Command && ask.bytes[3] == 0 {
            let (did, answer) = self.command(&payload(&ask.bytes));
            ask.did.push(did);
            ask.answered = answer.is_some();
            self.awaited.extend(answer);
        }
        Some(ask)
    }

    fn retract(&mut self) {
        self.awaited.pop_back();
    }

    fn server_sent(&mut self, bytes: &[u8]) {
        self.server.extend(bytes);
    }

    fn next_piece(&mut self) -> Option<Piece> {
        let length = packets_length(&self.server)?;
        let mut piece = Piece {
            bytes: self.server.drain(..length).collect(),
            ..Piece::default()
        };
        let payload = payload(&piece.bytes);
        match self.phase {
            Phase::Greeting => {
                hide_capabilities(&mut piece.bytes);
                self.phase = Phase::Login;
            }
            Phase::Login if payload.first() == Some(&0x00) => self.phase = Phase::Command,
            Phase::Login => {}
            Phase::Command => {
                if let Some(answer) = self.awaited.pop_front() {
                    piece.is_error = payload.first() == Some(&0xff);
                    let (is_row, rest) = self.step(answer, &payload);
                    piece.is_row = is_row;
                    piece.is_last = rest.is_none();
                    if let Some(rest) = rest {
                        self.awaited.push_front(rest);
                    }
                }
            }
        }
        Some(piece)
    }

    fn refusal(&self, refusal: &Refusal, place: Place<'_>) -> Vec<u8> {
        let sequence = match place {
            Place::Connect => 0,
            Place::Answer => 1,
            Place::Row(row) => row.bytes[3],
        };
        let mut body = vec![0xff];
        body.extend(refusal.number.to_le_bytes());
        // Before the client has said that it knows SQLSTATEs, servers send none.
        if !matches!(place, Place::Connect) {
            body.push(b'#');
            body.extend(refusal.sqlstate.bytes());
        }
        body.extend(refusal.message.bytes());
        let length = u32::try_from(body.len()).unwrap_or(0).to_le_bytes();
        [&length[..3], &[sequence], &body].concat()
    }

    fn after_refused_rows(&self, _: &Piece) -> Vec<u8> {
        Vec::new()
    }
}

fn more_results(status: u16) -> Option<Answer> {
    (status & MORE_RESULTS != 0).then_some(Answer::Result)
}

/// OK: affected rows and the last id, each of one to nine bytes, then the status.
fn ok_status(payload: &[u8]) -> u16 {
    let mut at = 1;
    for _ in 0..2 {
        at += match payload.get(at) {
            Some(0xfc) => 3,
            Some(0xfd) => 4,
            Some(0xfe) => 9,
            _ => 1,
        };
    }
    payload.get(at..at + 2).map(le16).unwrap_or_default()
}

/// EOF: warnings, then the status.
fn end_status(payload: &[u8]) -> u16 {
    payload.get(3..5).map(le16).unwrap_or_default()
}

/// The length of the next packet with its header, and with all that it goes on in.
fn packets_length(buffer: &[u8]) -> Option<usize> {
    let mut end = 0;
    loop {
        let header = buffer.get(end..end + 4)?;
        let length = le32(&header[..3]) as usize;
        end += 4 + length;
        if buffer.len() < end {
            return None;
        }
        if length < FULL {
            return Some(end);
        }
    }
}

/// What is in the packets, without their headers.
fn payload(mut packets: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(packets.len());
    while let Some((header, rest)) = packets.split_at_checked(4) {
        let (body, rest) = rest.split_at(rest.len().min(le32(&header[..3]) as usize));
        all.extend(body);
        packets = rest;
    }
    all
}

/// The greeting: version, number, half of the salt, and then the capabilities in two halves, the lower one first, with
/// the character set and the status between them. MariaDB has more of them at the end of what is reserved.
fn hide_capabilities(packet: &mut [u8]) {
    let Some(version_end) = packet.iter().skip(5).position(|byte| *byte == 0) else {
        return;
    };
    let at = 5 + version_end + 1 + 4 + 8 + 1;
    if packet.get(4) != Some(&10) || packet.len() < at + 18 {
        return;
    }
    let [low_0, low_1, _, _, _, high_0, high_1] = [0, 1, 2, 3, 4, 5, 6].map(|offset| packet[at + offset]);
    let is_mariadb = low_0 & 1 == 0;
    let shown = u32::from_le_bytes([low_0, low_1, high_0, high_1]) & !HIDDEN_CAPABILITIES;
    let shown = shown.to_le_bytes();
    packet[at..at + 2].copy_from_slice(&shown[..2]);
    packet[at + 5..at + 7].copy_from_slice(&shown[2..]);
    if is_mariadb {
        packet[at + 14..at + 18].fill(0);
    }
}

fn le32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn le16(bytes: &[u8]) -> u16 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u16::from(*byte))
}
