//! Matrix products on the GPU by cuBLAS.
//!
//! `$$ C \leftarrow A\,B + \beta\,C $$`
//!
//! Shapes, row-major: A `[m, k]`, B `[k, n]`, C `[m, n]`, each a batch of `count` matrices at a fixed
//! distance. cuBLAS is column-major, so the call computes `$C^\top = B^\top A^\top$`.
//!
//! Source: cuBLAS's `cublasGemmStridedBatchedEx`. Inputs and outputs are `f32`. With [`Precision::Tf32`] and
//! [`Precision::Bf16`], cuBLAS rounds the inputs on their way to the tensor cores and sums in `f32`.

use super::{Gpu, Precision, streams, symbols};
use crate::tensor::product::{Operand, Product};
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, PoisonError};

/// `CUDA_R_32F`.
const F32: c_int = 0;
/// `CUBLAS_GEMM_DEFAULT`.
const ANY_ALGORITHM: c_int = -1;

impl Gpu {
    /// Starts the products of `a` and `b` into `c`.
    ///
    /// # Safety
    /// The operands are inside live buffers of this GPU, and `c` overlaps neither of the others.
    pub unsafe fn multiply(&self, product: Product, a: Operand, b: Operand, c: Operand) {
        let [m, n, k] = product.size;
        if m == 0 || n == 0 || product.count == 0 {
            return;
        }
        assert!(k > 0, "a product over no columns");
        assert!(!c.transposed, "the result of a product lies row by row");
        self.bind();
        let int = |number: usize| c_int::try_from(number).expect("a size below 2^31");
        let stride = |operand: Operand| i64::try_from(operand.stride).expect("a stride below 2^63");
        let (one, beta) = (1f32, if product.add { 1f32 } else { 0f32 });
        // SAFETY: the caller guarantees the operands; the two factors are read before the call returns.
        let code = unsafe {
            symbols::blas::cublasGemmStridedBatchedEx(
                handle(self),
                b.transposed.into(),
                a.transposed.into(),
                int(n),
                int(m),
                int(k),
                (&raw const one).cast(),
                b.address as *const _,
                F32,
                int(b.stored_columns),
                stride(b),
                a.address as *const _,
                F32,
                int(a.stored_columns),
                stride(a),
                (&raw const beta).cast(),
                c.address as *mut _,
                F32,
                int(c.stored_columns),
                stride(c),
                int(product.count),
                compute(self.precision),
                ANY_ALGORITHM,
            )
        };
        if code != 0 {
            // A kernel that failed earlier also shows here and ends the process.
            self.synchronize();
        }
        assert_eq!(
            code, 0,
            "cuBLAS: error {code} in a product of {m} x {k} and {k} x {n}"
        );
    }
}

/// A handle of cuBLAS for the GPU with this number.
struct Handle(usize, *mut c_void);

// SAFETY: several threads may use a handle of cuBLAS, one at a time.
unsafe impl Send for Handle {}

/// Handles of threads that have left. A handle has a workspace of tens of megabytes, so the next thread
/// reuses it.
static FREE: Mutex<Vec<Handle>> = Mutex::new(Vec::new());

thread_local! {
    static HANDLES: RefCell<Handles> = const { RefCell::new(Handles(Vec::new())) };
}

/// The handles of a thread.
struct Handles(Vec<Handle>);

impl Drop for Handles {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.append(&mut self.0);
    }
}

/// Gives the calling thread's handles up for other threads.
pub fn leave() {
    drop(HANDLES.replace(Handles(Vec::new())));
}

/// The cuBLAS handle of this thread for `gpu`. Its workspace belongs to the products of one stream, the
/// thread's own.
fn handle(gpu: &Gpu) -> *mut c_void {
    HANDLES.with_borrow_mut(|Handles(handles)| {
        let of_gpu = |handle: &Handle| handle.0 == gpu.number();
        if let Some(Handle(_, handle)) = handles.iter().find(|handle| of_gpu(handle)) {
            return *handle;
        }
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let used = free.iter().position(of_gpu);
        let used = used.map(|place| free.swap_remove(place));
        drop(free);
        let handle = match used {
            Some(handle) => {
                // The thread that had the handle may have left products unfinished.
                gpu.wait_for_all_threads();
                handle
            }
            None => Handle(gpu.number(), new_handle()),
        };
        let taken = handle.1;
        handles.push(handle);
        taken
    })
}

/// A handle that starts its products on the stream of the thread that uses it. The thread must have the GPU's
/// context.
fn new_handle() -> *mut c_void {
    let mut handle = std::ptr::null_mut();
    // SAFETY: a valid pointer for the handle, which is then a handle.
    let codes = unsafe {
        [
            symbols::blas::cublasCreate_v2(&raw mut handle),
            symbols::blas::cublasSetStream_v2(handle, streams::OWN_STREAM),
        ]
    };
    assert_eq!(codes, [0, 0], "cuBLAS starts");
    handle
}

/// cuBLAS's number for a kind of computation.
fn compute(precision: Precision) -> c_int {
    match precision {
        Precision::F32 => 68,
        Precision::Bf16 => 75,
        Precision::Tf32 => 77,
    }
}
