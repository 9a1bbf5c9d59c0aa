//! `[phase.<name>.{augment,loader,model,train}]`: keys that differ in one phase of the method.
//!
//! A phase reads the keys of its own tables, and for the rest those of the trial. Its learning rate runs along the
//! curve of the method, unless its `train` has `rate` or `steps`: then it has a curve of its own, which begins with its
//! first step and is `steps` long, or as long as the phase.
//!
//! `model` is for a phase that trains a network of its own: a teacher may do without heads of the student.

use crate::data::augment::AugmentConfig;
use crate::data::loader::LoaderConfig;
use crate::detector::{DETECTORS, DetectorConfig};
use crate::recipe::{PHASE, PHASE_TABLES, lay};
use crate::registry::{self, Check, Checked, joined};
use crate::train::TrainConfig;
use schemars::JsonSchema;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::{Table, Value};

/// The keys of `[train]` that are one for the whole training.
const COMMON: [&str; 3] = ["average", "checkpoint", "epochs"];
/// The keys of `[train]` that give a phase a curve of its own.
const CURVE: [&str; 2] = ["rate", "steps"];

/// The tables of one phase that differ from the trial's, each with all its keys.
#[derive(Clone, Debug)]
pub struct PhaseSettings {
    /// `[augment]`.
    pub augment: Option<AugmentConfig>,
    /// `[loader]`.
    pub loader: Option<LoaderConfig>,
    /// `[model]`.
    pub model: Option<Arc<dyn DetectorConfig>>,
    /// `[train]`.
    pub train: Option<TrainConfig>,
    /// The learning-rate curve.
    pub curve: Curve,
}

/// The learning-rate curve of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// That of the method.
    Common,
    /// Its own, of so many steps; of those of the phase, if there is no number.
    Own(Option<usize>),
}

/// The settings of every phase that has keys of its own.
pub type PhaseTable = BTreeMap<String, PhaseSettings>;

/// Reads `[phase]` of a trial's settings `table`, whose own tables are in order.
pub(super) fn read(table: &Table, check: &mut Check) -> PhaseTable {
    let mut found = PhaseTable::new();
    for (name, own) in table
        .get(PHASE)
        .and_then(Value::as_table)
        .into_iter()
        .flatten()
    {
        let path = joined(PHASE, name);
        let Value::Table(own) = own else {
            check.refuse(&path, format!("{own} is not a table"));
            continue;
        };
        check.within(&path, |check| {
            for key in own
                .keys()
                .filter(|key| !PHASE_TABLES.contains(&key.as_str()))
            {
                check.refuse(
                    key,
                    format!("unknown field `{key}`, expected one of `augment`, `loader`, `model`, `train`"),
                );
            }
            let keys = |key: &str| own.get("train")?.get(key);
            for key in COMMON.iter().filter(|key| keys(key).is_some()) {
                let message = format!("it is the same in all phases; set `train.{key}`");
                check.refuse(&joined("train", key), message);
            }
            let names_one = own.get("model").is_some_and(|keys| keys.get("name").is_some());
            if names_one {
                let message = "it is the same in all phases; set `model.name`";
                check.refuse("model.name", message);
            }
            let train: Option<TrainConfig> = over(table, own, "train", check);
            let steps = train.as_ref().map(|train| train.steps);
            let settings = PhaseSettings {
                augment: over(table, own, "augment", check),
                loader: over(table, own, "loader", check),
                model: laid(table, own, "model", check)
                    .filter(|_| !names_one)
                    .and_then(|all| check.keep("model", registry::build(DETECTORS, all)))
                    .map(Arc::from),
                curve: match CURVE.iter().any(|key| keys(key).is_some()) {
                    true => Curve::Own(steps.filter(|_| keys("steps").is_some())),
                    false => Curve::Common,
                },
                train,
            };
            found.insert(name.clone(), settings);
        });
    }
    found
}

/// What [`laid`] gives, read.
fn over<T: Checked + JsonSchema>(
    table: &Table,
    own: &Table,
    name: &str,
    check: &mut Check,
) -> Option<T> {
    let all = laid(table, own, name, check)?;
    registry::read_within(check, name, all)
}

/// The table `name` of a trial with the keys of a phase over it; none if the phase has no such table.
fn laid(table: &Table, own: &Table, name: &str, check: &mut Check) -> Option<Table> {
    let Value::Table(own) = own.get(name)? else {
        check.refuse(name, "expected a table");
        return None;
    };
    let mut all = table.get(name)?.as_table()?.clone();
    lay(&mut all, own);
    Some(all)
}

/// Takes the keys that say what the trial's own tables say out of `[phase]` of normalised settings, but for those that
/// give a phase a curve of its own.
pub(super) fn reduce(table: &mut Table) {
    let Some(Value::Table(mut phases)) = table.remove(PHASE) else {
        return;
    };
    phases.retain(|_, own| {
        let Value::Table(own) = own else {
            return true;
        };
        own.retain(|name, keys| {
            let Value::Table(keys) = keys else {
                return true;
            };
            let common = |key: &str| table.get(name)?.get(key);
            keys.retain(|key, value| {
                let is_curve = name == "train" && CURVE.contains(&key);
                is_curve || common(key) != Some(value)
            });
            !keys.is_empty()
        });
        !own.is_empty()
    });
    table.insert(PHASE.into(), phases.into());
}

/// Returns true if a phase has keys of its own in the table of the key at the dotted `path`.
pub(super) fn differs(table: &Table, path: &str) -> bool {
    let section = path.split('.').next().unwrap_or_default();
    let phases = table.get(PHASE).and_then(Value::as_table);
    let mut own = phases.into_iter().flatten();
    own.any(|(_, own)| own.get(section).is_some())
}
