//! A part in pieces has the losses and gradients of the whole part, with the same draws.

use super::*;
use crate::detector::{
    Background, Boundary, MaskLoss, ObjectWeights, Padding, Piece, Reduction, RegionJudge, Survey,
};
use crate::graph::mask_rcnn::{IouHeadKind, MaskHeadKind};
use crate::graph::pixels;
use crate::nn::params::Parameters;
use crate::ops::Bounds;
use std::ops::Range;

/// The pictures of the part.
const PICTURES: [usize; 4] = [0, 1, 1, 0];

/// Names and values of the terms of the loss, and the gradients of all parameters.
type Found = (Vec<f32>, Vec<Vec<f32>>);

/// Every head that has a loss, and samples that are smaller than what there is to draw from.
fn network(iou_head: IouHeadKind, semantics: Semantics) -> MaskRcnnDetector {
    let mut config = config(semantics);
    config.mask_head = MaskHeadKind::NoiseTolerant;
    // The file has nothing of these heads.
    config.weights = Default::default();
    config.iou_head = iou_head;
    let network = MaskRcnn::new(&config, CLASSES, &mut Stream::new(0, "m")).unwrap();
    let loss = LossConfig {
        anchors: 24,
        regions: 12,
        ..loss()
    };
    MaskRcnnDetector::new(network, loss)
}

fn gradients(model: &mut MaskRcnnDetector, grads: &mut Grads, sums: &mut Vec<Vec<f32>>) {
    let mut number = 0;
    model.parameters("", &mut |_, param| {
        let own = param.value.gradient(grads);
        if sums.len() == number {
            sums.push(vec![0.0; own.len()]);
        }
        for (sum, own) in sums[number].iter_mut().zip(own) {
            *sum += own;
        }
        number += 1;
    });
}

fn whole(model: &mut MaskRcnnDetector, part: &Part) -> Found {
    let pictures = PICTURES.map(picture);
    let images = model.images(&pictures.each_ref());
    let mut tape = Tape::recording();
    let output = model.forward(&mut tape, &images);
    let losses = output.begin(part, Stream::new(1, "draws"));
    let losses = losses.losses(&mut tape);
    drop(output);
    let mut found = Vec::new();
    gradients(model, &mut tape.backward(&losses.total), &mut found);
    let terms = losses.terms.iter().map(|(_, term)| term.scalar());
    (terms.collect(), found)
}

fn in_pieces(model: &mut MaskRcnnDetector, part: &Part, size: usize) -> Found {
    let pictures = PICTURES.map(picture);
    let sent = pixels(&pictures.each_ref(), &Place::Host);
    let count = PICTURES.len();
    let pieces: Vec<Range<usize>> = (0..count)
        .step_by(size)
        .map(|start| start..(start + size).min(count))
        .collect();
    let input = |model: &MaskRcnnDetector, images: &Range<usize>| {
        let normaliser = &model.trunk().normaliser;
        normaliser.images_among(&sent, images.clone(), 0..count)
    };
    let piece = |images: &Range<usize>| (images.clone(), Stream::new(1, "draws"));
    let mut survey = Survey::default();
    for images in &pieces {
        let output = model.forward(&mut Tape::off(), &input(model, images));
        let (images, draws) = piece(images);
        let piece = Piece {
            images,
            draws,
            survey: &survey,
            objects: None,
        };
        survey = output.begin_piece(part, piece).count();
    }
    let (mut terms, mut found): Found = Default::default();
    for images in &pieces {
        let mut tape = Tape::recording();
        let output = model.forward(&mut tape, &input(model, images));
        let (images, draws) = piece(images);
        let piece = Piece {
            images,
            draws,
            survey: &survey,
            objects: None,
        };
        let losses = output.begin_piece(part, piece).losses(&mut tape);
        drop(output);
        terms.resize(losses.terms.len(), 0.0);
        for (sum, (_, term)) in terms.iter_mut().zip(&losses.terms) {
            *sum += term.scalar();
        }
        gradients(model, &mut tape.backward(&losses.total), &mut found);
    }
    (terms, found)
}

/// Says that more of a region is background, the farther left it lies in the pictures behind.
struct Left;

impl RegionJudge for Left {
    fn background(&self, image: usize, regions: &[Bounds]) -> Vec<f32> {
        let weight = |region: &Bounds| (image + 1) as f32 / (8.0 + region.x1);
        regions.iter().map(weight).collect()
    }
}

/// The objects of the pictures. The third picture has none; some objects have discounts, some have weights.
fn images() -> [Targets<'static>; 4] {
    let [first, second, _, fourth] = PICTURES.map(|number| targets(number, 160));
    let pixels = 96 * 160;
    let discount = |i: usize| (i % 7) as f32 / 8.0;
    let discounts = (0..first.len() * pixels).map(discount).collect();
    let weights = (0..second.len()).map(|number| ObjectWeights {
        class: 0.5 + number as f32,
        mask: 2.0,
    });
    [
        Targets {
            discounts: Some(Arc::new(Tensor2::constant(discounts, first.len(), pixels))),
            ..first.clone()
        },
        Targets {
            weights: Some(weights.collect()),
            ..second.clone()
        },
        Targets::default(),
        fourth,
    ]
}

fn compared(model: &mut MaskRcnnDetector, part: &Part, what: &str) {
    let (terms, expected) = whole(model, part);
    assert!(terms.iter().all(|term| *term > 0.0), "{what}: {terms:?}");
    for size in [1, 2, 3] {
        let (found, sums) = in_pieces(model, part, size);
        for (found, expected) in found.iter().zip(&terms) {
            let far = (found - expected).abs();
            assert!(
                far <= 1e-6 * expected.max(1.0),
                "{what}, {size}: {found}, not {expected}"
            );
        }
        let most = |values: &[Vec<f32>]| -> f32 {
            let all = values.iter().flatten();
            all.fold(0.0, |most, value| most.max(value.abs()))
        };
        let most = most(&expected);
        for (number, (found, expected)) in sums.iter().zip(&expected).enumerate() {
            for (found, expected) in found.iter().zip(expected) {
                let far = (found - expected).abs();
                assert!(
                    far <= 1e-6 * most,
                    "{what}, pieces of {size}, parameter {number}: {found}, not {expected}, of {most}"
                );
            }
        }
    }
}

#[test]
fn losses_and_gradients_of_pieces_are_those_of_the_whole_part() {
    let targets = images();
    let plain = MaskLoss::default();
    let boundary = Boundary {
        scale: 3.0,
        reduction: Reduction::Pixel,
        padding: Padding::Replicate,
    };
    let mut model = network(IouHeadKind::Scoring, Semantics::Detectron2);
    let renormalised = MaskLoss {
        renormalise: true,
        boundary: Some(boundary),
        ..plain
    };
    let with = |mask_loss, empty_image, background| Part {
        mask_loss,
        background,
        ..part(&targets, empty_image)
    };
    let part = with(
        renormalised,
        EmptyImage::Background,
        Background::Teacher(&Left),
    );
    compared(&mut model, &part, "renormalised boundary and a judge");
    let mut model = network(IouHeadKind::Flat, Semantics::Torchvision);
    let discounts = MaskLoss {
        renormalise: true,
        ..plain
    };
    let part = with(discounts, EmptyImage::Drop, Background::Weight(0.5));
    compared(&mut model, &part, "renormalised discounts");
    model.criterion.config.focal = 1.5;
    let part = with(plain, EmptyImage::ZeroBatch, Background::Own);
    compared(&mut model, &part, "focal");
}

/// The divisors of the first piece are those of all.
#[test]
fn a_piece_without_objects_counts_its_regions() {
    let mut model = network(IouHeadKind::None, Semantics::Detectron2);
    let none = || Targets::default();
    let targets = [none(), none(), targets(1, 160), none()];
    let part = part(&targets, EmptyImage::Background);
    let (terms, _) = whole(&mut model, &part);
    let (found, _) = in_pieces(&mut model, &part, 1);
    for (found, expected) in found.iter().zip(&terms) {
        assert!((found - expected).abs() <= 1e-6 * expected.max(1.0));
    }
}
