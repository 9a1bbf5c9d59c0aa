#![allow(unused)]
use crate::tensor::{Map, Tape, Tensor2};
use std::sync::Arc;

pub fn cross_entropy(tape: &mut Tape, logits: &Tensor2, targets: &[usize], weights: &[f32], denominator: f32) -> Tensor2 {
    todo!()
}
