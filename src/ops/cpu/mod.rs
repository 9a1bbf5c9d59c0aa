//! CPU building blocks shared by the ops.
//!
//! - [`matrix`]: strided views [`Matrix`] and [`MatrixMut`], the latter can be cut into disjoint tiles;
//! - [`gemm`](mod@gemm): matrix product of such views;
//! - [`parallel`]: a fixed division of work into parts, run on rayon's current pool;
//! - [`vector`]: sums, dot products, `exp`, `ln(1 + z)` that the compiler turns into vector instructions;
//! - [`epilogue`]: scale, shift and ReLU after a product;
//! - [`bilinear`]: the pixels around a position and their weights;
//! - [`buffer`]: buffers without a needless fill;
//! - [`gradient`]: adding to the gradients of inputs.
//!
//! An op cuts its outputs into shares with safe slices or tiles, one share per part, and hands them to [`parallel::run`].

pub(crate) mod bilinear;
#[allow(unsafe_code)]
pub(crate) mod buffer;
pub(crate) mod epilogue;
#[allow(unsafe_code)]
pub(crate) mod gemm;
pub(crate) mod gradient;
#[allow(unsafe_code)]
pub(crate) mod matrix;
pub(crate) mod parallel;
pub(crate) mod vector;

pub(crate) use buffer::unfilled;
pub(crate) use gemm::{Write, gemm};
pub(crate) use matrix::{Matrix, MatrixMut};
pub(crate) use parallel::Split;
