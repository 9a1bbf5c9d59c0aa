#![allow(unused)]
use crate::tensor::{Map, Tape, Tensor2};
use std::sync::Arc;

pub fn deform_attention(tape: &mut Tape, value: &Tensor2, offsets: &Tensor2, weights: &Tensor2, reference: Arc<Vec<f32>>, levels: &[(usize, usize)], batch: usize, heads: usize, points: usize) -> Tensor2 {
    todo!()
}
