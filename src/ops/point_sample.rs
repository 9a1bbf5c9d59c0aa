#![allow(unused)]
use crate::tensor::{Map, Tape, Tensor2};
use std::sync::Arc;

pub fn point_sample(tape: &mut Tape, planes: &Tensor2, rows: &[usize], size: (usize, usize), points: &[f32]) -> Tensor2 { todo!() }
pub fn sample_plane(plane: &[f32], size: (usize, usize), points: &[f32], out: &mut [f32]) { todo!() }
pub fn sample_mask(bits: &[u8], size: (usize, usize), points: &[f32], out: &mut [f32]) {
    todo!()
}
