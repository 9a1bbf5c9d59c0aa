//! Runs stages: finds the missing ones, assigns workers and devices, and stores the results.

mod attempt;
mod bars;
mod beacon;
mod cadence;
pub mod claim;
pub mod devices;
mod evaluation;
pub mod executor;
mod failures;
pub mod forecast;
pub mod interrupt;
mod labelling;
pub mod last_snapshot;
pub mod outcome;
pub mod perform;
pub mod pictures;
pub mod progress;
pub mod results;
pub mod round;
pub mod scheduler;
mod scores;
pub mod snapshot_images;
mod snapshots;
pub mod supervise;
#[cfg(unix)]
mod terminal;
mod training;
pub mod trials;
mod validation;
mod vlm;
pub mod workers;
