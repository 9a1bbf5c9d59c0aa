//! `preprocessor_config.json` of a Hugging Face folder: a picture to the input of the network, as `Mask2FormerImageProcessor` does it
//! with Pillow.
//!
//! $$ x = (v \cdot f - mean) / std $$ of the 8-bit values v of the picture, resized first: the shorter side to
//! `shortest_edge` unless the longer one would exceed `longest_edge`; both sides then rounded up to multiples of
//! `size_divisor`, which stretches the picture a little and pads nothing.
//!
//! Source: `image_processing_pil_mask2former.py` and `get_size_with_aspect_ratio` of transformers 5 (version 4 cuts the shorter side
//! off where it is bounded by `longest_edge`, 5 rounds it). `Mask2FormerImageProcessor` of version 5 and `...Fast` of version 4 resize
//! with torchvision, whose 8-bit values differ from Pillow's by one here and there; every processor is treated as Pillow's here.

use crate::graph::Images;
use crate::structures::{Picture, Resample, resampled};
use crate::tensor::{Map, Tensor2};
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// The file.
pub const FILE: &str = "preprocessor_config.json";
/// How the names of the processors that are understood begin.
const KINDS: [&str; 2] = ["Mask2FormerImageProcessor", "MaskFormerImageProcessor"];
/// Largest side of an input: more is a typing mistake.
const LARGEST_SIDE: usize = 1 << 15;
/// Red, green, blue.
const COLOURS: usize = 3;

/// The file's keys, with transformers' defaults.
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

/// How large the picture becomes.
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

/// As large as fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Within {
    max_height: usize,
    max_width: usize,
}

/// Pictures to inputs.
#[derive(Clone, Debug)]
pub struct Preprocessor {
    size: Option<Size>,
    divisor: usize,
    resample: Resample,
    /// By which 8-bit values are multiplied, if they are.
    factor: Option<f64>,
    /// Mean and standard deviation of every colour, if they are normalised.
    normal: Option<([f32; COLOURS], [f32; COLOURS])>,
    pad: Option<Sides>,
}

impl Preprocessor {
    /// Reads the file of `folder`.
    ///
    /// # Errors
    /// A file that is missing or no JSON, another processor, or a value that has no meaning here.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let shown = path.display();
        let text = std::fs::read(&path).with_context(|| format!("{shown}: cannot be read"))?;
        let json = serde_json::from_slice(&text).with_context(|| format!("{shown}: no JSON"))?;
        Self::parse(json).with_context(|| format!("{shown}: cannot be used"))
    }

    fn parse(json: Value) -> Result<Self> {
        let keys: Keys = serde_path_to_error::deserialize(json)
            .map_err(|error| anyhow!("`{}`: {}", error.path(), error.inner()))?;
        if let Some(kind) = &keys.image_processor_type {
            let known = KINDS.iter().any(|known| kind.starts_with(known));
            ensure!(
                known,
                "`image_processor_type` is `{kind}`, must be `{}`",
                KINDS[0]
            );
        }
        let Some(resample) = Resample::from_pillow(keys.resample) else {
            bail!(
                "`resample` is {}, must be one of Pillow's filters 0 to 5",
                keys.resample
            )
        };
        let mean = keys.image_mean.map(|mean| mean as f32);
        let std = keys.image_std.map(|std| std as f32);
        ensure!(
            std.iter().all(|std| *std > 0.0),
            "`image_std` is {:?}, must be above 0",
            keys.image_std
        );
        let size = keys.do_resize.then(|| keys.size()).transpose()?;
        Ok(Self {
            size,
            divisor: keys
                .size_divisor
                .or(keys.size_divisibility)
                .unwrap_or(32)
                .max(1),
            resample,
            factor: keys.do_rescale.then_some(keys.rescale_factor),
            normal: keys.do_normalize.then_some((mean, std)),
            pad: keys.pad_size,
        })
    }

    /// The network's input for `picture`.
    ///
    /// # Errors
    /// A picture so long and narrow that nothing of it, or far too much, would be left; one that is larger than the padding.
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

    /// The value of every 8-bit level, per colour, rounded to `f32` where numpy rounds.
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

    /// Rows and columns of a picture of `height` x `width` after resizing.
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

impl Keys {
    fn size(&self) -> Result<Size> {
        let value = match (&self.size, self.max_size) {
            // Folders of older versions: one number, and the bound of the longer side.
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
                "`size` is {shown}, must have whole numbers `shortest_edge` and `longest_edge`, `height` and `width`, or `max_height` and `max_width`"
            )
        })
    }
}

impl Size {
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
        // 1333 * 240 / 640 = 499.875: the edge is rounded, the other side computed without rounding.
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
                "`image_processor_type` is `DetrImageProcessor`",
            ),
            (
                json!({ "size": { "shortest_edge": 800 } }),
                "`size` is {\"shortest_edge\":800}",
            ),
            (json!({ "resample": 9 }), "`resample` is 9"),
            (json!({ "image_std": [0.0, 1.0, 1.0] }), "`image_std`"),
            (json!({ "do_resize": "yes" }), "`do_resize`: "),
        ] {
            let error = refused(json);
            assert!(error.contains(part), "{part} in {error}");
        }
    }
}
