//! The assignment of objects to queries, layer by layer. The costs are computed where the predictions are, the
//! assignment on the CPU.

use super::extent::Extent;
use crate::detector::mask2former::loss::LossConfig;
use crate::detector::mask2former::matcher;
use crate::detector::mask2former::objects::Objects;
use crate::detector::mask2former::points::{PointSource, Purpose};
use crate::graph::{LayerPredictions, Predictions};
use crate::ops::{self, Compared, MatchCosts};
use crate::tensor::Later;
use rayon::prelude::*;

/// A matched query and object of one image.
pub(super) struct MatchedPair {
    /// Index into the images of the extent.
    pub image: usize,
    pub query: usize,
    pub object: usize,
}

/// The matching of some images, under way.
pub(super) struct Matching<'p> {
    config: &'p LossConfig,
    /// Of the images, where the predictions are.
    pub objects: Objects<'p>,
    /// The images with objects.
    busy: Vec<usize>,
    /// Their costs, by layer; none once they have been taken.
    layers: Vec<Option<Later<Vec<MatchCosts>>>>,
}

impl<'p> Matching<'p> {
    /// Starts the costs of all layers.
    pub fn begin(
        config: &'p LossConfig,
        predictions: &Predictions,
        extent: &Extent<'p>,
        points: &dyn PointSource,
    ) -> Self {
        let targets = extent.targets;
        let images = 0..targets.len();
        let mut matching = Self {
            config,
            objects: Objects::new(&predictions.layers[0].masks.place(), targets),
            busy: images.filter(|i| !targets[*i].is_empty()).collect(),
            layers: Vec::new(),
        };
        let layers = predictions.layers.iter().enumerate();
        matching.layers = layers
            .map(|(index, layer)| Some(matching.costs(predictions, layer, index, extent, points)))
            .collect();
        matching
    }

    /// The queries and objects of an image share points of their own.
    fn costs(
        &self,
        predictions: &Predictions,
        layer: &LayerPredictions,
        index: usize,
        extent: &Extent,
        points: &dyn PointSource,
    ) -> Later<Vec<MatchCosts>> {
        let purpose = |image: &usize| Purpose::Matching {
            image: extent.place + image,
        };
        let purposes: Vec<Purpose> = self.busy.iter().map(purpose).collect();
        let place = layer.masks.place();
        let points = points.points(&place, index, &purposes, 0..self.config.points);
        let objects = self.busy.iter().enumerate().flat_map(|(row, &image)| {
            let objects = 0..extent.targets[image].len();
            objects.map(move |object| (image, object, row))
        });
        let wanted = self.objects.sample(objects, &points);
        let queries = predictions.queries;
        let compared = |image: &usize| Compared {
            first: (extent.in_batch + image) * queries,
            classes: extent.targets[*image].classes.clone(),
        };
        let images: Vec<Compared> = self.busy.iter().map(compared).collect();
        let size = (queries, (predictions.height, predictions.width));
        ops::match_costs(
            &layer.classes,
            &layer.masks,
            size,
            &images,
            &points,
            &wanted,
        )
    }

    /// The pairs of layer `index`, in order of the images and their objects. Waits for the costs, then solves the
    /// images in parallel.
    ///
    /// Panics on the second call for a layer.
    pub fn pairs(&mut self, index: usize) -> Vec<MatchedPair> {
        let costs = self.layers[index].take().expect("costs are taken once");
        let costs = costs.wait();
        let solved = self.busy.par_iter().zip(&costs).map(|(&image, costs)| {
            let pairs = matcher::assign_by(costs, self.config).into_iter();
            let pair = |(query, object)| MatchedPair {
                image,
                query,
                object,
            };
            pairs.map(pair).collect::<Vec<MatchedPair>>()
        });
        solved.collect::<Vec<_>>().into_iter().flatten().collect()
    }
}
