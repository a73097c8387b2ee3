// A policy may be a type of the program's own, which decides when it is asked.

use aludel::prelude::*;
use aludel::{IntoRetryPolicy, RetryPolicy};
use diesel::SqliteConnection;

struct Patience {
    attempts: u32,
}

impl IntoRetryPolicy for Patience {
    fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy::new().attempts(self.attempts)
    }
}

struct Bank {
    patience: Patience,
}

impl Bank {
    #[retry(policy = self.patience)]
    fn work(&self, session: &mut Session<SqliteConnection>) -> aludel::Result<()> {
        session.flush()
    }
}

fn main() -> aludel::Result<()> {
    let bank = Bank {
        patience: Patience { attempts: 3 },
    };
    bank.work(&mut Engine::new("sqlite://:memory:")?.session())
}
