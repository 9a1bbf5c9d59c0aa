//! The stages of a trial: resumable pieces of work. Each is identified by the hash of only the settings that
//! it reads, so that trials share the stages that they have in common.
//!
//! | stage | reads | result |
//! |---|---|---|
//! | `vlm` | its own table, the size of the drawn images | the trained vision-language model |
//! | a phase of the method | the keys that the method declares, the phase that it starts from | its networks at the end |
//! | a phase that labels | the phase of its teacher, the keys that the method declares, the images and their size | all pseudo-labels |
//! | `evaluate` | the end of training, `eval.size`, `eval.shorter`, `eval.top` | the metrics of all models |

use super::key::{EVALUATE, StageKey, VLM};
use super::work::{self, Pictures};
use crate::experiment::settings::identity::identity;
use crate::experiment::settings::new_keys::NEW_KEYS;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::graph::clip::VisionLanguageConfig;
use crate::method::{Build, MethodKeys, Phase};
use crate::recipe::{PHASE, content_hash, lay, value_at};
use std::sync::Arc;
use toml::{Table, Value};

/// The number of hexadecimal digits of a stage's hash in its key.
const DIGITS: usize = 20;

/// The tables of a recipe that every training on labelled images reads, except for the keys below.
const LABELLED: [&str; 9] = [
    "seed",
    "precision",
    "data",
    "split",
    "augment",
    "loader",
    "model",
    "loss",
    "train",
];
/// The keys of `[loader]` that do not change any batch of labelled images.
const NOT_READ_WITHOUT_UNLABELLED: [&str; 6] = [
    "unlabelled",
    "unlabelled-view",
    "threads",
    "prefetch",
    "mixing",
    "labelled-repeat",
];
/// The keys of `[loader]` among them that a phase with unlabelled images reads.
const READ_WITH_UNLABELLED: [&str; 4] =
    ["unlabelled", "unlabelled-view", "mixing", "labelled-repeat"];
/// The key of `[split]` that does not change the labelled images.
const UNLABELLED: &str = "unlabelled";
/// The keys of `[augment]` that change strong views alone.
const STRONG: [&str; 8] = [
    "jitter",
    "grayscale",
    "blur",
    "cutout",
    "cutout-fill",
    "colour",
    "affine",
    "holes",
];
/// The tables, beside keys of `[method]` and `[eval]`, that decide the pseudo-labels of a trained teacher.
const LABELLING: [&str; 4] = ["seed", "precision", "data", "split"];
/// The keys of `[eval]` that decide the size of a picture.
const SIZE: [&str; 2] = ["size", "shorter"];
/// The key of `[augment]` that does not change the views of labelled images.
const TEACHER_GEOMETRY: &str = "teacher-geometry";
/// The cost of a step, and of an evaluation, without networks. Only its ratio to others of that kind is meaningful.
const NUMBER_COST: u64 = 10;

/// The work of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageKind {
    /// Trains the vision-language model.
    Vlm,
    /// Trains a phase of the trial's method, given by its index in the method's list.
    Train(usize),
    /// Labels all unlabelled images with the teacher that an earlier phase has trained; the phase is given likewise.
    Label(usize),
    /// Evaluates every model that training left.
    Evaluate,
}

/// One stage of one or more trials.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its work.
    pub kind: StageKind,
    /// Its identity, which is also the name of its folder.
    pub key: StageKey,
    /// Its name for people.
    pub title: String,
    /// The keys of the stages whose results it reads.
    pub needs: Vec<StageKey>,
    /// The stage of the vision-language model, if it reads one.
    pub vlm: Option<StageKey>,
    /// The training that it continues, takes its teacher from, or evaluates.
    pub source: Option<StageKey>,
    /// The training steps before the stage and at its end; equal numbers if it trains nothing.
    pub steps: [usize; 2],
    /// The expected work in units of [`work::UNIT`] operations. Without networks, only comparisons are meaningful.
    pub cost: u64,
    /// True if the variants of a sweep usually share it.
    pub shared: bool,
    /// The settings of the first trial that needs it.
    pub settings: Arc<TrialSettings>,
}

impl Stage {
    /// Takes the pictures of the dataset into account, if the stage evaluates networks or labels images.
    pub fn count(&mut self, pictures: Option<Pictures>) {
        let TrialSettings::Networks(settings) = &*self.settings else {
            return;
        };
        match self.kind {
            StageKind::Evaluate => self.cost = work::evaluation(settings, pictures),
            StageKind::Label(_) => self.cost = work::labelling(settings, pictures),
            StageKind::Vlm | StageKind::Train(_) => {}
        }
    }
}

/// The stages of a trial, each after those that it needs. The last one evaluates.
pub fn stages(label: &str, table: &Table, settings: &Arc<TrialSettings>) -> Vec<Stage> {
    let table = &identity(table);
    let seed = settings.seed();
    let vlm = vlm_stage(table, settings);
    let mut trainings: Vec<Stage> = Vec::new();
    for (index, phase) in settings.phases().iter().enumerate() {
        let vlm = vlm.as_ref().filter(|_| phase.labels);
        let vlm = vlm.map(|vlm| vlm.key.clone());
        let source = phase.start.source().map(|i| trainings[i].key.clone());
        let title = match phase.shared {
            true => format!("{}, seed {seed}", phase.name),
            false => format!("{label}, seed {seed}"),
        };
        let kind = match phase.build {
            Build::Pool(_) => StageKind::Label(index),
            Build::Learner(_) | Build::Number(_) => StageKind::Train(index),
        };
        let cost = match &**settings {
            TrialSettings::Networks(settings) if kind == StageKind::Label(index) => {
                work::labelling(settings, None)
            }
            TrialSettings::Networks(settings) => work::training(settings, phase),
            TrialSettings::Number(_) => NUMBER_COST * phase.steps.len() as u64,
        };
        trainings.push(Stage {
            key: key(phase.name, reads(table, phase), [&vlm, &source]),
            kind,
            title,
            needs: needs([&vlm, &source]),
            vlm,
            source,
            steps: [phase.steps.start, phase.steps.end],
            cost,
            shared: phase.shared,
            settings: Arc::clone(settings),
        });
    }
    let last = trainings
        .last()
        .expect("a trial trains for at least one step");
    let evaluate = evaluate_stage(label, table, settings, last);
    vlm.into_iter().chain(trainings).chain([evaluate]).collect()
}

/// The stage that trains the vision-language model, if the harness trains it.
fn vlm_stage(table: &Table, settings: &Arc<TrialSettings>) -> Option<Stage> {
    let TrialSettings::Networks(networks) = &**settings else {
        return None;
    };
    let Some(VisionLanguageConfig::ClipTiny(config)) = networks.method.vlm() else {
        return None;
    };
    let mut reads = pick(&table["method"]["correction"], &["vlm"]);
    reads.extend(pick(&table["data"], &["size"]));
    Some(Stage {
        kind: StageKind::Vlm,
        key: key(VLM, reads, [&None, &None]),
        title: "vision-language model".into(),
        needs: Vec::new(),
        vlm: None,
        source: None,
        steps: [0, config.steps],
        cost: work::vlm(networks, config),
        shared: true,
        settings: Arc::clone(settings),
    })
}

/// The stage that evaluates the result of the training `last`.
fn evaluate_stage(
    label: &str,
    table: &Table,
    settings: &Arc<TrialSettings>,
    last: &Stage,
) -> Stage {
    let reads = table.get("eval").map_or_else(Table::new, |eval| {
        pick(eval, &["size", "shorter", "top", "metrics"])
    });
    let source = Some(last.key.clone());
    Stage {
        kind: StageKind::Evaluate,
        key: key(EVALUATE, reads, [&None, &source]),
        title: format!("{label}, seed {}: evaluation", settings.seed()),
        needs: needs([&None, &source]),
        vlm: None,
        source,
        steps: [0, 0],
        cost: match &**settings {
            TrialSettings::Networks(settings) => work::evaluation(settings, None),
            // It evaluates no image.
            TrialSettings::Number(_) => NUMBER_COST,
        },
        shared: false,
        settings: Arc::clone(settings),
    }
}

/// The key of a stage called `name`: the hash of everything that it `reads`, including the results of other
/// stages.
fn key(name: &str, mut reads: Table, sources: [&Option<StageKey>; 2]) -> StageKey {
    let needs = needs(sources)
        .into_iter()
        .map(|need| Value::from(String::from(need)));
    reads.insert("needs".into(), Value::Array(needs.collect()));
    StageKey::new(name, &content_hash(&reads)[..DIGITS])
}

fn needs(sources: [&Option<StageKey>; 2]) -> Vec<StageKey> {
    sources.into_iter().flatten().cloned().collect()
}

/// The settings that a phase reads.
fn reads(table: &Table, phase: &Phase) -> Table {
    if let Build::Pool(_) = phase.build {
        let mut reads = pick(table, &LABELLING);
        let size = table.get("eval").map(|eval| pick(eval, &SIZE));
        reads.extend(size.map(|size| ("eval".to_string(), size.into())));
        reads.extend(method_keys(table, phase));
        return reads;
    }
    let counted = phase.alone.then(|| as_they_count(table, phase));
    let table = counted.as_ref().unwrap_or(table);
    let mut reads = pick(table, &LABELLED);
    if let Some(loader) = reads.get_mut("loader").and_then(Value::as_table_mut) {
        loader.retain(|key, _| !NOT_READ_WITHOUT_UNLABELLED.contains(&key));
    }
    if let Some(train) = reads.get_mut("train").and_then(Value::as_table_mut) {
        train.remove("average");
    }
    reads.extend(method_keys(table, phase));
    let own = table.get(PHASE).and_then(|phases| phases.get(phase.name));
    if let Some(own) = own {
        reads.insert(PHASE.into(), own.clone());
    }
    if phase.average {
        reads.extend(pick(&table["train"], &["average"]));
    }
    if phase.reads_unlabelled() {
        reads.extend(pick(&table["loader"], &READ_WITH_UNLABELLED));
    }
    // A curve of validation is a part of what the training leaves.
    let eval = table.get("eval").and_then(Value::as_table);
    let period = eval.and_then(|eval| eval.get("period")?.as_integer());
    if let Some(eval) = eval.filter(|_| period.is_some_and(|period| period > 0)) {
        reads.insert("eval".into(), eval.clone().into());
    }
    if phase.reads_unlabelled() {
        return reads;
    }
    for (table, key) in [("split", UNLABELLED), ("augment", TEACHER_GEOMETRY)] {
        if let Some(table) = reads.get_mut(table).and_then(Value::as_table_mut) {
            table.remove(key);
        }
    }
    reads
}

/// The keys of `[method]` that a phase reads.
fn method_keys(table: &Table, phase: &Phase) -> Table {
    match &phase.reads {
        MethodKeys::Only(keys) => pick(&table["method"], keys),
        MethodKeys::AllBut(keys) => {
            let mut method = pick(table, &["method"]);
            if let Some(method) = method.get_mut("method").and_then(Value::as_table_mut) {
                method.retain(|key, _| !keys.contains(&key));
            }
            method
        }
    }
}

/// The settings of a trial as they count in `phase`, which has a learning-rate curve of its own: with its own tables of
/// `[phase]` laid over those of the trial, with the steps of its curve, and without the keys of strong views if it
/// makes none. New keys at their defaults are left out, as in the trial's own settings.
fn as_they_count(table: &Table, phase: &Phase) -> Table {
    let mut counted = table.clone();
    let phases = counted.remove(PHASE);
    let own = phases.as_ref().and_then(|phases| phases.get(phase.name));
    let own = own.and_then(Value::as_table);
    for (name, keys) in own.into_iter().flatten() {
        if let (Some(Value::Table(all)), Value::Table(keys)) = (counted.get_mut(name), keys) {
            lay(all, keys);
        }
    }
    // The name of a component, which may be left out, too, tells which keys it has.
    NEW_KEYS.fill(&mut counted);
    NEW_KEYS.strip(&mut counted);
    let has_steps = own.is_some_and(|own| value_at(own, "train.steps").is_some());
    if let Some(train) = counted.get_mut("train").and_then(Value::as_table_mut) {
        train.remove("epochs");
        if !has_steps {
            train.insert("steps".into(), (phase.curve as i64).into());
        }
    }
    let is_weak = |key: &str| value_at(&counted, key).and_then(Value::as_str) == Some("weak");
    let labelled = is_weak("loader.labelled-views");
    let unlabelled = !phase.reads_unlabelled() || is_weak("loader.unlabelled-view");
    if let Some(augment) = counted.get_mut("augment").and_then(Value::as_table_mut) {
        // No teacher has a view of its own.
        augment.remove(TEACHER_GEOMETRY);
        if labelled && unlabelled {
            augment.retain(|key, _| !STRONG.contains(&key));
        }
    }
    counted
}

/// The entries `keys` of a table, as far as they exist.
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
    use crate::experiment::settings::sections::tests::{offline, supervised, table, with};
    use crate::experiment::settings::trial_settings::tests::mock;

    fn keys(table: Table) -> Vec<StageKey> {
        let settings = Arc::new(TrialSettings::read(&table).unwrap());
        let stages = stages("label", &table, &settings);
        for (i, stage) in stages.iter().enumerate() {
            let known = |need: &StageKey| stages[..i].iter().any(|earlier| earlier.key == *need);
            assert!(
                stage.needs.iter().all(known),
                "{} comes after its needs",
                stage.key
            );
        }
        stages.into_iter().map(|stage| stage.key).collect()
    }

    /// Stores that exist have their stages under these keys.
    #[test]
    fn the_stages_of_the_default_trial_have_the_keys_that_they_always_had() {
        let mut table = table();
        normalise(&mut table);
        let expected = [
            "vlm-12902eaeb71def837fa6",
            "burn-in-0e6dadb69fd9d782f0df",
            "distill-54da13c1adecd07a65b9",
            "evaluate-14ed340d461f0cce6ab2",
        ];
        let keys = keys(table);
        let keys: Vec<&str> = keys.iter().map(StageKey::as_str).collect();
        assert_eq!(keys, expected);
    }

    #[test]
    fn variants_of_the_method_share_the_burn_in() {
        let all = keys(table());
        assert_eq!(all.len(), 4);
        let other = keys(with(table(), "method.ema", 0.9));
        assert_eq!(all[..2], other[..2]);
        assert!(all[2] != other[2] && all[3] != other[3]);
        for (key, value) in [
            ("loader.unlabelled", toml::Value::from(6)),
            ("loader.mixing", "pool".into()),
            ("split.unlabelled", "all".into()),
            ("loader.unlabelled-view", "weak".into()),
            ("augment.teacher-geometry", "independent".into()),
        ] {
            let more = keys(with(table(), key, value));
            assert!(all[1] == more[1] && all[2] != more[2], "{key}");
        }
        let sampled = keys(with(table(), "loader.labelled-sampler", "repeat-factor"));
        assert!(all[1] != sampled[1] && all[2] != sampled[2]);
        let alone = keys(supervised());
        assert_eq!(alone.len(), 3, "no vision-language model");
        assert_eq!(
            alone[0], all[1],
            "the supervised trial begins with the same burn-in"
        );
    }

    #[test]
    fn a_phase_reads_its_own_keys_and_no_other_phase_s() {
        let all = keys(table());
        let of = |phase: &str| {
            let own: Table = format!("{phase}.train.clip = 0.5").parse().unwrap();
            let mut table = table();
            table.insert(PHASE.into(), own.into());
            keys(table)
        };
        let distill = of("distill");
        assert!(distill[1] == all[1] && distill[2] != all[2]);
        let burn_in = of("burn-in");
        assert!(burn_in[1] != all[1] && burn_in[2] != all[2]);
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
    fn a_training_with_evaluations_is_another_one_and_reads_all_that_they_need() {
        let plain = keys(supervised());
        let stages = |key: &str, value: Value| {
            let curve = with(supervised(), "eval.period", 100);
            let mut table = with(curve, key, value);
            normalise(&mut table);
            keys(table)
        };
        let curve = stages("eval.period", 100.into());
        assert!(curve[0] != plain[0] && curve[1] != plain[1]);
        for (key, value) in [
            ("eval.period", Value::from(50)),
            ("eval.select", "best-on-val".into()),
            ("eval.top", 50.into()),
            ("eval.size", 32.into()),
        ] {
            assert_ne!(stages(key, value)[0], curve[0], "{key}");
        }
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
        assert!(all.len() == 2 && all[0].kind() == "burn-in", "{all:?}");
    }

    /// The keys of the phases teacher, label and student of data distillation with these changes.
    fn changed(changes: &[(&str, Value)]) -> Vec<StageKey> {
        let mut table = offline();
        NEW_KEYS.fill(&mut table);
        for (key, value) in changes {
            match *key {
                PHASE => drop(table.insert(PHASE.into(), value.clone())),
                key => table = with(table, key, value.clone()),
            }
        }
        normalise(&mut table);
        let mut keys = keys(table);
        assert!(keys.pop().unwrap().evaluates());
        keys
    }

    fn toml(text: &str) -> Value {
        Value::Table(text.parse().unwrap())
    }

    #[test]
    fn systems_with_one_teacher_share_it_and_its_labels_as_far_as_they_are_the_same() {
        let distillation = changed(&[]);
        let kinds: Vec<&str> = distillation.iter().map(StageKey::kind).collect();
        assert_eq!(kinds, ["teacher", "label", "student"]);
        assert!(distillation[1].labels() && !distillation[2].labels());
        let stac = changed(&[
            ("loader.mixing", "pairs".into()),
            ("loader.unlabelled-view", "strong".into()),
            ("augment.grayscale", 0.0.into()),
            ("augment.affine.probability", 1.0.into()),
            ("augment.holes.count", vec![Value::from(1), 5.into()].into()),
            (
                "method.filter",
                toml("name = 'best-or-above'\nthreshold = 0.9"),
            ),
            ("method.supervised-weight", 0.5.into()),
        ]);
        assert_eq!(stac[0], distillation[0]);
        assert!(stac[1] != distillation[1] && stac[2] != distillation[2]);
        let noisy = changed(&[
            ("model.mask-head", "noise-tolerant".into()),
            ("loader.labelled-views", "strong".into()),
            ("loader.unlabelled-view", "strong".into()),
            ("augment.colour.name", "one-of".into()),
            (
                "phase",
                toml("teacher.loader.labelled-views = 'weak'\nteacher.model.mask-head = 'plain'"),
            ),
            ("method.weighting", toml("name = 'boundary'\nscale = 3.0")),
        ]);
        assert_eq!(noisy[..2], distillation[..2]);
        assert_ne!(noisy[2], distillation[2]);
    }

    #[test]
    fn an_offline_phase_has_in_its_key_what_it_reads_and_nothing_else() {
        let all = changed(&[]);
        let rows: &[(&str, Value, [bool; 3])] = &[
            ("method.teacher-steps", 900.into(), [true; 3]),
            ("method.empty-image", "background".into(), [true; 3]),
            ("train.rate", 0.002.into(), [true; 3]),
            ("loader.labelled", 3.into(), [true; 3]),
            ("loader.labelled-views", "strong".into(), [true; 3]),
            ("phase", toml("teacher.train.rate = 0.002"), [true; 3]),
            ("phase", toml("teacher.train.steps = 1000"), [true; 3]),
            ("phase", toml("teacher.model.queries = 8"), [true; 3]),
            ("model.queries", 8.into(), [true; 3]),
            ("split.unlabelled", "all".into(), [false, true, true]),
            ("eval.size", 32.into(), [false, true, true]),
            ("method.mask-threshold", 0.44.into(), [false, true, true]),
            (
                "method.filter.grid",
                vec![Value::from(0.2), 1.0.into(), 0.1.into()].into(),
                [false, true, true],
            ),
            (
                "method.test-views.short-sides",
                vec![Value::from(48)].into(),
                [false, true, true],
            ),
            ("train.steps", 2500.into(), [false, false, true]),
            ("loader.unlabelled", 6.into(), [false, false, true]),
            ("loader.mixing", "pairs".into(), [false, false, true]),
            (
                "loader.unlabelled-view",
                "strong".into(),
                [false, false, true],
            ),
            ("method.lambda", 2.0.into(), [false, false, true]),
            ("method.supervised-weight", 0.5.into(), [false, false, true]),
            (
                "phase",
                toml("student.train.rate = 0.002"),
                [false, false, true],
            ),
            ("augment.grayscale", 0.1.into(), [false; 3]),
            ("augment.teacher-geometry", "independent".into(), [false; 3]),
        ];
        for (key, value, expected) in rows {
            let found = changed(&[(key, value.clone())]);
            let differs: Vec<bool> = (0..3).map(|i| found[i] != all[i]).collect();
            assert_eq!(differs, expected, "{key} = {value}");
        }
        let strong = ("loader.labelled-views", Value::from("strong"));
        let grey = ("augment.grayscale", Value::from(0.1));
        assert_ne!(changed(&[strong.clone(), grey])[0], changed(&[strong])[0]);
    }
}
