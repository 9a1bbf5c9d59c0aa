//! The losses on small random predictions.

use super::*;
use crate::detector::MaskLoss;
use crate::ops::check::on_every_place;
use crate::ops::golden::compare;
use crate::structures::Mask;
use crate::tensor::Place;
use std::borrow::Cow;
use std::ops::Range;

const QUERIES: usize = 5;
const SIDE: usize = 8;

fn criterion() -> Criterion {
    Criterion::new(crate::detector::mask2former::loss::tests::loss())
}

fn predictions(batch: usize, layers: usize) -> Predictions {
    let mut stream = Stream::new(7, "predictions");
    let mut noise = |rows: usize, columns: usize| {
        let values = (0..rows * columns)
            .map(|_| 2.0 * stream.normal() as f32)
            .collect();
        Tensor2::parameter(values, rows, columns)
    };
    let layers = (0..layers)
        .map(|_| LayerPredictions {
            classes: noise(batch * QUERIES, 4),
            masks: noise(batch * QUERIES, SIDE * SIDE),
        })
        .collect();
    Predictions {
        layers,
        batch,
        queries: QUERIES,
        height: SIDE,
        width: SIDE,
    }
}

fn targets(classes: &[usize], discount: Option<f32>) -> Targets<'static> {
    let side = 2 * SIDE;
    let mask = |n: usize| {
        (0..side * side)
            .map(|i| u8::from(i / side / 4 == n))
            .collect()
    };
    Targets {
        classes: classes.to_vec(),
        masks: (0..classes.len())
            .map(|n| Cow::Owned(Mask::new(side, side, mask(n))))
            .collect(),
        discounts: discount.map(|u| {
            let pixels = side * side;
            Tensor2::constant(vec![u; classes.len() * pixels], classes.len(), pixels)
        }),
    }
}

struct Outcome {
    /// Class, mask, dice.
    losses: [f32; 3],
    class_gradient: Vec<f32>,
    mask_gradient: Vec<f32>,
}

fn run(
    criterion: &Criterion,
    predictions: &Predictions,
    images: Range<usize>,
    targets: &[Targets],
    renormalise: bool,
) -> Outcome {
    let mask_loss = MaskLoss {
        renormalise,
        ..MaskLoss::default()
    };
    run_with(criterion, predictions, images, targets, mask_loss)
}

fn run_with(
    criterion: &Criterion,
    predictions: &Predictions,
    images: Range<usize>,
    targets: &[Targets],
    mask_loss: MaskLoss,
) -> Outcome {
    let part = Part {
        images,
        targets,
        mask_loss,
        empty_image: EmptyImage::ZeroBatch,
    };
    run_part(criterion, predictions, &part)
}

fn run_part(criterion: &Criterion, predictions: &Predictions, part: &Part) -> Outcome {
    let mut tape = Tape::recording();
    let mut stream = Stream::new(1, "losses");
    let losses = criterion.losses(&mut tape, predictions, part, &mut stream);
    let mut grads = tape.backward(&losses.total);
    let layer = &predictions.layers[0];
    Outcome {
        losses: std::array::from_fn(|term| losses.terms[term].1.scalar()),
        class_gradient: layer.classes.gradient(&mut grads),
        mask_gradient: layer.masks.gradient(&mut grads),
    }
}

#[test]
fn a_part_of_a_batch_is_as_good_as_a_batch_of_its_own() {
    let whole = predictions(3, 2);
    let cut = |tensor: &Tensor2, n: usize| {
        let columns = tensor.columns();
        let values = tensor.values()[n * QUERIES * columns..].to_vec();
        Tensor2::parameter(values, (3 - n) * QUERIES, columns)
    };
    let layers = whole.layers.iter().map(|layer| LayerPredictions {
        classes: cut(&layer.classes, 1),
        masks: cut(&layer.masks, 1),
    });
    let alone = Predictions {
        layers: layers.collect(),
        batch: 2,
        ..whole.clone()
    };
    let targets = [targets(&[0, 2], None), targets(&[1], None)];
    let criterion = criterion();
    let a = run(&criterion, &whole, 1..3, &targets, false);
    let b = run(&criterion, &alone, 0..2, &targets, false);
    assert_eq!(a.losses, b.losses);
    assert!(
        a.class_gradient[..QUERIES * 4].iter().all(|g| *g == 0.0),
        "image 0 is not meant"
    );
    assert_eq!(a.class_gradient[QUERIES * 4..], b.class_gradient);
    assert_eq!(a.mask_gradient[QUERIES * SIDE * SIDE..], b.mask_gradient);
}

#[test]
fn only_matched_queries_learn_masks() {
    let predictions = predictions(1, 1);
    let criterion = criterion();
    let outcome = run(
        &criterion,
        &predictions,
        0..1,
        &[targets(&[0, 2], None)],
        false,
    );
    let touched = outcome
        .mask_gradient
        .chunks(SIDE * SIDE)
        .filter(|g| g.iter().any(|g| *g != 0.0));
    assert_eq!(touched.count(), 2);
    assert!(
        outcome
            .class_gradient
            .chunks(4)
            .all(|g| g.iter().any(|g| *g != 0.0))
    );
    assert!(
        outcome
            .losses
            .iter()
            .all(|loss| *loss > 0.0 && loss.is_finite())
    );
}

#[test]
fn mask_losses_are_divided_by_the_objects_of_the_part() {
    // The same image twice: twice the pairs, twice the objects. Points differ, so the loss agrees in the mean only.
    let one = predictions(1, 1);
    let twice = |tensor: &Tensor2| {
        let values = tensor.values().repeat(2);
        Tensor2::parameter(values, 2 * tensor.rows(), tensor.columns())
    };
    let layer = &one.layers[0];
    let layers = vec![LayerPredictions {
        classes: twice(&layer.classes),
        masks: twice(&layer.masks),
    }];
    let two = Predictions {
        layers,
        batch: 2,
        ..one.clone()
    };
    let criterion = criterion();
    let image = targets(&[0, 2, 1], None);
    let a = run(&criterion, &one, 0..1, std::slice::from_ref(&image), false);
    let b = run(&criterion, &two, 0..2, &[image.clone(), image], false);
    for (a, b) in a.losses.iter().zip(&b.losses) {
        assert!((a - b).abs() < 0.1 * a, "{a} and {b}");
    }
}

#[test]
fn images_without_targets_by_policy() {
    let predictions = predictions(2, 1);
    let learned = |empty_image, targets: &[Targets]| {
        let part = Part {
            images: 0..2,
            targets,
            mask_loss: MaskLoss::default(),
            empty_image,
        };
        let outcome = run_part(&criterion(), &predictions, &part);
        assert!(outcome.losses.iter().all(|loss| loss.is_finite()));
        let image = |gradient: &[f32]| gradient.iter().any(|g| *g != 0.0);
        let (first, second) = outcome.class_gradient.split_at(QUERIES * 4);
        (image(first), image(second))
    };
    let nothing = [targets(&[], None), targets(&[], None)];
    let half = [targets(&[1], None), targets(&[], None)];
    assert_eq!(learned(EmptyImage::ZeroBatch, &nothing), (false, false));
    assert_eq!(learned(EmptyImage::ZeroBatch, &half), (true, true));
    assert_eq!(learned(EmptyImage::ZeroImage, &nothing), (false, false));
    assert_eq!(learned(EmptyImage::ZeroImage, &half), (true, false));
    assert_eq!(learned(EmptyImage::Background, &nothing), (true, true));
}

#[test]
fn discounts_take_off_the_mask_loss_only() {
    let predictions = predictions(1, 2);
    let criterion = criterion();
    let with = |discount, renormalise| {
        run(
            &criterion,
            &predictions,
            0..1,
            &[targets(&[0, 1], discount)],
            renormalise,
        )
        .losses
    };
    let plain = with(None, false);
    // Near the border the discount fades out, so the loss falls by a little less than the discount.
    let quarter = with(Some(0.75), false);
    assert!(
        quarter[1] > 0.25 * plain[1] && quarter[1] < 0.4 * plain[1],
        "{quarter:?} {plain:?}"
    );
    assert_eq!((quarter[0], quarter[2]), (plain[0], plain[2]));
    let scaled = with(Some(0.75), true);
    assert!(
        (scaled[1] - plain[1]).abs() < 0.15 * plain[1],
        "{scaled:?} {plain:?}"
    );
    assert_eq!(with(Some(0.0), false), plain);
}

#[test]
fn the_mask_loss_may_be_taken_per_query_and_over_all_pixels() {
    let predictions = predictions(1, 1);
    let criterion = criterion();
    let image = [targets(&[0, 1], None)];
    let with = |mask_loss| run_with(&criterion, &predictions, 0..1, &image, mask_loss).losses;
    let plain = with(MaskLoss::default());
    let per_query = with(MaskLoss {
        per_query: true,
        ..MaskLoss::default()
    });
    let expected = plain[1] * 2.0 / QUERIES as f32;
    assert!((per_query[1] - expected).abs() < 1e-5 * plain[1]);
    assert_eq!((per_query[0], per_query[2]), (plain[0], plain[2]));
    let uniform = with(MaskLoss {
        uniform_points: true,
        ..MaskLoss::default()
    });
    assert_eq!(uniform[0], plain[0]);
    // Undecided pixels, which importance sampling prefers, cost log 2; decided and wrong ones more.
    assert!(uniform[1] > plain[1], "{uniform:?} {plain:?}");
}

#[test]
fn every_layer_counts() {
    let three = predictions(1, 3);
    let criterion = criterion();
    let image = [targets(&[0, 1], None)];
    let all = run(&criterion, &three, 0..1, &image, false);
    let first = Predictions {
        layers: three.layers[..1].to_vec(),
        ..three.clone()
    };
    let one = run(&criterion, &first, 0..1, &image, false);
    assert!(
        all.losses
            .iter()
            .zip(&one.losses)
            .all(|(all, one)| *all > 1.5 * one)
    );
    assert_eq!(
        all.class_gradient, one.class_gradient,
        "layers do not share their draws"
    );
}

/// `predictions` at `place`.
fn moved(predictions: &Predictions, place: &Place) -> Predictions {
    let mut predictions = predictions.clone();
    for layer in &mut predictions.layers {
        (layer.classes, layer.masks) = (layer.classes.to(place), layer.masks.to(place));
    }
    predictions
}

/// Three images, the second without an object.
fn some_targets() -> [Targets<'static>; 3] {
    [
        targets(&[0, 2], Some(0.25)),
        targets(&[], None),
        targets(&[1, 1, 2], None),
    ]
}

on_every_place! {
    fn pairs_and_points_are_those_of_the_cpu(place) {
        let criterion = criterion();
        let here = predictions(4, 1);
        let there = moved(&here, place);
        let targets = some_targets();
        for uniform_points in [false, true] {
            let mask_loss = MaskLoss { uniform_points, ..MaskLoss::default() };
            let part = Part { images: 1..4, targets: &targets, mask_loss, empty_image: EmptyImage::ZeroBatch };
            let look = |predictions: &Predictions| {
                let points = Drawn::new(1, &mut Stream::new(1, "losses"));
                let mut begun = criterion.begin(predictions, &part, Box::new(points));
                let pairs = begun.matching.pairs(0);
                let found = Sampled::new(&begun, 0, &pairs);
                assert_eq!(found.rows.len(), pairs.len());
                let pairs: Vec<_> = pairs.iter().map(|p| (p.image, p.query, p.object)).collect();
                let weights = found.weights.unwrap();
                (pairs, [found.points, found.targets, weights].map(|t| t.host_values().into_owned()))
            };
            let ((pairs, found), (expected_pairs, expected)) = (look(&there), look(&here));
            assert_eq!(pairs, expected_pairs);
            assert!(pairs.len() == 5 && pairs.iter().all(|(image, ..)| *image != 1));
            let count = 2 * criterion.config.points;
            assert_eq!((found[0].len(), found[1].len()), (5 * count, 5 * count / 2));
            for (found, expected) in found[0].chunks_exact(count).zip(expected[0].chunks_exact(count)) {
                let set = |points: &[f32]| -> std::collections::BTreeSet<[u32; 2]> {
                    points.chunks_exact(2).map(|p| [p[0].to_bits(), p[1].to_bits()]).collect()
                };
                // If logits differ only in the last bit, either point may be chosen.
                let others = set(found).difference(&set(expected)).count();
                assert!(others <= count / 200, "{others} other points of {}", count / 2);
            }
            // Whatever the order of the points: the means of the objects' masks and of the weights are the CPU's.
            for (found, expected) in found[1..].iter().zip(&expected[1..]) {
                for (found, expected) in found.chunks_exact(count / 2).zip(expected.chunks_exact(count / 2)) {
                    let sum = |values: &[f32]| values.iter().sum::<f32>();
                    assert!((sum(found) - sum(expected)).abs() <= 0.01 * count as f32, "{} {}", sum(found), sum(expected));
                }
            }
            assert!(found[2].iter().any(|w| *w < 0.8) && found[2].contains(&1.0));
        }
    }

    fn losses_and_gradients_are_those_of_the_cpu(place) {
        let criterion = criterion();
        let here = predictions(4, 2);
        let there = moved(&here, place);
        let targets = some_targets();
        let found = run(&criterion, &there, 1..4, &targets, true);
        let expected = run(&criterion, &here, 1..4, &targets, true);
        compare("losses", &found.losses, &expected.losses, 1e-4);
        compare("classes", &found.class_gradient, &expected.class_gradient, 1e-4);
        compare("masks", &found.mask_gradient, &expected.mask_gradient, 2e-3);
    }
}
