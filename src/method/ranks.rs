//! Processes that share the batches of a training: each has its own part of the images of every step, and after each
//! step all have the same weights.
//!
//! A process of rank r among W has the images r B / W to (r + 1) B / W of each kind, so `loader.replicas` is W. What
//! they tell each other in a step: the number of objects of each kind of images, what the filter has seen of every
//! unlabelled image ([`SharedFilter`]), the number of pseudo-labels, and the sums of losses and gradients.
//! Pseudo-labels, their thresholds and the weights are then those of one process with the whole batch, but for the
//! order of sums.

mod filter;
#[cfg(test)]
pub mod threads;

use std::fmt::Debug;

pub use filter::SharedFilter;

/// A process among those that share the batches. All call the same functions in the same order.
pub trait Reduce: Debug + Send + Sync {
    /// The place of this process, from 0.
    fn rank(&self) -> usize;

    /// The number of processes.
    fn of(&self) -> usize;

    /// What all processes say, in the order of their ranks. Waits for all of them.
    fn all_gather(&self, own: &[u8]) -> Vec<Vec<u8>>;

    /// Replaces `values` by their sums over all processes, in the order of their ranks: the same bits everywhere.
    ///
    /// Panics if a process has another number of values.
    fn all_reduce_sum(&self, values: &mut [f32]) {
        let own: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        values.fill(0.0);
        for bytes in self.all_gather(&own) {
            assert_eq!(bytes.len(), own.len(), "values of another process");
            for (sum, value) in values.iter_mut().zip(bytes.as_chunks().0) {
                *sum += f32::from_le_bytes(*value);
            }
        }
    }

    /// The sum of a number over all processes.
    fn total(&self, own: u64) -> u64 {
        let all = self.all_gather(&own.to_le_bytes()).into_iter();
        let number = |bytes: Vec<u8>| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        all.map(number).sum()
    }
}

/// One process with whole batches.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Reduce for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn of(&self) -> usize {
        1
    }

    fn all_gather(&self, own: &[u8]) -> Vec<Vec<u8>> {
        vec![own.to_vec()]
    }

    fn all_reduce_sum(&self, _: &mut [f32]) {}

    fn total(&self, own: u64) -> u64 {
        own
    }
}
