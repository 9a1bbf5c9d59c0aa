//! The losses for given predictions and regions against torchvision, from `tests/golden/rcnn_losses.py`.

use super::*;
use crate::detector::mask_rcnn::loss::tests::published as published_loss;
use crate::detector::{EmptyImage, MaskLoss, Part, Targets};
use crate::graph::mask_rcnn::{
    AnchorPredictions, HeadConfig, LEVELS, MaskRcnn, MaskRcnnConfig, Semantics, published,
};
use crate::nn::params::{Parameters, move_to, reference_gradient};
use crate::ops::Bounds;
use crate::ops::check::on_every_place;
use crate::ops::golden::{self, Tensors};
use crate::rng::Stream;
use crate::structures::Mask;
use crate::tensor::{Grads, Map, Place};
use std::sync::OnceLock;

const BOTH: [(&str, Semantics); 2] = [
    ("torchvision", Semantics::Torchvision),
    ("detectron2", Semantics::Detectron2),
];

/// The pictures, their objects (class; x1, y1, x2, y2) and the given regions, as in the script.
const SMALL: (usize, usize) = (32, 48);
const LARGE: (usize, usize) = (96, 160);
type Objects<'a> = [&'a [(usize, [usize; 4])]; 2];
const SMALL_OBJECTS: Objects = [
    &[(0, [4, 6, 20, 22]), (2, [25, 3, 44, 30])],
    &[(1, [10, 10, 21, 16])],
];
const LARGE_OBJECTS: Objects = [
    &[(0, [12, 20, 60, 52]), (2, [70, 6, 118, 90])],
    &[(1, [30, 40, 47, 61]), (0, [5, 8, 20, 26])],
];
const REGIONS: [&[[f32; 4]]; 2] = [
    &[
        [13., 18., 57., 55.],
        [68., 9., 120., 93.],
        [40., 25., 90., 60.],
        [0., 0., 30., 12.],
        [71., 4., 117., 81.],
        [10., 22., 62., 50.],
    ],
    &[
        [28., 41., 48., 60.],
        [4., 9., 22., 25.],
        [3., 6., 19., 27.],
        [0., 0., 150., 96.],
        [32., 38., 46., 63.],
    ],
];

/// Rectangles without their upper right corner.
fn targets(objects: Objects, (height, width): (usize, usize)) -> Vec<Targets<'static>> {
    let mask = |[x1, y1, x2, y2]: [usize; 4]| {
        let bit = |i: usize| {
            let (x, y) = (i % width, i / width);
            let inside = (x1..x2).contains(&x) && (y1..y2).contains(&y);
            let cut = ((x1 + x2) / 2..x2 - 1).contains(&x) && (y1 + 1..(y1 + y2) / 2).contains(&y);
            u8::from(inside && !cut)
        };
        Mask::new(height, width, (0..height * width).map(bit).collect()).into()
    };
    let of_picture = |objects: &&[(usize, [usize; 4])]| Targets {
        classes: objects.iter().map(|(class, _)| *class).collect(),
        masks: objects.iter().map(|(_, sides)| mask(*sides)).collect(),
        ..Targets::default()
    };
    objects.iter().map(of_picture).collect()
}

/// A network with the heads of the script.
fn network(tensors: &Tensors, semantics: Semantics, place: &Place) -> MaskRcnn {
    let mut config = MaskRcnnConfig {
        semantics,
        fpn_width: 4,
        anchor_sizes: [6.0, 12.0, 24.0, 48.0, 96.0],
        canonical_side: 56.0,
        heads: HeadConfig {
            box_side: 3,
            width: 16,
            mask_side: 4,
            mask_width: 8,
            mask_convs: 1,
        },
        ..published()
    };
    config.backbone.stem.width = 8;
    (config.backbone.widths, config.backbone.depths) = ([8; 4], [1; 4]);
    let mut network = MaskRcnn::new(&config, 3, &mut Stream::new(0, "m")).unwrap();
    let mut heads = 0;
    network.parameters("", &mut |name, param| {
        if let Some((_, values)) = tensors.get(&format!("heads.{name}")) {
            param.set_from_reference(values);
            heads += 1;
        }
    });
    assert_eq!(
        heads, 14,
        "layers of the heads, each with a weight and a bias"
    );
    move_to(&mut network, place);
    network
}

/// The rest of a forward pass for two pictures of `size`.
fn pass(model: MaskRcnn, levels: [Map; LEVELS], size: (usize, usize)) -> ForwardPass {
    let (anchors, of_level) = model.anchors(&levels, size);
    let count = 2 * anchors.len();
    ForwardPass {
        model,
        levels,
        predictions: AnchorPredictions {
            objectness: Tensor2::constant(vec![0.0; count], count, 1),
            deltas: Tensor2::constant(vec![0.0; 4 * count], count, 4),
        },
        on_host: OnceLock::new(),
        anchors,
        of_level,
        sizes: vec![size; 2],
        padded: size,
    }
}

/// Maps of two pictures with these rows and columns.
fn empty_maps<const N: usize>(sizes: [(usize, usize); N]) -> [Map; N] {
    sizes.map(|(height, width)| {
        let rows = 2 * height * width;
        Map::new(
            Tensor2::constant(vec![0.0; 4 * rows], rows, 4),
            2,
            height,
            width,
        )
    })
}

/// The values of `losses` of both pictures, compared with those of the file, and the gradients of their sum.
fn compared<const N: usize>(
    expected: &(Vec<usize>, Vec<f32>),
    pass: &ForwardPass,
    targets: &[Targets],
    losses: impl FnOnce(&mut StartedPart, &mut Tape) -> [Tensor2; N],
) -> Grads {
    let criterion = Criterion {
        config: LossConfig {
            anchors: 64,
            regions: 32,
            ..published_loss()
        },
        order: SampleOrder::First,
    };
    let part = Part {
        images: 0..2,
        targets,
        origin: Default::default(),
        mask_loss: MaskLoss::default(),
        empty_image: EmptyImage::Background,
        background: Default::default(),
    };
    let mut started = StartedPart::new(
        pass,
        &criterion,
        BegunPart::whole(&part, Stream::new(1, "draws"), 2),
    );
    let mut tape = Tape::recording();
    let losses = losses(&mut started, &mut tape);
    let found = losses.each_ref().map(Tensor2::scalar);
    golden::compare("losses", &found, &expected.1, 1e-5);
    let terms = losses.each_ref().map(|loss| (loss, 1.0));
    let total = ops::weighted_sum(&mut tape, &terms);
    tape.backward(&total)
}

on_every_place! {
    fn losses_of_anchors_parity_with_torchvision(place) {
        let tensors = golden::load("rcnn_losses");
        let leaf = |name: &str| {
            let (shape, values) = &tensors[name];
            Tensor2::parameter(values.clone(), shape[0], shape[1]).to(place)
        };
        for (rules, semantics) in BOTH {
            let levels = empty_maps([(8, 12), (4, 6), (2, 3), (1, 1), (1, 1)]);
            let mut pass = pass(network(&tensors, semantics, place), levels, SMALL);
            let (objectness, deltas) = (leaf("rpn.objectness"), leaf("rpn.deltas"));
            assert_eq!(objectness.rows(), 2 * pass.anchors.len());
            pass.predictions = AnchorPredictions { objectness, deltas };
            let expected = &tensors[&format!("{rules}.rpn.losses")];
            let targets = targets(SMALL_OBJECTS, SMALL);
            let mut grads = compared(expected, &pass, &targets, |started, tape| started.anchor_losses(tape));
            let AnchorPredictions { objectness, deltas } = &pass.predictions;
            for (name, leaf) in [("objectness", objectness), ("deltas", deltas)] {
                let name = format!("{rules}.rpn.{name}.grad");
                golden::compare(&name, &leaf.gradient(&mut grads), &tensors[&name].1, 1e-5);
            }
        }
    }

    fn losses_of_regions_parity_with_torchvision(place) {
        let tensors = golden::load("rcnn_losses");
        let sizes = [(24, 40), (12, 20), (6, 10), (3, 5), (2, 3)];
        for (rules, semantics) in BOTH {
            let mut levels = empty_maps(sizes);
            for (number, level) in (2..).zip(levels.iter_mut().take(4)) {
                let (shape, values) = &tensors[&format!("heads.p{number}")];
                level.data = Tensor2::parameter(values.clone(), shape[0], shape[1]).to(place);
            }
            let mut pass = pass(network(&tensors, semantics, place), levels, LARGE);
            let regions = REGIONS.map(|list| list.iter().map(|sides| Bounds::new(*sides)).collect());
            let expected = &tensors[&format!("{rules}.heads.losses")];
            let targets = targets(LARGE_OBJECTS, LARGE);
            let mut grads = compared(expected, &pass, &targets, |started, tape| {
                let found = started.losses_among(tape, regions.into());
                [found.class, found.boxes, found.mask]
            });
            for (number, level) in (2..).zip(pass.levels.iter().take(4)) {
                let name = format!("{rules}.heads.p{number}.grad");
                golden::compare(&name, &level.data.gradient(&mut grads), &tensors[&name].1, 1e-4);
            }
            pass.model.parameters("", &mut |name, param| {
                let name = format!("{rules}.heads.{name}.grad");
                if let Some((_, expected)) = tensors.get(&name) {
                    golden::compare(&name, &reference_gradient(param, &mut grads), expected, 1e-4);
                }
            });
        }
    }
}
