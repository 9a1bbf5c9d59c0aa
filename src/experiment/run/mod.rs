//! Stages run: which are missing, on which worker and device, and what they leave.

mod attempt;
mod cadence;
pub mod devices;
mod evaluation;
pub mod forecast;
pub mod interrupt;
pub mod perform;
pub mod progress;
pub mod results;
pub mod scheduler;
pub mod supervise;
mod training;
pub mod trials;
