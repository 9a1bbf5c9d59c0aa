//! NumPy's legacy random numbers, which published splits of COCO were drawn with: `numpy.random.seed(s)`, then
//! `shuffle`, `permutation` or `choice`.
//!
//! The generator is MT19937 (Matsumoto and Nishimura 1998, <https://doi.org/10.1145/272991.272995>) with its original
//! seeding by one number. A bounded number is drawn by rejection: 32 bits under the smallest mask that covers the
//! bound, again until the number is not above the bound. Source: `numpy/random/src/legacy` and
//! `numpy/random/mtrand.pyx`.

/// The number of words of the state.
const WORDS: usize = 624;
/// The word that a word of the state is mixed with lies this far behind it.
const SHIFT: usize = 397;

/// The generator.
pub struct NumpyRandom {
    state: [u32; WORDS],
    /// The next word of the state to be given out.
    next: usize,
}

impl NumpyRandom {
    /// The generator after `numpy.random.seed(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; WORDS];
        for index in 1..WORDS {
            let before = state[index - 1];
            state[index] = (before ^ (before >> 30))
                .wrapping_mul(1_812_433_253)
                .wrapping_add(index as u32);
        }
        Self { state, next: WORDS }
    }

    /// 32 random bits.
    fn bits(&mut self) -> u32 {
        if self.next == WORDS {
            self.renew();
        }
        let word = self.state[self.next];
        self.next += 1;
        let word = word ^ (word >> 11);
        let word = word ^ ((word << 7) & 0x9d2c_5680);
        let word = word ^ ((word << 15) & 0xefc6_0000);
        word ^ (word >> 18)
    }

    /// The next state.
    fn renew(&mut self) {
        for index in 0..WORDS {
            let both =
                (self.state[index] & 0x8000_0000) | (self.state[(index + 1) % WORDS] & 0x7fff_ffff);
            let odd = if both & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[index] = self.state[(index + SHIFT) % WORDS] ^ (both >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// A number from 0 to `most`.
    fn up_to(&mut self, most: u32) -> u32 {
        if most == 0 {
            return 0;
        }
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let number = self.bits() & mask;
            if number <= most {
                return number;
            }
        }
    }

    /// `numpy.random.permutation(count)`: the numbers below `count` in a random order.
    pub fn permutation(&mut self, count: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count as usize).collect();
        for last in (1..count).rev() {
            order.swap(last as usize, self.up_to(last) as usize);
        }
        order
    }

    /// `numpy.random.choice(count, size)`: `size` numbers below `count`, each drawn from all of them.
    pub fn with_replacement(&mut self, count: u32, size: usize) -> Vec<usize> {
        let Some(most) = count.checked_sub(1) else {
            return Vec::new();
        };
        (0..size).map(|_| self.up_to(most) as usize).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of images of COCO's train2017.
    const COCO: u32 = 118_287;

    /// Numbers of NumPy 2.4.6.
    #[test]
    fn the_numbers_are_numpy_s() {
        let permutation = NumpyRandom::new(1).permutation(COCO);
        let expected = [
            105_285, 107_335, 49_358, 65_744, 101_669, 21_581, 75_846, 30_244, 30_354, 110_300,
            94_165, 42_223,
        ];
        assert_eq!(permutation[..12], expected);
        let drawn = NumpyRandom::new(1).with_replacement(COCO, 5);
        assert_eq!(drawn, [98_539, 77_708, 5192, 98_047, 50_057]);
    }

    /// The reference implementation's first number for its default seed, 5489.
    #[test]
    fn the_generator_is_that_of_its_authors() {
        assert_eq!(NumpyRandom::new(5489).bits(), 3_499_211_612);
    }

    #[test]
    fn a_permutation_holds_every_number_once_and_nothing_is_drawn_of_nothing() {
        for count in [0, 1, 2, 700] {
            let mut drawn = NumpyRandom::new(9).permutation(count);
            drawn.sort_unstable();
            assert_eq!(drawn, (0..count as usize).collect::<Vec<_>>());
        }
        assert_eq!(NumpyRandom::new(9).with_replacement(0, 3), [0; 0]);
        assert_eq!(NumpyRandom::new(9).with_replacement(1, 3), [0; 3]);
    }
}
