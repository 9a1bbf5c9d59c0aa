//! The functions of NVIDIA's libraries, looked up when the program starts instead of when it is linked.
//!
//! cudarc declares them as functions to be linked. They are defined here: each calls the library's function
//! of the same name, if [`load`] found it, or else returns an error code. So one program starts with and
//! without a driver, and it builds without NVIDIA's toolkit.
//!
//! Source of the signatures: the documentation of the CUDA driver API, NVRTC and cuBLAS 12.

use cudarc::driver::result::DriverError;
use cudarc::driver::sys;
use libloading::Library;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// `CUDA_ERROR_NOT_INITIALIZED`, also an error of the other two libraries. It is returned by functions that
/// were not found.
const NOT_LOADED: c_int = 3;

/// Error codes of CUDA 13 that are missing in the enum of cudarc 0.9.15, and the code for an unknown error.
const UNKNOWN: [c_int; 12] = [36, 225, 226, 402, 721, 811, 812, 813, 913, 914, 915, 916];
const UNKNOWN_ERROR: c_int = 999;

pub type Handle = *mut c_void;
/// An address in the memory of the GPU.
pub type Address = u64;

/// One of NVIDIA's libraries and its possible file names, the newest first.
struct LibraryFiles {
    what: &'static str,
    files: &'static [&'static str],
}

const DRIVER: LibraryFiles = LibraryFiles {
    what: "the driver",
    files: &["libcuda.so.1", "nvcuda.dll"],
};
const NVRTC: LibraryFiles = LibraryFiles {
    what: "the run-time compiler NVRTC of the CUDA toolkit",
    files: &[
        "libnvrtc.so.13",
        "libnvrtc.so.12",
        "libnvrtc.so",
        "nvrtc64_130_0.dll",
        "nvrtc64_120_0.dll",
    ],
};
const CUBLAS: LibraryFiles = LibraryFiles {
    what: "cuBLAS of the CUDA toolkit",
    files: &[
        "libcublas.so.13",
        "libcublas.so.12",
        "libcublas.so",
        "cublas64_13.dll",
        "cublas64_12.dll",
    ],
};

/// The address of a function, once it has been found.
pub struct Slot(AtomicPtr<c_void>);

impl Slot {
    const fn empty() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    fn address(&self) -> Option<*mut c_void> {
        let address = self.0.load(Ordering::Acquire);
        (!address.is_null()).then_some(address)
    }
}

/// Defines the functions of each library in a module with the library's name, together with the list of their
/// slots.
macro_rules! functions {
    ($(#[$export:meta] $library:ident { $(fn $name:ident($($arg:ident: $kind:ty),*);)* })*) => {$(
        pub mod $library {
            #![allow(non_snake_case)]
            use super::*;

            mod slots {
                #![allow(non_upper_case_globals)]
                use super::Slot;
                $(pub static $name: Slot = Slot::empty();)*
            }

            pub static SLOTS: &[(&str, &Slot)] = &[$((stringify!($name), &slots::$name)),*];

            $(
                #[$export]
                pub unsafe extern "C" fn $name($($arg: $kind),*) -> c_int {
                    let Some(address) = slots::$name.address() else {
                        return NOT_LOADED;
                    };
                    type Function = unsafe extern "C" fn($($kind),*) -> c_int;
                    // SAFETY: the address is that of the library's function with this name and signature. The
                    // caller fulfils the requirements of the library's documentation.
                    let code = unsafe {
                        let function = std::mem::transmute::<*mut c_void, Function>(address);
                        function($($arg),*)
                    };
                    if UNKNOWN.contains(&code) { UNKNOWN_ERROR } else { code }
                }
            )*
        }
    )*};
}

functions! {
    #[unsafe(no_mangle)]
    driver {
        fn cuInit(flags: c_uint);
        fn cuDriverGetVersion(version: *mut c_int);
        fn cuDeviceGet(device: *mut c_int, ordinal: c_int);
        fn cuDeviceGetCount(count: *mut c_int);
        fn cuDeviceGetName(name: *mut c_char, length: c_int, device: c_int);
        fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_uint, device: c_int);
        fn cuDeviceGetDefaultMemPool(pool: *mut Handle, device: c_int);
        fn cuDevicePrimaryCtxRetain(context: *mut Handle, device: c_int);
        fn cuDevicePrimaryCtxRelease_v2(device: c_int);
        fn cuCtxSetCurrent(context: Handle);
        fn cuCtxGetCurrent(context: *mut Handle);
        fn cuGetErrorString(error: c_uint, text: *mut *const c_char);
        fn cuGetErrorName(error: c_uint, text: *mut *const c_char);
        fn cuEventCreate(event: *mut Handle, flags: c_uint);
        fn cuEventDestroy_v2(event: Handle);
        fn cuEventQuery(event: Handle);
        fn cuStreamCreate(stream: *mut Handle, flags: c_uint);
        fn cuStreamDestroy_v2(stream: Handle);
        fn cuModuleLoad(module: *mut Handle, file: *const c_char);
        fn cuModuleLoadData(module: *mut Handle, image: *const c_void);
        fn cuModuleGetFunction(function: *mut Handle, module: Handle, name: *const c_char);
        fn cuModuleUnload(module: Handle);
        fn cuFuncSetAttribute(function: Handle, attribute: c_uint, value: c_int);
        fn cuMemAlloc_v2(address: *mut Address, bytes: usize);
        fn cuMemFree_v2(address: Address);
        fn cuMemHostAlloc(memory: *mut *mut c_void, bytes: usize, flags: c_uint);
        fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
        fn cuMemPoolSetAttribute(pool: Handle, attribute: c_uint, value: *mut c_void);
        fn cuMemPoolGetAttribute(pool: Handle, attribute: c_uint, value: *mut c_void);
        fn cuMemcpyDtoD_v2(to: Address, from: Address, bytes: usize);
        fn cuMemcpyDtoH_v2(to: *mut c_void, from: Address, bytes: usize);
        fn cuMemcpyHtoD_v2(to: Address, from: *const c_void, bytes: usize);
        fn cuMemsetD8_v2(to: Address, value: u8, bytes: usize);
    }
    #[inline]
    streams {
        fn cuCtxSynchronize();
        fn cuEventSynchronize(event: Handle);
        fn cuEventRecord(event: Handle, stream: Handle);
        fn cuStreamSynchronize(stream: Handle);
        fn cuStreamWaitEvent(stream: Handle, event: Handle, flags: c_uint);
        fn cuLaunchKernel(function: Handle, grid_x: c_uint, grid_y: c_uint, grid_z: c_uint, block_x: c_uint, block_y: c_uint, block_z: c_uint,
            shared: c_uint, stream: Handle, parameters: *mut *mut c_void, extra: *mut *mut c_void);
        fn cuMemAllocAsync(address: *mut Address, bytes: usize, stream: Handle);
        fn cuMemFreeAsync(address: Address, stream: Handle);
        fn cuMemsetD8Async(to: Address, value: u8, bytes: usize, stream: Handle);
        fn cuMemsetD32Async(to: Address, value: c_uint, count: usize, stream: Handle);
        fn cuMemcpyDtoDAsync_v2(to: Address, from: Address, bytes: usize, stream: Handle);
        fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: Address, bytes: usize, stream: Handle);
        fn cuMemcpyHtoDAsync_v2(to: Address, from: *const c_void, bytes: usize, stream: Handle);
    }
    #[unsafe(no_mangle)]
    compiler {
        fn nvrtcVersion(major: *mut c_int, minor: *mut c_int);
        fn nvrtcGetNumSupportedArchs(count: *mut c_int);
        fn nvrtcGetSupportedArchs(known: *mut c_int);
        fn nvrtcCreateProgram(program: *mut Handle, source: *const c_char, name: *const c_char, headers: c_int, texts: *const *const c_char,
            names: *const *const c_char);
        fn nvrtcCompileProgram(program: Handle, count: c_int, options: *const *const c_char);
        fn nvrtcGetProgramLogSize(program: Handle, bytes: *mut usize);
        fn nvrtcGetProgramLog(program: Handle, text: *mut c_char);
        fn nvrtcGetPTXSize(program: Handle, bytes: *mut usize);
        fn nvrtcGetPTX(program: Handle, text: *mut c_char);
        fn nvrtcGetCUBINSize(program: Handle, bytes: *mut usize);
        fn nvrtcGetCUBIN(program: Handle, image: *mut c_char);
        fn nvrtcDestroyProgram(program: *mut Handle);
    }
    #[unsafe(no_mangle)]
    blas {
        fn cublasCreate_v2(handle: *mut Handle);
        fn cublasDestroy_v2(handle: Handle);
        fn cublasSetStream_v2(handle: Handle, stream: Handle);
        fn cublasSgemm_v2(handle: Handle, trans_a: c_int, trans_b: c_int, m: c_int, n: c_int, k: c_int, alpha: *const f32, a: *const f32, lda: c_int,
            b: *const f32, ldb: c_int, beta: *const f32, c: *mut f32, ldc: c_int);
        fn cublasGemmStridedBatchedEx(handle: Handle, trans_a: c_int, trans_b: c_int, m: c_int, n: c_int, k: c_int, alpha: *const c_void,
            a: *const c_void, type_a: c_int, lda: c_int, stride_a: i64, b: *const c_void, type_b: c_int, ldb: c_int, stride_b: i64, beta: *const c_void,
            c: *mut c_void, type_c: c_int, ldc: c_int, stride_c: i64, count: c_int, compute: c_int, algorithm: c_int);
    }
}

/// Opens the three libraries and fills the slots, once for the process.
///
/// # Errors
/// A message with the missing library or function.
pub fn load() -> Result<(), String> {
    static OUTCOME: OnceLock<Result<(), String>> = OnceLock::new();
    OUTCOME.get_or_init(load_all).clone()
}

fn load_all() -> Result<(), String> {
    fill(&DRIVER, &[driver::SLOTS, streams::SLOTS], false)?;
    let mut version = 0;
    // SAFETY: a valid pointer for the number. If the call fails, it stays 0.
    unsafe { driver::cuDriverGetVersion(&raw mut version) };
    // A driver of CUDA 12 runs the code that version 12 of the other libraries makes.
    let older_first = version < 13_000;
    fill(&NVRTC, &[compiler::SLOTS], older_first)?;
    fill(&CUBLAS, &[blas::SLOTS], older_first)
}

/// Opens a library for the rest of the process and finds its functions. Of several versions it takes the
/// newest, or an older one if `older_first`.
fn fill(
    origin: &LibraryFiles,
    lists: &[&[(&str, &Slot)]],
    older_first: bool,
) -> Result<(), String> {
    // SAFETY: the start-up code of NVIDIA's libraries has no requirements.
    let open = |file: &&str| unsafe { Library::new(*file) }.ok();
    let mut files = origin.files.to_vec();
    if older_first {
        files.sort_by_key(|file| file.contains("13"));
    }
    let library = files.iter().find_map(open).ok_or_else(|| {
        format!(
            "{} was not found (no {})",
            origin.what,
            origin.files.first().copied().unwrap_or_default()
        )
    })?;
    take(library, origin, lists)
}

/// Finds the functions of a library, which stays open for the rest of the process.
fn take(library: Library, origin: &LibraryFiles, lists: &[&[(&str, &Slot)]]) -> Result<(), String> {
    for (name, slot) in lists.iter().copied().flatten() {
        // SAFETY: only the address is taken.
        let symbol = unsafe { library.get::<*mut c_void>(name.as_bytes()) };
        let symbol = symbol.map_err(|_| format!("{} is too old: it has no {name}", origin.what))?;
        // SAFETY: as above.
        let address = unsafe { symbol.try_as_raw_ptr() }.ok_or("a symbol without an address")?;
        slot.0.store(address, Ordering::Release);
    }
    // Its functions are used until the process ends.
    std::mem::forget(library);
    Ok(())
}

/// Opens `file` as the compiler, and neither driver nor cuBLAS: what a version of NVRTC makes of the kernels
/// can be tested without a GPU.
///
/// # Errors
/// A message with the missing library or function.
#[cfg(test)]
pub fn load_compiler(file: &str) -> Result<(), String> {
    // SAFETY: the start-up code of NVIDIA's libraries has no requirements.
    let library = unsafe { Library::new(file) }.map_err(|error| format!("{file}: {error}"))?;
    take(library, &NVRTC, &[compiler::SLOTS])
}

/// `CU_MEMPOOL_ATTR_RELEASE_THRESHOLD`.
pub const RELEASE_THRESHOLD: c_uint = 4;
/// `CU_MEMPOOL_ATTR_USED_MEM_HIGH`.
pub const USED_MEMORY_HIGH: c_uint = 8;
/// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`.
pub const MOST_SHARED_BYTES: c_uint = 8;

/// The error for a code of the driver.
pub fn error(code: c_int) -> DriverError {
    // SAFETY: the wrappers above return only codes of cudarc's enum; `functions` makes sure of that.
    DriverError(unsafe { std::mem::transmute::<c_int, sys::CUresult>(code) })
}

/// The name of a device.
pub fn device_name(device: c_int) -> String {
    let mut text = [0u8; 256];
    // SAFETY: the driver writes at most this number of bytes, and the last of them is 0.
    let code =
        unsafe { driver::cuDeviceGetName(text.as_mut_ptr().cast(), text.len() as c_int, device) };
    let end = text.iter().position(|byte| *byte == 0);
    match (code, end) {
        (0, Some(end)) => String::from_utf8_lossy(&text[..end]).into_owned(),
        _ => "a GPU without a name".to_string(),
    }
}

/// The memory pool of a device; null if it has none.
pub fn memory_pool(device: c_int) -> Handle {
    let mut pool = std::ptr::null_mut();
    // SAFETY: a valid pointer for the result.
    let code = unsafe { driver::cuDeviceGetDefaultMemPool(&raw mut pool, device) };
    if code == 0 {
        pool
    } else {
        std::ptr::null_mut()
    }
}
