//! Rounds of seeds: which trials of a plan whose rows get seeds until they are decided are needed so far.
//!
//! The results of the store decide, in the order of the seeds, so a sweep that is killed and continued, and two
//! processes on one folder, come to the same rounds and decisions. A decision that has fallen is kept in the store.

use super::results::frozen;
use crate::experiment::store::decisions::Decisions;
use crate::experiment::store::reused::ReusedResults;
use crate::experiment::store::root::{CODE_VERSION, Store};
use crate::metrics::RowDecision;
use crate::recipe::Plan;
use crate::report::{JsonLines, RECORDS, Record, Rounds, TableLayout};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;

/// What happens to a trial that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It is done again, and its row waits for it.
    Again,
    /// It stays as it is, and its row gets no more seeds.
    Stays,
}

/// The results that decide.
pub struct Known<'a> {
    /// The results folder.
    pub folder: &'a Path,
    /// Its store; none before the first sweep.
    pub store: Option<&'a Store>,
    /// The results that were computed elsewhere.
    pub reused: &'a ReusedResults,
    /// What happens to failed trials.
    pub failed: Failed,
}

/// The part of a plan that is needed so far.
#[derive(Clone, Debug)]
pub struct Round {
    /// The plan, with the trials that are needed so far and the decisions that have fallen.
    pub plan: Plan,
    /// How the rows of each sweep stand; none for a sweep of fixed seeds.
    pub rounds: Vec<Option<Rounds>>,
}

impl Round {
    /// The round of `whole`, which has the trials of all seeds. Nothing is written.
    ///
    /// # Errors
    /// The results or the decisions cannot be read.
    pub fn new(whole: &Plan, known: &Known) -> Result<Self> {
        let decisions = match known.store.filter(|_| whole.range.is_some()) {
            Some(store) => Decisions::read(store, &whole.recipe)?,
            None => Decisions::default(),
        };
        let decisions = whole.sweeps.iter().map(|sweep| decisions.of(whole, sweep));
        Self::of(whole, known, decisions.collect())
    }

    /// The same; the decisions that have fallen are kept in the store.
    ///
    /// # Errors
    /// The results cannot be read, or the store is not writable.
    pub fn keep(whole: &Plan, known: &Known) -> Result<Self> {
        let found = Self::new(whole, known)?;
        let Some(store) = known.store.filter(|_| whole.range.is_some()) else {
            return Ok(found);
        };
        let fallen = found
            .plan
            .sweeps
            .iter()
            .map(|sweep| sweep.decisions.clone());
        let kept = Decisions::keep(store, whole, &fallen.collect::<Vec<_>>())?;
        Self::of(whole, known, kept)
    }

    fn of(whole: &Plan, known: &Known, decisions: Vec<Vec<RowDecision>>) -> Result<Self> {
        let mut plan = whole.clone();
        if whole.range.is_none() {
            let rounds = vec![None; plan.sweeps.len()];
            return Ok(Self { plan, rounds });
        }
        for (sweep, decisions) in plan.sweeps.iter_mut().zip(decisions) {
            sweep.decisions = decisions;
        }
        let records = known.records()?;
        let (mut seeds, mut all_rounds) = (Vec::new(), Vec::new());
        let layouts = frozen(&plan, &[]);
        for (sweep, layout) in plan.sweeps.iter_mut().zip(&layouts) {
            let rounds = layout.rounds(|hash| known.record(&records, hash));
            let all = || sweep.rows.iter().map(|row| row.trials.len()).collect();
            seeds.push(
                rounds
                    .as_ref()
                    .map_or_else(all, |rounds| rounds.seeds.clone()),
            );
            if let Some(rounds) = &rounds {
                let labels = sweep.rows.iter().map(|row| row.label.as_str());
                sweep.decisions = rounds.decisions(labels);
            }
            all_rounds.push(rounds);
        }
        Ok(Self {
            plan: plan.narrowed(&seeds),
            rounds: all_rounds,
        })
    }

    /// Returns true if the round has a trial that `earlier` did not have.
    pub fn goes_on_from(&self, earlier: &Plan) -> bool {
        let known: BTreeSet<&str> = earlier.trials.iter().map(|trial| &*trial.hash).collect();
        self.plan
            .trials
            .iter()
            .any(|trial| !known.contains(&*trial.hash))
    }

    /// The tables of the round. `provenance` are the lines of every table's header.
    pub fn tables(&self, provenance: &[String]) -> Vec<TableLayout> {
        frozen(&self.plan, provenance)
    }

    /// The round in a sentence; none if the seeds are fixed.
    pub fn sentence(&self) -> Option<String> {
        let range = self.plan.range?;
        let rounds = || self.rounds.iter().flatten();
        let open: usize = rounds().map(Rounds::open).sum();
        let all = rounds().flat_map(|one| &one.standings).flatten().count();
        let rows = self.plan.sweeps.iter().flat_map(|sweep| &sweep.rows);
        let most = rows.map(|row| row.trials.len()).max().unwrap_or(0);
        Some(format!(
            "seeds until decided: {open} of {all} compared rows are open, with {most} of at most {} seeds",
            range.at_most
        ))
    }
}

impl Known<'_> {
    fn records(&self) -> Result<JsonLines<Record>> {
        // A damaged line is told, and set aside, by the one who opens the results.
        Ok(JsonLines::read_whole_lines(&self.folder.join(RECORDS))?.0)
    }

    /// The result of the trial `hash`, if it counts.
    fn record<'b>(&'b self, records: &'b JsonLines<Record>, hash: &str) -> Option<&'b Record> {
        let counts = |record: &&Record| {
            let has_failed = record.failure().is_some();
            record.code_version == CODE_VERSION && !(has_failed && self.failed == Failed::Again)
        };
        // A record without its working data is of another store; its trial runs again.
        let is_there = |_: &&Record| {
            self.store
                .is_none_or(|store| store.trial(hash).status().exists())
        };
        let own = records.get(hash).filter(counts).filter(is_there);
        own.or_else(|| self.reused.get(hash).map(|reused| &reused.record))
    }
}
