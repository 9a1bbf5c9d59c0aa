//! A checkpoint as a file: written whole, refused with the reason, looked into without its values.

use super::{Array, Checkpoint, Header, VERSION};
use crate::atomic::{Durability, write_durably};
use anyhow::{Context, Result, ensure};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The metadata entry that holds the header.
const HEADER: &str = "harness";
/// Bytes at the start of a safetensors file that hold its header's length.
const LENGTH: usize = 8;
/// Bytes of a file that are compared at once.
const PART: usize = 1 << 20;

impl Checkpoint {
    /// Writes the file, replacing an older one at once.
    ///
    /// # Errors
    /// The folder is not writable or the disk is full.
    pub fn save(&self, path: &Path, durability: Durability) -> Result<()> {
        let bytes: BTreeMap<&str, (Vec<u8>, &Array)> = self
            .arrays
            .iter()
            .map(|(name, array)| {
                let bytes = array
                    .values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                (name.as_str(), (bytes, array))
            })
            .collect();
        let views = bytes.iter().map(|(name, (bytes, array))| {
            Ok((
                *name,
                TensorView::new(Dtype::F32, array.shape.clone(), bytes)?,
            ))
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        let header = HashMap::from([(HEADER.to_string(), serde_json::to_string(&self.header)?)]);
        let bytes = safetensors::serialize(views, Some(header))?;
        write_durably(path, &bytes, durability)
    }

    /// Reads a file that the settings with hash `key` wrote.
    ///
    /// # Errors
    /// The file is unreadable, damaged, of another version, or of other settings.
    pub fn load(path: &Path, key: &str) -> Result<Self, LoadError> {
        let bytes = std::fs::read(path).map_err(|error| LoadError::new(path, error.into()))?;
        let header = Header::parse(&bytes).map_err(|error| LoadError::damaged(path, error))?;
        let foreign = |error| LoadError::new(path, error);
        header.accept(key).map_err(foreign)?;
        Self::parse(header, &bytes).map_err(|error| LoadError::damaged(path, error))
    }

    /// Returns true if the file at `path` is as long as its own header says and has a header of this program.
    /// Its values are not read.
    pub fn is_whole(path: &Path) -> bool {
        let whole = || -> Result<bool> {
            let (metadata, values) = metadata(path)?;
            Header::of(&metadata)?;
            Ok(values == metadata.data_len() as u64)
        };
        whole().unwrap_or(false)
    }

    /// The step of the checkpoint at `path`, of which the header alone is read; none of what is no
    /// checkpoint.
    pub fn step_of(path: &Path) -> Option<usize> {
        let (metadata, _) = metadata(path).ok()?;
        Some(Header::of(&metadata).ok()?.step)
    }

    /// Returns true if the files at `one` and `other` hold the same arrays with the same bits. Their keys and
    /// their methods' states may differ. False if a file cannot be read.
    pub fn same_values(one: &Path, other: &Path) -> bool {
        let same = || -> Result<bool> {
            let (mut one, mut other) = (Values::open(one)?, Values::open(other)?);
            if one.arrays != other.arrays {
                return Ok(false);
            }
            let (mut left, mut right) = (vec![0; PART], vec![0; PART]);
            loop {
                let (left, right) = (one.next(&mut left)?, other.next(&mut right)?);
                if left != right || left.is_empty() {
                    return Ok(left == right);
                }
            }
        };
        same().unwrap_or(false)
    }

    fn parse(header: Header, bytes: &[u8]) -> Result<Self> {
        let mut arrays = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes)?.tensors() {
            ensure!(
                view.dtype() == Dtype::F32,
                "`{name}` is {:?}, not F32",
                view.dtype()
            );
            let values = view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect();
            arrays.insert(
                name,
                Array {
                    shape: view.shape().to_vec(),
                    values,
                },
            );
        }
        Ok(Self { header, arrays })
    }
}

/// The values of a file, read part by part.
struct Values {
    /// The names, shapes and places of the arrays.
    arrays: String,
    file: File,
}

impl Values {
    fn open(path: &Path) -> Result<Self> {
        let (metadata, _) = metadata(path)?;
        let arrays: BTreeMap<String, &TensorInfo> = metadata.tensors().into_iter().collect();
        let mut file = File::open(path)?;
        let mut length = [0; LENGTH];
        file.read_exact(&mut length)?;
        file.seek(SeekFrom::Current(i64::try_from(u64::from_le_bytes(
            length,
        ))?))?;
        Ok(Self {
            arrays: format!("{arrays:?}"),
            file,
        })
    }

    /// The next part; empty at the end.
    fn next<'a>(&mut self, part: &'a mut [u8]) -> Result<&'a [u8]> {
        let mut filled = 0;
        while filled < part.len() {
            match self.file.read(&mut part[filled..])? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(&part[..filled])
    }
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).context("not a safetensors file")?;
        Self::of(&metadata)
    }

    fn of(metadata: &Metadata) -> Result<Self> {
        let header = metadata.metadata().as_ref().and_then(|map| map.get(HEADER));
        let header = header.context("not a checkpoint of the harness")?;
        serde_json::from_str(header).context("its header is damaged")
    }

    fn accept(&self, key: &str) -> Result<()> {
        let (version, other) = (self.version, &self.key);
        ensure!(
            version == VERSION,
            "its version is {version}, this program reads {VERSION}"
        );
        ensure!(
            other == key,
            "it belongs to other settings ({other}, not {key})"
        );
        Ok(())
    }
}

/// The reason why a checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot continue from {}", path.display())]
pub struct LoadError {
    path: PathBuf,
    /// True if the file is truncated or is not a checkpoint. Deleting it then loses nothing more.
    pub damaged: bool,
    source: anyhow::Error,
}

impl LoadError {
    fn new(path: &Path, source: anyhow::Error) -> Self {
        Self {
            path: path.to_path_buf(),
            damaged: false,
            source,
        }
    }

    fn damaged(path: &Path, source: anyhow::Error) -> Self {
        Self {
            damaged: true,
            ..Self::new(path, source)
        }
    }
}

/// The metadata of the file at `path`, and the bytes that follow it.
fn metadata(path: &Path) -> Result<(Metadata, u64)> {
    let mut file = File::open(path)?;
    let mut length = [0; LENGTH];
    file.read_exact(&mut length)?;
    let found = file.metadata()?.len();
    let header = u64::from_le_bytes(length);
    ensure!(header < found, "a header longer than the file");
    let mut text = Vec::new();
    file.take(header).read_to_end(&mut text)?;
    let values = found.saturating_sub(LENGTH as u64 + header);
    Ok((serde_json::from_slice(&text)?, values))
}
