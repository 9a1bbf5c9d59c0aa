//! Converts between the `config.json` of `transformers`' Mask2Former with a ResNet backbone and our sizes.
//! [`HuggingFaceFolder::open`] reads it and [`written`] writes it.
//!
//! Constants of `transformers` are keys here: group norms of 32 groups, 4 sampling points, the stem of the
//! paper, batch norm with fixed statistics. `decoder_layers` of `transformers` also counts the prediction
//! before the first layer, so it is larger by one than ours. Source: `configuration_mask2former.py`,
//! `modeling_mask2former.py` and `modeling_resnet.py` of transformers.

mod backbone;
mod config;
mod written;

use crate::graph::config::ModelConfig;
use crate::registry::{Check, Checked, ComponentError, ComponentErrors, in_plain_words};
use anyhow::{Context, Result, anyhow, bail};
use backbone::RESNET;
use config::{Config, MASK2FORMER};
use serde_json::Value;
use std::path::Path;

/// The file that identifies a folder as one of Hugging Face's.
pub const CONFIG: &str = "config.json";

/// The content of a folder's `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct HuggingFaceFolder {
    /// Our sizes.
    pub model: ModelConfig,
    /// The names of the classes.
    pub labels: Vec<String>,
}

impl HuggingFaceFolder {
    /// Reads `config.json` of `folder`.
    ///
    /// # Errors
    /// The file is missing or not JSON, describes another architecture, or has values that this network
    /// cannot have. One message lists all of them.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG);
        let shown = path.display();
        let text = std::fs::read(&path).with_context(|| format!("{shown}: cannot be read"))?;
        let json: Value =
            serde_json::from_slice(&text).with_context(|| format!("{shown}: not JSON"))?;
        Self::parse(json).with_context(|| format!("{shown}: cannot be used"))
    }

    fn parse(json: Value) -> Result<Self> {
        let kind = json.get("model_type").and_then(Value::as_str);
        if kind != Some(MASK2FORMER) {
            let found = kind.unwrap_or("nothing");
            let error = ComponentError::one_of("model_type", found, [MASK2FORMER]);
            return Err(refused(error.into()));
        }
        let config: Config = serde_path_to_error::deserialize(json).map_err(|error| {
            let message = in_plain_words(&error.inner().to_string());
            refused(ComponentError::new(error.path().to_string(), message).into())
        })?;
        let Some(backbone) = &config.backbone_config else {
            bail!("`backbone_config` is missing; needed: one of model_type `{RESNET}`");
        };
        let mut check = Check::new();
        config.check(&mut check);
        check.within("backbone_config", |check| backbone.check(check));
        check.finish().map_err(refused)?;
        let model = config.model(backbone);
        model
            .checked()
            .map_err(|errors| anyhow!("as [model] of a recipe: {errors}"))?;
        let labels = config.labels();
        Ok(Self { model, labels })
    }
}

/// The errors, one a line.
fn refused(errors: ComponentErrors) -> anyhow::Error {
    let line = |error: ComponentError| format!("`{}`: {}", error.key, error.message);
    let lines: Vec<String> = errors.into_iter().map(line).collect();
    anyhow!(lines.join("\n  "))
}

#[cfg(test)]
mod tests;
