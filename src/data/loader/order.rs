//! The order of images: an endless sequence of epochs. An epoch holds every image once, or as often as its repeat
//! factor says, in a random order.

use crate::rng::Stream;
use std::sync::{Arc, Mutex, PoisonError};

/// An endless sequence of epochs of the same images.
pub struct Order {
    images: Vec<usize>,
    /// The repeat factor of each image, at least 1; none if every image is in an epoch once.
    factors: Option<Vec<f64>>,
    seed: u64,
    name: &'static str,
    known: Mutex<Known>,
}

/// The epochs that are known already.
#[derive(Default)]
struct Known {
    /// The last used epoch with its images. With 100,000 images, drawing it takes longer than making a batch.
    last: Option<(usize, Arc<Vec<usize>>)>,
    /// With factors: the position where each epoch begins, as far as they were needed.
    begins: Vec<usize>,
}

impl Order {
    /// Every one of `images` once in an epoch. The orders are those of the stream `name` of `seed`.
    pub fn new(images: Vec<usize>, seed: u64, name: &'static str) -> Self {
        assert!(!images.is_empty(), "an order of no images");
        Self {
            images,
            factors: None,
            seed,
            name,
            known: Mutex::default(),
        }
    }

    /// The same with a repeat factor `$f$` for each image, at least 1. An epoch holds the image `$\lfloor f \rfloor$`
    /// times, and once more with the probability of the rest, as in detectron2's `RepeatFactorTrainingSampler`.
    pub fn repeated(self, factors: Vec<f64>) -> Self {
        assert_eq!(factors.len(), self.images.len(), "a factor for each image");
        assert!(
            factors.iter().all(|factor| *factor >= 1.0),
            "factors from 1 on"
        );
        Self {
            factors: Some(factors),
            ..self
        }
    }

    /// The number of different images.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    /// The image at `position` of the sequence.
    pub fn at(&self, position: usize) -> usize {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (epoch, place) = match self.factors {
            None => (position / self.images.len(), position % self.images.len()),
            Some(_) => self.place(position, &mut known.begins),
        };
        let order = match &known.last {
            Some((drawn, order)) if *drawn == epoch => Arc::clone(order),
            _ => {
                let order = Arc::new(self.epoch(epoch));
                known.last = Some((epoch, Arc::clone(&order)));
                order
            }
        };
        order[place]
    }

    /// The epoch of a position and the place in it. `begins` holds where the known epochs begin.
    fn place(&self, position: usize, begins: &mut Vec<usize>) -> (usize, usize) {
        if begins.is_empty() {
            begins.push(0);
        }
        while begins[begins.len() - 1] <= position {
            let epoch = begins.len() - 1;
            let counts = self.counts(&mut self.stream(epoch));
            begins.push(begins[epoch] + counts.iter().sum::<usize>());
        }
        let epoch = begins.partition_point(|begin| *begin <= position) - 1;
        (epoch, position - begins[epoch])
    }

    /// The images of an epoch in their order.
    fn epoch(&self, epoch: usize) -> Vec<usize> {
        let mut stream = self.stream(epoch);
        let images = match self.factors {
            None => (0..self.images.len()).collect(),
            Some(_) => self.repeats(&mut stream),
        };
        let order = stream.permutation(images.len());
        order
            .into_iter()
            .map(|place| self.images[images[place]])
            .collect()
    }

    /// The places of an epoch's images in the list, each as often as it is in the epoch.
    fn repeats(&self, stream: &mut Stream) -> Vec<usize> {
        let counts = self.counts(stream).into_iter().enumerate();
        counts
            .flat_map(|(image, count)| std::iter::repeat_n(image, count))
            .collect()
    }

    /// The number of times that each image is in an epoch.
    fn counts(&self, stream: &mut Stream) -> Vec<usize> {
        let count = |factor: &f64| {
            let more = stream.chance(factor.fract());
            factor.trunc() as usize + usize::from(more)
        };
        self.factors.iter().flatten().map(count).collect()
    }

    fn stream(&self, epoch: usize) -> Stream {
        Stream::at(self.seed, self.name, epoch as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_holds_every_image_once_in_another_order() {
        let order = Order::new((10..17).collect(), 1, "order");
        let epoch = |epoch: usize| (0..7).map(|i| order.at(epoch * 7 + i)).collect::<Vec<_>>();
        let (first, second) = (epoch(0), epoch(1));
        assert_ne!(first, second);
        assert_eq!(epoch(0), first, "going back gives the same order");
        for mut drawn in [first, second] {
            drawn.sort_unstable();
            assert_eq!(drawn, (10..17).collect::<Vec<_>>());
        }
    }

    /// The orders of the time before there were factors.
    #[test]
    fn the_orders_never_change() {
        let order = Order::new((10..17).collect(), 1, "order");
        let drawn: Vec<usize> = (0..14).map(|position| order.at(position)).collect();
        let epoch = |epoch| Stream::at(1, "order", epoch).permutation(7);
        let expected = [epoch(0), epoch(1)].concat();
        let expected: Vec<usize> = expected.into_iter().map(|place| place + 10).collect();
        assert_eq!(drawn, expected);
    }

    #[test]
    fn images_are_repeated_by_their_factors() {
        let order = || Order::new(vec![5, 6, 7], 3, "order").repeated(vec![1.0, 2.5, 4.0]);
        let forward = order();
        let drawn: Vec<usize> = (0..7500).map(|position| forward.at(position)).collect();
        let count = |image| drawn.iter().filter(|drawn| **drawn == image).count();
        // An epoch has 7.5 images on average.
        assert!(
            count(5).abs_diff(1000) < 25
                && count(6).abs_diff(2500) < 60
                && count(7).abs_diff(4000) < 90
        );
        let backward = order();
        for position in [7499, 4000, 3, 4001, 0] {
            assert_eq!(
                backward.at(position),
                drawn[position],
                "position {position}"
            );
        }
    }

    #[test]
    fn factors_of_one_repeat_nothing() {
        let order = Order::new((0..5).collect(), 2, "order").repeated(vec![1.0; 5]);
        for epoch in 0..3 {
            let mut drawn: Vec<usize> = (0..5).map(|place| order.at(5 * epoch + place)).collect();
            drawn.sort_unstable();
            assert_eq!(drawn, [0, 1, 2, 3, 4]);
        }
    }
}
