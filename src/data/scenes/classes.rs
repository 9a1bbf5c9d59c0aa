//! The ten drawn classes: five pairs that are easily confused, each class with its own hue.
//!
//! The frequencies follow Zipf's law over ranks. The first classes of all pairs come first in the ranks and
//! the second classes last, so every rare class has a common one that looks similar:
//!
//! `$$ p_k = \frac{r_k^{-0.8}}{\sum_j r_j^{-0.8}} $$`

use crate::rng::Stream;

/// The number of classes.
pub const COUNT: usize = 10;

/// The names, by class index. `2i` and `2i + 1` form a pair.
pub const NAMES: [&str; COUNT] = [
    "disc",
    "rect",
    "star5",
    "plus",
    "stripe_rect",
    "checker_rect",
    "ring",
    "bullseye",
    "triangle",
    "tee",
];

/// The mean hue of every class, in turns from red.
pub const HUES: [f64; COUNT] = [0.0, 0.09, 0.36, 0.45, 0.60, 0.69, 0.17, 0.26, 0.82, 0.91];

/// The standard deviation of the hue around the mean of its class.
const HUE_SPREAD: f64 = 0.03;

/// The fraction of objects whose hue is uniform and independent of the class.
const HUE_OUTLIERS: f64 = 0.04;

/// The rank of every class in the order of frequency.
const RANKS: [i32; COUNT] = [1, 6, 2, 7, 3, 8, 4, 9, 5, 10];

/// The exponent of Zipf's law.
const ZIPF: f64 = 0.8;

/// Five descriptions of every class by shape, texture and colour, for a vision-language model. No two classes
/// share one.
pub const DESCRIPTIONS: [[&str; 5]; COUNT] = [
    [
        "a plain red disc with a smooth round outline",
        "solid crimson circle filled evenly",
        "red oval blob without corners",
        "smooth scarlet ellipse in one colour",
        "round red dot plain inside",
    ],
    [
        "a plain orange rectangle with four sharp corners",
        "solid amber box filled evenly",
        "orange square block with straight sides",
        "tilted orange parallelogram in one colour",
        "boxy brown orange patch plain inside",
    ],
    [
        "a green star with five points",
        "spiky grass green star shape",
        "five pointed emerald star plain inside",
        "green figure with five sharp tips and notches",
        "solid green starfish with five arms",
    ],
    [
        "a turquoise plus sign with four equal bars",
        "teal cross of two crossing bars",
        "sea green addition sign plain inside",
        "turquoise cross with four square arms",
        "solid teal bars meeting in the centre",
    ],
    [
        "a blue rectangle with parallel stripes",
        "azure box covered by bands",
        "striped sky blue square with straight lines",
        "blue block of alternating light and dark bands",
        "rectangle with blue stripes and sharp corners",
    ],
    [
        "an indigo rectangle with a checkerboard pattern",
        "violet blue box of chequered tiles",
        "indigo square grid of alternating tiles",
        "chess board pattern in dark violet blue",
        "block with indigo checks and sharp corners",
    ],
    [
        "a yellow ring with a hole in the centre",
        "hollow golden circle open inside",
        "yellow band around an empty middle",
        "lemon annulus showing the background through its hole",
        "thin round yellow hoop",
    ],
    [
        "a lime bullseye with a second colour in the centre",
        "yellow green target of two concentric circles",
        "lime disc with an inner dot",
        "chartreuse round target two tones filled centre",
        "concentric lime circles without a hole",
    ],
    [
        "a purple triangle with three corners",
        "solid magenta wedge of three straight sides",
        "violet triangular patch plain inside",
        "purple pyramid outline filled evenly",
        "three cornered mauve shape",
    ],
    [
        "a pink letter T",
        "rose tee with one bar on a stem",
        "pink capital T of two bars",
        "hot pink bar across the end of a stem",
        "solid pink hammer shape with a bar on top",
    ],
];

/// Draws a class by Zipf's law, or uniformly if `balanced`.
pub fn draw_class(balanced: bool, rng: &mut Stream) -> usize {
    if balanced {
        return rng.below(COUNT);
    }
    let weights = RANKS.map(|rank| libm::pow(f64::from(rank), -ZIPF));
    let mut left = rng.uniform() * weights.iter().sum::<f64>();
    for (class, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return class;
        }
    }
    COUNT - 1
}

/// Draws the colour of an object: RGB in 0..1, saturation 0.5 to 1, value 0.45 to 1.
pub fn draw_colour(class: usize, rng: &mut Stream) -> [f32; 3] {
    let hue = if rng.chance(HUE_OUTLIERS) {
        rng.uniform()
    } else {
        HUES[class] + HUE_SPREAD * rng.normal()
    };
    let hue = hue - libm::floor(hue);
    rgb_of_hsv(hue, rng.range(0.5, 1.0), rng.range(0.45, 1.0))
}

/// Converts hue in turns, saturation and value in 0..1, to RGB in 0..1.
fn rgb_of_hsv(hue: f64, saturation: f64, value: f64) -> [f32; 3] {
    [5.0, 3.0, 1.0].map(|offset| {
        let k = libm::fmod(offset + hue * 6.0, 6.0);
        let weight = k.min(4.0 - k).clamp(0.0, 1.0);
        (value - value * saturation * weight) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primary_colours() {
        assert_eq!(rgb_of_hsv(0.0, 1.0, 1.0), [1.0, 0.0, 0.0]);
        assert_eq!(rgb_of_hsv(0.5, 1.0, 1.0), [0.0, 1.0, 1.0]);
        let blue = rgb_of_hsv(2.0 / 3.0, 1.0, 0.5);
        assert!(blue[0] < 1e-6 && blue[1] < 1e-6 && (blue[2] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn frequencies_follow_the_ranks() {
        let mut rng = Stream::new(5, "classes");
        let mut counts = [0usize; COUNT];
        for _ in 0..20_000 {
            counts[draw_class(false, &mut rng)] += 1;
        }
        let ratio = counts[0] as f64 / counts[9] as f64;
        let expected = libm::pow(10.0, ZIPF);
        assert!((ratio / expected - 1.0).abs() < 0.15, "{counts:?}");
        for pair in counts.chunks_exact(2) {
            assert!(pair[0] > pair[1], "the head of a pair is the common one");
        }
    }

    #[test]
    fn no_description_is_used_twice() {
        let mut all: Vec<&str> = DESCRIPTIONS.iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), COUNT * 5);
    }
}
