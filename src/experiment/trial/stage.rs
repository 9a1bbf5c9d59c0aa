//! The stages of a trial: resumable pieces of work, each named by the hash of only what it reads, so that trials share those
//! they have in common.
//!
//! | stage | reads | leaves |
//! |---|---|---|
//! | `vlm` | its own table, the size of the drawn images | the trained vision-language model |
//! | `burn-in` | all that supervised training reads | the student and its optimizer at T_b |
//! | `distill` | the burn-in, the method | all models at the end |
//! | `evaluate` | the end of training, `eval.size`, `eval.shorter`, `eval.top` | the metrics of all models |

use crate::experiment::settings::trial_settings::TrialSettings;
use crate::graph::clip::VisionLanguageConfig;
use crate::method::MockConfig;
use crate::recipe::content_hash;
use std::sync::Arc;
use toml::{Table, Value};

/// Hexadecimal digits of a stage's hash in its key.
const DIGITS: usize = 20;

/// Keys of `[loader]` that change no batch of labelled images.
const NOT_READ_WITHOUT_TEACHER: [&str; 3] = ["unlabelled", "threads", "prefetch"];
/// Work of a step with a teacher, of a step of the vision-language model and of an evaluation, where a supervised step is 10.
const SUPERVISED_COST: u64 = 10;
const TEACHER_COST: u64 = 24;
const VLM_COST: u64 = 6;
const EVALUATE_COST: u64 = 1000;

/// What a stage does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Trains the vision-language model.
    Vlm {
        /// Steps of its training.
        steps: usize,
    },
    /// Trains the student on labelled images for `to` steps.
    BurnIn {
        /// T_b.
        to: usize,
    },
    /// Trains by the trial's method, from the end of the burn-in to the last step.
    Distill {
        /// T_b.
        from: usize,
        /// Steps of the trial.
        to: usize,
    },
    /// Evaluates every model that training left.
    Evaluate,
}

/// One stage of one or more trials.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What it does.
    pub kind: Kind,
    /// `<kind>-<hash>`.
    pub key: String,
    /// What a human calls it.
    pub title: String,
    /// Keys of the stages whose results it reads.
    pub needs: Vec<String>,
    /// Expected work; only comparisons matter.
    pub cost: u64,
    /// The settings of the first trial that needs it.
    pub settings: Arc<TrialSettings>,
}

/// The stages of a trial, each after those that it needs. The last one evaluates.
pub fn stages(label: &str, table: &Table, settings: &Arc<TrialSettings>) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    let seed = settings.seed();
    let (burn_in, steps) = (settings.burn_in(), settings.steps());
    let stage = |kind: Kind, title: String, reads: Table, needs: &[&Stage], cost: u64| {
        let name = kind.name();
        let mut reads = reads;
        let needs: Vec<String> = needs.iter().map(|need| need.key.clone()).collect();
        let list = needs
            .iter()
            .map(|need| Value::from(need.as_str()))
            .collect();
        reads.insert("needs".into(), Value::Array(list));
        let key = format!("{name}-{}", &content_hash(&reads)[..DIGITS]);
        Stage {
            kind,
            key,
            title,
            needs,
            cost,
            settings: Arc::clone(settings),
        }
    };

    if let TrialSettings::Network(network) = &**settings
        && let Some(VisionLanguageConfig::ClipTiny(config)) = &network.vlm
    {
        let mut reads = pick(&table["method"]["correction"], &["vlm"]);
        reads.extend(pick(&table["data"], &["size"]));
        let cost = VLM_COST * config.steps as u64;
        stages.push(stage(
            Kind::Vlm {
                steps: config.steps,
            },
            "vision-language model".into(),
            reads,
            &[],
            cost,
        ));
    }
    if burn_in > 0 {
        let reads = match &**settings {
            TrialSettings::Network(_) => {
                let mut reads = supervised(table);
                reads.extend(pick(&table["method"], &["burn-in", "empty-image"]));
                reads
            }
            TrialSettings::Mock(mock) => mock_burn_in(table, &mock.method),
        };
        let title = format!("burn-in, seed {seed}");
        let cost = SUPERVISED_COST * burn_in as u64;
        stages.push(stage(Kind::BurnIn { to: burn_in }, title, reads, &[], cost));
    }
    if burn_in < steps {
        let mut reads = supervised(table);
        reads.extend(pick(table, &["method"]));
        reads.extend(pick(&table["train"], &["average"]));
        let teacher = settings.has_teacher();
        if teacher {
            reads.extend(pick(&table["loader"], &["unlabelled"]));
        }
        let cost = if teacher {
            TEACHER_COST
        } else {
            SUPERVISED_COST
        } * (steps - burn_in) as u64;
        let needs: Vec<&Stage> = stages.iter().collect();
        let kind = Kind::Distill {
            from: burn_in,
            to: steps,
        };
        let next = stage(kind, format!("{label}, seed {seed}"), reads, &needs, cost);
        stages.push(next);
    }
    let last = stages.last().expect("a trial trains for at least one step");
    let reads = table
        .get("eval")
        .map_or_else(Table::new, |eval| pick(eval, &["size", "shorter", "top"]));
    let title = format!("{label}, seed {seed}: evaluation");
    let cost = match **settings {
        TrialSettings::Network(_) => EVALUATE_COST,
        // It looks at no image.
        TrialSettings::Mock(_) => SUPERVISED_COST,
    };
    let evaluate = stage(Kind::Evaluate, title, reads, &[last], cost);
    stages.push(evaluate);
    stages
}

impl Kind {
    /// The first part of its stages' keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vlm { .. } => "vlm",
            Self::BurnIn { .. } => "burn-in",
            Self::Distill { .. } => "distill",
            Self::Evaluate => "evaluate",
        }
    }

    /// Steps of its training before it and at its end; the same number twice where it trains nothing.
    pub fn steps(self) -> [usize; 2] {
        match self {
            Self::Vlm { steps: to } | Self::BurnIn { to } => [0, to],
            Self::Distill { from, to } => [from, to],
            Self::Evaluate => [0, 0],
        }
    }
}

/// What supervised training reads.
fn supervised(table: &Table) -> Table {
    let mut reads = pick(
        table,
        &[
            "seed",
            "precision",
            "data",
            "split",
            "augment",
            "loader",
            "model",
            "loss",
            "train",
        ],
    );
    if let Some(loader) = reads.get_mut("loader").and_then(Value::as_table_mut) {
        loader.retain(|key, _| !NOT_READ_WITHOUT_TEACHER.contains(&key));
    }
    if let Some(train) = reads.get_mut("train").and_then(Value::as_table_mut) {
        train.remove("average");
    }
    reads
}

/// What the burn-in of a mock trial reads: a failure after it is none of its own.
fn mock_burn_in(table: &Table, method: &MockConfig) -> Table {
    let mut reads = pick(table, &["seed", "train"]);
    let keys = ["burn-in", "level", "noise", "sleep-ms"];
    reads.extend(pick(&table["method"], &keys));
    if (1..=method.burn_in).contains(&method.fail_at) {
        let keys = ["fail-at", "failure", "fail-times"];
        reads.extend(pick(&table["method"], &keys));
    }
    reads
}

/// The entries `keys` of a table, those that it has.
fn pick<'a>(table: impl Into<Entries<'a>>, keys: &[&str]) -> Table {
    let Entries(table) = table.into();
    let chosen = keys
        .iter()
        .filter_map(|key| Some((key.to_string(), table?.get(*key)?.clone())));
    chosen.collect()
}

/// A table, or a value that may be one.
struct Entries<'a>(Option<&'a Table>);

impl<'a> From<&'a Table> for Entries<'a> {
    fn from(table: &'a Table) -> Self {
        Self(Some(table))
    }
}

impl<'a> From<&'a Value> for Entries<'a> {
    fn from(value: &'a Value) -> Self {
        Self(value.as_table())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::normalise;
    use crate::experiment::settings::sections::tests::{supervised, table, with};
    use crate::experiment::settings::trial_settings::tests::mock;

    fn keys(table: Table) -> Vec<String> {
        let settings = Arc::new(TrialSettings::read(&table).unwrap());
        let stages = stages("label", &table, &settings);
        for (i, stage) in stages.iter().enumerate() {
            let known = |need: &String| stages[..i].iter().any(|earlier| earlier.key == *need);
            assert!(
                stage.needs.iter().all(known),
                "{} comes after its needs",
                stage.key
            );
        }
        stages.into_iter().map(|stage| stage.key).collect()
    }

    #[test]
    fn variants_of_the_method_share_the_burn_in() {
        let all = keys(table());
        assert_eq!(all.len(), 4);
        let other = keys(with(table(), "method.ema", 0.9));
        assert_eq!(all[..2], other[..2]);
        assert!(all[2] != other[2] && all[3] != other[3]);
        let more = keys(with(table(), "loader.unlabelled", 6));
        assert!(all[1] == more[1] && all[2] != more[2]);
        let alone = keys(supervised());
        assert_eq!(alone.len(), 3, "no vision-language model");
        assert_eq!(
            alone[0], all[1],
            "the supervised trial begins with the same burn-in"
        );
    }

    #[test]
    fn whatever_the_burn_in_reads_is_in_its_key() {
        let all = keys(table());
        let changes = [
            with(table(), "train.rate", 0.002),
            with(table(), "train.steps", 2500),
            with(table(), "split.labelled", 0.05),
            with(table(), "loader.labelled", 3),
            with(table(), "model.backbone.frozen", true),
            with(table(), "method.burn-in", 700),
            with(table(), "method.empty-image", "background"),
        ];
        for change in changes {
            assert_ne!(keys(change)[1], all[1]);
        }
        let mut other = table();
        other.insert("seed".into(), 1.into());
        let other = keys(other);
        assert!(
            other[0] == all[0] && other[1] != all[1],
            "the vision-language model has its own seed"
        );
    }

    #[test]
    fn the_reported_model_changes_no_stage() {
        assert_eq!(
            keys(with(supervised(), "eval.model", "average")),
            keys(supervised())
        );
        let all = keys(table());
        let top = keys(with(table(), "eval.top", 50));
        assert!(all[..3] == top[..3] && all[3] != top[3]);
    }

    #[test]
    fn mock_variants_share_the_burn_in_unless_it_fails() {
        let stages = |table: Table| {
            let mut table = table;
            normalise(&mut table);
            keys(table)
        };
        let all = stages(mock());
        assert_eq!(all.len(), 3);
        let other = stages(with(mock(), "method.fail-at", 11));
        assert!(other[0] == all[0] && other[1] != all[1]);
        let other = stages(with(mock(), "method.fail-at", 10));
        assert!(other[0] != all[0]);
        assert_eq!(stages(with(mock(), "eval.top", 3)), all, "not read");
    }

    #[test]
    fn no_burn_in_or_nothing_after_it_leaves_a_stage_out() {
        assert_eq!(keys(with(table(), "method.burn-in", 0)).len(), 3);
        let all = keys(with(supervised(), "method.burn-in", 2400));
        assert!(all.len() == 2 && all[0].starts_with("burn-in-"), "{all:?}");
    }
}
