//! Where a run takes place.

use aludel::testing::FaultScript;

use super::nemesis::Deed;

/// A database of a run's own, and what can be done to it.
pub trait Site: Sync {
    /// What it calls itself.
    fn name(&self) -> String;

    /// The URLs of the engines that do the work, in turn. Every second one verifies all that it commits.
    fn urls(&self) -> Vec<String>;

    /// The URL of the engine that keeps the books: it does not go through what stands between.
    fn office_url(&self) -> String;

    /// What each new connection of those engines is told first, e.g. to be less patient than the database's default.
    fn prepare(&self) -> Option<&'static str> {
        None
    }

    /// What those engines are made to run into.
    fn faults(&self) -> FaultScript {
        FaultScript::new()
    }

    /// What a round of the nemesis consists of; a deed may be in it several times.
    fn deck(&self) -> Vec<Deed>;

    /// Does it, and undoes it; says whether it found somebody to do it to.
    fn strike(&self, deed: Deed, random: &mut fastrand::Rng) -> bool;

    /// Whether nothing is in wait for anybody any more.
    fn is_calm(&self) -> bool {
        self.faults().remaining() == 0
    }

    /// What the server has in a transaction now, of the engines' connections.
    fn open_transactions(&self) -> Vec<String>;
}
