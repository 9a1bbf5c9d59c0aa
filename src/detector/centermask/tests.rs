//! The whole network against PyTorch: losses, gradients and detections, from `tests/golden/centermask.py`.

use super::loss::tests::published as published_loss;
use super::*;
use crate::detector::by_region::drawn::{SIZES, part, picture, targets};
use crate::detector::{
    Background, CandidateChoice, Discounts, EmptyImage, MaskQuality, ObjectWeights, Part, Score,
    Selection, Targets,
};
use crate::graph::backbone::Frozen;
use crate::graph::centermask::{CenterMaskConfig, DetectionConfig, HeadConfig, published};
use crate::nn::params::{bits_of, move_to, reference_gradient};
use crate::ops::check::{on_every_place, with_threads};
use crate::ops::{Bounds, golden};
use crate::rng::Stream;
use crate::structures::Picture;
use crate::tensor::{Grads, Place, Tensor2};
use std::sync::Arc;

const CLASSES: usize = 3;

/// The small network of the script.
fn config() -> CenterMaskConfig {
    let mut config = CenterMaskConfig {
        fpn_width: 16,
        pixel_mean: [0.485, 0.456, 0.406].map(|mean| 255.0 * mean),
        pixel_std: [0.229, 0.224, 0.225].map(|std| 255.0 * std),
        weights: concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/golden/centermask_weights.safetensors"
        )
        .into(),
        heads: HeadConfig {
            tower_convs: 2,
            norm_groups: 4,
            mask_side: 7,
            mask_width: 16,
            mask_convs: 2,
            width: 32,
        },
        detections: DetectionConfig {
            probability: 0.05,
            per_level: 40,
            overlap: 0.6,
            kept_train: 20,
            kept_test: 10,
        },
        ..published()
    };
    config.backbone.frozen = Frozen::NOTHING;
    config.backbone.stride_in_1x1 = false;
    config.backbone.stem.width = 8;
    (config.backbone.widths, config.backbone.depths) = ([8, 8, 16, 16], [1; 4]);
    config
}

fn loss() -> LossConfig {
    LossConfig {
        ranges: [16.0, 32.0, 64.0, 128.0],
        regions: 32,
        ..published_loss()
    }
}

/// The detector, which samples the first candidates.
fn detector_at(place: &Place) -> CenterMaskDetector {
    let network = CenterMask::new(&config(), CLASSES, &mut Stream::new(0, "m"));
    let mut model =
        CenterMaskDetector::new(network.expect("the weights"), loss()).sampling(SampleOrder::First);
    move_to(&mut model, place);
    model
}

fn both() -> [Picture; 2] {
    [picture(0), picture(1)]
}

/// The terms, the total and the gradients of a training step on both pictures.
fn step(
    model: &CenterMaskDetector,
    targets: &[Targets],
    edit: impl Fn(&mut Part),
) -> (Vec<(&'static str, f32)>, f32, Grads) {
    let [one, other] = both();
    let images = model.images(&[&one, &other]);
    let mut tape = Tape::recording();
    let output = model.forward(&mut tape, &images);
    let mut part = part(targets, EmptyImage::Background);
    edit(&mut part);
    let losses = output
        .begin(&part, Stream::new(1, "draws"))
        .losses(&mut tape);
    let terms = losses.terms.iter();
    let terms = terms.map(|(name, term)| (*name, term.scalar())).collect();
    (terms, losses.total.scalar(), tape.backward(&losses.total))
}

fn labels() -> [Targets<'static>; 2] {
    [targets(0, 160), targets(1, 160)]
}

on_every_place! {
    fn losses_and_gradients_parity_with_pytorch(place) {
        let tensors = golden::load("centermask");
        let mut model = detector_at(place);
        let (terms, _, mut grads) = step(&model, &labels(), |_| ());
        assert_eq!(terms.len(), 5);
        for (name, found) in terms {
            let expected = tensors[&format!("loss.{name}")].1[0];
            assert!((found - expected).abs() <= 1e-4 * expected, "{name}: {found}, golden {expected}");
        }
        let mut compared = 0;
        model.parameters("", &mut |name, param| {
            if let Some((_, expected)) = tensors.get(&format!("grad.{name}")) {
                let found = reference_gradient(param, &mut grads);
                golden::compare(name, &found, expected, 1e-3);
                compared += 1;
            }
        });
        let gradients = tensors.keys().filter(|key| key.starts_with("grad."));
        assert_eq!(compared, gradients.count(), "every gradient of the file belongs to a parameter");
    }

    fn detections_parity_with_pytorch(place) {
        let tensors = golden::load("centermask");
        let model = detector_at(place);
        for number in 0..2 {
            let images = model.images(&[&picture(number)]);
            let arrays = model.forward(&mut Tape::off(), &images).raw();
            let found = |name: &str| &arrays.iter().find(|(known, _)| *known == name).unwrap().1.1;
            let golden = |name: &str| &tensors[&format!("{number}.{name}")].1;
            assert_eq!(found("classes"), golden("classes"), "{number}");
            for (name, tolerance) in [("boxes", 1e-4), ("scores", 1e-4), ("masks", 1e-3), ("ious", 1e-3)] {
                golden::compare(name, found(name), golden(name), tolerance);
            }
        }
    }

    fn an_image_without_objects_is_background_or_nothing(place) {
        let model = detector_at(place);
        let losses = |targets: &[Targets], rule| -> Vec<f32> {
            let (terms, ..) = step(&model, targets, |part| part.empty_image = rule);
            terms.into_iter().map(|(_, term)| term).collect()
        };
        let none = [Targets::default(), Targets::default()];
        for rule in [EmptyImage::ZeroBatch, EmptyImage::ZeroImage, EmptyImage::Drop] {
            assert_eq!(losses(&none, rule), [0.0; 5], "{rule:?}");
        }
        let [class, rest @ ..] = &losses(&none, EmptyImage::Background)[..] else {
            panic!("five terms")
        };
        assert!(*class > 0.0);
        assert_eq!(rest, [0.0; 4]);

        let half = [targets(0, 160), Targets::default()];
        let one = losses(&half, EmptyImage::ZeroImage);
        let all = losses(&half, EmptyImage::ZeroBatch);
        assert!(one[0] < all[0], "the background of the empty image counts or not");
        assert_eq!(all, losses(&half, EmptyImage::Background));
        assert_eq!(one, losses(&half, EmptyImage::Drop));
        assert_eq!(one[1..], all[1..], "no divisor counts images");
    }

    fn weights_are_factors_and_no_loss_is_divided_by_them(place) {
        let model = detector_at(place);
        let with = |class: f32, mask: f32, background| {
            let weighted = |targets: Targets<'static>| Targets {
                weights: Some(vec![ObjectWeights { class, mask }; targets.len()]),
                ..targets
            };
            let all = labels().map(weighted);
            let (terms, ..) = step(&model, &all, |part| part.background = background);
            terms.into_iter().map(|(_, term)| term).collect::<Vec<f32>>()
        };
        let close = |found: f32, expected: f32| {
            assert!((found - expected).abs() <= 2e-5 * expected, "{found}, not {expected}");
        };
        let plain: Vec<f32> = step(&model, &labels(), |_| ()).0.into_iter().map(|(_, term)| term).collect();
        assert_eq!(with(1.0, 1.0, Background::Own), plain);
        assert_eq!(with(1.0, 1.0, Background::Weight(1.0)), plain);
        let objects = with(1.0, 1.0, Background::Weight(0.0));
        assert!(objects[0] < plain[0] && objects[0] > 0.0);
        let halves = with(0.5, 0.25, Background::Weight(0.0));
        close(halves[0], 0.5 * objects[0]);
        close(halves[3], 0.25 * plain[3]);
        for term in [1, 2, 4] {
            assert_eq!((halves[term], objects[term]), (plain[term], plain[term]), "boxes and IoU have no weight");
        }
        let shut = with(1.0, 0.0, Background::Own);
        assert_eq!((shut[0], shut[3]), (plain[0], 0.0), "a gate shuts out the mask alone");
        // Half of the background, which is the rest of the class loss.
        let half = with(1.0, 1.0, Background::Weight(0.5));
        close(half[0], 0.5 * (plain[0] + objects[0]));
    }

    fn discounted_pixels_weigh_less(place) {
        let model = detector_at(place);
        let with = |discount: Option<f32>| {
            let mut all = labels();
            for targets in &mut all {
                let (rows, columns) = (targets.len(), 96 * 160);
                targets.discounts = discount.map(|u| {
                    let all = Tensor2::constant(vec![u; rows * columns], rows, columns);
                    Arc::new(all.to(place)) as Arc<dyn Discounts>
                });
            }
            step(&model, &all, |_| ()).0
        };
        let (plain, none, half) = (with(None), with(Some(0.0)), with(Some(0.5)));
        assert_eq!(plain, none);
        for ((name, plain), (_, half)) in plain.into_iter().zip(half) {
            let expected = if name == "mask" { 0.5 * plain } else { plain };
            assert!((half - expected).abs() <= 1e-5 * plain, "{name}: {half} of {plain}");
        }
    }

    fn candidates_are_the_detections_and_more_of_them(place) {
        let model = detector_at(place);
        let [one, other] = both();
        let images = model.images(&[&one, &other]);
        let output = model.forward(&mut Tape::off(), &images);
        let propose = |quality| {
            let choice = CandidateChoice {
                score: Score::WithNoObject,
                selection: Selection::ArgMax,
                top: 0,
                quality,
            };
            output.propose(choice).wait()
        };
        let (proposals, means) = (propose(MaskQuality::IouHead), propose(MaskQuality::MeanForeground));
        assert_eq!(proposals.size, (96, 160));
        let judged = output.judge(&SIZES, 100);
        let detections = output.detect(&SIZES, 100);
        for image in 0..2 {
            let (candidates, size) = (&proposals.images[image], SIZES[image]);
            assert!(candidates.len() > judged[image].len() && judged[image].len() == 10, "kept-train, kept-test");
            for (candidate, judged) in candidates.iter().zip(&judged[image]) {
                let found = &judged.detection;
                assert_eq!(candidate.class, found.class);
                assert_eq!(candidate.class_quality, judged.class_quality);
                assert_eq!(candidate.mask_quality, judged.mask_quality);
                assert_eq!(found.score, judged.class_quality * judged.mask_quality);
                assert_eq!(candidate.bounds.map(Bounds::to_array), found.bounds);
                let [x1, y1, x2, y2] = found.bounds.unwrap();
                assert!(0.0 <= x1 && x1 < x2 && x2 <= size.1 as f32);
                assert!(0.0 <= y1 && y1 < y2 && y2 <= size.0 as f32);
                let sum: f32 = candidate.probabilities.iter().sum();
                assert!((sum - 1.0).abs() < 1e-5, "{sum}");
                let logits = proposals.masks.logits(&[candidate.mask]);
                let above = logits.host_values().iter().filter(|logit| **logit > 0.0).count();
                assert_eq!(above, candidate.area);
                assert_eq!((found.mask.height, found.mask.width), size);
            }
            let own: Vec<_> = judged[image].iter().map(|one| one.detection.clone()).collect();
            assert_eq!(own, detections[image]);
            let differ = candidates.iter().zip(&means.images[image]);
            assert!(differ.into_iter().any(|(iou, mean)| iou.mask_quality != mean.mask_quality));
        }
        assert_eq!(output.detect(&SIZES, 3)[0].len(), 3);
    }

    fn without_boxes_the_objects_alone_are_regions_and_nothing_is_found(place) {
        let mut model = detector_at(&Place::Host);
        // No class reaches the bound.
        model.parameters("", &mut |name, param| {
            if name.ends_with("cls_logits.bias") {
                param.value.values_mut().fill(-1e3);
            }
        });
        move_to(&mut model, place);
        let (terms, total, _) = step(&model, &labels(), |_| ());
        assert!(total.is_finite() && terms.iter().all(|(_, term)| *term > 0.0), "{terms:?}");
        let [one, other] = both();
        let output = model.forward(&mut Tape::off(), &model.images(&[&one, &other]));
        assert_eq!(output.detect(&SIZES, 100), [vec![], vec![]]);
        let shapes: Vec<_> = output.raw().into_iter().map(|(name, (shape, _))| (name, shape)).collect();
        assert_eq!(shapes[0], ("boxes", vec![0, 4]));
        assert_eq!(shapes[3], ("masks", vec![0, 14, 14]));
        assert_eq!(shapes[4], ("ious", vec![0]));
    }
}

#[test]
fn a_step_has_the_same_bits_at_any_number_of_threads() {
    let run = |threads| {
        with_threads(threads, || {
            let mut model = detector_at(&Place::Host).sampling(SampleOrder::Random);
            let (_, total, mut grads) = step(&model, &labels(), |_| ());
            bits_of(&mut model, total, &mut grads)
        })
    };
    assert!(run(1) == run(3));
}

/// The targets are constants: neither the region of an object nor the IoU of a mask gives a gradient to the boxes.
#[test]
fn masks_teach_no_box() {
    let mut model = detector_at(&Place::Host);
    model.criterion.config.boxes = 0.0;
    model.criterion.config.centreness = 0.0;
    let (_, _, mut grads) = step(&model, &labels(), |_| ());
    let mut seen = 0;
    model.parameters("", &mut |name, param| {
        if name.contains("bbox_") || name.contains("ctrness") || name.contains("scales") {
            let gradient = reference_gradient(param, &mut grads);
            assert!(gradient.iter().all(|value| *value == 0.0), "{name}");
            seen += 1;
        }
    });
    assert!(seen > 10);
}
