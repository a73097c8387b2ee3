//! What an error has done to the transaction: judged from the classifier's answer, and by asking the server where the
//! text cannot tell.
//!
//! Exact per backend (`ARCHITECTURE.md`, "Doomed"): on PostgreSQL any error of the server dooms the innermost frame; on
//! MariaDB and SQLite a failed statement leaves the transaction open, unless the server has thrown it away, which only
//! it can say.

use aludel_core::classify::{Fate, Scope, Verdict};
use aludel_core::dialect::ServerTransaction;
use aludel_core::{Class, Dialect, Error, Event, Fault, Flavour};

use super::{Question, own_fault, own_fault_of};
use crate::connection::Connection;

/// What is left of the transaction after an error.
#[derive(Debug)]
enum Damage {
    /// It is open and usable; at most the statement was undone.
    None,
    /// The innermost frame takes nothing but its rollback.
    Frame,
    /// The server has no transaction of ours any more.
    Root,
    /// The connection is gone, and the transaction with it.
    Connection,
}

impl<C: Dialect> Connection<C> {
    /// Judges the error that was noted last, if it has not been judged yet, and draws the consequences.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if self.is_of_parent() || self.is_busy() || self.transaction.is_unsettled() {
            self.settle_now();
        }
    }

    #[cold]
    fn settle_now(&mut self) {
        self.notice_a_fork();
        self.notice_a_call_left_by_a_panic();
        match self.transaction.question.take() {
            Some(Question::UnreadRows) if self.transaction.unsettled.is_none() => self.ask_after_unread_rows(),
            Some(Question::Commit { certainly }) => {
                self.mend_after_failed_query();
                self.ask_after_a_commit(certainly);
            }
            Some(Question::FailedQuery) => self.mend_after_failed_query(),
            _ => {}
        }
        let Some(fault) = self.transaction.unsettled.take() else {
            return;
        };
        let (fault, damage) = self.judge(fault);
        fault.keep_for_conversion();
        self.transaction.remember(&fault);
        if fault.verdict().scope.is_some() {
            self.wear_out();
        }
        let failover = fault.verdict().class == Class::Failover && fault.verdict().scope == Some(Scope::Generation);
        match damage {
            // This host cannot serve writes, however well its connections are: none of them is of use.
            _ if failover => {
                self.lose_root(&fault);
                self.retire_generation(fault.message());
            }
            Damage::None => {}
            Damage::Frame => {
                self.transaction.doom_innermost(&fault);
                self.tell_doomed(&fault);
            }
            Damage::Root => {
                self.lose_root(&fault);
            }
            Damage::Connection => {
                self.lose_root(&fault);
                match fault.verdict().scope {
                    Some(Scope::Generation) => self.retire_generation(fault.message()),
                    _ => self.discard(fault.message()),
                }
            }
        }
    }

    /// In a forked child the raw connection is the parent's, and so is its transaction: whatever were sent would get
    /// between the parent's statements.
    fn notice_a_fork(&mut self) {
        if !self.is_of_parent() {
            return;
        }
        self.transaction.set_streaming(false);
        self.transaction.unsettled = None;
        if self.transaction.is_live() {
            self.transaction.doom_root(&own_fault(
                "this process was forked: the transaction belongs to the parent, which goes on with it",
            ));
            self.transaction.forget_hooks();
        }
        self.discard("it belongs to the parent process");
    }

    /// A call to the driver, or a cursor, borrows the connection, so nobody gets here while one lives; one that a panic
    /// has cut short leaves its mark. Half an answer may still be on the wire, and whoever caught the panic goes on as if
    /// nothing had happened.
    fn notice_a_call_left_by_a_panic(&mut self) {
        if !self.transaction.is_streaming() && !self.is_busy() {
            return;
        }
        self.transaction.set_streaming(false);
        self.transaction.unsettled = None;
        let reason = "a panic interrupted a call to the driver";
        let number = self.number();
        let was_live = self.transaction.is_live();
        self.transaction.doom_root(&own_fault(reason));
        self.discard(reason);
        if was_live {
            self.engine().emit(&Event::Doomed {
                connection: number,
                cause: reason,
            });
        }
    }

    /// The server has no transaction of ours any more: Diesel's own state of the raw connection must say so, too.
    fn lose_root(&mut self, fault: &Fault) {
        if let Some(raw) = self.raw() {
            raw.mirror(false);
        }
        if self.transaction.is_live() {
            self.transaction.doom_root(fault);
            self.tell_doomed(fault);
        }
    }

    fn tell_doomed(&self, fault: &Fault) {
        self.engine().emit(&Event::Doomed {
            connection: self.number(),
            cause: fault.message(),
        });
    }

    fn judge(&mut self, fault: Fault) -> (Fault, Damage) {
        let verdict = fault.verdict();
        match verdict.class {
            Class::Disconnect if !verdict.by_text => (fault, Damage::Connection),
            // Anybody can raise an error with these words; only the connection itself can confirm them.
            Class::Disconnect => match self.ask() {
                None => (fault, Damage::Connection),
                Some(state) => {
                    let alive = Verdict {
                        class: Class::Permanent,
                        scope: None,
                        by_text: false,
                        ..verdict
                    };
                    let damage = if self.transaction.is_autocommit() {
                        Damage::None
                    } else {
                        damage_of(state)
                    };
                    (fault.with_verdict(alive), damage)
                }
            },
            // A statement that stood for itself has undone itself, and there was nothing else.
            _ if self.transaction.is_autocommit() => (fault, Damage::None),
            _ => {
                // Diesel looks types up on the connection, and shows the failure as an error of its own.
                let unsure = C::FLAVOUR == Flavour::PostgreSql && !fault.is_from_driver();
                let damage = match verdict.fate {
                    _ if unsure => self.ask().map_or(Damage::Connection, damage_of),
                    Fate::Open | Fate::StatementUndone => Damage::None,
                    Fate::FrameAborted => Damage::Frame,
                    _ => match self.ask() {
                        Some(state) => damage_of(state),
                        None => Damage::Connection,
                    },
                };
                (fault, damage)
            }
        }
    }

    /// Asks the server; `None` says that it does not answer any more.
    fn ask(&mut self) -> Option<ServerTransaction> {
        match self.raw() {
            // A failure of ours, before anything was sent.
            None => Some(ServerTransaction::Open),
            Some(raw) => {
                let state = raw.server_transaction().ok();
                // SQLite says by an error that it is still open.
                self.forget_failed_statement();
                state
            }
        }
    }

    /// After the raw connection was lent: is everything as it was? `error` is what its borrower has answered.
    pub(crate) fn ask_after_raw_access(&mut self, error: Option<&Error>) {
        self.ask_after(
            [
                "a statement on the raw connection failed",
                "the transaction was ended on the raw connection",
                "the raw connection was lost",
            ],
            error,
        );
    }

    fn mend_after_failed_query(&mut self) {
        if self.transaction.unsettled.is_some()
            && let Some(raw) = self.raw()
        {
            raw.after_failed_query();
        }
    }

    /// On MariaDB and MySQL: a CALL, an ANALYZE TABLE and the like that answered rows, or failed. The commit comes before
    /// whatever goes wrong with the rest. Only what a procedure does is not known: where a conflict or a lost connection
    /// has ended it, that has ended the transaction, too.
    fn ask_after_a_commit(&mut self, certainly: bool) {
        let failed = self.transaction.unsettled.as_ref().map(|fault| fault.verdict().class);
        if !certainly && failed.is_some_and(|class| class != Class::Permanent) {
            return;
        }
        if !self.transaction.is_live() || matches!(self.ask(), Some(ServerTransaction::Open)) {
            return;
        }
        let text = match failed {
            None => "a statement that answered rows has committed the transaction",
            Some(_) => "a statement has committed the transaction, and then failed",
        };
        self.engine().emit(&Event::ImplicitCommit {
            connection: self.number(),
            sql: text,
        });
        let fault = own_fault_of(Fate::Committed, text);
        self.transaction.was_partly_committed();
        self.transaction.remember(&fault);
        self.lose_root(&fault);
    }

    /// After rows that nobody wanted were cleared away: did an error come with them?
    fn ask_after_unread_rows(&mut self) {
        self.ask_after(
            [
                "a statement failed after the last of its rows that was read",
                "the transaction was ended while rows were left unread",
                "the connection was lost while rows were left unread",
            ],
            None,
        );
    }

    fn ask_after(&mut self, [failed, ended, lost]: [&str; 3], error: Option<&Error>) {
        let found = self.ask();
        let text = match found {
            Some(ServerTransaction::Open) => return,
            // No transaction was open, and none is to be missed.
            Some(_) if self.transaction.is_autocommit() => return,
            Some(ServerTransaction::Aborted) => failed,
            Some(_) => ended,
            None => lost,
        };
        let fault = unseen_fault(text, found, error);
        self.transaction.remember(&fault);
        match found {
            Some(ServerTransaction::Aborted) => {
                self.transaction.doom_innermost(&fault);
                self.tell_doomed(&fault);
            }
            Some(_) => self.lose_root(&fault),
            None => {
                self.lose_root(&fault);
                match fault.verdict().scope {
                    Some(Scope::Generation) => self.retire_generation(fault.message()),
                    _ => self.discard(fault.message()),
                }
            }
        }
    }
}

/// The borrower's error decides about a rerun, as it would have done on the session. Without one, a transaction whose
/// connection was lost may run again, and one that was ended or spoilt on purpose may not.
fn unseen_fault(text: &str, found: Option<ServerTransaction>, error: Option<&Error>) -> Fault {
    let message = match error {
        Some(error) => format!("{text}: {error}"),
        None => text.to_owned(),
    };
    let own = own_fault(message);
    let told = error.and_then(Error::verdict);
    match (found, told) {
        (None, Some(told)) if told.class == Class::Disconnect => own.with_verdict(told),
        (None, _) => own.with_verdict(Verdict {
            class: Class::Disconnect,
            scope: Some(Scope::Connection),
            fate: Fate::Lost,
            ..own.verdict()
        }),
        (Some(ServerTransaction::Aborted), Some(told)) if told.class != Class::Disconnect => own.with_verdict(told),
        _ => own,
    }
}

fn damage_of(state: ServerTransaction) -> Damage {
    match state {
        ServerTransaction::Open => Damage::None,
        ServerTransaction::Aborted => Damage::Frame,
        _ => Damage::Root,
    }
}
