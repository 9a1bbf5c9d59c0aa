//! A filter of one process among several that share the unlabelled images of a step.
//!
//! Its state follows the images of all processes, in their order: those of lower ranks come before its own, those of
//! higher ranks behind them. So its thresholds are those of a filter that sees the whole batch. The released code of
//! PL-DC keeps thresholds on each GPU instead.
//!
//! A process says of every image of its own, once it has labels, which candidates there were and which were kept. The
//! labels of the processes are therefore made one after another; only their teachers look at the images at the same
//! time.

use super::Reduce;
use crate::data::split::ClassCounts;
use crate::detector::Candidate;
use crate::method::filter::{Clock, Filter, Readings, Tier};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// A filter that follows the images of all processes.
#[derive(Clone, Debug)]
pub struct SharedFilter {
    filter: Box<dyn Filter>,
    ranks: Arc<dyn Reduce>,
    /// An image of its own step has been put into tiers.
    has_begun: bool,
}

/// What a process says of an image.
#[derive(Serialize, Deserialize)]
struct Seen {
    image: Vec<Candidate>,
    kept: Vec<bool>,
    /// The place among the images of the process.
    clock: Clock,
}

impl SharedFilter {
    /// `filter` for one of `ranks`.
    pub fn new(filter: Box<dyn Filter>, ranks: Arc<dyn Reduce>) -> Self {
        Self {
            filter,
            ranks,
            has_begun: false,
        }
    }

    /// The place of an image of `rank` among those of all: only the last of all is the last of the step.
    fn among_all(&self, clock: Clock, rank: usize) -> Clock {
        let is_last = rank + 1 == self.ranks.of();
        Clock {
            last_of_step: is_last && clock.last_of_step,
            last_of_epoch: is_last && clock.last_of_epoch,
        }
    }

    /// Takes in the images of other processes.
    fn follow(&mut self, others: Range<usize>) {
        for rank in others {
            loop {
                let said = self.ranks.all_gather(&[]);
                let seen = serde_json::from_slice(&said[rank]);
                let Seen { image, kept, clock } = seen.expect("the images of this rank");
                let among_all = self.among_all(clock, rank);
                self.filter.tiers(&image, among_all);
                self.filter.learn(&image, &kept, among_all);
                if clock.last_of_step {
                    break;
                }
            }
        }
    }
}

impl Filter for SharedFilter {
    fn start(&mut self, counts: &ClassCounts) {
        self.filter.start(counts);
    }

    fn survey(&mut self, images: &[Vec<Candidate>]) {
        self.filter.survey(images);
    }

    fn tiers(&mut self, image: &[Candidate], clock: Clock) -> Vec<Tier> {
        let rank = self.ranks.rank();
        if !self.has_begun {
            self.has_begun = true;
            self.follow(0..rank);
        }
        let among_all = self.among_all(clock, rank);
        self.filter.tiers(image, among_all)
    }

    fn learn(&mut self, image: &[Candidate], kept: &[bool], clock: Clock) {
        let rank = self.ranks.rank();
        let among_all = self.among_all(clock, rank);
        self.filter.learn(image, kept, among_all);
        let seen = Seen {
            image: image.to_vec(),
            kept: kept.to_vec(),
            clock,
        };
        let seen = serde_json::to_vec(&seen).expect("plain data");
        self.ranks.all_gather(&seen);
        if clock.last_of_step {
            self.has_begun = false;
            self.follow(rank + 1..self.ranks.of());
        }
    }

    /// Every image is told to the others before the next one.
    fn follows_labels(&self) -> bool {
        true
    }

    fn accept(&self) -> f32 {
        self.filter.accept()
    }

    fn for_a_look(&self) -> Box<dyn Filter> {
        self.filter.for_a_look()
    }

    fn readings(&self) -> Readings {
        self.filter.readings()
    }

    fn state(&self) -> serde_json::Value {
        self.filter.state()
    }

    fn restore(&mut self, state: &serde_json::Value) -> anyhow::Result<()> {
        self.filter.restore(state)
    }
}
