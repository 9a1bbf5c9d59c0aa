//! Many tensors in one launch: what an optimizer or an average does to every value of a network.
//!
//! The values of all tensors are cut into chunks; a block has a chunk, and finds its tensor and the place in it in a table. The table is
//! made once for tensors of the same lengths; the addresses are sent again only where they have changed.

use crate::tensor::cuda::{Buffer, Gpu, Grid};

/// Values of a block: enough blocks for a GPU where the tensors are large, few idle threads where they are small.
const CHUNK: usize = 1 << 14;
/// Threads of a block.
const THREADS: u32 = 256;

/// The chunks of tensors of some lengths.
#[derive(Debug)]
pub(in crate::ops) struct Chunks {
    /// The tensor of every chunk and its number in it.
    places: Buffer<i32>,
    lengths: Buffer<i32>,
    count: usize,
}

impl Chunks {
    /// Panics if a tensor has 2^31 values.
    pub(in crate::ops) fn new(gpu: &Gpu, lengths: &[usize]) -> Self {
        let places = places(lengths);
        let int = |length: &usize| i32::try_from(*length).expect("fewer than 2^31 values");
        let lengths: Vec<i32> = lengths.iter().map(int).collect();
        Self {
            places: gpu.upload(&places),
            lengths: gpu.upload(&lengths),
            count: places.len() / 2,
        }
    }

    /// Number of chunks.
    pub(in crate::ops) fn count(&self) -> usize {
        self.count
    }

    /// A block for every chunk; none where there is no value.
    pub(in crate::ops) fn grid(&self) -> Option<Grid> {
        (self.count > 0).then(|| Grid::blocks(self.count, THREADS))
    }

    /// The first arguments of every kernel over chunks: `const int2* chunks, const int* lengths, int chunk`.
    pub(in crate::ops) fn arguments(&self) -> [crate::tensor::cuda::Argument; 3] {
        [(&self.places).into(), (&self.lengths).into(), CHUNK.into()]
    }
}

/// The tensor and the number in it of every chunk.
fn places(lengths: &[usize]) -> Vec<i32> {
    let of_tensor = |(tensor, length): (usize, &usize)| {
        (0..length.div_ceil(CHUNK)).flat_map(move |number| [tensor as i32, number as i32])
    };
    lengths.iter().enumerate().flat_map(of_tensor).collect()
}

/// Addresses of tensors, in the memory of the host and of the GPU.
#[derive(Debug)]
pub(in crate::ops) struct Addresses {
    known: Vec<u64>,
    sent: Buffer<u64>,
}

impl Addresses {
    pub(in crate::ops) fn new(gpu: &Gpu) -> Self {
        Self {
            known: Vec::new(),
            sent: gpu.upload(&[]),
        }
    }

    /// The buffer of `addresses`, sent anew if they are others than the last time.
    pub(in crate::ops) fn send(&mut self, gpu: &Gpu, addresses: Vec<u64>) -> &Buffer<u64> {
        if self.known != addresses {
            self.sent = gpu.upload(&addresses);
            self.known = addresses;
        }
        &self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_one_chunk() {
        let lengths = [1, CHUNK, 0, CHUNK + 1, 3 * CHUNK];
        let places = places(&lengths);
        let mut covered = [0; 5];
        for place in places.chunks_exact(2) {
            let (tensor, first) = (place[0] as usize, place[1] as usize * CHUNK);
            assert_eq!(first, covered[tensor], "in order, without gaps");
            covered[tensor] = lengths[tensor].min(first + CHUNK);
        }
        assert_eq!(covered, lengths);
        assert_eq!(places.len(), 2 * (1 + 1 + 2 + 3));
    }
}
