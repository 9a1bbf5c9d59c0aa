//! `preprocessor_config.json` of a Hugging Face folder: turns a picture into the input of the network, as
//! `Mask2FormerImageProcessor` does with Pillow.
//!
//! `$$ x = (v \cdot f - mean) / std $$`
//! for the 8-bit values v of the picture, which is resized first. The shorter side becomes `shortest_edge`
//! unless the longer one would exceed `longest_edge`. Then both sides are rounded up to multiples of
//! `size_divisor`, which stretches the picture a little and adds no padding.
//!
//! Source: `image_processing_pil_mask2former.py` and `get_size_with_aspect_ratio` of transformers 5. (Version
//! 4 truncates the shorter side if `longest_edge` limits it; version 5 rounds it.)
//! `Mask2FormerImageProcessor` of version 5 and `...Fast` of version 4 resize with torchvision, whose 8-bit
//! values sometimes differ from Pillow's by one; all processors are treated like Pillow's here.

use crate::graph::Images;
use crate::registry::{Check, Checked, in_plain_words};
use crate::structures::{LARGEST_SIDE, Picture, Resample, resampled};
use crate::tensor::{Map, Tensor2};
use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::ops::{Bound, RangeInclusive};
use std::path::Path;

/// The name of the file.
pub const FILE: &str = "preprocessor_config.json";
/// The beginnings of the names of supported processors.
const KINDS: [&str; 2] = ["Mask2FormerImageProcessor", "MaskFormerImageProcessor"];
/// Sides of an input, in pixels.
const SIDES: RangeInclusive<usize> = 1..=LARGEST_SIDE;
/// The last of Pillow's numbers of filters.
const LAST_FILTER: u64 = 5;
/// Red, green, blue.
const COLOURS: usize = 3;

/// The keys of the file, with transformers' defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
struct Keys {
    image_processor_type: Option<String>,
    do_resize: bool,
    size: Value,
    max_size: Option<usize>,
    size_divisor: Option<usize>,
    /// Its older name.
    size_divisibility: Option<usize>,
    resample: u64,
    do_rescale: bool,
    rescale_factor: f64,
    do_normalize: bool,
    image_mean: [f64; COLOURS],
    image_std: [f64; COLOURS],
    pad_size: Option<Sides>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            image_processor_type: None,
            do_resize: true,
            size: serde_json::json!({ "shortest_edge": 800, "longest_edge": 1333 }),
            max_size: None,
            size_divisor: None,
            size_divisibility: None,
            resample: 2,
            do_rescale: true,
            rescale_factor: 1.0 / 255.0,
            do_normalize: true,
            image_mean: [0.485, 0.456, 0.406],
            image_std: [0.229, 0.224, 0.225],
            pad_size: None,
        }
    }
}

/// A height and a width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sides {
    height: usize,
    width: usize,
}

/// The size of the resized picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Size {
    Edges(Edges),
    Fixed(Sides),
    Within(Within),
}

/// The shorter side becomes `shortest_edge`, unless the longer one would exceed `longest_edge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edges {
    shortest_edge: usize,
    longest_edge: usize,
}

/// The largest size that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Within {
    max_height: usize,
    max_width: usize,
}

/// Turns pictures into inputs.
#[derive(Clone, Debug)]
pub struct Preprocessor {
    size: Option<Size>,
    divisor: usize,
    resample: Resample,
    /// The factor of the 8-bit values, if there is one.
    factor: Option<f64>,
    /// The mean and standard deviation of every colour, if the values are normalised.
    normal: Option<([f32; COLOURS], [f32; COLOURS])>,
    pad: Option<Sides>,
}

impl Preprocessor {
    /// Reads the file of `folder`.
    ///
    /// # Errors
    /// The file is missing or not JSON, describes another processor, or has an unsupported value.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let shown = path.display();
        let text = std::fs::read(&path).with_context(|| format!("{shown}: cannot be read"))?;
        let json = serde_json::from_slice(&text).with_context(|| format!("{shown}: not JSON"))?;
        Self::parse(json).with_context(|| format!("{shown}: cannot be used"))
    }

    fn parse(json: Value) -> Result<Self> {
        let keys: Keys = serde_path_to_error::deserialize(json).map_err(|error| {
            let message = in_plain_words(&error.inner().to_string());
            anyhow!("{}: {message}", error.path())
        })?;
        keys.checked()?;
        let resample = Resample::from_pillow(keys.resample);
        let size = keys.do_resize.then(|| keys.size()).transpose()?;
        if let Some(size) = size {
            let mut check = Check::new();
            check.within("size", |check| size.check(check));
            check.finish()?;
        }
        Ok(Self {
            size,
            divisor: keys
                .size_divisor
                .or(keys.size_divisibility)
                .unwrap_or(32)
                .max(1),
            resample: resample.expect("a number in range"),
            factor: keys.do_rescale.then_some(keys.rescale_factor),
            normal: keys.do_normalize.then_some(keys.normal()),
            pad: keys.pad_size,
        })
    }

    /// The network's input for `picture`.
    ///
    /// # Errors
    /// A picture so long and narrow that nothing of it, or far too much, would be left; one that is larger
    /// than the padding.
    pub fn input(&self, picture: &Picture) -> Result<Images> {
        let (height, width) = self.target(picture.height, picture.width)?;
        let own = resampled(picture, height, width, self.resample);
        let sides = self.pad.unwrap_or(Sides { height, width });
        ensure!(
            sides.height >= height && sides.width >= width,
            "{height} x {width} pixels after resizing do not fit into `pad_size`, {} x {}",
            sides.height,
            sides.width
        );
        let table = self.table();
        let mut values = vec![0.0; sides.height * sides.width * COLOURS];
        let lines = values.chunks_exact_mut(sides.width * COLOURS);
        for (line, row) in lines.zip(own.pixels.chunks_exact(width * COLOURS)) {
            for (i, (value, level)) in line.iter_mut().zip(row).enumerate() {
                *value = table[i % COLOURS][usize::from(*level)];
            }
        }
        let pixels = Tensor2::constant(values, sides.height * sides.width, COLOURS);
        Ok(Images {
            map: Map::new(pixels, 1, sides.height, sides.width),
            sizes: vec![(height, width)],
        })
    }

    /// The input value of every 8-bit value, per colour, rounded to `f32` at the same points as in numpy.
    fn table(&self) -> [[f32; 256]; COLOURS] {
        std::array::from_fn(|colour| {
            std::array::from_fn(|level| {
                let value = self
                    .factor
                    .map_or(level as f32, |factor| (level as f64 * factor) as f32);
                self.normal
                    .map_or(value, |(mean, std)| (value - mean[colour]) / std[colour])
            })
        })
    }

    /// The numbers of rows and columns of a picture of `height` x `width` after resizing.
    fn target(&self, height: usize, width: usize) -> Result<(usize, usize)> {
        let Some(size) = self.size else {
            return Ok((height, width));
        };
        let (h, w) = size.of(height, width);
        let sides = (
            h.next_multiple_of(self.divisor),
            w.next_multiple_of(self.divisor),
        );
        let fine = |side: usize| (1..=LARGEST_SIDE).contains(&side);
        ensure!(
            fine(h) && fine(w) && fine(sides.0) && fine(sides.1),
            "{height} x {width} pixels would be resized to {h} x {w}; allowed: sides from 1 to {LARGEST_SIDE}"
        );
        Ok(sides)
    }
}

impl Checked for Keys {
    fn check(&self, check: &mut Check) {
        if let Some(kind) = &self.image_processor_type
            && !KINDS.iter().any(|known| kind.starts_with(known))
        {
            check.unknown("image_processor_type", kind, [KINDS[0]]);
        }
        for (key, divisor) in [
            ("size_divisor", self.size_divisor),
            ("size_divisibility", self.size_divisibility),
        ] {
            check.range(key, divisor.unwrap_or_default(), 0..=LARGEST_SIDE);
        }
        check.range("resample", self.resample, 0..=LAST_FILTER);
        check.range("rescale_factor", self.rescale_factor, ..);
        let (means, deviations) = self.normal();
        for mean in means {
            check.range("image_mean", mean, ..);
        }
        for deviation in deviations {
            check.range(
                "image_std",
                deviation,
                (Bound::Excluded(0.0), Bound::Unbounded),
            );
        }
        if let Some(sides) = self.pad_size {
            check.within("pad_size", |check| sides.check(check));
        }
    }
}

impl Sides {
    fn check(self, check: &mut Check) {
        check.range("height", self.height, SIDES);
        check.range("width", self.width, SIDES);
    }
}

impl Keys {
    /// Mean and standard deviation of every colour.
    fn normal(&self) -> ([f32; COLOURS], [f32; COLOURS]) {
        let single = |values: [f64; COLOURS]| values.map(|value| value as f32);
        (single(self.image_mean), single(self.image_std))
    }

    fn size(&self) -> Result<Size> {
        let value = match (&self.size, self.max_size) {
            // Folders of older versions have one number, and the limit of the longer side.
            (Value::Number(shortest), Some(longest)) => {
                serde_json::json!({ "shortest_edge": shortest, "longest_edge": longest })
            }
            (Value::Object(map), _) => {
                let set = map.iter().filter(|(_, value)| !value.is_null());
                Value::Object(set.map(|(k, v)| (k.clone(), v.clone())).collect())
            }
            (other, _) => other.clone(),
        };
        let shown = value.to_string();
        serde_json::from_value(value).map_err(|_| {
            anyhow!(
                "size: {shown} does not fit; allowed: whole numbers `shortest_edge` and `longest_edge`, `height` and `width`, or `max_height` and `max_width`"
            )
        })
    }
}

impl Size {
    fn check(self, check: &mut Check) {
        match self {
            Self::Fixed(sides) => sides.check(check),
            Self::Within(within) => {
                check.range("max_height", within.max_height, SIDES);
                check.range("max_width", within.max_width, SIDES);
            }
            // A bound that no picture reaches is none.
            Self::Edges(edges) => check.range("shortest_edge", edges.shortest_edge, SIDES),
        }
    }

    /// As Python computes it: in double precision, cut off, `round` to the even number.
    fn of(self, height: usize, width: usize) -> (usize, usize) {
        let (h, w) = (height as f64, width as f64);
        match self {
            Self::Fixed(Sides { height, width }) => (height, width),
            Self::Within(Within {
                max_height,
                max_width,
            }) => {
                let scale = (max_height as f64 / h).min(max_width as f64 / w);
                ((h * scale) as usize, (w * scale) as usize)
            }
            Self::Edges(Edges {
                shortest_edge,
                longest_edge,
            }) => {
                let (short, long) = (h.min(w), h.max(w));
                let mut raw = shortest_edge as f64;
                if long / short * raw > longest_edge as f64 {
                    raw = longest_edge as f64 * short / long;
                }
                let edge = raw.round_ties_even() as usize;
                if short as usize == edge {
                    (height, width)
                } else if width < height {
                    ((raw * h / w) as usize, edge)
                } else {
                    (edge, (raw * w / h) as usize)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(json: Value) -> String {
        format!("{:#}", Preprocessor::parse(json).expect_err("refused"))
    }

    #[test]
    fn sizes_are_transformers() {
        let target = |size: Value, divisor: usize, from: (usize, usize)| {
            let json = json!({ "size": size, "size_divisor": divisor });
            Preprocessor::parse(json)
                .unwrap()
                .target(from.0, from.1)
                .unwrap()
        };
        let edges = || json!({ "shortest_edge": 800, "longest_edge": 1333, "height": null });
        assert_eq!(target(edges(), 1, (480, 640)), (800, 1066));
        assert_eq!(target(edges(), 32, (480, 640)), (800, 1088));
        assert_eq!(target(edges(), 1, (800, 900)), (800, 900), "nothing to do");
        // 1333 * 240 / 640 = 499.875: the edge is rounded, and the other side is computed without rounding.
        assert_eq!(target(edges(), 1, (240, 640)), (500, 1333));
        assert_eq!(target(edges(), 1, (640, 240)), (1333, 500));
        assert_eq!(
            target(json!({ "height": 30, "width": 50 }), 1, (7, 9)),
            (30, 50)
        );
        assert_eq!(
            target(json!({ "max_height": 30, "max_width": 50 }), 1, (60, 80)),
            (30, 40)
        );
        let old = json!({ "size": 800, "max_size": 1333, "size_divisibility": 32 });
        assert_eq!(
            Preprocessor::parse(old).unwrap().target(480, 640).unwrap(),
            (800, 1088)
        );
        let error = Preprocessor::parse(json!({}))
            .unwrap()
            .target(1, 40_000)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("1 x 40000 pixels would be resized to 0 x"),
            "{error}"
        );
    }

    #[test]
    fn values_are_scaled_normalised_and_padded_with_zero() {
        let json = json!({
            "do_resize": false, "rescale_factor": 0.5, "image_mean": [1.0, 2.0, 3.0], "image_std": [1.0, 2.0, 4.0],
            "pad_size": { "height": 2, "width": 3 },
        });
        let picture = Picture::new(1, 2, vec![10, 20, 30, 2, 4, 6]);
        let Images { map, sizes } = Preprocessor::parse(json.clone())
            .unwrap()
            .input(&picture)
            .unwrap();
        assert_eq!((map.height, map.width, &sizes[..]), (2, 3, &[(1, 2)][..]));
        let expected = [4.0, 4.0, 3.0, 0.0, 0.0, 0.0];
        assert_eq!(map.data.values()[..6], expected);
        assert!(map.data.values()[6..].iter().all(|value| *value == 0.0));
        let large = Picture::new(3, 2, vec![0; 18]);
        let error = Preprocessor::parse(json)
            .unwrap()
            .input(&large)
            .unwrap_err();
        assert!(error.to_string().contains("`pad_size`"), "{error}");
    }

    #[test]
    fn what_has_no_meaning_is_refused_by_key() {
        for (json, part) in [
            (
                json!({ "image_processor_type": "DetrImageProcessor" }),
                "image_processor_type: unknown `DetrImageProcessor`",
            ),
            (
                json!({ "size": { "shortest_edge": 800 } }),
                "size: {\"shortest_edge\":800} does not fit",
            ),
            (
                json!({ "resample": 9 }),
                "resample: 9 is out of range; allowed: 0 to 5",
            ),
            (
                json!({ "image_std": [0.0, 1.0, 1.0] }),
                "image_std: 0 is out of range; allowed: above 0",
            ),
            (json!({ "do_resize": "yes" }), "do_resize: "),
            (
                json!({ "pad_size": { "height": 4, "width": 1u64 << 62 } }),
                "pad_size.width: 4611686018427387904 is out of range; allowed: 1 to 32768",
            ),
            (
                json!({ "size": { "height": 1u64 << 31, "width": 4 } }),
                "size.height: 2147483648 is out of range; allowed: 1 to 32768",
            ),
            (
                json!({ "size_divisor": 1u64 << 62 }),
                "size_divisor: 4611686018427387904 is out of range; allowed: 0 to 32768",
            ),
        ] {
            let error = refused(json);
            assert!(error.contains(part), "{part} in {error}");
        }
    }
}
