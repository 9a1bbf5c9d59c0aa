//! The settings that a trial does not read: keys whose only reader is switched off by another key. They are
//! set to the defaults of `recipes/pl-dc.toml`, so that trials that differ only in those are one trial with
//! one hash.
//!
//! Only choices are considered (names, switches, a probability or a count of 0), not values for which a
//! formula happens to have no effect.

use super::evaluation::EvalModel;
use super::phase_keys;
use crate::method::Method;
use crate::recipe::{DEFAULTS, value_at};
use std::sync::LazyLock;
use toml::{Table, Value};

/// The value of a key for which other keys are not read.
#[derive(Clone, Copy, Debug)]
enum Off {
    Name(&'static str),
    /// Any text but the empty one.
    Text,
    True,
    /// 0, or a list of nothing else.
    Zero,
}

/// A key, the value that switches its readers off, and the keys that only these readers use.
const UNREAD: &[(&str, Off, &[&str])] = &[
    (
        "method.candidates",
        Off::Name("arg-max"),
        &["method.top-pairs"],
    ),
    // Nothing is fused, so no fused probability is compared with it.
    (
        "method.correction.name",
        Off::Name("keep"),
        &["method.filter.accept"],
    ),
    (
        "model.backbone.norm",
        Off::Name("frozen-batch"),
        &["model.backbone.norm-groups"],
    ),
    (
        "model.backbone.norm",
        Off::Name("frozen-statistics"),
        &["model.backbone.norm-groups"],
    ),
    (
        "model.backbone.norm",
        Off::Name("group"),
        &["model.backbone.norm-epsilon"],
    ),
    (
        "model.backbone.block",
        Off::Name("basic"),
        &["model.backbone.stride-in-1x1"],
    ),
    ("model.iou-head", Off::Name("none"), &["model.loss.iou"]),
    (
        "model.mask-head",
        Off::Name("plain"),
        &["model.loss.mask-coarse"],
    ),
    ("model.backbone.frozen", Off::True, &["train.backbone-rate"]),
    ("train.optimizer", Off::Name("adamw"), &["train.momentum"]),
    ("train.schedule", Off::Name("poly"), &["train.drop"]),
    ("train.warm-up", Off::Zero, &["train.warm-up-from"]),
    ("train.optimizer", Off::Name("sgd"), &["train.betas"]),
    ("loader.threads", Off::Zero, &["loader.prefetch"]),
    (
        "loader.mixing",
        Off::Name("pairs"),
        &["loader.labelled-repeat"],
    ),
    (
        "loader.mixing",
        Off::Name("by-probability"),
        &["loader.labelled-repeat"],
    ),
    (
        "loader.labelled-sampler",
        Off::Name("uniform"),
        &["loader.repeat-threshold"],
    ),
    (
        "split.list",
        Off::Name(""),
        &["split.format", "split.percent"],
    ),
    ("split.list", Off::Text, &["split.rule"]),
    (
        "augment.geometry",
        Off::Name("scale-jitter"),
        &["augment.shorter", "augment.longer"],
    ),
    (
        "augment.geometry",
        Off::Name("shorter-side"),
        &[
            "augment.scale",
            "augment.scale-distribution",
            "augment.scale-probability",
        ],
    ),
    (
        "augment.scale-probability",
        Off::Zero,
        &["augment.scale", "augment.scale-distribution"],
    ),
    (
        "augment.jitter.probability",
        Off::Zero,
        &[
            "augment.jitter.brightness",
            "augment.jitter.contrast",
            "augment.jitter.saturation",
            "augment.jitter.hue",
        ],
    ),
    (
        "augment.blur.probability",
        Off::Zero,
        &["augment.blur.sigma"],
    ),
    (
        "augment.colour.name",
        Off::Name("none"),
        &["augment.colour.probability"],
    ),
    (
        "augment.affine.probability",
        Off::Zero,
        &[
            "augment.affine.translate",
            "augment.affine.rotate",
            "augment.affine.shear",
            "augment.affine.fill",
            "augment.affine.in-box.share",
            "augment.affine.in-box.translate",
            "augment.affine.in-box.rotate",
            "augment.affine.in-box.shear",
        ],
    ),
    (
        "augment.affine.in-box.share",
        Off::Zero,
        &[
            "augment.affine.in-box.translate",
            "augment.affine.in-box.rotate",
            "augment.affine.in-box.shear",
        ],
    ),
    (
        "augment.holes.count",
        Off::Zero,
        &[
            "augment.holes.side",
            "augment.holes.sizes",
            "augment.holes.fill",
        ],
    ),
];

/// The key that nothing reads if no teacher labels images while the student trains.
const UNREAD_WITHOUT_TEACHER: &str = "augment.teacher-geometry";

/// The keys that nothing reads if no unlabelled image is read.
const UNREAD_WITHOUT_UNLABELLED: [&str; 6] = [
    "loader.unlabelled",
    "loader.unlabelled-view",
    "loader.mixing",
    "loader.labelled-repeat",
    "split.unlabelled",
    "split.unlabelled-backgrounds",
];

static DEFAULT: LazyLock<Table> =
    LazyLock::new(|| DEFAULTS.parse().expect("the defaults are TOML"));

/// When a method labels unlabelled images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labelling {
    /// Never.
    Never,
    /// Before the student trains.
    Before,
    /// While it trains, by a teacher that stays to the end.
    During,
}

impl Labelling {
    /// That of `method`; of a method that cannot be read, nothing is known not to be read.
    pub fn of(method: Option<&dyn Method>) -> Self {
        match method {
            Some(method) if !method.reads_unlabelled() => Self::Never,
            Some(method) if !method.has_teacher() => Self::Before,
            _ => Self::During,
        }
    }
}

/// Sets the keys that a trial does not read to their defaults. Missing keys and malformed settings are left
/// as they are. `by_detector` are the keys of `[method]` that the detector has no use for.
pub fn reset_unread(table: &mut Table, labelling: Labelling, by_detector: &[&str]) {
    for (key, off, unread) in UNREAD {
        let is_off = match (value_at(table, key), off) {
            (Some(Value::String(found)), Off::Name(name)) => found == name,
            (Some(Value::String(found)), Off::Text) => !found.is_empty(),
            (Some(Value::Boolean(found)), Off::True) => *found,
            (Some(Value::Integer(found)), Off::Zero) => *found == 0,
            (Some(Value::Float(found)), Off::Zero) => *found == 0.0,
            (Some(Value::Array(found)), Off::Zero) => {
                found.iter().all(|number| number.as_integer() == Some(0))
            }
            _ => false,
        };
        if is_off {
            unread.iter().for_each(|path| reset(table, path));
        }
    }
    for key in by_detector {
        reset(table, &format!("method.{key}"));
    }
    if labelling == Labelling::During {
        return;
    }
    reset(table, UNREAD_WITHOUT_TEACHER);
    if labelling == Labelling::Never {
        for path in UNREAD_WITHOUT_UNLABELLED {
            reset(table, path);
        }
    }
    let model = value_at(table, "eval.model").and_then(Value::as_str);
    if model == Some(EvalModel::Teacher.name()) {
        put(table, "eval.model", EvalModel::Student.name().into());
    }
}

/// Sets the key at `path` to its default if it exists, unless a phase with keys of its own may read it.
fn reset(table: &mut Table, path: &str) {
    if phase_keys::differs(table, path) {
        return;
    }
    if let (Some(_), Some(default)) = (value_at(table, path), value_at(&DEFAULT, path)) {
        put(table, path, default.clone());
    }
}

/// Replaces the value at `path` by `value`.
fn put(table: &mut Table, path: &str, value: Value) {
    let mut keys = path.split('.');
    let first = keys.next().and_then(|key| table.get_mut(key));
    if let Some(slot) = keys
        .try_fold(first, |value, key| Some(value?.get_mut(key)))
        .flatten()
    {
        *slot = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::NEW_KEYS;
    use crate::experiment::Settings;
    use crate::experiment::settings::catalogue::example;
    use crate::experiment::settings::sections::tests::{supervised, table, with};

    fn normalised(mut table: Table) -> Table {
        crate::experiment::normalise(&mut table);
        table
    }

    /// Another valid value of the same type.
    fn other(value: &Value) -> Value {
        match value {
            Value::Integer(number) => (number + 1).into(),
            Value::Float(number) => (number / 2.0).into(),
            Value::Boolean(flag) => (!flag).into(),
            Value::String(word) if word == "shared" => "independent".into(),
            Value::String(word) if word == "strong" => "weak".into(),
            Value::String(_) => "uniform".into(),
            Value::Array(items) if items.is_empty() => vec![vec![3, 4]].into(),
            Value::Array(items) => Value::Array(items.iter().map(other).collect()),
            _ => panic!("{value} is no plain value"),
        }
    }

    #[test]
    fn what_is_switched_off_makes_no_other_trial_and_what_is_on_does() {
        for (key, off, unread) in UNREAD {
            let switched = match off {
                Off::Name("keep") => {
                    let keep = Table::from_iter([("name".to_string(), "keep".into())]);
                    with(table(), "method.correction", keep)
                }
                Off::Name(name) => with(table(), key, *name),
                Off::Text => with(table(), key, "list.txt"),
                Off::True => with(table(), key, true),
                Off::Zero => with(table(), key, value_at(&DEFAULT, key).map_or(0.into(), zero)),
            };
            let on = match (*key, off) {
                ("method.candidates", _) => with(table(), key, "top-pairs"),
                ("model.backbone.norm", Off::Name("group")) => with(table(), key, "frozen-batch"),
                ("model.backbone.block", _) => with(table(), key, "bottleneck"),
                ("loader.threads", _) => with(table(), key, 1),
                ("loader.mixing", _) => with(table(), key, "pool"),
                ("train.optimizer", Off::Name("adamw")) => with(table(), key, "sgd"),
                ("loader.labelled-sampler", _) => with(table(), key, "repeat-factor"),
                ("split.list", Off::Name("")) => with(table(), key, "list.txt"),
                ("augment.geometry", Off::Name("scale-jitter")) => {
                    with(table(), key, "shorter-side")
                }
                ("model.iou-head", _) => with(table(), key, "flat"),
                ("model.mask-head", _) => with(table(), key, "noise-tolerant"),
                ("augment.colour.name", _) => with(table(), key, "one-of"),
                ("augment.affine.probability" | "augment.affine.in-box.share", _) => {
                    let table = with(table(), "augment.affine.probability", 0.5);
                    with(table, "augment.affine.in-box.share", 0.5)
                }
                ("augment.holes.count", _) => with(table(), key, vec![1, 5]),
                _ => table(),
            };
            for path in *unread {
                let changed = |table: Table| {
                    let value = other(value_at(&table, path).expect("the key is there"));
                    with(table, path, value)
                };
                assert_eq!(
                    normalised(changed(switched.clone())),
                    normalised(switched.clone()),
                    "{path}"
                );
                assert_ne!(
                    normalised(changed(on.clone())),
                    normalised(on.clone()),
                    "{path}"
                );
            }
            assert!(Settings::read(&normalised(switched)).is_ok(), "{key}");
        }
    }

    #[test]
    fn keys_that_a_detector_has_no_use_for_make_no_other_trial() {
        let mut regions = table();
        regions.insert("model".into(), example("model", "mask-rcnn").into());
        // Of pairs, all keys are read.
        let queries = with(table(), "method.candidates", "top-pairs");
        for key in ["score", "candidates", "top-pairs", "weighting.points"] {
            let path = format!("method.{key}");
            let changed = |table: &Table| {
                let value = match key {
                    "score" => "foreground".into(),
                    "candidates" => "arg-max".into(),
                    _ => other(value_at(table, &path).expect("the key is there")),
                };
                normalised(with(table.clone(), &path, value))
            };
            assert_eq!(changed(&regions), normalised(regions.clone()), "{path}");
            assert_ne!(changed(&queries), normalised(queries.clone()), "{path}");
        }
    }

    #[test]
    fn without_a_teacher_nothing_reads_unlabelled_images() {
        for path in UNREAD_WITHOUT_UNLABELLED
            .into_iter()
            .chain([UNREAD_WITHOUT_TEACHER])
        {
            let value = other(value_at(&table(), path).expect("the key is there"));
            let changed = |table: Table| normalised(with(table, path, value.clone()));
            assert_eq!(changed(supervised()), normalised(supervised()), "{path}");
            let with_teacher = match path {
                "loader.labelled-repeat" => with(table(), "loader.mixing", "pool"),
                _ => table(),
            };
            let plain = normalised(with_teacher.clone());
            assert_ne!(changed(with_teacher), plain, "{path}");
        }
    }

    fn zero(value: &Value) -> Value {
        match value {
            Value::Float(_) => 0.0.into(),
            Value::Array(numbers) => vec![0; numbers.len()].into(),
            _ => 0.into(),
        }
    }

    #[test]
    fn the_defaults_stay_and_once_is_enough() {
        let mut defaults = table();
        NEW_KEYS.strip(&mut defaults);
        assert_eq!(normalised(table()), defaults);
        let once = normalised(supervised());
        assert_eq!(normalised(once.clone()), once);
    }

    #[test]
    fn without_a_teacher_the_student_is_meant() {
        let student = with(supervised(), "eval.model", "student");
        assert_eq!(normalised(supervised()), normalised(student));
        let average = with(supervised(), "eval.model", "average");
        assert_ne!(normalised(supervised()), normalised(average));
    }
}
