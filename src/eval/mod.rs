//! Metrics of detections against annotations.

mod coco;

pub use coco::{Evaluator, Found, Metrics};
