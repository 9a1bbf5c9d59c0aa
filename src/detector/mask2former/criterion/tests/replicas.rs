//! A batch of several replicas has the gradients of as many machines, from `tests/golden/replicas.py`.

use super::*;
use crate::detector::mask2former::loss::LossConfig;
use crate::detector::mask2former::points::Purpose;
use crate::ops::golden::{self, Tensors};

/// The classes of the objects of every image, as in the script: fewer than there are machines, at most.
const OBJECTS: [&[usize]; 8] = [&[0, 2], &[], &[1], &[0, 1], &[], &[], &[2], &[]];

/// The points of the script, for the images from `first` on.
struct Recorded<'g> {
    tensors: &'g Tensors,
    first: usize,
}

impl PointSource for Recorded<'_> {
    fn points(
        &self,
        place: &Place,
        _: usize,
        purposes: &[Purpose],
        numbers: Range<usize>,
    ) -> Tensor2 {
        let row = |name: &str, row: usize| {
            let (shape, values) = &self.tensors[name];
            values[row * shape[1]..][..shape[1]][2 * numbers.start..2 * numbers.end].to_vec()
        };
        let of_purpose = |purpose: &Purpose| match *purpose {
            Purpose::Matching { image } => row("matching", self.first + image),
            Purpose::Sampling { image, object, .. } => {
                let before = OBJECTS[..self.first + image].iter();
                let before: usize = before.map(|objects| objects.len()).sum();
                row("sampling", before + object)
            }
        };
        let values = purposes.iter().flat_map(of_purpose).collect();
        Tensor2::constant(values, purposes.len(), 2 * numbers.len()).to(place)
    }
}

/// The loss and the gradients of classes and masks of `replicas` machines, in pieces of one image.
fn step(tensors: &Tensors, replicas: usize, place: &Place) -> [Vec<f32>; 3] {
    let leaf = |name: &str| {
        let (shape, values) = &tensors[name];
        Tensor2::parameter(values.clone(), shape[0], shape[1]).to(place)
    };
    let (classes, masks) = (leaf("classes"), leaf("masks"));
    let features = leaf("features").detach();
    let criterion = Criterion::new(LossConfig {
        points: 20,
        ..LossConfig::published()
    });
    let objects: usize = OBJECTS.iter().map(|objects| objects.len()).sum();
    let own = OBJECTS.len() / replicas;
    let (survey, mut grads, mut loss) = (Survey::default(), crate::tensor::Grads::empty(), 0.0);
    for replica in 0..replicas {
        let first = replica * own;
        let targets: Vec<Targets> = OBJECTS[first..first + own]
            .iter()
            .map(|classes| targets(classes, None))
            .collect();
        let part = Part {
            images: 0..own,
            targets: &targets,
            origin: Default::default(),
            mask_loss: MaskLoss::default(),
            empty_image: EmptyImage::Background,
            background: Background::Own,
        };
        for image in 0..own {
            let mut tape = Tape::recording();
            let start = (first + image) * QUERIES;
            let x = ops::slice_rows(&mut tape, &features, start, QUERIES);
            let predictions = Predictions {
                layers: vec![LayerPredictions {
                    classes: ops::linear(&mut tape, &x, &classes, None, false),
                    masks: ops::linear(&mut tape, &x, &masks, None, false),
                    coarse: None,
                    ious: None,
                }],
                batch: 1,
                queries: QUERIES,
                height: SIDE,
                width: SIDE,
            };
            let piece = Piece {
                images: image..image + 1,
                draws: Stream::new(0, "not read"),
                survey: &survey,
                objects: (replicas > 1).then_some(objects as f32 / replicas as f32),
            };
            let points = Box::new(Recorded { tensors, first });
            let begun = criterion.begin_piece(&predictions, &part, piece, points);
            let losses = Box::new(begun).losses(&mut tape);
            let share = [(&losses.total, 1.0 / replicas as f32)];
            let share = ops::weighted_sum(&mut tape, &share);
            loss += share.scalar();
            grads = tape.backward_onto(&share, grads);
        }
    }
    let gradients = [&classes, &masks].map(|leaf| leaf.gradient(&mut grads));
    let [classes, masks] = gradients;
    [vec![loss], classes, masks]
}

on_every_place! {
    fn replicas_parity_with_distributed_data_parallel(place) {
        let tensors = golden::load("replicas");
        for replicas in [1, 2, 8] {
            let found = step(&tensors, replicas, place);
            for (name, found) in ["loss", "classes", "masks"].iter().zip(found) {
                let name = format!("{replicas}.{name}");
                compare(&name, &found, &tensors[&name].1, 1e-5);
            }
        }
        // The machines count: their losses are not those of one batch.
        let [one, eight] = ["1.loss", "8.loss"].map(|name| tensors[name].1[0]);
        assert!((one - eight).abs() > 0.01 * one, "{one} and {eight}");
    }
}
