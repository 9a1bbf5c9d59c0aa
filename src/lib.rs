//! `harness`: a declarative ablation harness for semi-supervised instance segmentation.
//!
//! The map of the house, from the ground up; a folder names only those above it in this list: [`atomic`], [`coco`],
//! [`tensor`], [`registry`], [`rng`], [`screen`], [`structures`]; [`draw`]; `recipe` and `report` (text only);
//! [`data`] and `eval`; [`ops`]; [`nn`]; `graph`; `detector`; `method`; `train`; `experiment`; `cli`.

#![deny(unsafe_code)]
// Only the command line writes to standard output, and a closed pipe is no error there.
#![cfg_attr(not(test), warn(clippy::print_stdout))]

pub mod atomic;
pub mod cityscapes;
pub mod cli;
pub mod coco;
pub mod data;
pub mod detector;
pub mod draw;
pub mod eval;
pub mod experiment;
pub mod graph;
pub mod method;
pub mod metrics;
pub mod nn;
pub mod ops;
pub mod recipe;
pub mod registry;
pub mod report;
pub mod rng;
pub mod screen;
pub mod structures;
#[allow(unsafe_code)]
pub mod tensor;
pub mod train;
