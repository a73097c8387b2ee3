//! What a connection has of its own while a session is on it.

use std::sync::Arc;

use aludel_core::{CancelToken, Dialect, Event, ExecutionOptions};

use super::{Autobegin, Connection};
use crate::factory::Recipe;
use crate::transaction::scope::{Change, PANIC};

/// What a connection had before a session came, to be put back when it leaves.
#[derive(Debug)]
pub(crate) struct Before {
    options: ExecutionOptions,
    cancel_token: Option<CancelToken>,
    logging_token: Option<Arc<str>>,
    autobegin: Autobegin,
    skip_user_error_events: bool,
}

impl<C: Dialect> Connection<C> {
    /// Takes up what a factory says of its sessions.
    pub(crate) fn take_up(&mut self, recipe: &Recipe<C>) -> Before {
        let before = Before {
            options: self.options,
            cancel_token: self.cancel_token.clone(),
            logging_token: self.logging_token.clone(),
            autobegin: self.autobegin,
            skip_user_error_events: self.transaction.skip_user_error_events,
        };
        self.options = recipe.options.over(self.options.characteristics());
        if recipe.cancel_token.is_some() {
            self.cancel_token.clone_from(&recipe.cancel_token);
        }
        if recipe.logging_token.is_some() {
            self.logging_token.clone_from(&recipe.logging_token);
        }
        self.autobegin = if recipe.autobegin {
            Autobegin::On
        } else {
            Autobegin::Off
        };
        before
    }

    /// The end of [`take_up`](Self::take_up).
    pub(crate) fn put_down(&mut self, before: Before) {
        self.options = before.options;
        self.cancel_token = before.cancel_token;
        self.logging_token = before.logging_token;
        self.autobegin = before.autobegin;
        self.transaction.skip_user_error_events = before.skip_user_error_events;
    }

    /// Keeps its raw connection between transactions from now on, whoever has made it.
    pub(crate) fn keep(&mut self) {
        self.releases = false;
    }

    /// A session leaves. What it has not committed in a savepoint of its own is undone, as where it is closed; what is somebody
    /// else's stays, and so does a root that is nobody's, unless the session closes.
    pub(crate) fn is_left(&mut self, closes: bool) {
        self.settle();
        let own = self.transaction.is_open() && (closes || self.transaction.is_guest());
        if own && !self.leave_to_external() {
            if let Some(first_write) = self.transaction.first_write().map(str::to_owned)
                && !self.transaction.is_of_a_test()
            {
                self.engine.emit(&Event::DroppedUncommitted {
                    first_write: &first_write,
                });
            }
            self.rollback_root();
        }
        if own || !self.transaction.is_open() {
            self.transaction.follow(Change::Closed);
        }
        self.transaction.take_back_what_was_lent();
    }

    /// The session that was lent it has left by a panic, in the middle of its transaction: nobody knows in which state.
    pub(crate) fn is_left_by_a_panic(&mut self) {
        self.settle();
        if self.transaction.is_open() {
            self.left_in_the_middle(PANIC);
        }
    }
}
