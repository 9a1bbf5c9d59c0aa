//! A network's values under `transformers`' names.

use super::hugging_face::names;
use crate::nn::params::Parameters;
use anyhow::{Context, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::{BTreeMap, HashMap};

/// The content of `model.safetensors` for `network`, a [`crate::graph::Mask2Former`].
///
/// # Errors
/// None that the values of a network can cause.
pub fn export(network: &mut dyn Parameters) -> Result<Vec<u8>> {
    let mut arrays: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    network.parameters("", &mut |ours, param| {
        let names = names(ours);
        let mut shape = param.shape.clone();
        shape[0] /= names.len();
        let values = param.to_reference();
        let size = values.len() / names.len();
        for (name, part) in names.into_iter().zip(values.chunks_exact(size)) {
            let bytes = part.iter().flat_map(|value| value.to_le_bytes()).collect();
            arrays.insert(name, (shape.clone(), bytes));
        }
    });
    let views = arrays.iter().map(|(name, (shape, bytes))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        Ok((name, view.with_context(|| format!("`{name}`"))?))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    // transformers refuses a file that does not say so.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize(views, Some(metadata)).context("safetensors")
}
