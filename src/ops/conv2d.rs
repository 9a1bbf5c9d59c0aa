#![allow(unused)]
use crate::tensor::{Map, Tape, Tensor2};
use std::sync::Arc;

/// The sliding window of a convolution or pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window { pub kernel: usize, pub stride: usize, pub padding: usize }
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> { pub scale: Option<&'a Tensor2>, pub shift: Option<&'a Tensor2>, pub relu: bool }
pub fn conv2d(tape: &mut Tape, x: &Map, weight: &Tensor2, window: Window, groups: usize, epilogue: Epilogue) -> Map {
    todo!()
}
