//! What a proxy needs to know of a protocol.

use super::fault::{Did, Refusal};

/// The two directions of one connection, understood as far as faults need it. Bytes that make no sense are passed on as
/// they are.
pub(super) trait Protocol: Send {
    /// Whether the server speaks first. If so, the connection counts as made with the TCP connection, else with the first
    /// [`Did::Connect`].
    fn server_speaks_first(&self) -> bool;

    /// Takes bytes that the client has sent.
    fn client_sent(&mut self, bytes: &[u8]);

    /// The next thing that the client asks for, once it is there as a whole. An answer to it is expected from now on.
    fn next_ask(&mut self) -> Option<Ask>;

    /// The last ask is not forwarded: no answer to it will come.
    fn retract(&mut self);

    /// Takes bytes that the server has sent.
    fn server_sent(&mut self, bytes: &[u8]);

    /// The next piece of what the server says, once it is there as a whole.
    fn next_piece(&mut self) -> Option<Piece>;

    /// An error in the server's words, at a place in the conversation.
    fn refusal(&self, refusal: &Refusal, place: Place<'_>) -> Vec<u8>;

    /// Where an error has been put into a result, what has to follow it once the rest of the result is over.
    fn after_refused_rows(&self, last: &Piece) -> Vec<u8>;
}

/// What a client asks for at once.
#[derive(Debug, Default)]
pub(super) struct Ask {
    pub(super) bytes: Vec<u8>,
    pub(super) did: Vec<Did>,
    /// Whether the server will answer, and the client waits for that.
    pub(super) answered: bool,
    /// Not for the server: the proxy's own answer.
    pub(super) own_answer: Option<&'static [u8]>,
}

impl Ask {
    /// Whether a statement is executed by it.
    pub(super) fn executes(&self) -> bool {
        self.did.iter().any(|did| matches!(did, Did::Execute(_)))
    }
}

/// A packet or message of the server's.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    /// It is a row of a result.
    pub(super) is_row: bool,
    /// It is the last one of an answer.
    pub(super) is_last: bool,
    /// It is an error.
    pub(super) is_error: bool,
}

/// Where in the conversation an error is put.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// In the place of the server's greeting.
    Connect,
    /// In the place of a whole answer.
    Answer,
    /// In the place of a row.
    Row(&'a Piece),
}
