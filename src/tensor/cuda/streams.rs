//! The functions of the driver that take a stream or wait, as dfdx and cudarc call them. They forward to
//! those of [`symbols`](super::symbols), with the changes that this program needs.

use super::symbols::{Address, Handle, streams as theirs};
use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};

/// `CU_STREAM_PER_THREAD`: the default stream of the calling thread and its context. It waits for no other
/// thread's stream.
pub const OWN_STREAM: Handle = std::ptr::without_provenance_mut(2);

/// dfdx and cudarc use the null stream, which all threads share. It is replaced by the calling thread's own
/// stream, so that trials on one GPU do not wait for each other.
fn own(stream: Handle) -> Handle {
    if stream.is_null() { OWN_STREAM } else { stream }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> c_int {
    // SAFETY: forwards the caller's arguments.
    unsafe { theirs::cuEventRecord(event, own(stream)) }
}

#[cfg(test)]
thread_local! {
    /// The number of times that this thread has waited for a GPU.
    pub static WAITS: Cell<usize> = const { Cell::new(0) };
}

/// Counts one wait of this thread for a GPU.
fn waits() {
    #[cfg(test)]
    WAITS.set(WAITS.get() + 1);
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSynchronize() -> c_int {
    waits();
    // SAFETY: forwards the caller's arguments.
    unsafe { theirs::cuCtxSynchronize() }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventSynchronize(event: Handle) -> c_int {
    waits();
    // SAFETY: forwards the caller's arguments.
    unsafe { theirs::cuEventSynchronize(event) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamSynchronize(stream: Handle) -> c_int {
    waits();
    // SAFETY: forwards the caller's arguments.
    unsafe { theirs::cuStreamSynchronize(own(stream)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuStreamWaitEvent(stream: Handle, event: Handle, flags: c_uint) -> c_int {
    // SAFETY: forwards the caller's arguments.
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
    // SAFETY: forwards the caller's arguments.
    unsafe {
        theirs::cuLaunchKernel(
            function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, stream,
            parameters, extra,
        )
    }
}

// dfdx and cudarc sometimes allocate, clear, copy or free zero bytes, which the driver treats as an error.

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemAllocAsync(address: *mut Address, bytes: usize, stream: Handle) -> c_int {
    if bytes == 0 {
        // SAFETY: the caller's pointer for the address.
        unsafe { *address = 0 };
        return 0;
    }
    // SAFETY: forwards the caller's arguments.
    unsafe { theirs::cuMemAllocAsync(address, bytes, own(stream)) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemFreeAsync(address: Address, stream: Handle) -> c_int {
    match address {
        0 => 0,
        // SAFETY: forwards the caller's arguments.
        _ => unsafe { theirs::cuMemFreeAsync(address, own(stream)) },
    }
}

thread_local! {
    /// True while [`uncleared`] runs.
    static LEAVE_AS_IT_IS: Cell<bool> = const { Cell::new(false) };
}

/// Lets `make` allocate memory without clearing it. dfdx always fills memory with zeros, but the kernel of an
/// op writes the whole output anyway.
pub fn uncleared<T>(make: impl FnOnce() -> T) -> T {
    /// Switches clearing on again, also after a panic.
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
    // SAFETY: forwards the caller's arguments.
    unsafe { theirs::cuMemsetD8Async(to, value, bytes, own(stream)) }
}

/// Defines functions that do nothing if the number of bytes is 0, and otherwise call the driver.
macro_rules! unless_nothing {
    ($(fn $name:ident($first:ident: $one:ty, $second:ident: $two:ty);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($first: $one, $second: $two, bytes: usize, stream: Handle) -> c_int {
            match bytes {
                0 => 0,
                // SAFETY: forwards the caller's arguments.
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
/// `to` is the address of a live number on a GPU.
pub unsafe fn write_number(to: Address, bits: u32) -> c_int {
    // SAFETY: guaranteed by the caller.
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
        // dfdx sends single numbers from memory that is not pinned, for which the driver may wait. They are
        // passed as arguments instead. SAFETY: the caller's four bytes.
        4 => unsafe {
            let bits = from.cast::<u32>().read_unaligned();
            theirs::cuMemsetD32Async(to, bits, 1, own(stream))
        },
        // SAFETY: forwards the caller's arguments.
        _ => unsafe { theirs::cuMemcpyHtoDAsync_v2(to, from, bytes, own(stream)) },
    }
}
