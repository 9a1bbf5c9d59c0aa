//! The named arrays of safetensors files of any floating-point type, read as `f32`.
//!
//! A folder has the form that Hugging Face's `save_pretrained` writes: `model.safetensors`, or
//! `model.safetensors.index.json` and the parts that it lists. Files are read as a whole: nearly every value
//! is needed and is copied into the layout of the kernels anyway.

use anyhow::{Context, Result, bail, ensure};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The default stem of the files of a model.
const STEM: &str = "model";
/// The single file of a small model.
pub const SINGLE: &str = "model.safetensors";
/// Number of bytes before the header of a safetensors file.
const LENGTH: usize = 8;

/// All arrays of a file or of a folder.
#[derive(Debug)]
pub struct Arrays {
    path: PathBuf,
    files: Vec<Vec<u8>>,
    entries: BTreeMap<String, ArrayEntry>,
}

/// One array and its place in the file.
#[derive(Clone, Debug)]
pub struct ArrayEntry {
    /// The type of its values.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
    file: usize,
    bytes: Range<usize>,
}

/// The content of `*.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Arrays {
    /// Opens a file, or a folder in Hugging Face's form.
    ///
    /// # Errors
    /// A file is missing, truncated or not a safetensors file. The error names it.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Self::open_folder(path, STEM);
        }
        let mut arrays = Self::empty(path);
        arrays.add(path, None)?;
        Ok(arrays)
    }

    /// Opens `stem.safetensors` of `folder`, or the parts that `stem.safetensors.index.json` lists.
    ///
    /// # Errors
    /// Neither exists, or a file is missing, truncated or not a safetensors file. The error names it.
    pub fn open_folder(folder: &Path, stem: &str) -> Result<Self> {
        let single = folder.join(format!("{stem}.safetensors"));
        let index = folder.join(format!("{stem}.safetensors.index.json"));
        if single.exists() {
            return Self::open(&single);
        }
        ensure!(
            index.exists(),
            "{}: holds neither {stem}.safetensors nor {stem}.safetensors.index.json",
            folder.display()
        );
        let mut arrays = Self::empty(&index);
        arrays.add_parts(folder)?;
        Ok(arrays)
    }

    fn empty(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            files: Vec::new(),
            entries: BTreeMap::new(),
        }
    }

    /// The file, or the list of its parts.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every array with its name, sorted by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &ArrayEntry)> {
        self.entries
            .iter()
            .map(|(name, entry)| (name.as_str(), entry))
    }

    /// The array `name`.
    pub fn get(&self, name: &str) -> Option<&ArrayEntry> {
        self.entries.get(name)
    }

    /// Returns true if an array's name starts with `prefix`.
    pub fn holds(&self, prefix: &str) -> bool {
        let mut from = self.entries.range(prefix.to_string()..);
        from.next()
            .is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// The number of values in all arrays.
    pub fn count(&self) -> usize {
        let count = |entry: &ArrayEntry| entry.shape.iter().product::<usize>();
        self.entries.values().map(count).sum()
    }

    /// The values of `entry`; none if [`ArrayEntry::is_float`] is false for its type.
    pub fn values(&self, entry: &ArrayEntry) -> Option<Vec<f32>> {
        let bytes = &self.files[entry.file][entry.bytes.clone()];
        let floats = match entry.dtype {
            Dtype::F32 => numbers(bytes, f32::from_le_bytes),
            Dtype::F64 => numbers(bytes, |b| f64::from_le_bytes(b) as f32),
            Dtype::F16 => numbers(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => numbers(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            _ => return None,
        };
        Some(floats)
    }

    /// Returns true if all values of `entry` are finite. Values of a type for which [`ArrayEntry::is_float`] is
    /// false are not checked.
    pub fn is_finite(&self, entry: &ArrayEntry) -> bool {
        let values = self.values(entry).unwrap_or_default();
        values.iter().all(|value| value.is_finite())
    }

    /// Reads `path` and keeps the arrays in `wanted`, or all.
    fn add(&mut self, path: &Path, wanted: Option<&BTreeSet<String>>) -> Result<()> {
        let shown = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("{shown}: cannot be read"))?;
        let (header, metadata) = SafeTensors::read_metadata(&bytes)
            .with_context(|| format!("{shown}: not a complete safetensors file"))?;
        for (name, info) in metadata.tensors() {
            if wanted.is_some_and(|wanted| !wanted.contains(&name)) {
                continue;
            }
            let (start, end) = info.data_offsets;
            let entry = ArrayEntry {
                dtype: info.dtype,
                shape: info.shape.clone(),
                file: self.files.len(),
                bytes: LENGTH + header + start..LENGTH + header + end,
            };
            self.entries.insert(name, entry);
        }
        self.files.push(bytes);
        Ok(())
    }

    fn add_parts(&mut self, folder: &Path) -> Result<()> {
        let path = self.path.clone();
        let shown = path.display();
        let text = std::fs::read(&path).with_context(|| format!("{shown}: cannot be read"))?;
        let index: Index = serde_json::from_slice(&text)
            .with_context(|| format!("{shown}: not a list of the parts of a model"))?;
        let mut parts: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (name, part) in &index.weight_map {
            parts.entry(part).or_default().insert(name.clone());
        }
        for (part, names) in parts {
            let inside = Path::new(part).file_name().is_some_and(|name| name == part);
            ensure!(inside, "{shown}: `{part}` is not a file of this folder");
            self.add(&folder.join(part), Some(&names))?;
            let lost = names.iter().find(|name| !self.entries.contains_key(*name));
            if let Some(name) = lost {
                bail!("{shown}: {part} holds no `{name}`");
            }
        }
        Ok(())
    }
}

impl ArrayEntry {
    /// Returns true if its values can be read as `f32`.
    pub fn is_float(&self) -> bool {
        matches!(
            self.dtype,
            Dtype::F32 | Dtype::F64 | Dtype::F16 | Dtype::BF16
        )
    }
}

/// Turns little-endian bytes into numbers of `N` bytes each.
fn numbers<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (whole, _) = bytes.as_chunks::<N>();
    whole.iter().map(|bytes| number(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn file(path: &Path, name: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) {
        let view = TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        safetensors::serialize_to_file([(name, view)], None, path).unwrap();
    }

    #[test]
    fn every_floating_point_type_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let values = [1.5f32, -0.25];
        let cases: [(Dtype, Vec<u8>); 4] = [
            (
                Dtype::F32,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            (
                Dtype::F64,
                values
                    .iter()
                    .flat_map(|v| f64::from(*v).to_le_bytes())
                    .collect(),
            ),
            (
                Dtype::F16,
                values
                    .iter()
                    .flat_map(|v| f16::from_f32(*v).to_le_bytes())
                    .collect(),
            ),
            (
                Dtype::BF16,
                values
                    .iter()
                    .flat_map(|v| bf16::from_f32(*v).to_le_bytes())
                    .collect(),
            ),
        ];
        for (dtype, bytes) in cases {
            file(&path, "a", dtype, &[2], &bytes);
            let arrays = Arrays::open(&path).unwrap();
            let entry = arrays.get("a").unwrap();
            assert!(entry.is_float());
            assert_eq!(arrays.values(entry).unwrap(), values, "{dtype:?}");
        }
        file(&path, "a", Dtype::I64, &[1], &[0; 8]);
        let arrays = Arrays::open(&path).unwrap();
        let entry = arrays.get("a").unwrap();
        assert!(!entry.is_float() && arrays.values(entry).is_none());
    }

    #[test]
    fn the_parts_of_a_folder_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let part = |name: &str| folder.path().join(name);
        let error = |folder: &Path| format!("{:#}", Arrays::open(folder).unwrap_err());
        assert!(error(folder.path()).contains("holds neither model.safetensors"));
        file(
            &part("one.safetensors"),
            "a",
            Dtype::F32,
            &[1],
            &1f32.to_le_bytes(),
        );
        file(
            &part("two.safetensors"),
            "b",
            Dtype::F32,
            &[1],
            &2f32.to_le_bytes(),
        );
        let index = |map: &str| {
            std::fs::write(
                part("model.safetensors.index.json"),
                format!("{{\"weight_map\": {map}}}"),
            )
        };
        index(r#"{"a": "one.safetensors", "b": "two.safetensors"}"#).unwrap();
        let arrays = Arrays::open(folder.path()).unwrap();
        let value = |name| arrays.values(arrays.get(name).unwrap()).unwrap();
        assert_eq!((value("a"), value("b")), (vec![1.0], vec![2.0]));
        assert_eq!(arrays.count(), 2);
        assert!(arrays.holds("") && arrays.holds("b") && !arrays.holds("aa"));
        let other = Arrays::open_folder(folder.path(), "other").unwrap_err();
        let nowhere = "holds neither other.safetensors nor other.safetensors.index.json";
        assert!(other.to_string().contains(nowhere), "{other}");
        index(r#"{"a": "one.safetensors", "c": "two.safetensors"}"#).unwrap();
        assert!(error(folder.path()).ends_with("two.safetensors holds no `c`"));
        index(r#"{"a": "../one.safetensors"}"#).unwrap();
        assert!(error(folder.path()).contains("is not a file of this folder"));
    }

    #[test]
    fn a_file_that_is_cut_off_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        file(&path, "a", Dtype::F32, &[4], &[0; 16]);
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 5, 20, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = format!("{:#}", Arrays::open(&path).unwrap_err());
            assert!(
                error.contains("w.safetensors: not a complete safetensors file"),
                "{error}"
            );
        }
    }
}
