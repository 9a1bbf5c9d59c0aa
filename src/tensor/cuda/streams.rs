//! Functions of the driver that take a stream, or wait, as dfdx and cudarc call them: those of [`symbols`](super::symbols), with what has to be
//! done otherwise.

use super::symbols::{Address, Handle, streams as theirs};
use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};

/// `CU_STREAM_PER_THREAD`: the default stream of the calling thread and its context, which waits for no other thread's.
pub const OWN_STREAM: Handle = std::ptr::without_provenance_mut(2);

/// dfdx and cudarc start everything on the null stream, which all threads share: it becomes the calling thread's own, so that trials on
/// one GPU do not wait for each other.
fn own(stream: Handle) -> Handle {
    if stream.is_null() { OWN_STREAM } else { stream }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> c_int {
    // SAFETY: handed on.
    unsafe { theirs::cuEventRecord(event, own(stream)) }
}

#[cfg(test)]
thread_local! {
    /// How often this thread has waited for a GPU.
    pub static WAITS: Cell<usize> = const { Cell::new(0) };
}

/// Notes that this thread waits for a GPU.
fn waits() {
    #[cfg(test)]
    WAITS.set(WAITS.get() + 1);
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSynchronize() -> c_int {
    waits();
    // SAFETY: handed on.
    unsafe { theirs::cuCtxSynchronize() }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventSynchronize(event: Handle) -> c_int {
    waits();
    // SAFETY: handed on.
    unsafe { theirs::cuEventSynchronize(event) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamSynchronize(stream: Handle) -> c_int {
    waits();
    // SAFETY: handed on.
    unsafe { theirs::cuStreamSynchronize(own(stream)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamWaitEvent(stream: Handle, event: Handle, flags: c_uint) -> c_int {
    // SAFETY: handed on.
    unsafe { theirs::cuStreamWaitEvent(own(stream), event, flags) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared: c_uint,
    stream: Handle,
    parameters: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> c_int {
    let stream = own(stream);
    // SAFETY: handed on.
    unsafe {
        theirs::cuLaunchKernel(
            function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, stream,
            parameters, extra,
        )
    }
}

// dfdx and cudarc allocate, clear, copy and free nothing at all at times, which the driver takes for a mistake.

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAllocAsync(address: *mut Address, bytes: usize, stream: Handle) -> c_int {
    if bytes == 0 {
        // SAFETY: the caller's place for the address.
        unsafe { *address = 0 };
        return 0;
    }
    // SAFETY: handed on.
    unsafe { theirs::cuMemAllocAsync(address, bytes, own(stream)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemFreeAsync(address: Address, stream: Handle) -> c_int {
    match address {
        0 => 0,
        // SAFETY: handed on.
        _ => unsafe { theirs::cuMemFreeAsync(address, own(stream)) },
    }
}

thread_local! {
    /// Whether [`uncleared`] is at work.
    static LEAVE_AS_IT_IS: Cell<bool> = const { Cell::new(false) };
}

/// Lets `make` take memory without clearing it: dfdx gives none but full of zeros, and an op's output is written by its kernel.
pub fn uncleared<T>(make: impl FnOnce() -> T) -> T {
    /// Clears again, also behind a panic.
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            LEAVE_AS_IT_IS.set(false);
        }
    }
    LEAVE_AS_IT_IS.set(true);
    let _again = Again;
    make()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemsetD8Async(
    to: Address,
    value: u8,
    bytes: usize,
    stream: Handle,
) -> c_int {
    if bytes == 0 || LEAVE_AS_IT_IS.get() {
        return 0;
    }
    // SAFETY: handed on.
    unsafe { theirs::cuMemsetD8Async(to, value, bytes, own(stream)) }
}

/// Defines functions that do nothing where the number of bytes is 0, and else what the driver's do.
macro_rules! unless_nothing {
    ($(fn $name:ident($first:ident: $one:ty, $second:ident: $two:ty);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($first: $one, $second: $two, bytes: usize, stream: Handle) -> c_int {
            match bytes {
                0 => 0,
                // SAFETY: handed on.
                _ => unsafe { theirs::$name($first, $second, bytes, own(stream)) },
            }
        }
    )*};
}

unless_nothing! {
    fn cuMemcpyDtoDAsync_v2(to: Address, from: Address);
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: Address);
}

/// Writes the four bytes of a number to `to`, in the order of the calling thread's stream.
///
/// # Safety
/// A live number of a GPU lies there.
pub unsafe fn write_number(to: Address, bits: u32) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { theirs::cuMemsetD32Async(to, bits, 1, OWN_STREAM) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: Address,
    from: *const c_void,
    bytes: usize,
    stream: Handle,
) -> c_int {
    match bytes {
        0 => 0,
        // dfdx sends single numbers from memory that is not pinned, for which the driver may wait: they go along as arguments.
        // SAFETY: the caller's four bytes.
        4 => unsafe {
            let bits = from.cast::<u32>().read_unaligned();
            theirs::cuMemsetD32Async(to, bits, 1, own(stream))
        },
        // SAFETY: handed on.
        _ => unsafe { theirs::cuMemcpyHtoDAsync_v2(to, from, bytes, own(stream)) },
    }
}
