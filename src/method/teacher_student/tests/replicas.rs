//! A step of several replicas has the losses and the gradients of as many machines, from `tests/golden/replicas.py`:
//! labelled images in two views and unlabelled ones, replicas without a pseudo-label among them.

use super::*;
use crate::detector::mask2former::points::{PointSource, Purpose};
use crate::detector::mask2former::{Criterion, LossConfig};
use crate::detector::{
    Candidate, CandidateChoice, Masks, Part, Pending, Piece, Proposals, RawArray,
};
use crate::graph::{Images, LayerPredictions, Predictions, Trunk};
use crate::nn::params::{Param, ParamKind, Parameters};
use crate::ops::golden::{self, Tensors, compare};
use crate::structures::Detection;
use crate::tensor::Tensor2;
use std::sync::Arc;

const IMAGES: usize = 8;
const QUERIES: usize = 5;
const FEATURES: usize = 6;
/// Rows and columns of a predicted mask.
const PLANE: usize = 8;
/// Rows of the picture that an object covers.
const ROWS: usize = 8;
/// The classes of the objects of each picture, as in the script: the weak views of the labelled images, their strong
/// views, the unlabelled images.
const OBJECTS: [&[usize]; 3 * IMAGES] = [
    &[0, 2],
    &[],
    &[1],
    &[0, 1],
    &[2],
    &[],
    &[2],
    &[1],
    &[0],
    &[],
    &[1, 2],
    &[0],
    &[2],
    &[1],
    &[],
    &[1, 0, 2],
    &[1],
    &[],
    &[0, 1, 2],
    &[],
    &[2, 2],
    &[0],
    &[],
    &[],
];

/// Object `number` of any picture.
fn object_mask(number: usize) -> Mask {
    let rows = ROWS * number..ROWS * (number + 1);
    let bits = (0..SIDE * SIDE).map(|i| u8::from(rows.contains(&(i / SIDE))));
    Mask::new(SIDE, SIDE, bits.collect())
}

/// The network of the script: two linear maps of the first bytes of a picture. As a teacher it says what the script
/// says of the picture, whose number is the byte behind them.
struct Linear {
    classes: Param,
    masks: Param,
    tensors: Arc<Tensors>,
    /// Lends its trunk.
    network: Box<dyn Detector>,
}

impl Linear {
    fn new(tensors: Arc<Tensors>) -> Self {
        let param = |name: &str| {
            let (shape, values) = &tensors[name];
            Param::new(ParamKind::Weight, values.clone(), shape[0], shape[1], shape)
        };
        Self {
            classes: param("classes"),
            masks: param("masks"),
            network: student(),
            tensors,
        }
    }
}

impl Parameters for Linear {
    fn parameters(&mut self, _: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        visit("classes", &mut self.classes);
        visit("masks", &mut self.masks);
    }
}

impl Detector for Linear {
    fn trunk(&self) -> &Trunk {
        self.network.trunk()
    }

    fn trunk_mut(&mut self) -> &mut Trunk {
        self.network.trunk_mut()
    }

    fn forward(&self, tape: &mut Tape, images: &Images) -> Box<dyn Output> {
        let pixels = images.map.data.host_values();
        let pictures = pixels.chunks_exact(3 * images.map.height * images.map.width);
        let count = QUERIES * FEATURES;
        let features = pictures.clone().flat_map(|picture| &picture[..count]);
        let batch = images.map.batch;
        let x = Tensor2::constant(features.copied().collect(), batch * QUERIES, FEATURES);
        let x = x.to(&images.map.data.place());
        let number = |picture: &[f32]| (picture[count] * 63.75 + 127.5).round() as usize;
        let layer = LayerPredictions {
            classes: ops::linear(tape, &x, &self.classes.value, None, false),
            masks: ops::linear(tape, &x, &self.masks.value, None, false),
            coarse: None,
            ious: None,
        };
        let loss = LossConfig {
            points: 20,
            ..LossConfig::published()
        };
        Box::new(LinearOutput {
            predictions: Predictions {
                layers: vec![layer],
                batch,
                queries: QUERIES,
                height: PLANE,
                width: PLANE,
            },
            numbers: pictures.map(number).collect(),
            criterion: Criterion::new(loss),
            tensors: Arc::clone(&self.tensors),
        })
    }

    fn is_counted(&self, part: &Part) -> bool {
        part.mask_loss.renormalise
    }

    fn copy(&self) -> Box<dyn Detector> {
        Box::new(Self {
            classes: self.classes.clone(),
            masks: self.masks.clone(),
            tensors: Arc::clone(&self.tensors),
            network: self.network.copy(),
        })
    }
}

struct LinearOutput {
    predictions: Predictions,
    /// The numbers of the pictures of the batch.
    numbers: Vec<usize>,
    criterion: Criterion,
    tensors: Arc<Tensors>,
}

impl Output for LinearOutput {
    fn begin<'a>(&'a self, _: &'a Part<'a>, _: Stream) -> Box<dyn Pending + 'a> {
        unreachable!("it learns in pieces")
    }

    fn begin_piece<'a>(&'a self, part: &'a Part<'a>, piece: Piece<'a>) -> Box<dyn Pending + 'a> {
        let points = Recorded {
            output: self,
            first: piece.images.start,
        };
        let points = Box::new(points);
        let begun = self
            .criterion
            .begin_piece(&self.predictions, part, piece, points);
        Box::new(begun)
    }

    fn propose(&self, _: CandidateChoice) -> Later<Proposals> {
        let mut masks = Vec::new();
        let mut candidate = |number: usize, class: usize| {
            let mask = object_mask(number);
            masks.push(mask.clone());
            Candidate {
                mask: masks.len() - 1,
                class,
                class_quality: 1.0,
                mask_quality: 1.0,
                area: mask.area(),
                bounds: None,
                foreground: true,
                probabilities: vec![1.0 / 3.0; 3],
            }
        };
        let mut of_picture = |number: &usize| {
            let classes = OBJECTS[*number].iter().enumerate();
            classes.map(|(at, class)| candidate(at, *class)).collect()
        };
        Later::ready(Proposals {
            size: (SIDE, SIDE),
            images: self.numbers.iter().map(&mut of_picture).collect(),
            masks: Box::new(Certain(masks)),
        })
    }

    fn detect(&self, _: &[(usize, usize)], _: usize) -> Vec<Vec<Detection>> {
        unreachable!("it is not evaluated")
    }

    fn raw(&self) -> Vec<RawArray> {
        unreachable!("it is not evaluated")
    }
}

/// Masks of which every pixel is certain.
#[derive(Debug)]
struct Certain(Vec<Mask>);

impl Masks for Certain {
    fn place(&self) -> Place {
        Place::Host
    }

    fn logits(&self, rows: &[usize]) -> Tensor2 {
        let logit = |bit: &u8| 80.0 * f32::from(*bit) - 40.0;
        let values = rows
            .iter()
            .flat_map(|row| self.0[*row].bits.iter().map(logit));
        Tensor2::constant(values.collect(), rows.len(), SIDE * SIDE)
    }

    fn only(&self, rows: &[usize]) -> Arc<dyn Masks> {
        let own = rows.iter().map(|row| self.0[*row].clone());
        Arc::new(Self(own.collect()))
    }
}

/// The points of the script for the pictures of a piece, whose first is the image `first` of its part.
struct Recorded<'o> {
    output: &'o LinearOutput,
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
            let (shape, values) = &self.output.tensors[name];
            values[row * shape[1]..][..shape[1]][2 * numbers.start..2 * numbers.end].to_vec()
        };
        let picture = |image: usize| self.output.numbers[image - self.first];
        let of_purpose = |purpose: &Purpose| match *purpose {
            Purpose::Matching { image } => row("matching", picture(image)),
            Purpose::Sampling { image, object, .. } => {
                let before = OBJECTS[..picture(image)].iter();
                let before: usize = before.map(|objects| objects.len()).sum();
                row("sampling", before + object)
            }
        };
        let values = purposes.iter().flat_map(of_purpose).collect();
        Tensor2::constant(values, purposes.len(), 2 * numbers.len()).to(place)
    }
}

/// The batch of the script.
fn script_batch(tensors: &Tensors) -> Batch {
    let (_, bytes) = &tensors["pictures"];
    let picture = |number: usize| {
        let own = &bytes[number * QUERIES * FEATURES..][..QUERIES * FEATURES];
        let mut pixels: Vec<u8> = own.iter().map(|byte| *byte as u8).collect();
        pixels.push(number as u8);
        pixels.resize(3 * SIDE * SIDE, 0);
        Picture::new(SIDE, SIDE, pixels)
    };
    let objects = |number: usize| {
        let classes = OBJECTS[number].iter().enumerate();
        let object = |(at, class): (usize, &usize)| Instance {
            class: *class,
            mask: object_mask(at),
            source: InstanceSource::Annotation,
        };
        classes.map(object).collect()
    };
    let labelled = (0..2 * IMAGES).map(|number| View {
        picture: picture(number),
        instances: objects(number),
    });
    let unlabelled = (2 * IMAGES..3 * IMAGES).map(|number| UnlabelledViews {
        weak: picture(number),
        strong: picture(number),
        moved: None,
        hidden_truth: Vec::new(),
    });
    Batch {
        labelled: labelled.collect(),
        unlabelled: unlabelled.collect(),
        pseudo: Vec::new(),
    }
}

/// The losses and the gradients of classes and masks of a step of `replicas`, `images` at a time: the loss of the
/// step, and for labelled and unlabelled images the losses of classes and of masks with their weights.
fn replicas_step(
    tensors: &Arc<Tensors>,
    (images, replicas): (usize, usize),
    place: &Place,
) -> [Vec<f32>; 3] {
    let mut method = table_with(0.0);
    let keys = "supervised-weight = 0.5\nlambda = { default = 0.25, class = 2.0 }\nempty-image = 'zero-batch'\n\
                weighting = { name = 'uniform' }";
    method.extend(keys.parse::<toml::Table>().unwrap());
    let mut student = Linear::new(Arc::clone(tensors));
    move_to(&mut student, place);
    move_to(&mut *student.network, place);
    let mut learner = phase_of(method, None, Box::new(student));
    let sent = learner.send(script_batch(tensors));
    let pieces = Pieces {
        images,
        replicas,
        labelled_views: 2,
    };
    let mut sum = GradientSum::new();
    let output = learner.step_in_pieces(&mut sum, &sent, BURN_IN, pieces);
    let report = output.report.wait();
    let published = LossConfig::published();
    let of_kind = |losses: &PartLosses| {
        let [class, mask, dice] = [0, 1, 2].map(|term| losses.terms[term].1);
        [
            published.class * class,
            published.mask * mask + published.dice * dice,
        ]
    };
    let mut losses = vec![output.loss.scalar()];
    losses.extend(of_kind(&report.supervised));
    losses.extend(of_kind(report.unsupervised.as_ref().unwrap()));
    let (mut gradients, mut grads) = (Vec::new(), sum.into_grads());
    learner.student().parameters("", &mut |_, param| {
        gradients.push(param.value.gradient(&mut grads));
    });
    let masks = gradients.pop().unwrap();
    [losses, gradients.pop().unwrap(), masks]
}

on_every_place! {
    fn replicas_parity_with_distributed_data_parallel(place) {
        let tensors = Arc::new(golden::load("replicas"));
        for replicas in [1, 2, 8] {
            // In pieces of an image, of three, and whole.
            for images in [1, 3, 0] {
                let [losses, classes, masks] = replicas_step(&tensors, (images, replicas), place);
                let expected = |name: &str| &tensors[&format!("{replicas}.{name}")].1;
                let what = |name: &str| format!("{name} of {replicas}, {images} at a time");
                for (found, expected) in losses.iter().zip(expected("losses")) {
                    compare(&what("losses"), &[*found], &[*expected], 1e-6);
                }
                assert_eq!(losses.len(), expected("losses").len());
                compare(&what("classes"), &classes, expected("classes"), 1e-6);
                compare(&what("masks"), &masks, expected("masks"), 1e-6);
            }
        }
        // The machines count: their losses are not those of one batch.
        let [one, two, eight] = ["1.losses", "2.losses", "8.losses"].map(|name| tensors[name].1[0]);
        assert!((one - two).abs() > 0.01 * one && (one - eight).abs() > 0.01 * one);
    }
}
