//! The recipe on the user's own pictures.

use super::choice::Choice;
use super::held_out::SHARE;
use super::lines::{Lines, quoted};
use super::reading::Files;
use super::schedule::{BATCH, MACHINE, PASSES, SIDE, in_words, steps_in_words, times};
use super::survey::Survey;
use super::sweep;
use crate::data::Dataset;
use crate::report::counted;
use anyhow::Result;
use std::collections::BTreeSet;

/// The upper thresholds of pseudo-labels: class and mask.
const THRESHOLDS: [f64; 2] = [0.7, 0.85];
/// Their lower ones, for the rarest class.
const LOWER: [f64; 2] = [0.5, 0.7];
/// The number of classes that a comment names.
const NAMED: usize = 12;

/// The texts of the recipe and of its sweep for the data in `files`, and the oddities of the data.
///
/// # Errors
/// A file of the data is wrong, or nothing can be trained with it. The error names the option.
pub fn texts(files: &Files) -> Result<([String; 2], Vec<String>)> {
    let mut dataset = files.load("all")?;
    let mut survey = Survey::new(&dataset)?;
    let all = survey.classes.len();
    // With a class that no training picture shows, no split could have all classes.
    let classes = match survey.classes.iter().all(|(_, objects)| *objects > 0) {
        true => "all",
        false => "present",
    };
    if classes == "present" {
        dataset = files.load(classes)?;
        survey = Survey::new(&dataset)?;
    }
    let choice = Choice::new(&dataset, &survey);
    let empty = all - survey.classes.len();
    let recipe = recipe(files, &survey, &choice, (classes, empty));
    let sweep = sweep::text(THRESHOLDS, choice.schedule.burn_in);
    let mut notes = dataset.findings.lines();
    notes.extend(not_evaluated(&dataset));
    Ok(([recipe, sweep], notes))
}

/// A note about the classes without an object among the evaluated pictures.
fn not_evaluated(dataset: &Dataset) -> Option<String> {
    let val = &*dataset.val;
    let seen: BTreeSet<usize> = (0..val.len())
        .flat_map(|picture| val.objects_of(picture))
        .collect();
    let classes = dataset.classes.iter().enumerate();
    let unseen = classes.filter(|(class, _)| !seen.contains(class));
    let names: Vec<String> = unseen.map(|(_, name)| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "no evaluated picture has an object of {}: the AP of such a class is undefined, and the mAP is that of the \
             others; --val-coco names pictures of your choice",
            names.join(", ")
        )
    })
}

fn recipe(files: &Files, survey: &Survey, choice: &Choice, classes: (&str, usize)) -> String {
    let mut lines = Lines::default();
    head(&mut lines, survey, choice);
    let row = |key, value: String, reason: &str| (key, value, reason.to_string());
    lines.table(
        None,
        &[
            row("extends", quoted("pl-dc.toml"), "the file beside this one: every key, its default and its meaning"),
            row("seeds", "[0]".into(), "one training for each row; [0, 1, 2] gives intervals and takes three times as long"),
            row("sweeps", "[\"modules\"]".into(), "sweeps/modules.toml: the rows of the table; []: this recipe alone"),
        ],
    );
    data(&mut lines, files, survey, choice, classes);
    training(&mut lines, survey, choice);
    lines.text()
}

fn head(lines: &mut Lines, survey: &Survey, choice: &Choice) {
    let Choice {
        pictures, schedule, ..
    } = choice;
    let decoding = match pictures.seconds >= 0.0005 {
        true => format!("{:.3} s", pictures.seconds),
        false => "less than 0.001 s".to_string(),
    };
    let factor = times(choice.size);
    let longer = match choice.size {
        SIDE => String::new(),
        size => format!(", and {factor:.1} times as long at {size} pixels"),
    };
    lines.comment(&format!(
        "Own pictures: {} to train with, {} of them with labels; {} to evaluate; {}.\n\
         Written by `harness init`. Every line says why it has its value.\n\n  \
         harness plan  recipes/own.toml     what would run\n  \
         harness sweep recipes/own.toml     run it: a table of four rows in results/own/\n\n\
         Time: about {} for one training on one core, {} for the sweep on two.\n\
         Basis: a step at {SIDE} pixels takes {} ({MACHINE}, measured){longer};\n\
         to read a picture took {decoding} on the machine that wrote this file.",
        survey.train,
        pictures.labelled,
        survey.val,
        counted_classes(survey.classes.len()),
        in_words(schedule.trial_seconds(pictures)),
        in_words(schedule.sweep_seconds(pictures)),
        steps_in_words(),
    ));
}

fn counted_classes(count: usize) -> String {
    match count {
        1 => "1 class".to_string(),
        count => format!("{count} classes"),
    }
}

fn data(
    lines: &mut Lines,
    files: &Files,
    survey: &Survey,
    choice: &Choice,
    (classes, empty): (&str, usize),
) {
    let names: Vec<String> = survey
        .classes
        .iter()
        .take(NAMED)
        .map(|(name, objects)| format!("{} ({objects})", name.escape_debug()))
        .collect();
    let more = match survey.classes.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let drawn = match files.is_drawn {
        true => format!(
            "{:.0} % of the pictures of {}, drawn once",
            100.0 * SHARE,
            files.source.escape_debug()
        ),
        false => "as given: --val-coco".to_string(),
    };
    let bad = match survey.left_out {
        0 => "every annotation has an outline; a later one without is left out of training"
            .to_string(),
        count => format!("{} without a usable outline", counted(count, "annotation")),
    };
    let bounds = match choice.has_terciles {
        true => format!(
            "a third of the {} measured objects is smaller, a third is larger: in pixels of the files",
            survey.areas.len()
        ),
        false => {
            "half and double of the area that nearly all objects have: all are medium".to_string()
        }
    };
    let class_reason = match classes {
        "all" => "every category has objects in the training pictures".to_string(),
        _ => format!(
            "those with objects in the training pictures; {} without",
            match empty {
                1 => "1 category is".to_string(),
                count => format!("{count} categories are"),
            }
        ),
    };
    let row = |key, value: &str, reason: String| (key, quoted(value), reason);
    let [small, medium] = choice.area_bounds;
    let train = match files.is_drawn {
        true => "the rest of them, with the same classes".to_string(),
        false => "as given: --coco".to_string(),
    };
    lines.table(
        Some("data"),
        &[
            row("name", "coco", "annotations in COCO's format".into()),
            row(
                "root",
                "..",
                "the folder above this file; paths without a leading / begin there".into(),
            ),
            row("train-annotations", &files.train_annotations, train),
            row(
                "train-images",
                &files.train_images,
                "the pictures stay where they are: change this if they move".into(),
            ),
            row("val-annotations", &files.val_annotations, drawn),
            row("val-images", &files.val_images, "their folder".into()),
            row(
                "unlabelled-images",
                "",
                "a folder of further pictures without annotations, if you have one".into(),
            ),
            row("classes", classes, class_reason),
            row("on-bad-annotation", "skip", bad),
            (
                "skip-in-truth",
                "false".into(),
                "an evaluated object without an outline counts as missed, as in COCO's metric"
                    .into(),
            ),
            (
                "exif",
                "true".into(),
                "pictures are turned as the camera says".into(),
            ),
            row(
                "check",
                "once",
                "every picture is decoded once before the first training".into(),
            ),
            ("area-bounds", format!("[{small:.1}, {medium:.1}]"), bounds),
        ],
    );
    lines.comment(&format!(
        "Objects to train with: {}{more}.",
        names.join(", ")
    ));
}

fn training(lines: &mut Lines, survey: &Survey, choice: &Choice) {
    let Choice {
        size,
        pictures,
        schedule,
        ..
    } = choice;
    let row = |key, value: String, reason: String| (key, value, reason);
    let least = match choice.min_instances {
        0 => "no number can be reached for all classes: some have too few objects".to_string(),
        least => format!(
            "objects of every class among the labelled pictures: {least} can be reached for seeds 0 to 2"
        ),
    };
    let share = match choice.labelled < 1.0 {
        true => format!(
            "{} of {}: the rest plays the pictures without labels",
            pictures.labelled, survey.train
        ),
        false => {
            "there are too few pictures to hide labels: all are used without labels too".to_string()
        }
    };
    lines.table(
        Some("split"),
        &[
            row("labelled", format!("{:?}", choice.labelled), share),
            row("min-instances", choice.min_instances.to_string(), least),
        ],
    );
    let object = (survey.side * *size as f64).round();
    lines.table(
        Some("augment"),
        &[
            row("size", size.to_string(), format!("pixels, a multiple of 32: the median object has a side of {object} (in the files, the longer side is {})", survey.longer)),
            row("jitter", "{ probability = 0.8, brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.1 }".into(), "as PL-DC's released code; the default's hue is for drawn pictures".into()),
        ],
    );
    let [labelled, unlabelled] = BATCH;
    lines.table(
        Some("loader"),
        &[
            row(
                "labelled",
                labelled.to_string(),
                "pictures of a step; the paper's 8 would take four times as long".into(),
            ),
            row(
                "unlabelled",
                unlabelled.to_string(),
                "twice as many, because they are the larger part".into(),
            ),
        ],
    );
    lines.table(
        Some("model"),
        &[
            row(
                "queries",
                choice.queries.to_string(),
                format!(
                    "objects that it can find in a picture; the fullest one has {}",
                    survey.most_objects
                ),
            ),
            row(
                "pixel-mean",
                "[123.675, 116.28, 103.53]".into(),
                "of ImageNet's photographs".into(),
            ),
            row(
                "pixel-std",
                "[58.395, 57.12, 57.375]".into(),
                "of ImageNet's photographs".into(),
            ),
        ],
    );
    let cut = match schedule.is_cut {
        true => ", cut to five minutes",
        false => "",
    };
    let [first, then] = PASSES;
    lines.table(
        Some("method"),
        &[
            row("burn-in", schedule.burn_in.to_string(), format!("steps with labels alone: {first} times every picture with labels, 200 to 600 steps{cut}")),
        ],
    );
    let pair = |[class, mask]: [f64; 2]| (class, mask);
    let ((class, mask), (low_class, low_mask)) = (pair(THRESHOLDS), pair(LOWER));
    lines.table(
        Some("method.filter"),
        &[
            row("class", format!("[{low_class}, {class}]"), "class quality of a pseudo-label, rare to frequent class; lower than the default: the training is short".into()),
            row("mask", format!("[{low_mask}, {mask}]"), "mask quality".into()),
            row("class-margin", "0.0".into(), "no medium tier: nothing would correct its classes".into()),
            row("mask-margin", "0.0".into(), "no medium tier".into()),
        ],
    );
    lines.table(
        Some("method.correction"),
        &[row("name", quoted("keep"), "the default knows the drawn classes alone; a CLIP or an ImageNet backbone is needed for others".into())],
    );
    lines.table(
        Some("train"),
        &[
            row("steps", schedule.steps.to_string(), format!("the burn-in, then {then} times every picture without labels, 200 to 800 steps{cut}")),
            row("average", "0.99".into(), "as method.ema: the row `labelled only` is averaged as a teacher is".into()),
            row("checkpoint", "100".into(), "a killed training loses these steps at most, and ten minutes at most".into()),
        ],
    );
    lines.table(
        Some("eval"),
        &[row(
            "size",
            size.to_string(),
            "the longer side, as in training; masks are compared at full size".into(),
        )],
    );
}
