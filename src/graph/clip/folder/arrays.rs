//! The arrays of a folder's safetensors: one file, or several with an index.
//!
//! Numbers may be stored as F32, F16 or BF16; they are converted when they are taken. All that does not fit a network is told in
//! one message.

use crate::nn::params::{Param, Parameters};
use anyhow::{Context, Result, bail, ensure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Longest list of names in an error.
const LISTED: usize = 20;

/// The content of the weight files of a folder.
pub struct Files(Vec<(PathBuf, Vec<u8>)>);

/// `*.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Files {
    /// Reads `folder/stem.safetensors`, or the files that `folder/stem.safetensors.index.json` names.
    ///
    /// # Errors
    /// Neither is there, or one cannot be read.
    pub fn read(folder: &Path, stem: &str) -> Result<Self> {
        let single = folder.join(format!("{stem}.safetensors"));
        let index = folder.join(format!("{stem}.safetensors.index.json"));
        let paths = if single.exists() {
            vec![single]
        } else if index.exists() {
            let shown = index.display();
            let text = std::fs::read(&index).with_context(|| format!("{shown}: cannot be read"))?;
            let Index { weight_map } = serde_json::from_slice(&text)
                .with_context(|| format!("{shown}: not an index of safetensors files"))?;
            let names: BTreeSet<&String> = weight_map.values().collect();
            let plain = |name: &str| Path::new(name).file_name() == Some(name.as_ref());
            for name in &names {
                ensure!(
                    plain(name),
                    "{shown}: `{name}` is not the name of a file beside it"
                );
            }
            names.into_iter().map(|name| folder.join(name)).collect()
        } else {
            bail!(
                "{}: no such file, nor {stem}.safetensors.index.json",
                single.display()
            );
        };
        let read = |path: PathBuf| {
            let bytes = std::fs::read(&path)
                .with_context(|| format!("{}: cannot be read", path.display()))?;
            Ok((path, bytes))
        };
        Ok(Self(paths.into_iter().map(read).collect::<Result<_>>()?))
    }

    /// The arrays of all files.
    ///
    /// # Errors
    /// A file that is no safetensors file (truncated, corrupt), or a name that two files have.
    pub fn arrays(&self) -> Result<Arrays<'_>> {
        let mut views = BTreeMap::new();
        for (path, bytes) in &self.0 {
            let shown = path.display();
            let file = SafeTensors::deserialize(bytes)
                .with_context(|| format!("{shown}: not a whole safetensors file"))?;
            for (name, view) in file.tensors() {
                ensure!(
                    !views.contains_key(&name),
                    "{shown}: `{name}` is in two files"
                );
                views.insert(name, view);
            }
        }
        let shown = match &self.0[..] {
            [(path, _)] => path.display().to_string(),
            files => {
                let names = files.iter().map(|(path, _)| path.display().to_string());
                names.collect::<Vec<_>>().join(", ")
            }
        };
        Ok(Arrays { shown, views })
    }
}

/// Named arrays.
pub struct Arrays<'a> {
    shown: String,
    views: BTreeMap<String, TensorView<'a>>,
}

/// Where a parameter comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Arrays, one below the other.
    pub names: Vec<String>,
    /// Whether a matrix is stored the other way round.
    pub transposed: bool,
}

impl Origin {
    /// One array as it is.
    pub fn plain(name: impl Into<String>) -> Self {
        Self {
            names: vec![name.into()],
            transposed: false,
        }
    }
}

impl Arrays<'_> {
    /// What an error calls the files.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The shape of an array.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.views.get(name).map(TensorView::shape)
    }

    /// Whether an array's name starts with `prefix`.
    pub fn any(&self, prefix: &str) -> bool {
        let mut from = self.views.range(prefix.to_string()..);
        from.next()
            .is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// Numbers in all arrays.
    pub fn count(&self) -> usize {
        let count = |view: &TensorView| view.shape().iter().product::<usize>();
        self.views.values().map(count).sum()
    }

    /// Sets every parameter of `model`, told where it comes from. `config`: the file that the model was made after; `ignored`: names
    /// that need no place.
    ///
    /// # Errors
    /// Names that are missing, have another shape or type, or no place: all of them together.
    pub fn fill(
        &self,
        model: &mut dyn Parameters,
        config: &str,
        origin: impl Fn(&str) -> Origin,
        ignored: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let mut left: BTreeSet<&str> = self.views.keys().map(String::as_str).collect();
        left.retain(|name| !ignored(name));
        let mut problems = Vec::new();
        model.parameters("", &mut |ours, param| {
            let Origin { names, transposed } = origin(ours);
            let mut shape = param.shape.clone();
            if transposed {
                shape.reverse();
            }
            if names.len() > 1 {
                shape[0] /= names.len();
            }
            let before = problems.len();
            let mut values = Vec::with_capacity(param.value.len());
            for name in &names {
                left.remove(name.as_str());
                match self.views.get(name) {
                    None => problems.push(format!("`{name}` is missing, must be {shape:?}")),
                    Some(view) if view.shape() != shape => {
                        let found = view.shape();
                        problems.push(format!("`{name}` is {found:?}, must be {shape:?}"));
                    }
                    Some(view) => match numbers(view) {
                        Some(numbers) => values.extend(numbers),
                        None => problems.push(format!(
                            "`{name}` is {:?}, must be F32, F16 or BF16",
                            view.dtype()
                        )),
                    },
                }
            }
            if problems.len() == before {
                set(param, &values, transposed);
            }
        });
        problems.extend(
            left.into_iter()
                .map(|name| format!("`{name}` has no place in this model")),
        );
        if problems.is_empty() {
            return Ok(());
        }
        let more = problems.len().saturating_sub(LISTED);
        problems.truncate(LISTED);
        if more > 0 {
            problems.push(format!("and {more} more"));
        }
        bail!(
            "{} does not fit {config}:\n  {}",
            self.shown,
            problems.join("\n  ")
        )
    }
}

/// Writes values in the order of a file.
fn set(param: &mut Param, values: &[f32], transposed: bool) {
    if !transposed {
        return param.set_from_reference(values);
    }
    let (rows, columns) = (param.value.rows(), param.value.columns());
    let turned = (0..rows * columns).map(|i| values[i % columns * rows + i / columns]);
    let turned: Vec<f32> = turned.collect();
    param.value.values_mut().copy_from_slice(&turned);
}

/// The numbers of an array; none where its type is no floating-point type of at most 32 bits.
fn numbers(view: &TensorView) -> Option<Vec<f32>> {
    let two = |convert: fn(u16) -> f32| {
        let pairs = view.data().chunks_exact(2);
        pairs
            .map(|b| convert(u16::from_le_bytes([b[0], b[1]])))
            .collect()
    };
    match view.dtype() {
        Dtype::F32 => {
            let fours = view.data().chunks_exact(4);
            let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            Some(fours.map(number).collect())
        }
        Dtype::F16 => Some(two(from_f16)),
        Dtype::BF16 => Some(two(|bits| f32::from_bits(u32::from(bits) << 16))),
        _ => None,
    }
}

/// IEEE 754 binary16: the exponent has 5 bits with bias 15, the fraction 10.
fn from_f16(bits: u16) -> f32 {
    /// 2^112: the difference of the biases, which also makes subnormal numbers normal.
    const BIAS: f32 = f32::from_bits(239 << 23);
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let magnitude = match bits & 0x7c00 {
        // Infinite or not a number: the largest exponent stays the largest.
        0x7c00 => f32::from_bits(magnitude | 0x7f80_0000),
        _ => f32::from_bits(magnitude) * BIAS,
    };
    if bits & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Linear;
    use crate::nn::params::join;

    #[test]
    fn half_precision_is_read() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
            (0x8000, 0.0),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(from_f16(bits), value, "{bits:#x}");
        }
        assert!(from_f16(0x7e00).is_nan());
    }

    /// Two maps of 2 -> 4 without bias, as `a.weight` and `b.weight`.
    struct Two(Linear, Linear);

    impl Parameters for Two {
        fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
            visit(&join(prefix, "a"), &mut self.0.weight);
            visit(&join(prefix, "b"), &mut self.1.weight);
        }
    }

    fn stored(arrays: &[(&str, Dtype, &[usize], Vec<u8>)]) -> Files {
        let views = arrays.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.to_vec(), bytes).expect("a tensor");
            (name.to_string(), view)
        });
        let bytes = safetensors::serialize(views, None).expect("bytes");
        Files(vec![(PathBuf::from("x.safetensors"), bytes)])
    }

    fn floats(values: impl IntoIterator<Item = u8>) -> Vec<u8> {
        let values = values.into_iter().map(f32::from);
        values.flat_map(f32::to_le_bytes).collect()
    }

    fn origin(ours: &str) -> Origin {
        match ours {
            "a" => Origin {
                names: vec!["top".into(), "bottom".into()],
                transposed: false,
            },
            _ => Origin {
                names: vec!["turned".into()],
                transposed: true,
            },
        }
    }

    #[test]
    fn arrays_are_joined_turned_and_converted() {
        let bf16 = |values: [f32; 4]| {
            let high = values.map(|v| (v.to_bits() >> 16) as u16);
            high.iter().flat_map(|bits| bits.to_le_bytes()).collect()
        };
        let files = stored(&[
            ("top", Dtype::F32, &[2, 2], floats(0..4)),
            ("bottom", Dtype::BF16, &[2, 2], bf16([4.0, 5.0, 6.0, 7.0])),
            ("turned", Dtype::F32, &[2, 4], floats(0..8)),
            ("position_ids", Dtype::I64, &[1], vec![0; 8]),
        ]);
        let arrays = files.arrays().expect("a file");
        let mut model = Two(Linear::zeros(2, 4), Linear::zeros(2, 4));
        arrays
            .fill(&mut model, "config.json", origin, |name| {
                name == "position_ids"
            })
            .expect("a fit");
        assert_eq!(
            model.0.weight.value.values(),
            [0., 1., 2., 3., 4., 5., 6., 7.]
        );
        assert_eq!(
            model.1.weight.value.values(),
            [0., 4., 1., 5., 2., 6., 3., 7.]
        );
        assert_eq!(arrays.count(), 17);
    }

    #[test]
    fn all_that_does_not_fit_is_told_at_once() {
        let files = stored(&[
            ("top", Dtype::F32, &[4], floats(0..4)),
            ("surplus", Dtype::F32, &[1], floats(0..1)),
            ("turned", Dtype::I32, &[2, 4], vec![0; 32]),
        ]);
        let mut model = Two(Linear::zeros(2, 4), Linear::zeros(2, 4));
        let arrays = files.arrays().expect("a file");
        let error = arrays
            .fill(&mut model, "config.json", origin, |_| false)
            .expect_err("a misfit");
        let text = format!("{error:#}");
        for part in [
            "x.safetensors does not fit config.json",
            "`top` is [4], must be [2, 2]",
            "`bottom` is missing, must be [2, 2]",
            "`turned` is I32, must be F32, F16 or BF16",
            "`surplus` has no place",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }
}
