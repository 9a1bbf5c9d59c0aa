//! Everything a training run needs to continue bit for bit, in one safetensors file.
//!
//! Arrays carry the reference checkpoint's names and shapes behind the name of their owner (`student.`, `teacher.`,
//! `average.`, `optimizer.first.`, `optimizer.second.`), so that other tools can read the networks. One JSON text in the
//! file's metadata holds the step, the optimizer's step, the state of the method (thresholds and the like) and the key: the
//! hash of the settings that lead to this state. A file is replaced by renaming a finished one over it; a killed run
//! leaves either the old or the new file.

use super::optimizer::{Moments, OptimizerState, is_trained};
use crate::atomic::{Durability, write_durably};
use crate::nn::params::{Param, Parameters, join};
use anyhow::{Context, Result, ensure};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Raised when the meaning of a stored value changes.
const VERSION: u32 = 1;
/// The metadata entry that holds the header.
const HEADER: &str = "harness";
/// Bytes at the start of a safetensors file that hold its header's length.
const LENGTH: usize = 8;

/// One stored array in the reference checkpoint's order.
#[derive(Clone, Debug, PartialEq)]
struct Array {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// The scalars of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    version: u32,
    key: String,
    step: usize,
    optimizer_steps: u64,
    method: serde_json::Value,
}

/// The state of a training run after some number of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    header: Header,
    arrays: BTreeMap<String, Array>,
}

impl Checkpoint {
    /// An empty checkpoint after `step` steps of the settings with hash `key`. `method` is the method's own state.
    pub fn new(key: &str, step: usize, method: serde_json::Value) -> Self {
        let header = Header {
            version: VERSION,
            key: key.to_string(),
            step,
            optimizer_steps: 0,
            method,
        };
        Self {
            header,
            arrays: BTreeMap::new(),
        }
    }

    /// Steps taken.
    pub fn step(&self) -> usize {
        self.header.step
    }

    /// The method's own state.
    pub fn method(&self) -> &serde_json::Value {
        &self.header.method
    }

    /// Whether a model named `owner` is inside.
    pub fn holds(&self, owner: &str) -> bool {
        let prefix = join(owner, "");
        self.arrays
            .range(prefix.clone()..)
            .next()
            .is_some_and(|(name, _)| name.starts_with(&prefix))
    }

    /// Stores all parameters and buffers of `model` under `owner`.
    pub fn put_model(&mut self, owner: &str, model: &mut dyn Parameters) {
        model.parameters(owner, &mut |name, param| {
            let array = Array {
                shape: param.shape.clone(),
                values: param.to_reference(),
            };
            self.arrays.insert(name.to_string(), array);
        });
    }

    /// Sets all parameters and buffers of `model` to those stored under `owner`.
    ///
    /// # Errors
    /// A parameter is missing or has another shape: it is named.
    pub fn take_model(&self, owner: &str, model: &mut dyn Parameters) -> Result<()> {
        let mut result = Ok(());
        model.parameters(owner, &mut |name, param| {
            if result.is_ok() {
                result = self
                    .array(name, &param.shape)
                    .map(|values| param.set_from_reference(values));
            }
        });
        result
    }

    /// Stores the optimizer's state. `model` is the model that it trains.
    pub fn put_optimizer(&mut self, state: &OptimizerState, model: &mut dyn Parameters) {
        self.header.optimizer_steps = state.steps;
        let mut moments = state.moments.iter();
        model.parameters("", &mut |name, param| {
            if !is_trained(param) {
                return;
            }
            let moment = moments.next().expect("moments of every trained parameter");
            for (owner, values) in [(FIRST, &moment.first), (SECOND, &moment.second)] {
                let array = Array {
                    shape: param.shape.clone(),
                    values: like(param, values).to_reference(),
                };
                self.arrays.insert(join(owner, name), array);
            }
        });
    }

    /// The stored optimizer's state for `model`.
    ///
    /// # Errors
    /// The moments of a trained parameter are missing or have another shape.
    pub fn optimizer(&self, model: &mut dyn Parameters) -> Result<OptimizerState> {
        let mut moments = Ok(Vec::new());
        model.parameters("", &mut |name, param| {
            let (true, Ok(list)) = (is_trained(param), &mut moments) else {
                return;
            };
            let read = |owner: &str| -> Result<Vec<f32>> {
                let mut twin = like(param, param.value.values());
                twin.set_from_reference(self.array(&join(owner, name), &param.shape)?);
                Ok(twin.value.values().to_vec())
            };
            match read(FIRST).and_then(|first| Ok((first, read(SECOND)?))) {
                Ok((first, second)) => list.push(Moments {
                    name: name.to_string(),
                    first,
                    second,
                }),
                Err(error) => moments = Err(error),
            }
        });
        Ok(OptimizerState {
            steps: self.header.optimizer_steps,
            moments: moments?,
        })
    }

    fn array(&self, name: &str, shape: &[usize]) -> Result<&[f32]> {
        let array = self
            .arrays
            .get(name)
            .with_context(|| format!("holds no `{name}`"))?;
        ensure!(
            array.shape == shape,
            "`{name}` has shape {:?}, the model's is {shape:?}",
            array.shape
        );
        Ok(&array.values)
    }

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

    /// Whether the file at `path` is as long as its own header says and has a header of this program. Its values are not read.
    pub fn is_whole(path: &Path) -> bool {
        let whole = || -> Result<bool> {
            let mut file = File::open(path)?;
            let mut length = [0; LENGTH];
            file.read_exact(&mut length)?;
            let found = file.metadata()?.len();
            let header = u64::from_le_bytes(length);
            ensure!(header < found, "a header longer than the file");
            let mut text = Vec::new();
            file.take(header).read_to_end(&mut text)?;
            let metadata: Metadata = serde_json::from_slice(&text)?;
            Header::of(&metadata)?;
            Ok(found == LENGTH as u64 + header + metadata.data_len() as u64)
        };
        whole().unwrap_or(false)
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

/// Why a checkpoint is not read.
#[derive(Debug, thiserror::Error)]
#[error("cannot continue from {}", path.display())]
pub struct LoadError {
    path: PathBuf,
    /// Whether the file is cut off or otherwise no checkpoint: nothing is lost with it that is not lost already.
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

/// Owners of the two moments.
const FIRST: &str = "optimizer.first";
const SECOND: &str = "optimizer.second";

/// A parameter with the shape of `param` and other values.
fn like(param: &Param, values: &[f32]) -> Param {
    Param::new(
        param.kind,
        values.to_vec(),
        param.value.rows(),
        param.value.columns(),
        &param.shape,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::params::Kind;

    struct Model(Vec<(&'static str, Param)>);

    impl Parameters for Model {
        fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
            for (name, param) in &mut self.0 {
                visit(&join(prefix, name), param);
            }
        }
    }

    fn model(start: f32) -> Model {
        let values = |n: usize| (0..n).map(|i| start + i as f32 / 3.0).collect();
        Model(vec![
            (
                "conv.weight",
                Param::new(Kind::Weight, values(36), 2, 18, &[2, 2, 3, 3]),
            ),
            (
                "norm.running_mean",
                Param::new(Kind::Buffer, values(2), 1, 2, &[2]),
            ),
        ])
    }

    fn state() -> OptimizerState {
        let first: Vec<f32> = (0..36).map(|i| i as f32 * 0.1).collect();
        let second = first.iter().map(|x| x * x).collect();
        let moments = vec![Moments {
            name: "conv.weight".into(),
            first,
            second,
        }];
        OptimizerState { steps: 17, moments }
    }

    fn stored() -> Checkpoint {
        let mut checkpoint = Checkpoint::new("abc", 17, serde_json::json!({"thresholds": [0.1]}));
        checkpoint.put_model("student", &mut model(0.1));
        checkpoint.put_optimizer(&state(), &mut model(0.1));
        checkpoint
    }

    #[test]
    fn a_file_gives_back_the_bits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        stored().save(&path, Durability::Cached).unwrap();
        let loaded = Checkpoint::load(&path, "abc").unwrap();
        assert_eq!(loaded, stored());
        let mut other = model(9.0);
        loaded.take_model("student", &mut other).unwrap();
        assert_eq!(
            other.0[0].1.value.values(),
            model(0.1).0[0].1.value.values()
        );
        assert_eq!(
            other.0[1].1.value.values(),
            model(0.1).0[1].1.value.values()
        );
        assert_eq!(loaded.optimizer(&mut model(0.0)).unwrap(), state());
        assert!(loaded.holds("student") && !loaded.holds("stud") && !loaded.holds("teacher"));
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "no unfinished file is left");
    }

    #[test]
    fn a_kernel_is_stored_in_the_reference_order() {
        let array = &stored().arrays["student.conv.weight"];
        assert_eq!(array.shape, [2, 2, 3, 3]);
        // The second value of the reference is pixel 1 of channel 0: place 2 of ours.
        assert_eq!(array.values[1], model(0.1).0[0].1.value.values()[2]);
    }

    #[test]
    fn other_settings_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        stored().save(&path, Durability::Cached).unwrap();
        assert!(Checkpoint::is_whole(&path));
        let refused = Checkpoint::load(&path, "xyz").unwrap_err();
        assert!(!refused.damaged);
        let error = format!("{:#}", anyhow::Error::from(refused));
        assert!(
            error.ends_with("it belongs to other settings (abc, not xyz)"),
            "{error}"
        );
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        stored().save(&path, Durability::Cached).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(!Checkpoint::is_whole(&path), "{length} bytes");
            let refused = Checkpoint::load(&path, "abc").unwrap_err();
            assert!(refused.damaged, "{length} bytes");
            let error = format!("{:#}", anyhow::Error::from(refused));
            assert!(error.starts_with("cannot continue from"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        let absent = Checkpoint::load(&path, "abc").unwrap_err();
        assert!(!absent.damaged, "an absent file is not damaged");
    }

    #[test]
    fn another_shape_is_named() {
        let mut wide = model(0.0);
        wide.0[0].1 = Param::new(Kind::Weight, vec![0.0; 54], 3, 18, &[3, 2, 3, 3]);
        let error = stored()
            .take_model("student", &mut wide)
            .unwrap_err()
            .to_string();
        let expected = "`student.conv.weight` has shape [2, 2, 3, 3], the model's is [3, 2, 3, 3]";
        assert_eq!(error, expected);
        let error = stored()
            .take_model("teacher", &mut model(0.0))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "holds no `teacher.conv.weight`");
    }
}
