//! A run, told to people.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::audit::{Check, Fate};
use super::clerk::Deal;
use super::nemesis::Deed;
use super::resolve::Resolution;
use super::tally::Counts;

/// What stands behind the names of a summary, at most; a line is then as long as one of our source.
const WIDTH: usize = 96;

/// A new line, below the one before.
const INDENT: &str = "\n                        ";

/// What happened, and what was found.
#[derive(Debug)]
pub struct Summary {
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) clerks: usize,
    pub(super) lasted: Duration,
    pub(super) deals: Vec<Deal>,
    pub(super) counts: Counts,
    pub(super) deeds: BTreeMap<Deed, u64>,
    /// When the chaos began and ended.
    pub(super) storm: (Duration, Duration),
    pub(super) checks: Vec<Check>,
}

impl Summary {
    /// What the checks found that should not be.
    pub fn findings(&self) -> Vec<&str> {
        let against = self.checks.iter().flat_map(|check| &check.against);
        against.map(String::as_str).collect()
    }

    fn count(&self, wanted: impl Fn(&Deal) -> bool) -> usize {
        self.deals.iter().filter(|deal| wanted(deal)).count()
    }

    /// The longest time in which nobody had a transfer acknowledged.
    fn longest_outage(&self) -> Duration {
        let mut answered: Vec<Duration> = self.acknowledged().collect();
        answered.sort_unstable();
        let gaps = answered.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        gaps.max().unwrap_or(self.lasted)
    }

    /// Acknowledged transfers a second between two moments.
    fn throughput(&self, from: Duration, until: Duration) -> f64 {
        let count = self.acknowledged().filter(|at| (from..until).contains(at)).count();
        f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / until.saturating_sub(from).as_secs_f64()
    }

    fn acknowledged(&self) -> impl Iterator<Item = Duration> {
        let deals = self.deals.iter().filter(|deal| deal.fate == Fate::Acknowledged);
        deals.map(|deal| deal.answered)
    }

    fn ways(&self) -> String {
        let mut ways: BTreeMap<String, u64> = BTreeMap::new();
        for deal in &self.deals {
            *ways.entry(format!("{:?}", deal.way)).or_default() += 1;
        }
        list(&ways)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resolved = |as_what| self.count(|deal| deal.fate == Fate::Unknown(Some(as_what)));
        let deeds: BTreeMap<String, u64> = self
            .deeds
            .iter()
            .map(|(deed, hits)| (deed.to_string(), *hits))
            .collect();
        let (began, ended) = self.storm;
        writeln!(
            f,
            "{}: {} threads, {:.1} s, of which {:.1} s of chaos; ALUDEL_CHAOS_SEED={}",
            self.name,
            self.clerks,
            self.lasted.as_secs_f64(),
            ended.saturating_sub(began).as_secs_f64(),
            self.seed
        )?;
        let mut line = |name: &str, text: String| writeln!(f, "  {name:<21} {}", folded(&text));
        line("transfers", format!("{} ({})", self.deals.len(), self.ways()))?;
        line(
            "  acknowledged",
            self.count(|deal| deal.fate == Fate::Acknowledged).to_string(),
        )?;
        line("  refused", self.count(|deal| deal.fate == Fate::Refused).to_string())?;
        line(
            "  unknown",
            format!(
                "{}, of which {} with a token; resolved: committed {}, not committed {}",
                self.count(|deal| matches!(deal.fate, Fate::Unknown(_))),
                self.count(|deal| deal.token.is_some()),
                resolved(Resolution::Committed),
                resolved(Resolution::NotCommitted) + resolved(Resolution::Fenced)
            ),
        )?;
        line("errors", list(&self.counts.refusals))?;
        line("reruns", list(&self.counts.reruns))?;
        line("done to it", list(&deeds))?;
        line("faults", list(&self.counts.faults))?;
        line(
            "pool",
            format!(
                "{} connections made, retired {} times, {} COMMITs without an answer",
                self.counts.opened, self.counts.retired, self.counts.unknown_commits
            ),
        )?;
        line(
            "longest outage",
            format!("{:.2} s", self.longest_outage().as_secs_f64()),
        )?;
        line(
            "acknowledged a second",
            format!(
                "{:.0} before, {:.0} during, {:.0} after",
                self.throughput(Duration::ZERO, began),
                self.throughput(began, ended),
                self.throughput(ended, self.lasted)
            ),
        )?;
        for check in &self.checks {
            let mark = if check.against.is_empty() { "ok" } else { "FAILED" };
            writeln!(f, "  [{mark}] {}", check.asks)?;
            for finding in check.against.iter().take(20) {
                writeln!(f, "      {finding}")?;
            }
        }
        Ok(())
    }
}

/// In lines that fit a terminal, broken behind a comma.
fn folded(text: &str) -> String {
    let (mut folded, mut width) = (String::new(), 0);
    for part in text.split_inclusive(", ") {
        if width > 0 && width + part.trim_end().len() > WIDTH {
            folded.truncate(folded.trim_end().len());
            folded.push_str(INDENT);
            width = 0;
        }
        folded.push_str(part);
        width += part.len();
    }
    folded
}

/// What there is most of comes first.
fn list(counts: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<(&String, &u64)> = counts.iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let mut text = String::new();
    for (name, count) in sorted {
        if !text.is_empty() {
            text.push_str(", ");
        }
        write!(text, "{name} {count}").expect("a String takes all that is written to it");
    }
    if text.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_broken_behind_a_comma() {
        let long = ["a".repeat(60), "b".repeat(30), "c".repeat(30)].join(", ");
        let [first, second] = folded(&long)
            .split('\n')
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        assert_eq!(first, format!("{}, {},", "a".repeat(60), "b".repeat(30)));
        assert_eq!(second.trim_start(), "c".repeat(30));
    }
}
