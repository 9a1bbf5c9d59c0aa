//! Tensors on an NVIDIA GPU: dfdx's storage and tape there, and the base of the kernels of `ops`.
//!
//! There is one [`Gpu`] per device and process. Each thread has its own stream, which orders its work. A
//! thread may free or reuse an address as soon as it has launched the last kernel that uses it. So tensors
//! stay in the thread that made them, which is that of a trial.
//!
//! When memory runs out, the program panics with the driver's message, as for a wrong shape; a sweep limits
//! the damage to the trial. After a kernel fails, the process can no longer use the GPU for any trial. So the
//! process ends, and the sweep's supervisor finds out which trial is responsible.

mod buffer;
mod compile;
mod home;
mod launch;
mod matrix;
mod per_thread;
mod pinned;
mod product;
mod streams;
mod symbols;

pub use super::kernel::{Argument, Grid, Source};
pub use super::product::{Operand, Product};
pub use buffer::{Buffer, Element};
pub use matrix::{Gradients, Matrix, Ops};
pub use per_thread::PerThread;
#[cfg(test)]
pub(crate) use symbols::load_compiler;

use super::Precision;
use cudarc::driver::{CudaDevice, result, sys};
use dfdx::prelude::{Cuda, Rank1, Tensor, ZerosTensor};
use home::Home;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// True if the program can use a GPU.
pub const IS_BUILT: bool = true;

/// The oldest architecture that the kernels support: 8.0, Ampere.
const OLDEST: (i32, i32) = (8, 0);

/// From `CUDA_ERROR_ILLEGAL_ADDRESS` on: errors of kernels that have run. Every later call fails after them.
const FATAL: std::ops::Range<u32> = 700..800;

/// A GPU that can hold tensors. Cloning is cheap.
#[derive(Clone)]
pub struct Gpu {
    shared: Arc<Shared>,
    precision: Precision,
}

/// The state that all users of a device in this process share.
struct Shared {
    dfdx: Cuda,
    device: Arc<CudaDevice>,
    number: usize,
    name: String,
    /// Compute capability, such as `90`.
    architecture: i32,
    multiprocessors: usize,
    pinned: pinned::Pinned,
    kernels: launch::Kernels,
    constants: matrix::Constants,
}

// SAFETY: as for [`Matrix`]: dfdx's second stream is not used, and `Gpu::bind` gives every thread the
// context.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Gpu {
    /// Opens the GPU `number`, counted from 0. Products use `f32` until another precision is chosen.
    ///
    /// # Errors
    /// A library or the GPU is missing, or the GPU is too old. The message is one line.
    pub fn open(number: usize) -> Result<Self, String> {
        static OPEN: Mutex<BTreeMap<usize, Arc<Shared>>> = Mutex::new(BTreeMap::new());
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = match open.get(&number) {
            Some(shared) => Arc::clone(shared),
            None => {
                let shared = Arc::new(Shared::open(number)?);
                open.insert(number, Arc::clone(&shared));
                shared
            }
        };
        Ok(Self {
            shared,
            precision: Precision::F32,
        })
    }

    /// The same GPU with products in `precision`.
    pub fn computing_with(&self, precision: Precision) -> Self {
        Self {
            precision,
            ..self.clone()
        }
    }

    /// The number of GPUs that the driver reports.
    ///
    /// # Errors
    /// There is no driver.
    pub fn count() -> Result<usize, String> {
        symbols::load()?;
        result::init().map_err(told)?;
        Ok(result::device::get_count().map_err(told)? as usize)
    }

    /// The name of the device, such as `NVIDIA H200`.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Its number, from 0.
    pub fn number(&self) -> usize {
        self.shared.number
    }

    /// The precision of matrix products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The number of its multiprocessors.
    pub fn multiprocessors(&self) -> usize {
        self.shared.multiprocessors
    }

    /// Waits until all work that this thread has started has ended.
    pub fn synchronize(&self) {
        self.bind();
        expect(self.shared.device.synchronize());
    }

    /// Waits until all work that any thread has started has ended.
    fn wait_for_all_threads(&self) {
        self.bind();
        // SAFETY: the thread has the device's context.
        let code = unsafe { streams::cuCtxSynchronize() };
        if code != 0 {
            fail("", symbols::error(code));
        }
    }

    /// The newest CUDA version that the driver supports, such as `13.0`.
    pub fn cuda_version(&self) -> String {
        let mut version = 0;
        // SAFETY: a valid pointer for the number.
        let code = unsafe { symbols::driver::cuDriverGetVersion(&raw mut version) };
        assert_eq!(code, 0, "the driver tells its version");
        format!("{}.{}", version / 1000, version % 1000 / 10)
    }

    /// The largest number of bytes in use by tensors since the process began, or since
    /// [`Self::forget_peak_memory`].
    pub fn peak_memory(&self) -> u64 {
        let mut bytes: u64 = 0;
        // SAFETY: the attribute is a 64-bit number.
        let code = unsafe {
            let pool = self.shared.pool();
            let place = (&raw mut bytes).cast();
            symbols::driver::cuMemPoolGetAttribute(pool, symbols::USED_MEMORY_HIGH, place)
        };
        assert_eq!(code, 0, "the driver tells its memory");
        bytes
    }

    /// Makes [`Self::peak_memory`] start again from the current use.
    pub fn forget_peak_memory(&self) {
        let mut zero: u64 = 0;
        // SAFETY: the attribute is a 64-bit number; the driver accepts only 0.
        let code = unsafe {
            let place = (&raw mut zero).cast();
            symbols::driver::cuMemPoolSetAttribute(
                self.shared.pool(),
                symbols::USED_MEMORY_HIGH,
                place,
            )
        };
        assert_eq!(code, 0, "the driver forgets its peak");
    }

    /// The number of times that the calling thread has waited for a GPU.
    #[cfg(test)]
    pub fn waits() -> usize {
        streams::WAITS.get()
    }

    /// Releases everything that the calling thread keeps on GPUs for its later calls, so that other threads
    /// can use it. To be called when the thread's work on them has ended.
    pub fn leave() {
        per_thread::leave();
        product::leave();
    }

    /// Makes the device current in the calling thread, as every call of the driver requires.
    fn bind(&self) {
        expect(self.shared.device.bind_to_thread());
    }
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cuda:{} ({})", self.number(), self.name())
    }
}

impl Shared {
    fn open(number: usize) -> Result<Self, String> {
        let count = Gpu::count()?;
        if number >= count {
            return Err(match count {
                0 => "the driver shows no GPU".to_string(),
                1 => "there is one GPU, cuda:0".to_string(),
                _ => format!("there are {count} GPUs, cuda:0 to cuda:{}", count - 1),
            });
        }
        use sys::CUdevice_attribute_enum as Attribute;
        let handle = result::device::get(number as i32).map_err(told)?;
        let attribute = |attribute| {
            // SAFETY: an existing device.
            unsafe { result::device::get_attribute(handle, attribute) }.map_err(told)
        };
        let capability = (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        );
        let name = symbols::device_name(handle);
        if capability < OLDEST {
            let (major, minor) = capability;
            return Err(format!(
                "{name} has compute capability {major}.{minor}; the kernels need {}.{} or newer",
                OLDEST.0, OLDEST.1
            ));
        }
        if attribute(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)? == 0 {
            return Err(format!("{name} has no pools of memory"));
        }
        let dfdx = Cuda::try_build(number, 0).map_err(|error| format!("{error:?}"))?;
        let device = device_of(&dfdx);
        let multiprocessors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let shared = Self {
            dfdx,
            number,
            name,
            architecture: 10 * capability.0 + capability.1,
            multiprocessors: multiprocessors as usize,
            pinned: pinned::Pinned::default(),
            kernels: launch::Kernels::default(),
            constants: matrix::Constants::new(matrix::MOST_CONSTANTS),
            device,
        };
        shared.keep_memory();
        Ok(shared)
    }

    /// The memory pool of the device.
    fn pool(&self) -> *mut std::ffi::c_void {
        symbols::memory_pool(*self.device.cu_device())
    }

    /// Makes the pool keep freed memory. By default it returns memory to the system at every synchronisation.
    fn keep_memory(&self) {
        let mut all = u64::MAX;
        // SAFETY: the attribute is a 64-bit number. If the driver refuses it, memory is only slower.
        let _ = unsafe {
            let place = (&raw mut all).cast();
            symbols::driver::cuMemPoolSetAttribute(self.pool(), symbols::RELEASE_THRESHOLD, place)
        };
    }
}

/// The device that dfdx uses, taken from one of its buffers.
fn device_of(dfdx: &Cuda) -> Arc<CudaDevice> {
    let probe: Tensor<Rank1<1>, f32, Cuda> = dfdx.zeros();
    let mut gradients = Gradients::leaky();
    let buffer = gradients.get_or_alloc_mut(&probe);
    buffer.expect("memory for one number").device()
}

/// The driver's own text for an error.
fn told(error: result::DriverError) -> String {
    match error.error_string() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => format!("{error:?}"),
    }
}

/// Returns the driver's result, or ends this trial.
#[track_caller]
fn expect<T>(outcome: Result<T, result::DriverError>) -> T {
    outcome.unwrap_or_else(|error| fail("", error))
}

/// Ends the trial with the driver's message, and the process if the driver accepts no more calls from it.
#[track_caller]
fn fail(what: &str, error: result::DriverError) -> ! {
    let words = format!("the GPU: {what}{}", told(error));
    if FATAL.contains(&(error.0 as u32)) {
        eprintln!("{words}");
        std::process::abort();
    }
    panic!("{words}")
}
