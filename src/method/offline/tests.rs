//! The phases, the labels of a small pool by hand, and whole steps whose pseudo-labels are the labels.

use super::*;
use crate::data::split::ClassCounts;
use crate::data::{Batch, PseudoView};
use crate::detector::{Detector as _, TestView};
use crate::method::config::tests::table;
use crate::method::learner::{Learner, Parts, Setup};
use crate::method::pool_labeller::Found;
use crate::method::pool_labeller::tests::found;
use crate::method::report::{PartLosses, StepReport};
use crate::method::teacher_student::tests::oracle::{Oracle, truth, twice};
use crate::method::teacher_student::tests::{SIDE, picture, step, student_of};
use crate::ops::Bounds;
use crate::structures::{Mask, rle};

const REST: &str = "teacher-steps = 30\nlambda = 1.0\nsupervised-weight = 1.0\nscore = 'with-no-object'\n\
                    candidates = 'arg-max'\ntop-pairs = 100\nmin-area = 0\nmask-threshold = 0.5\n\
                    test-views = { short-sides = [], flip = false, merge = 'mean-by-proposal' }\n\
                    pseudo-box = 'detection'\nduplicate-iou = 1.0\nempty-image = 'drop'\n\
                    filter = { name = 'class-only', threshold = 0.5 }\ncorrection = { name = 'keep' }\n\
                    weighting = { name = 'uniform' }";

fn built(more: &str) -> Result<Box<dyn Method>, ComponentErrors> {
    let mut table: Table = REST.parse().unwrap();
    table.extend(more.parse::<Table>().unwrap());
    build(table)
}

fn counts(annotations: &[usize], images: usize) -> ClassCounts {
    ClassCounts {
        images,
        annotations: annotations.to_vec(),
        objects: annotations.to_vec(),
    }
}

/// The rules of the phase `label` of a method with the keys `more`.
fn labeller(more: &str, counts: &ClassCounts) -> PoolLabeller {
    let phases = built(more).unwrap().phases(20);
    match &phases[LABEL].build {
        Build::Pool(build) => build(counts),
        Build::Learner(_) | Build::Number(_) => panic!("the phase labels"),
    }
}

#[test]
fn a_new_student_learns_from_the_labels_of_a_trained_teacher() {
    let phases = built("").unwrap().phases(20);
    let seen: Vec<_> = phases
        .iter()
        .map(|phase| (phase.name, phase.steps.clone(), phase.curve, phase.start))
        .collect();
    let labelled = Start::Labelled {
        by: 1,
        drops_empty: true,
    };
    assert_eq!(
        seen,
        [
            ("teacher", 0..30, 30, Start::Fresh),
            ("label", 0..0, 0, Start::Under(0)),
            ("student", 0..20, 20, labelled),
        ]
    );
    let unlabelled = phases.iter().map(|phase| phase.reads_unlabelled());
    assert_eq!(unlabelled.collect::<Vec<_>>(), [false, false, true]);
    assert!(phases.iter().all(|phase| phase.alone && !phase.labels));
    let kept = built("empty-image = 'background'").unwrap().phases(20);
    let start = Start::Labelled {
        by: 1,
        drops_empty: false,
    };
    assert_eq!(kept[2].start, start);
}

#[test]
fn every_key_is_read_by_the_phases_that_it_changes() {
    let phases = built("").unwrap().phases(20);
    let reads = |phase: usize, key: &str| match &phases[phase].reads {
        MethodKeys::Only(keys) => keys.contains(&key),
        MethodKeys::AllBut(keys) => !keys.contains(&key),
    };
    let table: Table = REST.parse().unwrap();
    for key in table.keys() {
        let expected = match key.as_str() {
            "teacher-steps" => [true, false, false],
            "empty-image" => [true, false, true],
            "lambda" | "supervised-weight" | "pseudo-box" | "weighting" => [false, false, true],
            _ => [false, true, false],
        };
        assert_eq!([0, 1, 2].map(|phase| reads(phase, key)), expected, "{key}");
    }
}

#[test]
fn what_needs_a_teacher_beside_the_student_is_refused() {
    let pmua =
        "{ name = 'uncertainty', renormalise = false, points = 'importance', divisor = 'masks' }";
    let align = "{ name = 'dynamic-align', class-scale = 1.0, class-cap = 1.0, class-power = 0.0, \
                 negative = 'teacher-background', mask-scale = 1.0, mask-power = 4.0 }";
    let dicc = table("method")["correction"].to_string();
    for (more, key) in [
        ("teacher-steps = 0".to_string(), "teacher-steps"),
        (format!("weighting = {pmua}"), "weighting.name"),
        (format!("weighting = {align}"), "weighting.negative"),
        (format!("correction = {dicc}"), "correction.name"),
        ("supervised-weight = -0.5".into(), "supervised-weight"),
        ("mask-threshold = 1.0".into(), "mask-threshold"),
        (
            "mask-threshold = 0.44\ntest-views = { short-sides = [], flip = true, merge = 'union-nms' }".into(),
            "mask-threshold",
        ),
        ("ema = 0.9".into(), "ema"),
    ] {
        let errors = built(&more).expect_err(&more);
        assert_eq!(errors[0].key, key, "{errors}");
    }
}

/// Two labelled images with three annotations of class 0 and one of class 1; four unlabelled images. Wanted: 1.5 of
/// class 0 and 0.5 of class 1 in an image, so six and two in the pool.
#[test]
fn the_thresholds_of_class_frequency_come_from_all_images_at_once() {
    let filter = "filter = { name = 'class-frequency', grid = [0.1, 1.0, 0.1], window = 1, every = 1, start = 0.9 }";
    let mut rules = labeller(filter, &counts(&[3, 1], 2));
    let image = |qualities: &[(usize, f32)]| {
        let all = qualities.iter().map(|(class, c)| found(*class, *c, 0.9));
        all.collect::<Vec<_>>()
    };
    let pool = [
        image(&[(0, 0.95), (0, 0.85), (0, 0.15), (1, 0.75)]),
        image(&[(0, 0.65), (0, 0.55), (1, 0.65)]),
        image(&[(0, 0.45), (0, 0.25), (1, 0.55)]),
        image(&[(0, 0.35)]),
    ];
    // Above 0.3 are six of class 0: 0.95, 0.85, 0.65, 0.55, 0.45, 0.35. Above 0.6 are two of class 1.
    rules.survey(&pool);
    let mut kept = Vec::new();
    for (number, image) in pool.iter().enumerate() {
        let (labels, objects) = rules.label(image, (4, 4), number == 3).unwrap();
        assert_eq!(labels.labels.len(), objects.len());
        kept.push((labels.counts.kept, labels.counts.low));
    }
    assert_eq!(kept, [(3, 1), (3, 0), (1, 2), (1, 0)]);
    let (name, thresholds) = rules.readings().remove(0);
    assert_eq!(name, "frequency-thresholds");
    assert_eq!(
        thresholds,
        serde_json::json!([0.3, 0.6]),
        "of all images, not of the last ones"
    );
}

#[test]
fn small_masks_and_duplicates_are_dropped_and_the_best_come_first() {
    let more = "min-area = 4\nduplicate-iou = 0.5";
    let mut rules = labeller(more, &counts(&[1], 1));
    let all = [
        found(0, 0.6, 0.9),
        found(0, 0.7, 0.9),
        // Half of it is the same mask; four pixels; not above the threshold.
        found(1, 0.9, 0.5).with_mask(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        found(0, 0.99, 0.9).with_mask(&[8, 9, 10, 11]),
        found(0, 0.5, 0.9).with_mask(&[10, 11, 12, 13, 14]),
    ];
    let (labels, objects) = rules.label(&all, (4, 4), true).unwrap();
    let kept: Vec<(usize, f32)> = objects
        .iter()
        .map(|one| (one.class, one.qualities[0]))
        .collect();
    assert_eq!(kept, [(0, 0.7), (1, 0.9)], "0.5 is not above 0.5");
    assert_eq!(labels.counts.duplicates, 1);
    assert_eq!((labels.counts.high, labels.counts.low), (3, 2));
    assert_eq!(rle::decode(&objects[0].mask), labels.labels[0].mask);
}

/// The networks of both kinds.
fn networks() -> [Table; 2] {
    let body = include_str!("../../../recipes/bodies/mask-rcnn-scenes.toml");
    let body: Table = body.parse().unwrap();
    [table("model"), body["model"].as_table().unwrap().clone()]
}

fn oracle(model: &Table) -> Oracle {
    Oracle {
        network: student_of(model.clone()),
        truth: truth(),
        qualities: [0.9, 0.8],
    }
}

/// A picture of 64 x 96 pixels in an input of 32 x 32, of which 32 x 24 show it.
#[test]
fn the_teacher_labels_at_the_resolution_of_the_picture() {
    let teacher = oracle(&table("model"));
    let rules = labeller("", &counts(&[1, 1, 1], 1));
    let pictures = [picture(1, SIDE)];
    let mut input = teacher.images(&[&pictures[0]]);
    let own = rules.look(&teacher, &input, &[(SIDE, SIDE)]).remove(0);
    let (_, objects) = rules.clone().label(&own, (SIDE, SIDE), true).unwrap();
    let masks = objects.iter().map(|one| rle::decode(&one.mask));
    let expected: Vec<Mask> = truth().into_iter().map(|object| object.mask).collect();
    assert_eq!(masks.collect::<Vec<_>>(), expected);
    for (object, mask) in objects.iter().zip(&expected) {
        let around = Bounds::of_mask(&mask.bits, SIDE, SIDE).unwrap();
        assert_eq!(object.bounds, around.to_array());
        assert_eq!(object.qualities, [0.9, 0.8]);
    }
    input.sizes[0] = (32, 24);
    let larger = rules.look(&teacher, &input, &[(64, 96)]).remove(0);
    let (_, objects) = rules.clone().label(&larger, (64, 96), true).unwrap();
    assert_eq!(
        objects.len(),
        3,
        "a part of the third object lies in the picture"
    );
    let mask = rle::decode(&objects[0].mask);
    assert_eq!((mask.height, mask.width), (64, 96));
    // Columns 0 to 8 and rows 0 to 20 of the input: four times as wide, twice as high.
    let (rows, columns) = mask.bounds().unwrap();
    assert!(
        rows.end.abs_diff(40) <= 1 && columns.end.abs_diff(32) <= 2,
        "{rows:?} {columns:?}"
    );
    assert_eq!(objects[0].bounds, [0.0, 0.0, 32.0, 40.0]);
}

/// Each view of a network with proposals finds the same in the same picture, so that means over two equal views are
/// those of one.
#[test]
fn several_views_are_looked_at_by_the_rule_of_the_recipe() {
    let [_, model] = networks();
    let network = student_of(model);
    let merge = "flip = false, merge = 'mean-by-proposal' }";
    let rules = |threshold: f32| {
        let views = format!(
            "mask-threshold = {threshold:?}\ntest-views = {{ short-sides = [32, 32], {merge}"
        );
        labeller(&views, &counts(&[1, 1, 1], 1))
    };
    let view = TestView {
        picture: picture(1, SIDE),
        flipped: false,
    };
    let size = (2 * SIDE, 3 * SIDE);
    let found = |threshold: f32, views: &[TestView]| {
        let rules = rules(threshold);
        rules.look_at_views(&*network, views, size)
    };
    let twice = found(0.5, &[view.clone(), view.clone()]);
    assert!(!twice.is_empty());
    assert_eq!(twice, found(0.5, std::slice::from_ref(&view)));
    let (labels, _) = rules(0.5).label(&twice, size, true).unwrap();
    for label in &labels.labels {
        assert_eq!((label.mask.height, label.mask.width), size);
    }
    let pixels = |threshold: f32| found(threshold, &[view.clone(), view.clone()]);
    let pixels = |threshold: f32| pixels(threshold).iter().map(Found::area).sum::<usize>();
    assert!(pixels(0.4) > pixels(0.6), "{} {}", pixels(0.4), pixels(0.6));
}

/// A batch whose pseudo-labelled images are the labelled ones.
fn batch(qualities: [f32; 2]) -> Batch {
    let twice = twice();
    let pseudo = twice.labelled.iter().map(|view| {
        let masks = view.instances.iter().map(|object| &object.mask);
        let around = |mask: &Mask| Bounds::of_mask(&mask.bits, SIDE, SIDE).unwrap().to_array();
        PseudoView {
            qualities: vec![qualities; view.instances.len()],
            bounds: masks.map(around).collect(),
            view: view.clone(),
        }
    });
    Batch {
        pseudo: pseudo.collect(),
        unlabelled: Vec::new(),
        ..twice.clone()
    }
}

/// The loss and the report of a step of the phase `student`.
fn first_step(model: &Table, more: &str, batch: &Batch) -> (f32, StepReport) {
    let box_of = match model["name"].as_str() {
        Some("mask2former") => "mask",
        _ => "detection",
    };
    let own: Table = more.parse().unwrap();
    let more = match own.contains_key("pseudo-box") {
        true => more.to_string(),
        false => format!("pseudo-box = '{box_of}'\n{more}"),
    };
    let method = built(&more).unwrap();
    let setup = Setup {
        seed: 3,
        counts: counts(&[2, 2, 2], 2),
        epoch_steps: 2,
    };
    let parts = Parts {
        student: Box::new(oracle(model)),
        setup: &setup,
    };
    let mut learner: Box<dyn Learner> = method.phases(10)[2].learner(parts).unwrap();
    assert!(learner.needs_unlabelled() && learner.teacher().is_none());
    step(&mut *learner, batch, 0)
}

fn term(losses: &PartLosses, name: &str) -> f32 {
    let found = losses.terms.iter().find(|(term, _)| *term == name);
    found.expect("the term").1
}

#[test]
fn with_the_labels_as_pseudo_labels_every_term_is_that_of_the_labels() {
    for model in networks() {
        for weighting in [
            "name = 'uniform'",
            "name = 'gate', mask = 0.9",
            "name = 'boundary', scale = 3.0, reduction = 'pixel', padding = 'zero', applies-to = 'all'",
        ] {
            let more = format!("weighting = {{ {weighting} }}");
            let (_, report) = first_step(&model, &more, &batch([1.0, 1.0]));
            let unsupervised = report.unsupervised.unwrap();
            assert!(!unsupervised.terms.is_empty() && report.pseudo.is_none());
            for (name, expected) in &report.supervised.terms {
                let found = term(&unsupervised, name);
                assert!(*expected > 0.0, "{weighting}: {name}");
                let close = (found - expected).abs() <= 1e-5 * expected;
                assert!(close, "{weighting}: {name} is {found}, not {expected}");
            }
        }
    }
}

#[test]
fn the_weights_of_the_parts_and_of_the_labels_count() {
    for model in networks() {
        let both = batch([0.9, 0.8]);
        let (loss, report) = first_step(&model, "supervised-weight = 0.5\nlambda = 3.0", &both);
        let total = report.supervised.total;
        assert!(
            (loss - 3.5 * total).abs() < 1e-4 * loss,
            "{loss} of {total}"
        );
        // The qualities of the pseudo-labels reach the weighting: 0.8 does not pass a gate of 0.85, and 0.9 is no mask
        // quality.
        let gate = "weighting = { name = 'gate', mask = 0.85 }";
        let (_, shut) = first_step(&model, gate, &both);
        let shut = shut.unsupervised.unwrap();
        assert_eq!(term(&shut, "mask"), 0.0);
        assert!(term(&shut, "class") > 0.0);
        let (_, open) = first_step(&model, gate, &batch([0.8, 0.9]));
        assert!(term(&open.unsupervised.unwrap(), "mask") > 0.0);
    }
}

/// Twice as wide rectangles change what the boxes learn, and nothing else of the first step but what hangs on boxes.
#[test]
fn the_detected_rectangles_are_the_boxes_of_the_student_if_the_recipe_says_so() {
    let [_, model] = networks();
    let mut wide = batch([1.0, 1.0]);
    for image in &mut wide.pseudo {
        for [x1, _, x2, _] in &mut image.bounds {
            *x2 += *x2 - *x1;
        }
    }
    let boxes = |more: &str| {
        let (_, report) = first_step(&model, more, &wide);
        let unsupervised = report.unsupervised.unwrap();
        (
            term(&unsupervised, "rpn-box"),
            term(&report.supervised, "rpn-box"),
        )
    };
    let (found, labelled) = boxes("");
    assert_ne!(found, labelled);
    let (found, labelled) = boxes("pseudo-box = 'mask'");
    assert!((found - labelled).abs() <= 1e-5 * labelled);
}
