//! The reason why a trial would run, from the state of the store and from an earlier trial with the same
//! label and seed.

use super::standing::StageState;
use crate::experiment::settings::new_keys::NEW_KEYS;
use crate::experiment::settings::stored::stored;
use crate::experiment::store::frozen::TrialEntry;
use crate::experiment::store::root::Store;
use crate::report::counted;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use toml::{Table, Value};

/// Number of settings that an explanation names; further ones are counted.
const NAMED: usize = 4;

/// The state of a trial and the reason why it would run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Reason {
    /// It is finished in the store.
    Done,
    /// Its result was computed elsewhere.
    Reused {
        /// The origin of the result.
        from: String,
    },
    /// Another process is working on it.
    Running,
    /// It would continue from a checkpoint.
    Interrupted {
        /// The step of the checkpoint.
        step: usize,
    },
    /// It failed before and would be tried again.
    Failed {
        /// The number of attempts so far.
        attempts: u64,
        /// The reason of the last failure.
        reason: String,
    },
    /// Another version of the program's computations has begun or finished it.
    Outdated {
        /// The version that has.
        old: u32,
        /// The version of this program.
        new: u32,
    },
    /// An earlier trial with this label and seed had other settings.
    Changed {
        /// The changed settings, each as `key: old -> new`.
        settings: Vec<String>,
    },
    /// It is not in the store.
    New,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Reused { from } => write!(f, "reused from {from}"),
            Self::Running => f.write_str("running"),
            Self::Interrupted { step } => write!(f, "interrupted after step {step}"),
            Self::Failed { attempts, reason } => {
                let line = reason.lines().next().unwrap_or_default();
                let attempts = counted(*attempts as usize, "attempt");
                write!(f, "failed before ({attempts}): {line}")
            }
            Self::Outdated { old, new } => write!(f, "code version changed: {old} -> {new}"),
            Self::Changed { settings } => {
                write!(
                    f,
                    "changed: {}",
                    settings[..settings.len().min(NAMED)].join(", ")
                )?;
                match settings.len().saturating_sub(NAMED) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Self::New => f.write_str("new"),
        }
    }
}

/// The finished trials of the store by label and seed. They explain why a trial is new.
#[derive(Debug, Default)]
pub struct Earlier(BTreeMap<(String, u64), Vec<Table>>);

impl Earlier {
    /// Reads the trials for which `wanted` returns true. Damaged ones are skipped.
    pub fn read(store: &Store, wanted: &dyn Fn(&str, u64) -> bool) -> Self {
        let mut found: BTreeMap<(String, u64), Vec<Table>> = BTreeMap::new();
        for folder in store.trials() {
            let path = folder.settings();
            let Some((label, seed)) = File::open(&path).ok().and_then(title) else {
                continue;
            };
            if wanted(&label, seed)
                && let Some(table) = std::fs::read_to_string(&path)
                    .ok()
                    .and_then(|text| stored(&text))
            {
                found.entry((label, seed)).or_default().push(table);
            }
        }
        Self(found)
    }

    /// The differences between `settings` and those of the most similar earlier trial.
    fn differences(&self, trial: &TrialEntry, settings: &Table) -> Option<Vec<String>> {
        let whole = |settings: &Table| {
            let mut settings = settings.clone();
            NEW_KEYS.fill(&mut settings);
            settings
        };
        let earlier = self.0.get(&(trial.label.clone(), trial.seed))?;
        let settings = whole(settings);
        let differences = earlier
            .iter()
            .map(|one| differences(&whole(one), &settings));
        differences
            .min_by_key(Vec::len)
            .filter(|found| !found.is_empty())
    }
}

/// The label and seed in the first line of a trial's settings: `# <label>, seed <seed>`.
fn title(file: File) -> Option<(String, u64)> {
    let mut line = String::new();
    BufReader::new(file).read_line(&mut line).ok()?;
    let (label, seed) = line.trim_end().strip_prefix("# ")?.rsplit_once(", seed ")?;
    Some((label.to_string(), seed.parse().ok()?))
}

/// The settings that differ, each as `key: old -> new`.
pub fn differences(old: &Table, new: &Table) -> Vec<String> {
    let (old, new) = (leaves(old), leaves(new));
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |value: Option<&Value>| value.map_or("none".to_string(), Value::to_string);
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| format!("{key}: {} -> {}", shown(old.get(key)), shown(new.get(key))))
        .collect()
}

/// Every plain value by its key path.
fn leaves(table: &Table) -> BTreeMap<String, Value> {
    fn walk(table: &Table, prefix: &str, found: &mut BTreeMap<String, Value>) {
        for (key, value) in table {
            let path = format!("{prefix}{key}");
            match value {
                Value::Table(inner) => walk(inner, &format!("{path}."), found),
                _ => drop(found.insert(path, value.clone())),
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(table, "", &mut found);
    found
}

impl Reason {
    /// The reason for `trial` with these `settings`, whose stages have the states `states`.
    pub fn of(
        trial: &TrialEntry,
        settings: &Table,
        states: &[StageState],
        earlier: &Earlier,
    ) -> Self {
        let own = || trial.stages.iter().map(|stage| &states[*stage]);
        if own()
            .next_back()
            .is_some_and(|last| matches!(last, StageState::Done { .. }))
        {
            return Self::Done;
        }
        if let Some(from) = &trial.reused {
            return Self::Reused { from: from.clone() };
        }
        for state in own().rev() {
            match state {
                StageState::Running(_) => return Self::Running,
                StageState::Failed {
                    attempts, reason, ..
                } => {
                    return Self::Failed {
                        attempts: *attempts,
                        reason: reason.clone(),
                    };
                }
                StageState::Interrupted(position) => {
                    return Self::Interrupted {
                        step: position.step,
                    };
                }
                StageState::Outdated { old, new } => {
                    return Self::Outdated {
                        old: *old,
                        new: *new,
                    };
                }
                StageState::Done { .. } | StageState::Missing => {}
            }
        }
        match earlier.differences(trial, settings) {
            Some(settings) => Self::Changed { settings },
            None => Self::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn the_settings_that_differ_are_named_with_both_values() {
        let old = table("a = 1\nb = { c = 'x', d = [1, 2] }\ngone = true");
        let new = table("a = 1\nb = { c = 'y', d = [1, 2], e = 0.5 }");
        assert_eq!(
            differences(&old, &new),
            [
                "b.c: \"x\" -> \"y\"",
                "b.e: none -> 0.5",
                "gone: true -> none"
            ]
        );
        assert!(differences(&old, &old).is_empty());
    }

    #[test]
    fn the_nearest_earlier_trial_explains_a_new_one() {
        let trial = TrialEntry {
            hash: "h".into(),
            label: "PL-DC".into(),
            seed: 1,
            places: Default::default(),
            reused: None,
            stages: vec![0, 1],
        };
        let tables = vec![table("a = 1\nb = 2"), table("a = 1\nb = 3")];
        let earlier = Earlier(BTreeMap::from([(("PL-DC".to_string(), 1), tables)]));
        let settings = table("a = 2\nb = 3");
        let states = [StageState::Done { seconds: 1.0 }, StageState::Missing];
        let reason = Reason::of(&trial, &settings, &states, &earlier);
        assert_eq!(reason.to_string(), "changed: a: 1 -> 2");
        let reason = Reason::of(&trial, &settings, &states, &Earlier::default());
        assert_eq!(reason, Reason::New);
        let failed = StageState::Failed {
            attempts: 2,
            reason: "no luck\nat all".into(),
            step: 0,
        };
        let reason = Reason::of(&trial, &settings, &[failed, StageState::Missing], &earlier);
        assert_eq!(reason.to_string(), "failed before (2 attempts): no luck");
    }
}
