//! A detector that proposes the truth, and learns like any other: with it, pseudo-labels are the labels.

use super::*;
use crate::detector::{
    Candidate, CandidateChoice, GridLogits, Masks, Output, Part, Pending, Proposals, RawArray,
};
use crate::graph::{Images, Trunk};
use crate::nn::params::{Param, Parameters};
use crate::ops::Bounds;
use crate::structures::Detection;
use crate::tensor::Tensor2;
use std::sync::Arc;

/// A network, and the objects of every image that it is asked about.
pub(in crate::method) struct Oracle {
    pub network: Box<dyn Detector>,
    pub truth: Vec<Instance>,
    /// Class quality and mask quality of all its candidates.
    pub qualities: [f32; 2],
}

impl Parameters for Oracle {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.network.parameters(prefix, visit);
    }
}

impl Detector for Oracle {
    fn trunk(&self) -> &Trunk {
        self.network.trunk()
    }

    fn trunk_mut(&mut self) -> &mut Trunk {
        self.network.trunk_mut()
    }

    fn forward(&self, tape: &mut Tape, images: &Images) -> Box<dyn Output> {
        Box::new(OracleOutput {
            of_network: self.network.forward(tape, images),
            truth: self.truth.clone(),
            qualities: self.qualities,
            images: images.sizes.len(),
        })
    }

    fn copy(&self) -> Box<dyn Detector> {
        Box::new(Self {
            network: self.network.copy(),
            truth: self.truth.clone(),
            qualities: self.qualities,
        })
    }
}

struct OracleOutput {
    of_network: Box<dyn Output>,
    truth: Vec<Instance>,
    qualities: [f32; 2],
    images: usize,
}

impl Output for OracleOutput {
    /// Labelled and unlabelled images draw the same numbers.
    fn begin<'a>(&'a self, part: &'a Part<'a>, _: Stream) -> Box<dyn Pending + 'a> {
        self.of_network.begin(part, Stream::new(11, "both"))
    }

    fn propose(&self, _: CandidateChoice) -> Later<Proposals> {
        let candidate = |(row, object): (usize, &Instance)| Candidate {
            mask: row,
            class: object.class,
            class_quality: self.qualities[0],
            mask_quality: self.qualities[1],
            area: object.mask.bits.iter().filter(|bit| **bit == 1).count(),
            bounds: Bounds::of_mask(&object.mask.bits, object.mask.height, object.mask.width),
            foreground: true,
            probabilities: vec![1.0 / 3.0; 3],
        };
        let candidates: Vec<Candidate> = self.truth.iter().enumerate().map(candidate).collect();
        let mask = &self.truth[0].mask;
        Later::ready(Proposals {
            size: (mask.height, mask.width),
            images: vec![candidates; self.images],
            masks: Box::new(Truth(self.truth.clone())),
        })
    }

    fn detect(&self, sizes: &[(usize, usize)], top: usize) -> Vec<Vec<Detection>> {
        self.of_network.detect(sizes, top)
    }

    fn background(&self, image: usize, regions: &[Bounds]) -> Option<Vec<f32>> {
        self.of_network.background(image, regions)
    }

    fn raw(&self) -> Vec<RawArray> {
        self.of_network.raw()
    }
}

/// Masks of which every pixel is certain.
#[derive(Debug)]
struct Truth(Vec<Instance>);

impl Masks for Truth {
    fn place(&self) -> Place {
        Place::Host
    }

    fn logits(&self, rows: &[usize]) -> Tensor2 {
        let pixels = self.0[0].mask.bits.len();
        let logit = |bit: &u8| if *bit == 1 { 40.0 } else { -40.0 };
        let values = rows
            .iter()
            .flat_map(|row| self.0[*row].mask.bits.iter().map(logit));
        Tensor2::constant(values.collect(), rows.len(), pixels)
    }

    fn only(&self, rows: &[usize]) -> Arc<dyn Masks> {
        let own = rows.iter().map(|row| self.0[*row].clone());
        Arc::new(Self(own.collect()))
    }

    fn grid_logits(&self, rows: &[usize]) -> Option<GridLogits> {
        Some(GridLogits {
            logits: self.logits(rows),
            size: (self.0[0].mask.height, self.0[0].mask.width),
        })
    }
}

/// An object of every class in the left, the middle and the right of an image.
pub(in crate::method) fn truth() -> Vec<Instance> {
    let object = |class: usize| {
        let columns = 11 * class..11 * class + 8 + class;
        let rows = 4 * class..20 + 4 * class;
        let bit = |i: usize| columns.contains(&(i % SIDE)) && rows.contains(&(i / SIDE));
        let bits = (0..SIDE * SIDE).map(|i| u8::from(bit(i))).collect();
        Instance {
            class,
            mask: Mask::new(SIDE, SIDE, bits),
            source: InstanceSource::Annotation,
        }
    };
    (0..3).map(object).collect()
}

/// A batch whose unlabelled images are the labelled ones, in both views.
pub(in crate::method) fn twice() -> Batch {
    let pictures = [picture(1, SIDE), picture(2, SIDE)];
    let labelled = pictures.clone().map(|picture| View {
        picture,
        instances: truth(),
    });
    let unlabelled = pictures.map(|picture| UnlabelledViews {
        weak: picture.clone(),
        strong: picture,
        moved: None,
        hidden_truth: truth(),
    });
    Batch {
        labelled: labelled.into(),
        unlabelled: unlabelled.into(),
        pseudo: Vec::new(),
    }
}
