//! The recipe on the embedded dataset, to be edited.

use super::lines::{Lines, quoted};
use super::schedule::{MACHINE, Pictures, SIDE, Schedule, in_words, steps_in_words};
use super::sweep;

/// The numbers of drawn pictures: for training, for the evaluation.
const PICTURES: [usize; 2] = [300, 100];
/// The share of the training pictures with labels.
const LABELLED: f64 = 0.1;
/// The thresholds of `recipes/pl-dc.toml`.
const THRESHOLDS: [f64; 2] = [0.85, 0.9];

/// The texts of the recipe and of its sweep.
pub fn texts() -> [String; 2] {
    let [train, val] = PICTURES;
    let labelled = (LABELLED * train as f64) as usize;
    let pictures = Pictures {
        labelled,
        unlabelled: train - labelled,
        val,
        size: SIDE,
        seconds: 0.0,
    };
    let schedule = Schedule::new(&pictures);
    let mut lines = Lines::default();
    lines.comment(&format!(
        "A first experiment on the embedded dataset: drawings of {SIDE} x {SIDE} pixels in ten classes. Edit it.\n\
         Written by `harness init`. Every line says why it has its value.\n\n  \
         harness plan  recipes/own.toml     what would run\n  \
         harness sweep recipes/own.toml     run it: a table of four rows in results/own/\n\n\
         Time: about {} for one training on one core, {} for the sweep on two.\n\
         Basis: a step takes {} ({MACHINE}, measured).",
        in_words(schedule.trial_seconds(&pictures)),
        in_words(schedule.sweep_seconds(&pictures)),
        steps_in_words(),
    ));
    let row = |key, value: String, reason: &str| (key, value, reason.to_string());
    lines.table(
        None,
        &[
            row("extends", quoted("pl-dc.toml"), "the file beside this one: every key, its default and its meaning"),
            row("seeds", "[0]".into(), "one training for each row; [0, 1, 2] gives intervals and takes three times as long"),
            row("sweeps", "[\"modules\"]".into(), "sweeps/modules.toml: the rows of the table; []: this recipe alone"),
        ],
    );
    lines.table(
        Some("data"),
        &[
            row(
                "train-images",
                train.to_string(),
                "of the default's 1000: a short training sees no more",
            ),
            row(
                "val-images",
                val.to_string(),
                "of the default's 500: an evaluation takes seconds",
            ),
        ],
    );
    lines.table(
        Some("split"),
        &[row(
            "labelled",
            LABELLED.to_string(),
            "30 pictures with labels, as many as the default has (25)",
        )],
    );
    lines.table(
        Some("method"),
        &[row(
            "burn-in",
            schedule.burn_in.to_string(),
            "steps with labels alone: 40 times every picture with labels",
        )],
    );
    lines.table(
        Some("method.filter"),
        &[
            row(
                "class-margin",
                "0.0".into(),
                "no medium tier: nothing corrects its classes",
            ),
            row("mask-margin", "0.0".into(), "no medium tier"),
        ],
    );
    lines.table(
        Some("method.correction"),
        &[row(
            "name",
            quoted("keep"),
            "the default, dicc, would train a small CLIP first",
        )],
    );
    lines.table(
        Some("train"),
        &[
            row(
                "steps",
                schedule.steps.to_string(),
                "the burn-in, then 6 times every picture without labels",
            ),
            row(
                "average",
                "0.99".into(),
                "as method.ema: the row `labelled only` is averaged as a teacher is",
            ),
            row(
                "checkpoint",
                "100".into(),
                "an interrupted training loses half a minute at most",
            ),
        ],
    );
    [lines.text(), sweep::text(THRESHOLDS, schedule.burn_in)]
}
