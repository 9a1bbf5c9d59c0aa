//! The whole network against torchvision: losses, gradients and detections, from `tests/golden/mask_rcnn.py`.

use super::loss::tests::published as published_loss;
use super::*;
use crate::detector::by_region::drawn::{SIZES, part, picture, targets};
use crate::detector::{
    CandidateChoice, Discounts, EmptyImage, MaskQuality, Part, Score, Selection, Targets,
};
use crate::graph::backbone::Frozen;
use crate::graph::mask_rcnn::{
    DetectionConfig, HeadConfig, MaskRcnnConfig, ProposalConfig, Semantics, published,
};
use crate::nn::params::{bits_of, move_to, reference_gradient};
use crate::ops::check::{on_every_place, with_threads};
use crate::ops::golden;
use crate::rng::Stream;
use crate::tensor::{Grads, Place, Tensor2};
use std::sync::Arc;

const CLASSES: usize = 3;
/// The small network of the script.
fn config(semantics: Semantics) -> MaskRcnnConfig {
    let mut config = MaskRcnnConfig {
        semantics,
        fpn_width: 16,
        anchor_sizes: [12.0, 24.0, 48.0, 96.0, 192.0],
        canonical_side: 56.0,
        pixel_mean: [0.485, 0.456, 0.406].map(|mean| 255.0 * mean),
        pixel_std: [0.229, 0.224, 0.225].map(|std| 255.0 * std),
        weights: golden::path("mask_rcnn_weights.safetensors").into(),
        heads: HeadConfig {
            box_side: 7,
            width: 32,
            mask_side: 7,
            mask_width: 16,
            mask_convs: 2,
        },
        proposals: ProposalConfig {
            per_level_train: 200,
            per_level_test: 100,
            kept_train: 100,
            kept_test: 50,
            overlap: 0.7,
        },
        detections: DetectionConfig {
            probability: 0.05,
            overlap: 0.5,
            most: 10,
        },
        ..published()
    };
    config.backbone.frozen = Frozen::NOTHING;
    config.backbone.stem.width = 8;
    (config.backbone.widths, config.backbone.depths) = ([8, 8, 16, 16], [1; 4]);
    config
}

fn loss() -> LossConfig {
    LossConfig {
        anchors: 64,
        regions: 32,
        ..published_loss()
    }
}

/// The detector, which samples the first candidates.
fn detector(semantics: Semantics) -> MaskRcnnDetector {
    let network = MaskRcnn::new(&config(semantics), CLASSES, &mut Stream::new(0, "m"));
    MaskRcnnDetector::new(network.expect("torchvision's weights"), loss())
        .sampling(SampleOrder::First)
}

/// The terms, the total and the gradients of a training step on both pictures.
fn step(model: &MaskRcnnDetector, targets: &[Targets]) -> (Vec<(&'static str, f32)>, f32, Grads) {
    let pictures = [picture(0), picture(1)];
    let images = model.images(&[&pictures[0], &pictures[1]]);
    let mut tape = Tape::recording();
    let output = model.forward(&mut tape, &images);
    let part = part(targets, EmptyImage::Background);
    let losses = output
        .begin(&part, Stream::new(1, "draws"))
        .losses(&mut tape);
    let terms = losses.terms.iter();
    let terms = terms.map(|(name, term)| (*name, term.scalar())).collect();
    (terms, losses.total.scalar(), tape.backward(&losses.total))
}

const BOTH: [(&str, Semantics); 2] = [
    ("torchvision", Semantics::Torchvision),
    ("detectron2", Semantics::Detectron2),
];

on_every_place! {
    fn losses_and_gradients_parity_with_torchvision(place) {
        let tensors = golden::load("mask_rcnn");
        for (rules, semantics) in BOTH {
            let mut model = detector(semantics);
            move_to(&mut model, place);
            let (terms, _, mut grads) = step(&model, &[targets(0, 160), targets(1, 160)]);
            assert_eq!(terms.len(), 5);
            for (name, found) in terms {
                let expected = tensors[&format!("{rules}.loss.{name}")].1[0];
                assert!((found - expected).abs() <= 1e-4 * expected, "{rules} {name}: {found}, golden {expected}");
            }
            let mut compared = 0;
            model.parameters("", &mut |name, param| {
                if let Some((_, expected)) = tensors.get(&format!("{rules}.grad.{name}")) {
                    let found = reference_gradient(param, &mut grads);
                    golden::compare(&format!("{rules} {name}"), &found, expected, 1e-3);
                    compared += 1;
                }
            });
            let gradients = tensors.keys().filter(|key| key.starts_with(&format!("{rules}.grad.")));
            assert_eq!(compared, gradients.count(), "every gradient of the file belongs to a parameter");
        }
    }

    fn detections_parity_with_torchvision(place) {
        let tensors = golden::load("mask_rcnn");
        for (rules, semantics) in BOTH {
            let mut model = detector(semantics);
            move_to(&mut model, place);
            for number in 0..2 {
                let images = model.images(&[&picture(number)]);
                let arrays = model.forward(&mut Tape::off(), &images).raw();
                let found = |name: &str| &arrays.iter().find(|(known, _)| *known == name).unwrap().1.1;
                let golden = |name: &str| &tensors[&format!("{rules}.{number}.{name}")].1;
                assert_eq!(found("classes"), golden("labels"), "{rules} {number}");
                golden::compare("boxes", found("boxes"), golden("boxes"), 1e-4);
                golden::compare("scores", found("scores"), golden("scores"), 1e-4);
                golden::compare("masks", found("masks"), golden("masks"), 1e-3);
            }
        }
    }
}

on_every_place! {
    fn detections_of_resized_pictures_parity_with_torchvision(place) {
        const EVERY: usize = 7;
        let tensors = golden::load("rcnn_resize");
        let mut model = detector(Semantics::Torchvision);
        move_to(&mut model, place);
        let cases = [(80, 110, 0), (80, 110, 1), (131, 200, 0), (131, 200, 1), (61, 999, 0)];
        for (shorter, longer, number) in cases {
            let case = format!("{shorter}-{longer}-{number}");
            let golden = |name: &str| &tensors[&format!("{case}.{name}")].1;
            let size = (golden("size")[0] as usize, golden("size")[1] as usize);
            let normaliser = &model.trunk().normaliser;
            let images = normaliser.interpolated(&[&picture(number)], &[size], place);
            assert_eq!(images.sizes, [size]);
            let width = images.map.width;
            let values = images.map.data.host_values();
            let seen: Vec<f32> = (0..size.0).step_by(EVERY)
                .flat_map(|y| (0..size.1).step_by(EVERY).map(move |x| (y * width + x) * 3))
                .flat_map(|at| values[at..at + 3].to_vec())
                .collect();
            golden::compare(&format!("{case}: input"), &seen, golden("input"), 1e-5);
            let padding = values.chunks_exact(3).enumerate().filter(|(at, _)| at / width >= size.0 || at % width >= size.1);
            assert!(padding.flat_map(|(_, pixel)| pixel).all(|value| *value == 0.0), "{case}");
            let arrays = model.forward(&mut Tape::off(), &images).raw();
            let found = |name: &str| &arrays.iter().find(|(known, _)| *known == name).unwrap().1.1;
            assert_eq!(found("classes"), golden("labels"), "{case}");
            golden::compare("boxes", found("boxes"), golden("boxes"), 1e-4);
            golden::compare("scores", found("scores"), golden("scores"), 1e-4);
            golden::compare("masks", found("masks"), golden("masks"), 1e-3);
        }
    }
}

const CHOICE: CandidateChoice = CandidateChoice {
    score: Score::WithNoObject,
    selection: Selection::ArgMax,
    top: 0,
    quality: MaskQuality::MeanForeground,
};

/// The detector with detectron2's rules at `place`.
fn detector_at(place: &Place) -> MaskRcnnDetector {
    let mut model = detector(Semantics::Detectron2);
    move_to(&mut model, place);
    model
}

/// The same, whose anchors are all moved out of the image.
fn without_proposals(place: &Place) -> MaskRcnnDetector {
    let mut model = detector(Semantics::Detectron2);
    let mut moved = 0;
    model.parameters("", &mut |name, param| {
        if name == "proposal_generator.rpn_head.anchor_deltas.bias" {
            let (rows, columns) = (param.value.rows(), param.value.columns());
            param.value = Tensor2::parameter(vec![1e6; rows * columns], rows, columns);
            moved += 1;
        }
    });
    assert_eq!(moved, 1);
    move_to(&mut model, place);
    model
}

#[test]
fn a_step_has_the_same_bits_at_any_number_of_threads() {
    let run = |threads| {
        with_threads(threads, || {
            let mut model = detector(Semantics::Detectron2).sampling(SampleOrder::Random);
            let (_, total, mut grads) = step(&model, &[targets(0, 160), targets(1, 160)]);
            bits_of(&mut model, total, &mut grads)
        })
    };
    assert!(run(1) == run(3));
}

on_every_place! {
    fn an_image_without_objects_is_background_or_nothing(place) {
        let model = detector_at(place);
        let images = model.images(&[&picture(0), &picture(1)]);
        let losses = |targets: &[Targets], rule| -> Vec<f32> {
            let mut tape = Tape::recording();
            let output = model.forward(&mut tape, &images);
            let part = part(targets, rule);
            let losses = output
                .begin(&part, Stream::new(1, "draws"))
                .losses(&mut tape);
            // A step may have no other loss.
            tape.backward(&losses.total);
            losses.terms.iter().map(|(_, term)| term.scalar()).collect()
        };
        let none = [Targets::default(), Targets::default()];
        for rule in [EmptyImage::ZeroBatch, EmptyImage::ZeroImage, EmptyImage::Drop] {
            assert_eq!(losses(&none, rule), [0.0; 5], "{rule:?}");
        }
        let [class, boxes, mask, objectness, rpn_box] = losses(&none, EmptyImage::Background)[..]
        else {
            panic!("five terms")
        };
        assert!(class > 0.0 && objectness > 0.0);
        assert_eq!([boxes, mask, rpn_box], [0.0; 3]);

        let half = [targets(0, 160), Targets::default()];
        let one = losses(&half, EmptyImage::ZeroImage);
        let both = losses(&half, EmptyImage::ZeroBatch);
        assert_ne!(one[0], both[0], "the empty image counts or not");
        assert_eq!(both, losses(&half, EmptyImage::Background));
        assert_eq!(one, losses(&half, EmptyImage::Drop));
    }

    fn discounted_pixels_weigh_less(place) {
        let model = detector_at(place);
        let with = |discount: Option<f32>| {
            let mut all = [targets(0, 160), targets(1, 160)];
            for targets in &mut all {
                let (rows, columns) = (targets.len(), 96 * 160);
                targets.discounts = discount.map(|u| {
                    let all = Tensor2::constant(vec![u; rows * columns], rows, columns);
                    Arc::new(all.to(place)) as Arc<dyn Discounts>
                });
            }
            step(&model, &all).0
        };
        let (plain, none, half) = (with(None), with(Some(0.0)), with(Some(0.5)));
        assert_eq!(plain, none);
        for ((name, plain), (_, half)) in plain.into_iter().zip(half) {
            let expected = if name == "mask" { 0.5 * plain } else { plain };
            assert!(
                (half - expected).abs() <= 1e-5 * plain,
                "{name}: {half} of {plain}"
            );
        }
    }

    fn candidates_are_the_detections_with_their_masks(place) {
        let model = detector_at(place);
        let images = model.images(&[&picture(0), &picture(1)]);
        let output = model.forward(&mut Tape::off(), &images);
        let proposals = output.propose(CHOICE).wait();
        assert_eq!(proposals.size, (96, 160));
        let detections = output.detect(&SIZES, 100);
        for ((candidates, found), size) in proposals.images.iter().zip(&detections).zip(SIZES) {
            assert_eq!(candidates.len(), found.len());
            assert!(!candidates.is_empty());
            for (candidate, found) in candidates.iter().zip(found) {
                assert_eq!(candidate.class, found.class);
                assert_eq!(candidate.class_quality, found.score);
                let [x1, y1, x2, y2] = found.bounds.unwrap();
                assert!(0.0 <= x1 && x1 < x2 && x2 <= size.1 as f32);
                assert!(0.0 <= y1 && y1 < y2 && y2 <= size.0 as f32);
                assert!(candidate.foreground);
                let sum: f32 = candidate.probabilities.iter().sum();
                assert!((sum - 1.0).abs() < 1e-5, "{sum}");
                let logits = proposals.masks.logits(&[candidate.mask]);
                let logits = logits.host_values();
                let above = logits.iter().filter(|logit| **logit > 0.0);
                assert_eq!(above.count(), candidate.area);
                assert_eq!((found.mask.height, found.mask.width), size);
            }
        }
        assert_eq!(output.detect(&SIZES, 3)[0].len(), 3);
        let doubled = output.detect(&[(192, 256), (192, 320)], 1);
        let (small, large) = (&detections[0][0].mask, &doubled[0][0].mask);
        assert_eq!((large.height, large.width), (192, 256));
        let (one, two) = (
            detections[0][0].bounds.unwrap(),
            doubled[0][0].bounds.unwrap(),
        );
        assert_eq!(one.map(|side| 2.0 * side), two);
        let ratio = large.area() as f64 / small.area().max(1) as f64;
        assert!(
            (3.0..5.0).contains(&ratio),
            "four times as many pixels: {ratio}"
        );
    }

    fn without_proposals_the_objects_alone_are_regions_and_nothing_is_found(place) {
        let model = without_proposals(place);
        let none = [Targets::default(), Targets::default()];
        let (terms, total, _) = step(&model, &none);
        let [class, boxes, mask, objectness, rpn_box] = terms[..] else {
            panic!("five terms")
        };
        assert_eq!([class.1, boxes.1, mask.1, rpn_box.1], [0.0; 4]);
        assert!(objectness.1 > 0.0);
        assert_eq!(total, objectness.1);
        let (terms, ..) = step(&model, &[targets(0, 160), targets(1, 160)]);
        for (name, value) in &terms[..3] {
            // A region that is its object's own rectangle has to move by nothing, and the head predicts another move.
            assert!(value.is_finite() && *value > 0.0, "{name}: {value}");
        }

        let images = model.images(&[&picture(0), &picture(1)]);
        let output = model.forward(&mut Tape::off(), &images);
        assert_eq!(output.detect(&SIZES, 100), [vec![], vec![]]);
        let proposals = output.propose(CHOICE).wait();
        assert!(proposals.images.len() == 2 && proposals.images.iter().all(Vec::is_empty));
        let shapes = output.raw().into_iter().map(|(name, (shape, _))| (name, shape));
        let shapes: Vec<_> = shapes.collect();
        assert_eq!(shapes[0], ("boxes", vec![0, 4]));
        assert_eq!(shapes[3], ("masks", vec![0, 14, 14]));
    }
}

mod heads;
mod pieces;
mod views;
mod weights;
