//! The texts about failed trials: what failed and why, and the rows that it costs.

use super::{LAST_LINES, Run};
use crate::experiment::run::failures::{Failure, rows};
use crate::experiment::store::frozen::StageEntry;
use crate::report::counted;
use crate::train::last_lines;

impl Run<'_> {
    /// Tells that the trial `index` has failed, or the stage that it shares with others.
    pub(super) fn cost(&self, index: usize) -> String {
        let stages = self.frozen.stages.iter();
        let stage = self.failed_stage(&self.trials[index]);
        let mut entry = stages.filter(|one| stage.is_some_and(|stage| stage.key == one.key));
        match entry.next().filter(|entry| entry.trials > 1) {
            Some(StageEntry { title, trials, .. }) => {
                format!("{title} failed; {} need it", counted(*trials, "trial"))
            }
            None => format!("{} failed", self.frozen.trial_title(index)),
        }
    }

    /// A failure: what failed and why, the last lines of its journal, and the rows that it costs.
    fn told(&self, failure: &Failure, uses: &[Vec<String>]) -> String {
        let trials = &failure.trials;
        let mut entry = self.frozen.stages.iter();
        let shared = entry
            .find(|one| Some(&one.key) == failure.stage.as_ref())
            .filter(|_| trials.len() > 1);
        let title = match shared {
            Some(stage) => stage.title.clone(),
            None => self.frozen.trial_title(trials[0]),
        };
        let mut text = format!("{title}: {}", failure.reason);
        let journal = failure.stage.as_ref();
        let journal = journal.map(|stage| self.store.stage(stage).journal());
        if let Some(journal) = journal.filter(|journal| journal.exists()) {
            text.push_str(&format!("\n  {}, last lines:", journal.display()));
            for line in last_lines(&journal, LAST_LINES) {
                text.push_str(&format!("\n    {line}"));
            }
        }
        if shared.is_some() {
            text.push_str(&format!("\n  it costs {}:", counted(trials.len(), "trial")));
            let lost = trials.iter();
            let lost = lost.map(|trial| (uses[*trial].as_slice(), self.trials[*trial].seed));
            for row in rows(lost) {
                text.push_str(&format!("\n    {row}"));
            }
        }
        if let Some(stage) = &failure.stage {
            let folder = self.store.results().display();
            text.push_str(&format!("\n  to debug it: harness stage {folder} {stage}"));
        }
        if trials.iter().any(|trial| self.results.has_earlier(*trial)) {
            text.push_str("\n  the result of an earlier run stays in the records and tables");
        }
        text
    }

    /// The failures: what failed and why, the last journal lines, and the rows that it costs. A stage that several
    /// trials share is told once.
    pub fn failed(&self) -> Vec<String> {
        let uses = self.results.rows();
        let failures = self.failures.iter();
        failures.map(|failure| self.told(failure, &uses)).collect()
    }
}
