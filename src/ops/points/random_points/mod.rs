//! Uniform points from named streams of random numbers.
//!
//! `$$ u_{ip} = \bigl(r_{i,\,2(s+p)},\; r_{i,\,2(s+p)+1}\bigr), \qquad
//!    r_{ik} = \lfloor c_{ik} / 2^8 \rfloor \, 2^{-24} $$`
//!
//! c: the 32-bit words of stream i, ChaCha with eight rounds (https://cr.yp.to/chacha.html), counter from 0;
//! s: points of the stream that are passed over. A GPU draws the same bits as the CPU, so that no point has
//! to be sent. Shapes: n streams -> `[n, 2P]`, x and y in [0, 1).

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::unfilled;
use crate::rng::Stream;
use crate::tensor::{Place, Tensor2};
use rayon::prelude::*;

/// The points `skip` to `skip + count - 1` of every stream, which `seeds` name ([`Stream::seed`]):
/// `[n, 2 * count]` at `place`.
pub fn random_points(place: &Place, seeds: &[[u8; 32]], skip: usize, count: usize) -> Tensor2 {
    match place {
        Place::Host => {
            let mut values = unfilled(seeds.len() * 2 * count);
            values
                .par_chunks_exact_mut((2 * count).max(1))
                .zip(seeds)
                .for_each(|(out, seed)| {
                    let mut stream = Stream::behind(*seed, 2 * skip);
                    out.iter_mut()
                        .for_each(|value| *value = stream.uniform_f32());
                });
            Tensor2::constant(values, seeds.len(), 2 * count)
        }
        Place::Gpu(gpu) => cuda::random_points(gpu, seeds, skip, count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::on_every_place;

    on_every_place! {
        /// Whole and cut blocks of the generator, more points than a block of threads draws.
        fn they_are_the_numbers_of_the_streams(place) {
            let streams = ["a", "b", "c"].map(|name| Stream::new(5, name));
            let seeds = streams.clone().map(|stream| stream.seed());
            for (skip, count) in [(0, 1), (0, 8), (3, 21), (8, 16), (1000, 5000)] {
                let points = random_points(place, &seeds, skip, count);
                assert_eq!((points.rows(), points.columns()), (3, 2 * count));
                let expected = streams.clone().into_iter().flat_map(|mut stream| {
                    (0..2 * skip).for_each(|_| { stream.uniform_f32(); });
                    (0..2 * count).map(|_| stream.uniform_f32()).collect::<Vec<_>>()
                });
                assert_eq!(points.host_values().as_ref(), expected.collect::<Vec<_>>());
            }
            assert!(random_points(place, &[], 0, 7).is_empty());
            assert!(random_points(place, &seeds, 4, 0).is_empty());
        }
    }
}
