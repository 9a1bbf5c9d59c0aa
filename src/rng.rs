//! Many named streams of random numbers from one seed. Every random draw of a trial uses a stream that is
//! identified by its name and position. So a new draw in one place changes no other draw, and a resumed run
//! draws the same numbers as an uninterrupted one.
//!
//! Transcendental functions come from `libm`, written in Rust. So the drawn dataset has the same bits on
//! every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream `name` of `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        Self::at(seed, name, 0)
    }

    /// The stream `name` of `seed` at position `index` (a step, an epoch, an image). It is independent of all
    /// others.
    pub fn at(seed: u64, name: &str, index: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher
            .update(&seed.to_le_bytes())
            .update(&index.to_le_bytes())
            .update(name.as_bytes());
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// The seed of the generator, for ops that draw the numbers of this stream elsewhere.
    pub fn seed(&self) -> [u8; 32] {
        self.0.get_seed()
    }

    /// The stream with the generator seed `seed` (see [`Self::seed`]), after its first `skip` numbers of
    /// single precision.
    pub fn behind(seed: [u8; 32], skip: usize) -> Self {
        let mut generator = ChaCha8Rng::from_seed(seed);
        generator.set_word_pos(skip as u128);
        Self(generator)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [0, 1), single precision (24 bits, half the cost of [`Self::uniform`]).
    pub fn uniform_f32(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..n. Panics if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "a draw from nothing");
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Normal with mean 0 and standard deviation 1 (Box-Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
    }

    /// A random order of 0..n (Fisher-Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_named_and_repeatable() {
        let draw = |seed, name, index| Stream::at(seed, name, index).bits();
        assert_eq!(draw(1, "a", 0), draw(1, "a", 0));
        let distinct = [
            draw(1, "a", 0),
            draw(1, "b", 0),
            draw(2, "a", 0),
            draw(1, "a", 1),
        ];
        for (i, a) in distinct.iter().enumerate() {
            assert!(distinct[..i].iter().all(|b| a != b), "draw {i} repeats");
        }
    }

    #[test]
    fn the_drawn_bits_never_change() {
        assert_eq!(Stream::new(0, "golden").below(1_000_000), 365_357);
    }

    #[test]
    fn moments() {
        let mut stream = Stream::new(3, "moments");
        let draws: Vec<f64> = (0..20_000).map(|_| stream.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(
            mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05,
            "{mean} {variance}"
        );
    }

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = Stream::new(1, "order").permutation(50);
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
