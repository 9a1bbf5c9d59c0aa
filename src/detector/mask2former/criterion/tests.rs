//! The losses on small random predictions.

use super::*;
use crate::detector::{
    Background, Boundary, Discounts, EmptyImage, MaskLoss, ObjectWeights, Padding, Reduction,
};
use crate::ops::check::on_every_place;
use crate::ops::golden::compare;
use crate::structures::Mask;
use crate::tensor::Place;
use std::ops::Range;
use std::sync::Arc;

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
            coarse: None,
            ious: None,
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
            .map(|n| Mask::new(side, side, mask(n)).into())
            .collect(),
        discounts: discount.map(|u| {
            let pixels = side * side;
            let all = vec![u; classes.len() * pixels];
            Arc::new(Tensor2::constant(all, classes.len(), pixels)) as Arc<dyn Discounts>
        }),
        ..Targets::default()
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
        origin: Default::default(),
        mask_loss,
        empty_image: EmptyImage::ZeroBatch,
        background: Default::default(),
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
        coarse: layer.coarse.as_ref().map(|coarse| cut(coarse, 1)),
        ious: layer.ious.as_ref().map(|ious| cut(ious, 1)),
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
        coarse: layer.coarse.as_ref().map(twice),
        ious: layer.ious.as_ref().map(twice),
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
            origin: Default::default(),
            mask_loss: MaskLoss::default(),
            empty_image,
            background: Default::default(),
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
    assert_eq!(learned(EmptyImage::Drop, &nothing), (false, false));
    assert_eq!(learned(EmptyImage::Drop, &half), (true, false));
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
fn a_dropped_image_has_no_queries_to_divide_by() {
    let predictions = predictions(2, 1);
    let image = [targets(&[0, 1], None), targets(&[], None)];
    let mask_loss = MaskLoss {
        per_query: true,
        ..MaskLoss::default()
    };
    let [zero, dropped] = [EmptyImage::ZeroImage, EmptyImage::Drop].map(|empty_image| {
        let part = Part {
            images: 0..2,
            targets: &image,
            origin: Default::default(),
            mask_loss,
            empty_image,
            background: Default::default(),
        };
        run_part(&criterion(), &predictions, &part).losses
    });
    assert!(
        (dropped[1] - 2.0 * zero[1]).abs() < 1e-5 * dropped[1],
        "{dropped:?} {zero:?}"
    );
    assert_eq!((zero[0], zero[2]), (dropped[0], dropped[2]));
}

/// [`targets`] with these weights of class and mask.
fn weighted(classes: &[usize], weights: &[[f32; 2]]) -> Targets<'static> {
    let weights = weights.iter().map(|[class, mask]| ObjectWeights {
        class: *class,
        mask: *mask,
    });
    Targets {
        weights: Some(weights.collect()),
        ..targets(classes, None)
    }
}

/// The losses of one image without queries that count as background.
fn without_background(image: Targets) -> [f32; 3] {
    let part = Part {
        images: 0..1,
        targets: &[image],
        origin: Default::default(),
        mask_loss: MaskLoss::default(),
        empty_image: EmptyImage::ZeroBatch,
        background: Background::Weight(0.0),
    };
    run_part(&criterion(), &predictions(1, 2), &part).losses
}

#[test]
fn weights_are_factors_and_no_loss_is_divided_by_them() {
    let with = |a: [f32; 2], b: [f32; 2]| without_background(weighted(&[0, 2], &[a, b]));
    let close = |found: f32, expected: f32| {
        assert!(
            (found - expected).abs() < 1e-4 * expected,
            "{found}, not {expected}"
        )
    };
    let plain = without_background(targets(&[0, 2], None));
    let ones = with([1.0; 2], [1.0; 2]);
    let halves = with([0.5; 2], [0.5; 2]);
    let (first, second) = (with([1.0; 2], [0.0; 2]), with([0.0; 2], [1.0; 2]));
    for term in 0..3 {
        close(ones[term], plain[term]);
        close(halves[term], 0.5 * plain[term]);
        close(first[term] + second[term], plain[term]);
        assert!(first[term] > 0.0 && second[term] > 0.0);
    }
    // A gate for one mask leaves its class, and the divisor of the other mask, as they are.
    let gated = with([1.0, 0.0], [1.0, 1.0]);
    close(gated[0], plain[0]);
    close(gated[1], second[1]);
    close(gated[2], second[2]);
}

#[test]
fn queries_without_an_object_may_have_another_weight() {
    let predictions = predictions(1, 1);
    let with = |background| {
        let part = Part {
            images: 0..1,
            targets: &[targets(&[0, 2], None)],
            origin: Default::default(),
            mask_loss: MaskLoss::default(),
            empty_image: EmptyImage::ZeroBatch,
            background,
        };
        run_part(&criterion(), &predictions, &part).losses
    };
    let plain = with(Background::Own);
    let own = criterion().config.no_object;
    assert_eq!(with(Background::Weight(own)), plain);
    let [none, twice] = [0.0, 2.0 * own].map(|weight| with(Background::Weight(weight)));
    let expected = none[0] + 2.0 * (plain[0] - none[0]);
    assert!(
        (twice[0] - expected).abs() < 1e-4 * expected,
        "{twice:?}, not {expected}"
    );
    assert_eq!(twice[1..], plain[1..]);
}

/// A rule whose weights differ from pixel to pixel.
const EDGES: Boundary = Boundary {
    scale: 3.0,
    reduction: Reduction::Pixel,
    padding: Padding::Replicate,
};

#[test]
fn a_boundary_that_is_averaged_first_is_a_factor() {
    let predictions = predictions(1, 2);
    let with = |boundary| {
        let mask_loss = MaskLoss {
            boundary,
            ..MaskLoss::default()
        };
        run_with(
            &criterion(),
            &predictions,
            0..1,
            &[targets(&[0, 2], None)],
            mask_loss,
        )
        .losses
    };
    let plain = with(None);
    let released = with(Some(Boundary {
        reduction: Reduction::Released,
        ..EDGES
    }));
    // Near the border the weight fades out with the mask.
    assert!(
        released[1] > 2.5 * plain[1] && released[1] <= 3.0 * plain[1] + 1e-4,
        "{released:?} {plain:?}"
    );
    let pixel = with(Some(EDGES));
    assert!(
        (pixel[1] - released[1]).abs() > 1e-3 * plain[1],
        "{pixel:?} {released:?}"
    );
    assert_eq!(
        [released[0], released[2], pixel[0], pixel[2]],
        [plain[0], plain[2], plain[0], plain[2]]
    );
}

/// The gradient is that of a loss whose weights are constants: nothing flows through them.
#[test]
fn boundary_weights_are_constants_of_the_backward_pass() {
    let predictions = predictions(1, 1);
    let config = LossConfig {
        class: 0.0,
        dice: 0.0,
        mask: 1.0,
        ..crate::detector::mask2former::loss::tests::loss()
    };
    let criterion = Criterion::new(config);
    let image = [targets(&[0, 2], None)];
    let part = Part {
        images: 0..1,
        targets: &image,
        origin: Default::default(),
        mask_loss: MaskLoss {
            boundary: Some(EDGES),
            ..MaskLoss::default()
        },
        empty_image: EmptyImage::ZeroBatch,
        background: Background::Own,
    };
    let outcome = run_part(&criterion, &predictions, &part);
    let points = Drawn::new(1, &mut Stream::new(1, "losses"));
    let mut begun = criterion.begin(&predictions, &part, Box::new(points));
    let pairs = begun.matching.pairs(0);
    let layer = &predictions.layers[0];
    let sampled = Sampled::new(&begun, 0, &pairs);
    let weights = begun
        .point_weights((&layer.masks, (SIDE, SIDE)), &pairs, &sampled)
        .unwrap();
    let mean = weights.values().iter().sum::<f32>() / weights.len() as f32;
    assert!(
        weights.values().iter().any(|w| (w - mean).abs() > 0.5),
        "they differ"
    );
    let mut tape = Tape::recording();
    let logits = ops::point_sample(
        &mut tape,
        &layer.masks,
        &sampled.rows,
        (SIDE, SIDE),
        &sampled.points,
    );
    let loss = ops::bce_points(
        &mut tape,
        &logits,
        &sampled.targets,
        Some(&weights.detach()),
        2.0,
    );
    let mut grads = tape.backward(&loss);
    compare("loss", &outcome.losses[1..2], &[loss.scalar()], 1e-5);
    compare(
        "masks",
        &outcome.mask_gradient,
        &layer.masks.gradient(&mut grads),
        1e-5,
    );
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
            let part = Part { images: 1..4, targets: &targets, origin: Default::default(), mask_loss, empty_image: EmptyImage::ZeroBatch, background: Default::default() };
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

    fn weighted_losses_and_gradients_are_those_of_the_cpu(place) {
        let criterion = criterion();
        let here = predictions(2, 2);
        let there = moved(&here, place);
        let targets = [weighted(&[0, 2], &[[0.5, 2.0], [1.5, 0.25]]), targets(&[1], Some(0.25))];
        for boundary in [None, Some(EDGES)] {
            let mask_loss = MaskLoss { boundary, ..MaskLoss::default() };
            let background = Background::Weight(0.3);
            let part = Part { images: 0..2, targets: &targets, origin: Default::default(), mask_loss, empty_image: EmptyImage::ZeroBatch, background };
            let [found, expected] = [&there, &here].map(|predictions| run_part(&criterion, predictions, &part));
            compare("losses", &found.losses, &expected.losses, 1e-4);
            compare("classes", &found.class_gradient, &expected.class_gradient, 1e-4);
            compare("masks", &found.mask_gradient, &expected.mask_gradient, 2e-3);
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

mod heads;
mod pieces;
