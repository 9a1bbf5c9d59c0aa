//! Buffers whose values are about to be overwritten, without the cost of a fill.

use std::arch::asm;

/// A vector of `len` values of any content (it is meant to be overwritten in full).
///
/// The result of an op is written once; filling it with zeros first would cost a second pass over the memory.
pub(crate) fn unfilled(len: usize) -> Vec<f32> {
    let mut buffer: Vec<f32> = Vec::with_capacity(len);
    let first = buffer.as_mut_ptr();
    // SAFETY: the capacity covers `len` values. The empty assembly block receives the pointer and may, as far as the
    // compiler can know, have written through it: from here on the memory holds some fixed bytes, and every bit pattern is
    // a valid `f32`.
    unsafe {
        asm!("/* {0} */", in(reg) first, options(nostack, preserves_flags));
        buffer.set_len(len);
    }
    buffer
}

#[cfg(test)]
mod tests {
    use super::unfilled;

    #[test]
    fn the_buffer_has_its_length_and_keeps_what_is_written() {
        for len in [0, 1, 17, 100_000] {
            let mut buffer = unfilled(len);
            assert_eq!(buffer.len(), len);
            buffer
                .iter_mut()
                .enumerate()
                .for_each(|(i, v)| *v = i as f32);
            assert!(buffer.iter().enumerate().all(|(i, v)| *v == i as f32));
        }
    }
}
