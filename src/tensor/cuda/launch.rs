//! Launches kernels with a grid and arguments.

use super::{Gpu, expect, fail, symbols};
use crate::tensor::kernel::{Argument, Grid, Source};
use cudarc::driver::{result, sys};
use std::collections::BTreeMap;
use std::ffi::{CString, c_void};
use std::sync::{Mutex, PoisonError};

/// Dynamic shared memory that a block may use without asking for permission. 48 KiB are free; a kernel may
/// use some of them statically.
const FREE_SHARED_BYTES: u32 = 32 << 10;

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
