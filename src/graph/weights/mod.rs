//! Loads trained values from files, for a whole network or for its backbone. [`crate::graph::clip::folder`]
//! uses the same arrays with other names.
//!
//! | file | names |
//! |---|---|
//! | a folder of `transformers`' Mask2Former | [`hugging_face`] |
//! | safetensors made of a Mask2Former or PL-DC checkpoint (`recipes/detectron2_to_safetensors.py`) | as here; with a prefix if it contains student and teacher |
//! | a checkpoint of this program | as here, with the prefix `student.`, `teacher.` or `average.` |
//! | torchvision's ResNet, for the backbone alone | [`torchvision`] |
//! | the same from a pickle file of Detectron2 or MSRA | as here, without `backbone.` |
//!
//! Nothing is skipped silently: a file is loaded only if each of its arrays has a place and each parameter
//! has an array.

mod arrays;
mod export;
mod fit;
mod hugging_face;
mod layout;
mod torchvision;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::graph::{HuggingFaceFolder, ModelConfig};
use crate::nn::params::Parameters;

pub use arrays::{ArrayEntry, Arrays, SINGLE};
pub use export::export;
pub use fit::{ArrayFit, ArraySource, ArrayUse, Fit, Names, load};
pub use layout::Layout;

/// Separates a file from the network in it.
const PART: char = '#';

/// An opened file or folder that holds a whole network.
#[derive(Debug)]
pub struct Weights {
    arrays: Arrays,
    layout: Layout,
    /// The content of its `config.json`, if it is a folder.
    folder: Option<HuggingFaceFolder>,
}

impl Weights {
    /// Opens `path`: a file, `FILE#NETWORK`, or a Hugging Face folder.
    ///
    /// # Errors
    /// Files are missing or damaged, the names are not those of a Mask2Former, or `config.json` describes
    /// another architecture.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, part) = split(path);
        let folder = match file.is_dir() {
            true => Some(HuggingFaceFolder::open(&file)?),
            false => None,
        };
        let arrays = Arrays::open(&file)?;
        let layout = Layout::of(&arrays, part.as_deref())?;
        Ok(Self {
            arrays,
            layout,
            folder,
        })
    }

    /// The arrays of the file.
    pub fn arrays(&self) -> &Arrays {
        &self.arrays
    }

    /// The naming of the arrays.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Sets every parameter of `model`, which was made from `config`.
    ///
    /// # Errors
    /// The values do not fit. One message lists everything that does not.
    pub fn load(&self, config: &ModelConfig, model: &mut dyn Parameters) -> Result<()> {
        if let Some(folder) = &self.folder {
            let differences = config.differences(&folder.model);
            if !differences.is_empty() {
                bail!(
                    "{} does not fit [model]:\n  {}",
                    self.arrays.path().with_file_name("config.json").display(),
                    differences.join("\n  ")
                );
            }
        }
        fit::load(model, &self.arrays, &self.layout, ("weights", "[model]"))
    }
}

/// Sets every parameter of a backbone from the safetensors file `path` with torchvision's or Detectron2's
/// names.
///
/// # Errors
/// The file cannot be read, or does not fit.
pub fn load_backbone(backbone: &mut dyn Parameters, path: &Path) -> Result<()> {
    let place = ("backbone weights", "[model.backbone]");
    let arrays = Arrays::open(path).with_context(|| format!("{} `{}`", place.0, path.display()))?;
    let layout = Layout::of_backbone(&arrays).unwrap_or(Layout::Torchvision);
    fit::load(backbone, &arrays, &layout, place)
}

/// Splits `FILE#NETWORK` into the file and the network. A file whose own name contains a `#` is not split.
pub fn split(path: &Path) -> (PathBuf, Option<String>) {
    let text = path.to_string_lossy();
    match text.rsplit_once(PART) {
        Some((file, part)) if !path.exists() && !part.is_empty() => {
            (PathBuf::from(file), Some(part.to_string()))
        }
        _ => (path.to_path_buf(), None),
    }
}

#[cfg(test)]
mod tests;
