//! Rounds of seeds: which trials of a plan whose rows get seeds until they are decided are needed so far.
//!
//! A trial that has failed gives its row no more seeds, and the other rows go on. It stays in the plan, so that a
//! command may do it again beside the next round; then its row goes on.
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

/// The results that decide.
pub struct Known<'a> {
    /// The results folder.
    pub folder: &'a Path,
    /// Its store; none before the first sweep.
    pub store: Option<&'a Store>,
    /// The results that were computed elsewhere.
    pub reused: &'a ReusedResults,
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

    /// The number of trials of the round that `earlier` does not have.
    pub fn more_than(&self, earlier: &Plan) -> usize {
        let known: BTreeSet<&str> = earlier.trials.iter().map(|trial| &*trial.hash).collect();
        let trials = self.plan.trials.iter();
        trials.filter(|trial| !known.contains(&*trial.hash)).count()
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
        let counts = |record: &&Record| record.code_version == CODE_VERSION;
        // A record without its working data is of another store; its trial runs again.
        let is_there = |_: &&Record| {
            self.store
                .is_none_or(|store| store.trial(hash).status().exists())
        };
        let own = records.get(hash).filter(counts).filter(is_there);
        let reused = || self.reused.get(hash).map(|reused| &reused.record);
        match own {
            // A sweep takes the result from elsewhere in place of the failure.
            Some(record) if record.failure().is_some() => reused().or(own),
            Some(_) => own,
            None => reused(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::UntilDecided;
    use crate::recipe::made_up;
    use serde_json::json;
    use std::fs;

    const RULE: UntilDecided = UntilDecided {
        at_least: 2,
        at_most: 9,
        effect_scale: 1.0,
        negligible: None,
    };
    /// Differences whose evidence is strong enough for two rows at six seeds, and others that are never.
    const CLEAR: [f64; 6] = [-1.0, -1.1, -0.9, -1.0, -1.1, -0.9];
    const NONE: [f64; 9] = [0.5, -0.5, 0.4, -0.6, 0.5, -0.4, 0.6, -0.5, 0.4];

    /// A results folder with these results of the rows `all`, `a` and `b`: the differences to `all`, and nothing where
    /// a trial has failed.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(rows: [&[Option<f64>]; 2]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            let seeds = rows.iter().map(|row| row.len()).max().unwrap();
            let reference = vec![Some(0.0); seeds];
            for (label, row) in [("all", &reference[..]), ("a", rows[0]), ("b", rows[1])] {
                for (seed, difference) in row.iter().enumerate() {
                    folder.add(label, seed, *difference, CODE_VERSION);
                }
            }
            folder
        }

        fn add(&self, label: &str, seed: usize, difference: Option<f64>, version: u32) {
            let path = self.0.path().join(RECORDS);
            let mut lines = JsonLines::<Record>::read(&path).unwrap();
            let mut record = json!({
                "recipe": "r", "hash": format!("{label}-{seed}"), "label": label, "seed": seed, "steps": 1,
                "status": "failed", "error": "it broke", "code_version": version,
            });
            if let Some(difference) = difference {
                let level = 20.0 + [0.3, -1.2, 2.1][seed % 3];
                record["status"] = "ok".into();
                record["metrics"] = json!({ "mAP": level + difference });
                record.as_object_mut().unwrap().remove("error");
            }
            lines.insert(serde_json::from_value(record).unwrap());
            lines.write(&path, std::iter::empty()).unwrap();
        }

        /// The round, without a store.
        fn round(&self) -> Round {
            let known = Known {
                folder: self.0.path(),
                store: None,
                reused: &ReusedResults::default(),
            };
            Round::new(&whole(), &known).unwrap()
        }

        /// The seeds of the rows in it.
        fn seeds(&self) -> Vec<usize> {
            let plan = self.round().plan;
            let rows = plan.sweeps[0].rows.iter();
            rows.map(|row| row.trials.len()).collect()
        }
    }

    fn whole() -> Plan {
        made_up(&["all", "a", "b"], RULE)
    }

    fn some(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn open_rows_get_the_next_seed_and_a_decided_one_gets_none() {
        assert_eq!(Folder::new([&[], &[]]).seeds(), [2, 2, 2]);
        let folder = Folder::new([&some(&CLEAR), &some(&NONE[..6])]);
        let round = folder.round();
        assert_eq!(folder.seeds(), [7, 6, 7]);
        assert_eq!(round.more_than(&whole().narrowed(&[vec![6, 6, 6]])), 2);
        assert_eq!(round.more_than(&round.plan), 0);
        assert_eq!(
            round.sentence().unwrap(),
            "seeds until decided: 1 of 2 compared rows are open, with 7 of at most 9 seeds"
        );
        assert_eq!(round.tables(&[])[0].decisions.len(), 1);
        let end = Folder::new([&some(&CLEAR), &some(&NONE)]);
        assert_eq!(end.seeds(), [9, 6, 9]);
        assert!(end.round().sentence().unwrap().contains("0 of 2 compared"));
    }

    #[test]
    fn a_failed_trial_stays_in_the_plan_and_the_other_rows_go_on() {
        let mut failing = some(&NONE[..4]);
        failing[3] = None;
        let folder = Folder::new([&failing, &some(&NONE[..6])]);
        assert_eq!(folder.seeds(), [7, 4, 7]);
        // It has been done again: its row goes on, and the other keeps the seeds that it has while it waits.
        folder.add("a", 3, Some(0.2), CODE_VERSION);
        assert_eq!(folder.seeds(), [6, 5, 6]);
        folder.add("a", 4, Some(0.2), CODE_VERSION);
        folder.add("a", 5, Some(-0.4), CODE_VERSION);
        assert_eq!(folder.seeds(), [7, 7, 7]);
    }

    #[test]
    fn a_result_from_elsewhere_stands_for_one_that_failed_here() {
        let mut failing = some(&NONE[..4]);
        failing[1] = None;
        let folder = Folder::new([&failing, &some(&NONE[..4])]);
        assert_eq!(folder.seeds(), [5, 2, 5]);
        let other = Folder::new([&some(&NONE[..2]), &[]]);
        let reused = ReusedResults::read(None, &[other.0.path().to_path_buf()]).unwrap();
        let known = Known {
            folder: folder.0.path(),
            store: None,
            reused: &reused,
        };
        let round = Round::new(&whole(), &known).unwrap();
        assert_eq!(round.rounds[0].as_ref().unwrap().seeds, [5, 5, 5]);
        // A result of its own goes first.
        folder.add("a", 1, Some(0.1), CODE_VERSION);
        let round = Round::new(&whole(), &known).unwrap();
        let paired = round.rounds[0].as_ref().unwrap().paired[1].unwrap();
        let mean = (NONE[0] + 0.1 + NONE[2] + NONE[3]) / 4.0;
        assert!((paired.mean - mean).abs() < 1e-9, "{paired:?}");
    }

    #[test]
    fn results_of_other_computations_do_not_count() {
        let folder = Folder::new([&some(&NONE[..3]), &some(&NONE[..3])]);
        assert_eq!(folder.seeds(), [4, 4, 4]);
        folder.add("a", 1, Some(0.5), CODE_VERSION + 1);
        assert_eq!(folder.seeds(), [3, 2, 3]);
    }

    #[test]
    fn decisions_are_kept_and_records_without_working_data_do_not_count() {
        let folder = Folder::new([&some(&CLEAR), &some(&NONE[..6])]);
        let store = Store::open(folder.0.path()).unwrap();
        let reused = ReusedResults::default();
        let known = Known {
            folder: folder.0.path(),
            store: Some(&store),
            reused: &reused,
        };
        let seeds = |round: &Round| round.rounds[0].as_ref().unwrap().seeds.clone();
        assert_eq!(seeds(&Round::keep(&whole(), &known).unwrap()), [2, 2, 2]);
        for trial in &whole().trials {
            let working = store.trial(&trial.hash);
            working.make().unwrap();
            fs::write(working.status(), "{}\n").unwrap();
        }
        // To look keeps nothing.
        assert_eq!(seeds(&Round::new(&whole(), &known).unwrap()), [7, 6, 7]);
        assert!(!store.decisions("r").exists());
        assert_eq!(seeds(&Round::keep(&whole(), &known).unwrap()), [7, 6, 7]);
        // A trial behind the verdict is done again and has another result: the verdict stands.
        folder.add("a", 0, Some(7.0), CODE_VERSION);
        assert_eq!(seeds(&Round::new(&whole(), &known).unwrap()), [7, 6, 7]);
        fs::remove_file(store.decisions("r")).unwrap();
        assert_eq!(seeds(&Round::new(&whole(), &known).unwrap()), [7, 7, 7]);
    }
}
