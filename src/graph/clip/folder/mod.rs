//! Folders with a released CLIP, from Hugging Face or OpenCLIP.
//!
//! | | Hugging Face | OpenCLIP |
//! |---|---|---|
//! | sizes | `config.json` | `open_clip_config.json`; ConvNeXt's widths and depths from the arrays |
//! | weights | `model.safetensors` | `open_clip_model.safetensors` |
//! | tokens | `tokenizer.json`, or `vocab.json` with `merges.txt` | the same, or `bpe_simple_vocab_16e6.txt.gz` |
//! | pictures | `preprocessor_config.json` or `processor_config.json` | `preprocess_cfg` of the configuration |
//!
//! In both formats the weights may be split into several files with an index. Every error names the file.

mod hugging_face;
mod open_clip;

use super::json::json;
use super::model::{Clip, ClipSizes};
use super::preprocess::Preprocess;
use super::tokenizer::Tokenizer;
use crate::graph::weights::{Arrays, Names, load};
use crate::registry::{Check, in_plain_words};
use anyhow::{Result, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Everything that is needed to compute similarities between pictures and texts.
pub struct Released {
    /// The network.
    pub model: Clip,
    /// Turns texts into token ids.
    pub tokenizer: Tokenizer,
    /// Turns pictures into inputs of the network.
    pub preprocess: Preprocess,
}

/// A network without values, and the arrays of its folder.
pub struct Unloaded {
    /// The network; all weights are 0.
    pub model: Clip,
    /// The arrays of the folder.
    pub arrays: Arrays,
    /// The naming of the arrays.
    pub source: Source,
    config: PathBuf,
}

/// The publisher of a folder, which decides its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `CLIPModel` of `transformers`.
    HuggingFace,
    /// OpenCLIP.
    OpenClip,
}

impl Source {
    /// Decides by the configuration file in the folder; OpenCLIP's wins if both exist, and none if neither
    /// does.
    fn of(folder: &Path) -> Option<Self> {
        let known = [Self::OpenClip, Self::HuggingFace].into_iter();
        let mut found = known.filter(|source| source.config(folder).exists());
        found.next()
    }

    fn config(self, folder: &Path) -> PathBuf {
        folder.join(match self {
            Self::HuggingFace => hugging_face::CONFIG,
            Self::OpenClip => open_clip::CONFIG,
        })
    }

    /// The names of its arrays.
    pub fn names(self) -> &'static dyn Names {
        match self {
            Self::HuggingFace => &hugging_face::HuggingFace,
            Self::OpenClip => &open_clip::OpenClip,
        }
    }

    /// A description for the user.
    pub fn describe(self) -> &'static str {
        match self {
            Self::HuggingFace => "the names of transformers' CLIPModel",
            Self::OpenClip => "OpenCLIP's names",
        }
    }
}

/// Returns true if the configuration in the folder is that of a CLIP.
pub fn holds_clip(folder: &Path) -> bool {
    match Source::of(folder) {
        Some(Source::OpenClip) => true,
        Some(Source::HuggingFace) => json(&Source::HuggingFace.config(folder))
            .is_ok_and(|config| config["model_type"] == hugging_face::MODEL),
        None => false,
    }
}

/// Reads a folder.
///
/// # Errors
/// A file is missing, damaged or of another architecture. The error names it.
pub fn open(folder: &Path) -> Result<Released> {
    let Unloaded {
        mut model,
        arrays,
        source,
        config,
    } = unloaded(folder)?;
    let shown = config.display().to_string();
    load(&mut model, &arrays, source.names(), ("weights", &shown))?;
    let sizes = model.text_sizes();
    let (tokenizer, preprocess) = match source {
        Source::HuggingFace => (
            Tokenizer::hugging_face(folder, sizes)?,
            hugging_face::preprocess(folder)?,
        ),
        Source::OpenClip => (
            Tokenizer::open_clip(folder, sizes)?,
            open_clip::preprocess(&config, &json(&config)?)?,
        ),
    };
    Ok(Released {
        model,
        tokenizer,
        preprocess,
    })
}

/// Reads the configuration and the arrays of a folder, which need not fit together.
///
/// # Errors
/// As for [`open`], for these files.
pub fn unloaded(folder: &Path) -> Result<Unloaded> {
    let Some(source) = Source::of(folder) else {
        bail!(
            "{}: contains neither {} nor {}",
            folder.display(),
            hugging_face::CONFIG,
            open_clip::CONFIG
        );
    };
    let config = source.config(folder);
    let (sizes, arrays) = match source {
        Source::HuggingFace => {
            let sizes = hugging_face::sizes(&config, json(&config)?)?;
            (sizes, Arrays::open_folder(folder, hugging_face::WEIGHTS)?)
        }
        Source::OpenClip => {
            let arrays = Arrays::open_folder(folder, open_clip::WEIGHTS)?;
            let sizes = open_clip::sizes(&config, &json(&config)?, &arrays)?;
            (sizes, arrays)
        }
    };
    Ok(Unloaded {
        model: network(&sizes, &config, &arrays)?,
        arrays,
        source,
        config,
    })
}

/// The network of the `sizes` in `config`, for `arrays`.
fn network(sizes: &ClipSizes, config: &Path, arrays: &Arrays) -> Result<Clip> {
    // With a wrong number in the configuration, the network must not use much more memory than the weights
    // could fill.
    const SPARE: usize = 64;
    let (wanted, held) = (sizes.parameters(), arrays.count());
    ensure!(
        wanted <= SPARE as f64 * (held + SPARE) as f64,
        "{}: it describes {wanted:.3e} parameters, {} holds {held}",
        config.display(),
        arrays.path().display()
    );
    Ok(Clip::new(sizes))
}

/// Parses a part of a configuration as `T`. An error names the file and the key.
fn typed<T: serde::de::DeserializeOwned>(path: &Path, part: &str, value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let key = match (part, error.path().to_string()) {
            (part, key) if key == "." => part.to_string(),
            ("", key) => key,
            (part, key) => format!("{part}.{key}"),
        };
        let message = in_plain_words(&error.inner().to_string());
        anyhow::anyhow!("{}: {key}: {message}", path.display())
    })
}

/// Checks the values at `part` of a configuration, by the names that the file gives them.
fn check_values(path: &Path, part: &str, values: impl FnOnce(&mut Check)) -> Result<()> {
    let mut check = Check::new();
    check.within(part, values);
    let refused = |errors| anyhow::anyhow!("{}: {errors}", path.display());
    check.finish().map_err(refused)
}
