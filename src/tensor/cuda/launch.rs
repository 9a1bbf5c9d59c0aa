//! Launches kernels with a grid and arguments.

use super::compile::Source;
use super::{Buffer, Element, Gpu, expect, fail, symbols};
use crate::tensor::Tensor2;
use cudarc::driver::{result, sys};
use std::collections::BTreeMap;
use std::ffi::{CString, c_void};
use std::sync::{Mutex, PoisonError};

/// Dynamic shared memory that a block may use without asking for permission. 48 KiB are free; a kernel may
/// use some of them statically.
const FREE_SHARED_BYTES: u32 = 32 << 10;

/// The blocks and threads of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The number of blocks along x, y, z.
    pub blocks: [u32; 3],
    /// The number of threads of a block along x, y, z.
    pub threads: [u32; 3],
    /// Dynamic shared memory of a block in bytes.
    pub shared: u32,
}

impl Grid {
    /// Enough blocks of `threads` threads for one thread per item.
    pub fn items(items: usize, threads: u32) -> Self {
        let blocks = items.div_ceil(threads as usize).max(1);
        Self::blocks(blocks, threads)
    }

    /// `blocks` blocks of `threads` threads.
    ///
    /// Panics if there are more blocks than a grid can have (2^31 - 1).
    pub fn blocks(blocks: usize, threads: u32) -> Self {
        let blocks = i32::try_from(blocks).expect("a grid has at most 2^31 - 1 blocks") as u32;
        Self {
            blocks: [blocks, 1, 1],
            threads: [threads, 1, 1],
            shared: 0,
        }
    }

    /// The same grid with `y` and `z` blocks along y and z.
    ///
    /// Panics if there are more than a grid can have (65,535).
    pub fn by(mut self, y: usize, z: usize) -> Self {
        let count = |n: usize| u32::from(u16::try_from(n).expect("at most 65,535 along y and z"));
        self.blocks[1..].copy_from_slice(&[count(y), count(z)]);
        self
    }

    /// The same grid with `bytes` of dynamic shared memory for a block.
    pub fn shared(mut self, bytes: usize) -> Self {
        self.shared = u32::try_from(bytes).expect("shared memory is less than 4 GiB");
        self
    }
}

/// One argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    /// A pointer.
    Address(u64),
    /// `int`.
    Int(i32),
    /// `float`.
    Float(f32),
}

impl<T: Element> From<&Buffer<T>> for Argument {
    fn from(buffer: &Buffer<T>) -> Self {
        Self::Address(buffer.address())
    }
}

impl<T: Element> From<Option<&Buffer<T>>> for Argument {
    /// None becomes a null pointer.
    fn from(buffer: Option<&Buffer<T>>) -> Self {
        Self::Address(buffer.map_or(0, Buffer::address))
    }
}

impl From<&Tensor2> for Argument {
    fn from(tensor: &Tensor2) -> Self {
        Self::Address(tensor.address())
    }
}

impl From<Option<&Tensor2>> for Argument {
    /// None becomes a null pointer.
    fn from(tensor: Option<&Tensor2>) -> Self {
        Self::Address(tensor.map_or(0, Tensor2::address))
    }
}

impl From<u64> for Argument {
    fn from(address: u64) -> Self {
        Self::Address(address)
    }
}

impl From<Option<u64>> for Argument {
    /// None becomes a null pointer.
    fn from(address: Option<u64>) -> Self {
        Self::Address(address.unwrap_or(0))
    }
}

impl From<usize> for Argument {
    /// Panics above 2^31 - 1: kernels use `int` for the sides of a tensor.
    fn from(number: usize) -> Self {
        Self::Int(i32::try_from(number).expect("a size below 2^31"))
    }
}

impl From<bool> for Argument {
    fn from(flag: bool) -> Self {
        Self::Int(flag.into())
    }
}

impl From<f32> for Argument {
    fn from(number: f32) -> Self {
        Self::Float(number)
    }
}

/// The loaded kernels, by source and name.
#[derive(Default)]
pub struct Kernels {
    functions: Mutex<BTreeMap<(&'static str, &'static str), Function>>,
    modules: Mutex<BTreeMap<&'static str, Module>>,
}

/// A kernel, and the dynamic shared memory that it may use, in bytes.
#[derive(Clone, Copy)]
struct Function {
    handle: sys::CUfunction,
    allowed: u32,
}
#[derive(Clone, Copy)]
struct Module(sys::CUmodule);

// SAFETY: a handle of the driver, which any thread with its context may use.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Send for Module {}

impl Gpu {
    /// Launches the kernel `name` of `source`.
    ///
    /// # Safety
    /// The arguments match the kernel's declaration in number, order and type. For this grid, the kernel
    /// reads and writes only inside live buffers of this GPU.
    pub unsafe fn launch(
        &self,
        source: &Source,
        name: &'static str,
        grid: Grid,
        arguments: &[Argument],
    ) {
        self.bind();
        let function = self.function(source, name, grid.shared);
        let mut places: Vec<*mut c_void> = arguments
            .iter()
            .map(|argument| match argument {
                Argument::Address(value) => std::ptr::from_ref(value).cast_mut().cast(),
                Argument::Int(value) => std::ptr::from_ref(value).cast_mut().cast(),
                Argument::Float(value) => std::ptr::from_ref(value).cast_mut().cast(),
            })
            .collect();
        let Grid {
            blocks,
            threads,
            shared,
        } = grid;
        let stream = *self.shared.device.cu_stream();
        // SAFETY: the caller guarantees the arguments, and the driver copies them before it returns.
        let started = unsafe {
            result::launch_kernel(
                function.handle,
                blocks.into(),
                threads.into(),
                shared,
                stream,
                &mut places,
            )
        };
        started.unwrap_or_else(|error| fail(&format!("{name}: "), error));
    }

    /// The kernel `name`, compiled and loaded at its first use, with permission for `shared` bytes of dynamic
    /// shared memory.
    fn function(&self, source: &Source, name: &'static str, shared: u32) -> Function {
        let kernels = &self.shared.kernels;
        let mut functions = kernels
            .functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let key = (source.name, name);
        let function = functions
            .entry(key)
            .or_insert_with(|| self.loaded(source, name));
        // The permission is never lowered: another thread may be about to launch the kernel with more.
        if shared > function.allowed {
            // SAFETY: a loaded function.
            let code = unsafe {
                symbols::driver::cuFuncSetAttribute(
                    function.handle.cast(),
                    symbols::MOST_SHARED_BYTES,
                    shared as i32,
                )
            };
            assert_eq!(code, 0, "{name} asks for {shared} bytes of shared memory");
            function.allowed = shared;
        }
        *function
    }

    fn loaded(&self, source: &Source, name: &'static str) -> Function {
        let module = self.module(source);
        let text = CString::new(name).expect("a name without zeros");
        // SAFETY: a loaded module.
        let function = unsafe { result::module::get_function(module.0, text) };
        let handle = function.unwrap_or_else(|error| {
            panic!(
                "{} has no kernel {name}: {}",
                source.name,
                super::told(error)
            )
        });
        Function {
            handle,
            allowed: FREE_SHARED_BYTES,
        }
    }

    fn module(&self, source: &Source) -> Module {
        let kernels = &self.shared.kernels;
        let mut modules = kernels
            .modules
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(source.name) {
            return *module;
        }
        let load = |anew| {
            let image = source.compiled(self.shared.architecture, anew);
            let image = image.unwrap_or_else(|error| panic!("{error}"));
            // SAFETY: an image that the compiler made.
            unsafe { result::module::load_data(image.as_ptr().cast()) }
        };
        // The cached file may be damaged or belong to an earlier driver. Then it is compiled again.
        let module = expect(load(false).or_else(|_| load(true)));
        *modules.entry(source.name).or_insert(Module(module))
    }
}
