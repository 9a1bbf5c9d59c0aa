//! The trained values of a whole network: a file, or a Hugging Face folder with the description of its
//! network.

use super::config::ModelConfig;
use super::hugging_face::HuggingFaceFolder;
use super::weights::{self, Arrays, Layout};
use crate::nn::params::Parameters;
use anyhow::{Result, bail};
use std::path::Path;

/// An opened file or folder that holds a whole network.
#[derive(Debug)]
pub struct NetworkWeights {
    arrays: Arrays,
    layout: Layout,
    /// The content of its `config.json`, if it is a folder.
    folder: Option<HuggingFaceFolder>,
}

impl NetworkWeights {
    /// Opens `path`: a file, `FILE#NETWORK`, or a Hugging Face folder.
    ///
    /// # Errors
    /// Files are missing or damaged, the names are not those of a Mask2Former, or `config.json` describes
    /// another architecture.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, part) = weights::split(path);
        let folder = match file.is_dir() {
            true => Some(HuggingFaceFolder::open(&file)?),
            false => None,
        };
        let arrays = Arrays::open(&file)?;
        let layout = Layout::of(&arrays, part.as_deref())?;
        if matches!(layout, Layout::MaskRcnn(_) | Layout::CenterMask(_)) {
            bail!(
                "{}: these are {}; `model.name` is \"mask2former\"",
                arrays.path().display(),
                layout.describe()
            );
        }
        Ok(Self {
            arrays,
            layout,
            folder,
        })
    }

    /// Sets every parameter of `model`, which was made from `config`.
    ///
    /// # Errors
    /// The values do not fit. One message lists everything that does not.
    pub fn load(&self, config: &ModelConfig, model: &mut dyn Parameters) -> Result<()> {
        if let Some(folder) = &self.folder {
            // Coarse masks change no prediction at first.
            let theirs = ModelConfig {
                mask_head: config.mask_head,
                ..folder.model.clone()
            };
            let differences = config.differences(&theirs);
            if !differences.is_empty() {
                bail!(
                    "{} does not fit [model]:\n  {}",
                    self.arrays.path().with_file_name("config.json").display(),
                    differences.join("\n  ")
                );
            }
        }
        weights::load(model, &self.arrays, &self.layout, ("weights", "[model]"))
    }
}
