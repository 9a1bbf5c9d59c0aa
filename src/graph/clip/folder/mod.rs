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

use super::model::{Clip, ClipSizes};
use super::preprocess::Preprocess;
use super::tokenizer::Tokenizer;
use crate::graph::weights::{Arrays, Names, load};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::Path;

/// Everything that turns pictures and texts into similarities.
pub struct Released {
    /// The network.
    pub model: Clip,
    /// Texts to token ids.
    pub tokenizer: Tokenizer,
    /// Pictures to what the network was trained on.
    pub preprocess: Preprocess,
}

/// Reads a folder.
///
/// # Errors
/// A file that is missing, damaged or of another architecture, named.
pub fn open(folder: &Path) -> Result<Released> {
    let open_clip = folder.join(open_clip::CONFIG);
    let hugging_face = folder.join(hugging_face::CONFIG);
    if open_clip.exists() {
        let arrays = Arrays::open_folder(folder, open_clip::WEIGHTS)?;
        let config = json(&open_clip)?;
        let sizes = open_clip::sizes(&open_clip, &config, &arrays)?;
        let model = network(&sizes, &open_clip, &arrays, &open_clip::OpenClip)?;
        let tokenizer = Tokenizer::open_clip(folder, model.text_sizes())?;
        let preprocess = open_clip::preprocess(&open_clip, &config)?;
        return Ok(Released {
            model,
            tokenizer,
            preprocess,
        });
    }
    ensure!(
        hugging_face.exists(),
        "{}: neither {} nor {} is in it",
        folder.display(),
        hugging_face::CONFIG,
        open_clip::CONFIG
    );
    let config = json(&hugging_face)?;
    let sizes = hugging_face::sizes(&hugging_face, config)?;
    let arrays = Arrays::open_folder(folder, hugging_face::WEIGHTS)?;
    let model = network(&sizes, &hugging_face, &arrays, &hugging_face::HuggingFace)?;
    Ok(Released {
        tokenizer: Tokenizer::hugging_face(folder, model.text_sizes())?,
        preprocess: hugging_face::preprocess(folder)?,
        model,
    })
}

/// The network of the `sizes` that `config` tells, with its weights.
fn network(sizes: &ClipSizes, config: &Path, arrays: &Arrays, names: &dyn Names) -> Result<Clip> {
    // A wrong number in the configuration must not ask for more memory than the weights could fill.
    const SPARE: usize = 64;
    let (wanted, held) = (sizes.parameters(), arrays.count());
    let shown = config.display().to_string();
    ensure!(
        wanted <= SPARE as f64 * (held + SPARE) as f64,
        "{shown}: it describes {wanted:.3e} parameters, {} holds {held}",
        arrays.path().display()
    );
    let mut model = Clip::new(sizes);
    load(&mut model, arrays, names, ("weights", &shown))?;
    Ok(model)
}

/// A JSON file whose root is an object.
pub(super) fn json(path: &Path) -> Result<Value> {
    let shown = path.display();
    let text = std::fs::read(path).with_context(|| format!("{shown}: cannot be read"))?;
    let value: Value =
        serde_json::from_slice(&text).with_context(|| format!("{shown}: not JSON"))?;
    ensure!(value.is_object(), "{shown}: not a JSON object");
    Ok(value)
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
