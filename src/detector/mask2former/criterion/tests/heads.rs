//! The losses of heads that a recipe may add.

use super::*;

/// The predictions of two layers and two images, at `place`, with the leaves of the predicted IoU.
fn with_ious(place: &Place) -> (Predictions, Vec<Tensor2>) {
    let mut predictions = predictions(2, 2);
    let mut leaves = Vec::new();
    for (number, layer) in predictions.layers.iter_mut().enumerate() {
        let logit = |row: usize| ((row * 7 + number) % 11) as f32 / 3.0 - 1.5;
        let logits = (0..2 * QUERIES).map(logit).collect();
        let leaf = Tensor2::parameter(logits, 2 * QUERIES, 1).to(place);
        leaves.push(leaf.clone());
        layer.ious = Some(leaf);
        (layer.classes, layer.masks) = (layer.classes.to(place), layer.masks.to(place));
    }
    (predictions, leaves)
}

/// The IoU of plane `row` with the rows of cells of object `number`.
fn expected_iou(masks: &Tensor2, row: usize, number: usize) -> f32 {
    let masks = masks.host_values();
    let plane = &masks[row * SIDE * SIDE..][..SIDE * SIDE];
    let (mut both, mut either) = (0, 0);
    for (cell, logit) in plane.iter().enumerate() {
        let (mask, object) = (*logit > 0.0, cell / SIDE / 2 == number);
        both += i32::from(mask && object);
        either += i32::from(mask || object);
    }
    both as f32 / either as f32
}

on_every_place! {
    /// The gradient of a logit is sigma(z) - t over N: it tells the target.
    fn the_target_is_the_iou_with_the_matched_object(place) {
        let (predictions, leaves) = with_ious(place);
        let targets = [targets(&[0, 2], None)];
        let part = Part {
            // The second image of the batch alone.
            images: 1..2,
            targets: &targets,
            origin: Default::default(),
            mask_loss: MaskLoss::default(),
            empty_image: EmptyImage::ZeroBatch,
            background: Default::default(),
        };
        let mut tape = Tape::recording();
        let losses = criterion().losses(&mut tape, &predictions, &part, &mut Stream::new(1, "losses"));
        let (name, term) = losses.terms.last().unwrap();
        assert_eq!((*name, losses.terms.len()), ("iou", 4));
        let mut grads = tape.backward(term);
        let mut expected = 0.0;
        for (layer, leaf) in predictions.layers.iter().zip(&leaves) {
            let gradient = leaf.gradient(&mut grads);
            let logits = leaf.host_values();
            let mut objects = Vec::new();
            for (row, slope) in gradient.iter().enumerate().filter(|(_, slope)| **slope != 0.0) {
                assert!(row >= QUERIES, "row {row} is of the first image");
                let (z, target) = (logits[row], ops::sigmoid(logits[row]) - 2.0 * slope);
                let fits = |number: &usize| (expected_iou(&layer.masks, row, *number) - target).abs() < 1e-5;
                let object = (0..2).find(fits);
                objects.push(object.unwrap_or_else(|| panic!("{target} is the IoU of no object")));
                expected += ((1.0 + z.exp()).ln() - z * target) / 2.0;
            }
            objects.sort_unstable();
            assert_eq!(objects, [0, 1], "every object has a query");
            assert!(layer.masks.gradient(&mut grads).iter().all(|slope| *slope == 0.0));
            assert!(layer.classes.gradient(&mut grads).iter().all(|slope| *slope == 0.0));
        }
        assert!((term.scalar() - expected).abs() < 1e-5, "{}, not {expected}", term.scalar());
    }
}

#[test]
fn the_weights_of_pseudo_labels_are_none_of_the_iou_s() {
    let (predictions, _) = with_ious(&Place::Host);
    let terms = |weights: Option<[f32; 2]>| {
        let of_object = |weights: [f32; 2]| ObjectWeights {
            class: weights[0],
            mask: weights[1],
        };
        let targets = [0, 1].map(|_| Targets {
            weights: weights.map(|weights| vec![of_object(weights); 2]),
            ..targets(&[0, 2], None)
        });
        let part = Part {
            images: 0..2,
            targets: &targets,
            origin: Default::default(),
            mask_loss: MaskLoss::default(),
            empty_image: EmptyImage::ZeroBatch,
            background: Default::default(),
        };
        let mut stream = Stream::new(1, "losses");
        let mut criterion = criterion();
        criterion.config.iou = 3.0;
        let losses = criterion.losses(&mut Tape::off(), &predictions, &part, &mut stream);
        let terms: Vec<f32> = losses.terms.iter().map(|term| term.1.scalar()).collect();
        let weighted = terms.iter().zip(&losses.weights);
        let total: f32 = weighted.map(|(term, weight)| term * weight).sum();
        assert_eq!(losses.weights[3], 3.0);
        assert!((losses.total.scalar() - total).abs() < 1e-4 * total);
        terms
    };
    let (plain, gated) = (terms(None), terms(Some([0.5, 0.25])));
    assert!((gated[1] - 0.25 * plain[1]).abs() < 1e-5 * plain[1]);
    assert_eq!(gated[3], plain[3]);
}

#[test]
fn without_a_head_there_is_no_such_term_and_the_others_are_the_same() {
    let (with_head, _) = with_ious(&Place::Host);
    let targets = [targets(&[0, 2], None), targets(&[1], None)];
    let with = run(&criterion(), &with_head, 0..2, &targets, false);
    let without = run(&criterion(), &predictions(2, 2), 0..2, &targets, false);
    assert_eq!(with.losses, without.losses);
    assert_eq!(with.mask_gradient, without.mask_gradient);
}

#[test]
fn coarse_masks_have_the_losses_of_masks_at_the_same_points() {
    // Coarse masks that are constant, beside fine ones: their cross-entropy and dice are known at any point.
    let mut predictions = predictions(1, 1);
    let half = SIDE / 2;
    let logit = 0.75f32;
    let plane = Tensor2::parameter(vec![logit; QUERIES * half * half], QUERIES, half * half);
    predictions.layers[0].coarse = Some(plane.clone());
    assert_eq!(predictions.coarse_size(), (half, half));
    // One object that fills the image.
    let side = 2 * SIDE;
    let full = Targets {
        classes: vec![1],
        masks: vec![Mask::new(side, side, vec![1; side * side]).into()],
        ..Targets::default()
    };
    let mask_loss = MaskLoss {
        uniform_points: true,
        ..MaskLoss::default()
    };
    let part = Part {
        images: 0..1,
        targets: std::slice::from_ref(&full),
        origin: Default::default(),
        mask_loss,
        empty_image: EmptyImage::ZeroBatch,
        background: Default::default(),
    };
    let mut tape = Tape::recording();
    let mut stream = Stream::new(1, "losses");
    let losses = criterion().losses(&mut tape, &predictions, &part, &mut stream);
    let (name, term) = &losses.terms[3];
    assert_eq!((*name, losses.weights[3]), ("mask-coarse", 1.0));
    // Where a mask ends at the border of the image, both it and the logits fade to 0 in the last half cell: the bounds
    // are those of points inside and of points at the border.
    let inside =
        (1.0 + (-logit).exp()).ln() + 1.0 - 2.0 * ops::sigmoid(logit) / (1.0 + ops::sigmoid(logit));
    let found = term.scalar();
    assert!(
        (found - inside).abs() < 0.15 * inside,
        "{found}, not nearly {inside}"
    );
    let mut grads = tape.backward(term);
    let gradient = plane.gradient(&mut grads);
    let rows = gradient.chunks_exact(half * half);
    let taught = rows.filter(|row| row.iter().any(|slope| *slope != 0.0));
    assert_eq!(taught.count(), 1, "the query of the object");
    let fine = predictions.layers[0].masks.gradient(&mut grads);
    assert!(fine.iter().all(|slope| *slope == 0.0));
}
