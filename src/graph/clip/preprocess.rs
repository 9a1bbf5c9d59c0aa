//! Prepares pictures for a released CLIP in the same way as in its training: they are resized, cropped,
//! scaled and normalised.
//!
//! `$$ y = \frac{f\,x - \mu}{\sigma}, \qquad x \in \{0, \dots, 255\},\ f = \tfrac{1}{255} $$`
//!
//! The geometry is that of `CLIPImageProcessor` (Hugging Face) or of torchvision's `Resize` and `CenterCrop`
//! (OpenCLIP): the shorter side is resized to a given length, and the centre is cropped. They differ in the
//! first pixel of the crop if the margin is odd.

use crate::structures::{Picture, Resample, resampled};
use crate::tensor::{Map, Tensor2};
use anyhow::{Result, anyhow, bail, ensure};
use serde_json::Value;
use std::path::Path;

/// Mean and standard deviation of the channels in CLIP's training.
const MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const DEVIATION: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];
/// The default side of the pictures.
const SIDE: usize = 224;
/// The longest side that a picture is resized to.
const LONGEST: usize = 1 << 14;
/// The largest ratio of the sides of a picture. Beyond it, resizing the shorter side would need too much
/// memory.
const MOST_RATIO: usize = 200;

/// The preparation of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    resize: Option<Resize>,
    filter: Resample,
    crop: Option<Crop>,
    /// f.
    factor: f32,
    mean: [f32; 3],
    deviation: [f32; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resize {
    /// The length of the shorter side in pixels.
    Shortest(usize),
    /// Height and width.
    Exact(usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Crop {
    height: usize,
    width: usize,
    /// The rounding of half of an odd margin: to the even neighbour (torchvision), or down (Hugging Face).
    half_to_even: bool,
}

impl Preprocess {
    /// Reads a `preprocessor_config.json`. Missing keys have the defaults of `CLIPImageProcessor`.
    ///
    /// # Errors
    /// A value is not supported.
    pub fn hugging_face(path: &Path, config: Value) -> Result<Self> {
        let keys = Keys(path, "", &config);
        let size = match &config["size"] {
            Value::Object(sides) if sides.contains_key("height") => {
                let [height, width] = keys.square("size", SIDE)?;
                Resize::Exact(height, width)
            }
            Value::Object(_) => {
                let side = Keys(path, "size.", &config["size"]).side("shortest_edge", SIDE)?;
                Resize::Shortest(side)
            }
            _ => Resize::Shortest(keys.side("size", SIDE)?),
        };
        let [height, width] = keys.square("crop_size", SIDE)?;
        let crop = Crop {
            height,
            width,
            half_to_even: false,
        };
        let filter = match &config["resample"] {
            Value::Null => Some(Resample::Bicubic),
            number => number.as_u64().and_then(Resample::from_pillow),
        };
        let Some(filter) = filter else {
            bail!(
                "{}: resample: unknown {}; known: Pillow's numbers from 0 to 5",
                path.display(),
                config["resample"]
            )
        };
        let normalise = keys.flag("do_normalize")?;
        let factor = match keys.flag("do_rescale")? {
            true => keys.number("rescale_factor", 1.0 / 255.0)?,
            false => 1.0,
        };
        let (mean, deviation) = match normalise {
            true => (
                keys.triple("image_mean", MEAN)?,
                keys.triple("image_std", DEVIATION)?,
            ),
            false => ([0.0; 3], [1.0; 3]),
        };
        Ok(Self {
            resize: keys.flag("do_resize")?.then_some(size),
            filter,
            crop: keys.flag("do_center_crop")?.then_some(crop),
            factor: factor as f32,
            mean,
            deviation,
        })
    }

    /// Reads the `preprocess_cfg` of an `open_clip_config.json`, for a network trained on pictures of `side`
    /// pixels.
    ///
    /// # Errors
    /// A value is not supported.
    pub fn open_clip(path: &Path, side: Option<u64>, config: Value) -> Result<Self> {
        let keys = Keys(path, "preprocess_cfg.", &config);
        let side = side.map_or(SIDE, |side| side as usize);
        let [height, width] = keys.square("size", side)?;
        let filter = match config["interpolation"].as_str() {
            None | Some("bicubic") => Resample::Bicubic,
            Some("bilinear") => Resample::Bilinear,
            Some(other) => bail!(
                "{}: preprocess_cfg.interpolation: unknown `{other}`; known: `bicubic`, `bilinear`",
                path.display()
            ),
        };
        let resize = match config["resize_mode"].as_str() {
            None | Some("shortest") if height == width => Resize::Shortest(height),
            Some("squash") => Resize::Exact(height, width),
            other => bail!(
                "{}: preprocess_cfg.resize_mode: unknown `{}` for {height} x {width}; known: `shortest` (squares), `squash`",
                path.display(),
                other.unwrap_or("shortest")
            ),
        };
        let crop = Crop {
            height,
            width,
            half_to_even: true,
        };
        Ok(Self {
            resize: Some(resize),
            filter,
            crop: Some(crop),
            factor: 1.0 / 255.0,
            mean: keys.triple("mean", MEAN)?,
            deviation: keys.triple("std", DEVIATION)?,
        })
    }

    /// The picture as the input of the network, a map of batch 1.
    ///
    /// # Errors
    /// A side has only one pixel, or one side is more than 200 times the other.
    pub fn apply(&self, picture: &Picture) -> Result<Map> {
        let (height, width) = (picture.height, picture.width);
        let (short, long) = (height.min(width), height.max(width));
        ensure!(
            short > 1,
            "{width} x {height} pixels (width x height); at least 2 on every side are needed"
        );
        ensure!(
            long <= MOST_RATIO * short,
            "{width} x {height} pixels (width x height); no side may be more than {MOST_RATIO} times the other"
        );
        let resized = match self.resize {
            None => picture.clone(),
            Some(Resize::Exact(height, width)) => resampled(picture, height, width, self.filter),
            Some(Resize::Shortest(side)) => {
                let other = side * long / short;
                let (height, width) = if height <= width {
                    (side, other)
                } else {
                    (other, side)
                };
                resampled(picture, height, width, self.filter)
            }
        };
        Ok(match self.crop {
            Some(crop) => self.normalised(&crop.apply(&resized)),
            None => self.normalised(&resized),
        })
    }

    /// The same preparation without normalisation: pixels stay between 0 and 255.
    pub fn without_normalisation(self) -> Self {
        Self {
            factor: 1.0,
            mean: [0.0; 3],
            deviation: [1.0; 3],
            ..self
        }
    }

    /// The picture with `height` x `width` pixels, not normalised.
    pub fn resized(&self, picture: &Picture, height: usize, width: usize) -> Picture {
        resampled(picture, height, width, self.filter)
    }

    /// The picture at its own size, scaled and normalised.
    pub fn normalised(&self, picture: &Picture) -> Map {
        let pixels = picture.pixels.iter().zip((0..3).cycle());
        let values = pixels
            .map(|(x, c)| (f32::from(*x) * self.factor - self.mean[c]) / self.deviation[c])
            .collect();
        let count = picture.height * picture.width;
        Map::new(
            Tensor2::constant(values, count, 3),
            1,
            picture.height,
            picture.width,
        )
    }
}

impl Crop {
    /// The centre of a picture; black where it has no pixels.
    fn apply(self, picture: &Picture) -> Picture {
        let (top, left) = (
            self.margin(picture.height, self.height),
            self.margin(picture.width, self.width),
        );
        let mut pixels = vec![0; self.height * self.width * 3];
        let place = |start: isize, i: usize, side: usize| {
            let place = start + i as isize;
            (0..side as isize)
                .contains(&place)
                .then_some(place as usize)
        };
        for (row, line) in pixels.chunks_exact_mut(self.width * 3).enumerate() {
            let Some(y) = place(top, row, picture.height) else {
                continue;
            };
            for (column, pixel) in line.chunks_exact_mut(3).enumerate() {
                if let Some(x) = place(left, column, picture.width) {
                    let from = (y * picture.width + x) * 3;
                    pixel.copy_from_slice(&picture.pixels[from..from + 3]);
                }
            }
        }
        Picture::new(self.height, self.width, pixels)
    }

    /// The first of the `kept` pixels in the middle of `length`.
    fn margin(self, length: usize, kept: usize) -> isize {
        let margin = length as isize - kept as isize;
        let half = margin.div_euclid(2);
        let odd = margin.rem_euclid(2) == 1 && half.rem_euclid(2) == 1;
        half + isize::from(self.half_to_even && odd)
    }
}

/// The keys of a JSON object in a file. Errors name both.
struct Keys<'a>(&'a Path, &'a str, &'a Value);

impl Keys<'_> {
    fn wrong(&self, key: &str, needed: &str) -> anyhow::Error {
        let Self(path, prefix, table) = self;
        let (shown, found) = (path.display(), &table[key]);
        anyhow!("{shown}: {prefix}{key}: {found} does not fit; allowed: {needed}")
    }

    /// A side in pixels.
    fn side(&self, key: &str, default: usize) -> Result<usize> {
        match &self.2[key] {
            Value::Null => Ok(default),
            value => value
                .as_u64()
                .map(|side| side as usize)
                .filter(|side| (1..=LONGEST).contains(side))
                .ok_or_else(|| self.wrong(key, &format!("a number of pixels up to {LONGEST}"))),
        }
    }

    /// Height and width: one number, a list of two, or an object.
    fn square(&self, key: &str, default: usize) -> Result<[usize; 2]> {
        let Self(path, prefix, table) = self;
        match &table[key] {
            value @ Value::Object(_) => {
                let prefix = format!("{prefix}{key}.");
                let keys = Keys(path, &prefix, value);
                Ok([keys.side("height", default)?, keys.side("width", default)?])
            }
            Value::Array(sides) if sides.len() == 2 => {
                let sides = serde_json::json!({"height": sides[0], "width": sides[1]});
                let prefix = format!("{prefix}{key}.");
                let keys = Keys(path, &prefix, &sides);
                Ok([keys.side("height", default)?, keys.side("width", default)?])
            }
            _ => self.side(key, default).map(|side| [side; 2]),
        }
    }

    fn flag(&self, key: &str) -> Result<bool> {
        match &self.2[key] {
            Value::Null => Ok(true),
            value => value
                .as_bool()
                .ok_or_else(|| self.wrong(key, "true or false")),
        }
    }

    fn number(&self, key: &str, default: f64) -> Result<f64> {
        match &self.2[key] {
            Value::Null => Ok(default),
            value => value.as_f64().ok_or_else(|| self.wrong(key, "a number")),
        }
    }

    /// Three numbers, or one number that stands for three. None may be 0 if they are used as divisors.
    fn triple(&self, key: &str, default: [f64; 3]) -> Result<[f32; 3]> {
        let wrong = || self.wrong(key, "a number or a list of three");
        let triple = match &self.2[key] {
            Value::Null => default,
            Value::Array(values) => {
                let values: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
                values.try_into().map_err(|_| wrong())?
            }
            value => [value.as_f64().ok_or_else(wrong)?; 3],
        };
        Ok(triple.map(|value| value as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hugging_face(config: Value) -> Result<Preprocess> {
        Preprocess::hugging_face(Path::new("preprocessor_config.json"), config)
    }

    #[test]
    fn sizes_may_be_numbers_or_objects() {
        let small = json!({"size": 8, "crop_size": 6});
        let same = json!({"size": {"shortest_edge": 8}, "crop_size": {"height": 6, "width": 6}});
        assert_eq!(hugging_face(small).unwrap(), hugging_face(same).unwrap());
        let exact = hugging_face(json!({"size": {"height": 4, "width": 9}})).unwrap();
        assert_eq!(exact.resize, Some(Resize::Exact(4, 9)));
    }

    #[test]
    fn wrong_values_are_named() {
        for (config, part) in [
            (
                json!({"size": "big"}),
                "size: \"big\" does not fit; allowed: a number of pixels",
            ),
            (
                json!({"size": {"shortest_edge": 0}}),
                "size.shortest_edge: 0",
            ),
            (json!({"resample": 6}), "resample: unknown 6"),
            (json!({"image_mean": [1, 2]}), "image_mean"),
            (
                json!({"do_resize": 1}),
                "do_resize: 1 does not fit; allowed: true or false",
            ),
        ] {
            let text = format!("{:#}", hugging_face(config).expect_err(part));
            assert!(text.contains(part), "{text}");
            assert!(text.contains("preprocessor_config.json"), "{text}");
        }
    }

    #[test]
    fn the_middle_begins_where_the_references_begin() {
        let crop = |half_to_even| Crop {
            height: 4,
            width: 4,
            half_to_even,
        };
        let starts = |half_to_even| [5, 6, 7, 8].map(|n| crop(half_to_even).margin(n, 4));
        // (n - 4) // 2, and int(round((n - 4) / 2)) in Python.
        assert_eq!(starts(false), [0, 1, 1, 2]);
        assert_eq!(starts(true), [0, 1, 2, 2]);
    }

    #[test]
    fn a_picture_is_resized_cropped_and_normalised() {
        let config = json!({"size": 4, "crop_size": 4, "image_mean": 0.5, "image_std": 0.5});
        let preprocess = hugging_face(config).unwrap();
        let map = preprocess
            .apply(&Picture::new(8, 12, vec![255; 288]))
            .unwrap();
        assert_eq!((map.height, map.width), (4, 4));
        assert!(map.data.values().iter().all(|v| (v - 1.0).abs() < 1e-6));
        for (height, width) in [(1, 1), (1, 9), (2, 401)] {
            let picture = Picture::new(height, width, vec![0; height * width * 3]);
            assert!(preprocess.apply(&picture).is_err(), "{height} x {width}");
        }
    }
}
