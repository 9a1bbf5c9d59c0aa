//! CPU building blocks shared by the ops.
//!
//! - [`matrix`]: strided views [`Matrix`] and [`MatrixMut`], the latter can be cut into disjoint tiles;
//! - [`gemm`](mod@gemm): matrix product of such views;
//! - [`parallel`]: a fixed division of work into parts, run on rayon's current pool;
//! - [`vector`]: sums, dot products, `exp`, `ln(1 + z)` that the compiler turns into vector instructions;
//! - [`direct`]: convolution by register tiles;
//! - [`packed`]: its operands, reordered;
//! - [`epilogue`]: scale, shift and ReLU after a product;
//! - [`im2col`](mod@im2col): patches of an image as rows of a matrix;
//! - [`bilinear`]: the pixels around a position and their weights;
//! - [`buffer`]: buffers without a needless fill.
//!
//! An op cuts its outputs into shares with safe slices or tiles, one share per part, and hands them to [`parallel::run`].

pub(crate) mod bilinear;
pub(crate) mod buffer;
pub(crate) mod direct;
pub(crate) mod epilogue;
pub(crate) mod gemm;
pub(crate) mod im2col;
pub(crate) mod matrix;
pub(crate) mod packed;
pub(crate) mod parallel;
#[cfg(target_arch = "x86_64")]
mod tiles;
#[cfg(not(target_arch = "x86_64"))]
#[path = "tiles_absent.rs"]
mod tiles;
pub(crate) mod vector;
mod walk;

pub(crate) use buffer::unfilled;
pub(crate) use gemm::{Write, gemm};
pub(crate) use matrix::{Matrix, MatrixMut};
pub(crate) use parallel::Split;
