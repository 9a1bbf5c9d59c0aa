//! A part in pieces has the losses and gradients of the whole part.

use super::*;

/// The images of the part.
const IMAGES: usize = 4;

/// Two layers with every head, so that all losses are computed.
fn with_heads() -> Predictions {
    let mut predictions = predictions(IMAGES, 2);
    let (height, width) = predictions.coarse_size();
    let mut stream = Stream::new(9, "heads");
    let mut noise = |columns: usize| {
        let count = IMAGES * QUERIES * columns;
        let values = (0..count).map(|_| 2.0 * stream.normal() as f32).collect();
        Tensor2::parameter(values, IMAGES * QUERIES, columns)
    };
    for layer in &mut predictions.layers {
        layer.coarse = Some(noise(height * width));
        layer.ious = Some(noise(1));
    }
    predictions
}

/// All leaves of `predictions`.
fn leaves(predictions: &Predictions) -> Vec<&Tensor2> {
    let layers = predictions.layers.iter();
    layers
        .flat_map(|layer| {
            let heads = layer.coarse.iter().chain(&layer.ious);
            [&layer.classes, &layer.masks].into_iter().chain(heads)
        })
        .collect()
}

/// The images `images` of `predictions` as leaves of their own.
fn cut(predictions: &Predictions, images: Range<usize>) -> Predictions {
    let rows = |tensor: &Tensor2| {
        let row = QUERIES * tensor.columns();
        let values = tensor.values()[images.start * row..images.end * row].to_vec();
        Tensor2::parameter(values, images.len() * QUERIES, tensor.columns())
    };
    let layers = predictions.layers.iter().map(|layer| LayerPredictions {
        classes: rows(&layer.classes),
        masks: rows(&layer.masks),
        coarse: layer.coarse.as_ref().map(rows),
        ious: layer.ious.as_ref().map(rows),
    });
    Predictions {
        layers: layers.collect(),
        batch: images.len(),
        ..predictions.clone()
    }
}

/// Terms of the loss, and gradients of all leaves.
type Found = (Vec<f32>, Vec<Vec<f32>>);

fn whole(criterion: &Criterion, predictions: &Predictions, part: &Part) -> Found {
    let mut tape = Tape::recording();
    let losses = criterion.losses(&mut tape, predictions, part, &mut Stream::new(1, "l"));
    let mut grads = tape.backward(&losses.total);
    let leaves = leaves(predictions).into_iter();
    (
        losses.terms.iter().map(|(_, term)| term.scalar()).collect(),
        leaves.map(|leaf| leaf.gradient(&mut grads)).collect(),
    )
}

fn piece<'s>(images: &Range<usize>, survey: &'s Survey) -> Piece<'s> {
    Piece {
        images: images.clone(),
        draws: Stream::new(0, "not read"),
        survey,
        objects: None,
    }
}

/// The same in pieces of `size` images. `counted`: the pieces are counted before.
fn in_pieces(
    criterion: &Criterion,
    predictions: &Predictions,
    part: &Part,
    size: usize,
    counted: bool,
) -> Found {
    let count = part.targets.len();
    let pieces: Vec<Range<usize>> = (0..count)
        .step_by(size)
        .map(|start| start..(start + size).min(count))
        .collect();
    let points = || Box::new(Drawn::new(2, &mut Stream::new(1, "l")));
    let mut survey = Survey::default();
    for images in pieces.iter().filter(|_| counted) {
        let own = cut(predictions, images.clone());
        let before = survey.clone();
        let piece = piece(images, &before);
        survey = Box::new(criterion.begin_piece(&own, part, piece, points())).count();
    }
    let (mut terms, mut gradients): Found = Default::default();
    for images in &pieces {
        let own = cut(predictions, images.clone());
        let mut tape = Tape::recording();
        let piece = piece(images, &survey);
        let losses = Box::new(criterion.begin_piece(&own, part, piece, points())).losses(&mut tape);
        let mut grads = tape.backward(&losses.total);
        terms.resize(losses.terms.len(), 0.0);
        for (sum, (_, term)) in terms.iter_mut().zip(&losses.terms) {
            *sum += term.scalar();
        }
        let leaves = leaves(&own);
        gradients.resize(leaves.len(), Vec::new());
        for (all, leaf) in gradients.iter_mut().zip(leaves) {
            all.extend(leaf.gradient(&mut grads));
        }
    }
    (terms, gradients)
}

/// Images with several numbers of objects, of which one has no object, one has more objects than there are queries,
/// and some have discounts or weights.
fn images() -> [Targets<'static>; IMAGES] {
    [
        targets(&[0, 2, 1], None),
        targets(&[], None),
        targets(&[0, 1, 2, 0, 1, 2, 0], Some(0.375)),
        weighted(&[1, 2], &[[0.5, 2.0], [1.5, 0.25]]),
    ]
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let most = expected
        .iter()
        .fold(0f32, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let far = (found - expected).abs();
        assert!(
            far <= 1e-6 * most,
            "{what}: {found}, not {expected}, of {most}"
        );
    }
}

#[test]
fn losses_and_gradients_of_pieces_are_those_of_the_whole_part() {
    let (criterion, predictions) = (criterion(), with_heads());
    let plain = MaskLoss::default();
    let rules = [
        plain,
        MaskLoss {
            per_query: true,
            uniform_points: true,
            ..plain
        },
        MaskLoss {
            renormalise: true,
            ..plain
        },
        MaskLoss {
            renormalise: true,
            boundary: Some(EDGES),
            ..plain
        },
    ];
    let targets = images();
    for mask_loss in rules {
        for (empty_image, background) in [
            (EmptyImage::ZeroBatch, Background::Own),
            (EmptyImage::Drop, Background::Weight(0.25)),
        ] {
            let part = Part {
                images: 0..IMAGES,
                targets: &targets,
                origin: Default::default(),
                mask_loss,
                empty_image,
                background,
            };
            let (terms, gradients) = whole(&criterion, &predictions, &part);
            for size in [1, 2, 3, 4] {
                let counted = mask_loss.renormalise;
                let found = in_pieces(&criterion, &predictions, &part, size, counted);
                let what = format!("{mask_loss:?}, pieces of {size}");
                for (found, expected) in found.0.iter().zip(&terms) {
                    close(&[*found], &[*expected], &what);
                }
                for (found, expected) in found.1.iter().zip(&gradients) {
                    close(found, expected, &what);
                }
            }
        }
    }
}

/// No image of a piece has an object, but others of the part have.
#[test]
fn the_rule_for_a_part_without_objects_looks_at_all_pieces() {
    let (criterion, predictions) = (criterion(), with_heads());
    let learned = |targets: &[Targets]| {
        let part = Part {
            images: 0..2,
            targets,
            origin: Default::default(),
            mask_loss: MaskLoss::default(),
            empty_image: EmptyImage::ZeroBatch,
            background: Background::Own,
        };
        let (_, gradients) = in_pieces(&criterion, &predictions, &part, 1, false);
        let (_, second) = gradients[0].split_at(QUERIES * 4);
        second.iter().any(|slope| *slope != 0.0)
    };
    assert!(learned(&[targets(&[1], None), targets(&[], None)]));
    assert!(!learned(&[targets(&[], None), targets(&[], None)]));
}
