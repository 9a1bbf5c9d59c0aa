//! The GPU of a program that was built without `--features cuda`: there is none.
//!
//! The types are those of `tensor/cuda`, but have no values. So the compiler checks the code that takes one,
//! and the code never runs: the work of an op on a GPU is left out of the program.

pub use super::kernel::{Argument, Grid, Source};
pub use super::product::{Operand, Product};

use super::{Grads, Later, Precision, Tensor2};
use std::convert::Infallible;
use std::marker::PhantomData;

/// True if the program can use a GPU.
pub const IS_BUILT: bool = false;

/// No GPU.
#[derive(Clone, Debug)]
pub struct Gpu(Infallible);

/// No memory of a GPU.
#[derive(Debug)]
pub struct Buffer<T>(Infallible, PhantomData<T>);

/// A buffer of `tensor/cuda` frees its memory, so that code may drop one early.
impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {}
}

/// No tensor on a GPU.
#[derive(Clone, Debug)]
pub struct Matrix(Infallible);

/// No gradients on a GPU.
#[derive(Debug)]
pub struct Gradients;

/// No backward ops of a GPU.
#[derive(Debug, Default)]
pub struct Ops;

/// Nothing that a thread keeps on a GPU.
pub struct PerThread<K, V>(PhantomData<(K, V)>);

/// A type that a buffer can hold.
pub trait Element: Copy + Default + Send + Sync + 'static {}

impl Element for f32 {}
impl Element for i32 {}
impl Element for u32 {}
impl Element for u8 {}
impl Element for u64 {}

#[allow(missing_docs, reason = "as in `tensor/cuda`")]
impl Gpu {
    pub fn open(_: usize) -> Result<Self, String> {
        Err("this program was built without `--features cuda`".to_string())
    }

    pub fn leave() {}

    pub fn computing_with(&self, _: Precision) -> Self {
        match self.0 {}
    }

    pub fn name(&self) -> &str {
        match self.0 {}
    }

    pub fn number(&self) -> usize {
        match self.0 {}
    }

    pub fn precision(&self) -> Precision {
        match self.0 {}
    }

    pub fn multiprocessors(&self) -> usize {
        match self.0 {}
    }

    pub fn synchronize(&self) {
        match self.0 {}
    }

    pub fn cuda_version(&self) -> String {
        match self.0 {}
    }

    pub fn peak_memory(&self) -> u64 {
        match self.0 {}
    }

    pub fn forget_peak_memory(&self) {
        match self.0 {}
    }

    pub fn matrix(&self, _: &[f32], _: usize, _: usize) -> Tensor2 {
        match self.0 {}
    }

    pub fn scratch<T: Element>(&self, _: usize) -> Buffer<T> {
        match self.0 {}
    }

    pub fn zeros<T: Element>(&self, _: usize) -> Buffer<T> {
        match self.0 {}
    }

    pub fn upload<T: Element>(&self, _: &[T]) -> Buffer<T> {
        match self.0 {}
    }

    pub fn upload_written<T: Element>(&self, _: usize, _: impl FnOnce(&mut [T])) -> Buffer<T> {
        match self.0 {}
    }

    /// # Safety
    /// Is never called.
    pub unsafe fn launch(&self, _: &Source, _: &'static str, _: Grid, _: &[Argument]) {
        match self.0 {}
    }

    /// # Safety
    /// Is never called.
    pub unsafe fn multiply(&self, _: Product, _: Operand, _: Operand, _: Operand) {
        match self.0 {}
    }

    pub(super) fn kept(
        &self,
        _: String,
        _: usize,
        _: usize,
        _: impl FnOnce() -> Vec<f32>,
    ) -> Tensor2 {
        match self.0 {}
    }
}

#[allow(missing_docs, reason = "as in `tensor/cuda`")]
impl<T: Element> Buffer<T> {
    pub fn address(&self) -> u64 {
        match self.0 {}
    }

    pub fn gpu(&self) -> &Gpu {
        match self.0 {}
    }

    pub fn len(&self) -> usize {
        match self.0 {}
    }

    pub fn is_empty(&self) -> bool {
        match self.0 {}
    }

    pub fn values(&self) -> Vec<T> {
        match self.0 {}
    }

    pub fn later(&self) -> Later<Vec<T>> {
        match self.0 {}
    }
}

#[allow(missing_docs, reason = "as in `tensor/cuda`")]
impl Matrix {
    pub fn unwritten(gpu: &Gpu, _: usize, _: usize) -> Self {
        match gpu.0 {}
    }

    pub fn shape(&self) -> (usize, usize) {
        match self.0 {}
    }

    pub fn gpu(&self) -> &Gpu {
        match self.0 {}
    }

    pub fn compute_on(&mut self, _: &Gpu) {
        match self.0 {}
    }

    pub fn values(&self) -> Vec<f32> {
        match self.0 {}
    }

    pub fn later(&self) -> Later<Vec<f32>> {
        match self.0 {}
    }

    pub fn address(&self) -> u64 {
        match self.0 {}
    }

    pub fn address_mut(&mut self) -> u64 {
        match self.0 {}
    }

    pub fn gradient(&self, _: &mut Grads) -> Vec<f32> {
        match self.0 {}
    }

    pub fn set_gradient(&self, _: &mut Grads, _: &[f32]) {
        match self.0 {}
    }

    pub fn gradient_address(&self, _: &mut Grads) -> u64 {
        match self.0 {}
    }

    pub fn give_gradient(&self, _: &mut Grads, _: &mut Grads) {
        match self.0 {}
    }

    pub fn backward(&self, _: Ops, _: Gradients) -> Gradients {
        match self.0 {}
    }
}

#[allow(missing_docs, reason = "as in `tensor/cuda`")]
impl Gradients {
    pub fn leaky() -> Self {
        Self
    }
}

#[allow(missing_docs, reason = "as in `tensor/cuda`")]
impl Ops {
    pub fn add_backward_op(
        &mut self,
        _: impl FnOnce(&mut Gradients) -> Result<(), Infallible> + 'static,
    ) {
        unreachable!("no tensor lies on a GPU");
    }
}

#[allow(missing_docs, reason = "as in `tensor/cuda`")]
impl<K, V: Clone> PerThread<K, V> {
    pub const fn new(_: usize) -> Self {
        Self(PhantomData)
    }

    pub fn get(&self, gpu: &Gpu, _: impl Fn(&K) -> bool, _: impl FnOnce() -> (K, V)) -> V {
        match gpu.0 {}
    }
}
