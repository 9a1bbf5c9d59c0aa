//! Folders with a released CLIP: Hugging Face's and OpenCLIP's.
//!
//! | | Hugging Face | OpenCLIP |
//! |---|---|---|
//! | sizes | `config.json` | `open_clip_config.json`; ConvNeXt's widths and depths from the arrays |
//! | weights | `model.safetensors` | `open_clip_model.safetensors` |
//! | tokens | `tokenizer.json`, or `vocab.json` with `merges.txt` | the same, or `bpe_simple_vocab_16e6.txt.gz` |
//! | pictures | `preprocessor_config.json` or `processor_config.json` | `preprocess_cfg` of the configuration |
//!
//! Either kind of weights may lie in several files beside an index. Every error names the file.

mod hugging_face;
mod open_clip;

use super::json::json;
use super::model::{Clip, ClipSizes};
use super::preprocess::Preprocess;
use super::tokenizer::Tokenizer;
use crate::graph::weights::{Arrays, Names, load};
use anyhow::{Result, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Everything that turns pictures and texts into similarities.
pub struct Released {
    /// The network.
    pub model: Clip,
    /// Texts to token ids.
    pub tokenizer: Tokenizer,
    /// Pictures to what the network was trained on.
    pub preprocess: Preprocess,
}

/// What a folder describes, and the arrays that are to become it.
pub struct Unloaded {
    /// All weights 0.
    pub model: Clip,
    /// What the folder holds.
    pub arrays: Arrays,
    /// How the arrays are named.
    pub source: Source,
    config: PathBuf,
}

/// Whose folder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `transformers`' `CLIPModel`.
    HuggingFace,
    /// OpenCLIP.
    OpenClip,
}

impl Source {
    /// Told by the configuration that is there, OpenCLIP's where both are; `None` where neither is.
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

    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::HuggingFace => "the names of transformers' CLIPModel",
            Self::OpenClip => "OpenCLIP's names",
        }
    }
}

/// Whether a folder is one of a CLIP, by its configuration alone.
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
/// A file that is missing, damaged or of another architecture, named.
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

/// Reads configuration and arrays of a folder, which need not fit.
///
/// # Errors
/// As [`open`], for these files.
pub fn unloaded(folder: &Path) -> Result<Unloaded> {
    let Some(source) = Source::of(folder) else {
        bail!(
            "{}: neither {} nor {} is in it",
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

/// The network of the `sizes` that `config` tells, for `arrays`.
fn network(sizes: &ClipSizes, config: &Path, arrays: &Arrays) -> Result<Clip> {
    // A wrong number in the configuration must not ask for more memory than the weights could fill.
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

/// The part of a configuration as `T`; an error names the file and the key.
fn typed<T: serde::de::DeserializeOwned>(path: &Path, part: &str, value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let key = match (part, error.path().to_string()) {
            (part, key) if key == "." => part.to_string(),
            ("", key) => key,
            (part, key) => format!("{part}.{key}"),
        };
        anyhow::anyhow!("{}: {key}: {}", path.display(), error.inner())
    })
}

/// Refuses sizes that no network has, by the names that the file gives them.
fn check_sizes(path: &Path, part: &str, sizes: &[(&str, usize)]) -> Result<()> {
    const MOST: usize = 1 << 24;
    for (key, value) in sizes {
        if !(1..=MOST).contains(value) {
            let dot = if part.is_empty() { "" } else { "." };
            bail!(
                "{}: {part}{dot}{key}: {value} is not between 1 and {MOST}",
                path.display()
            );
        }
    }
    Ok(())
}

/// Refuses heads that do not divide a width.
fn check_heads(path: &Path, part: &str, width: usize, heads: usize) -> Result<()> {
    ensure!(
        width.is_multiple_of(heads),
        "{}: {part}: {heads} attention heads do not divide a width of {width}",
        path.display()
    );
    Ok(())
}
