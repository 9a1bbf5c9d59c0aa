//! Loads trained values from files, for a whole network ([`super::network_weights`]) or for its backbone.
//! [`crate::graph::clip::folder`] uses the same arrays with other names.
//!
//! | file | names |
//! |---|---|
//! | a folder of `transformers`' Mask2Former | [`hugging_face`] |
//! | safetensors made of a Mask2Former or PL-DC checkpoint (`recipes/detectron2_to_safetensors.py`) | as here; with a prefix if it contains student and teacher |
//! | torchvision's Mask R-CNN, of either form of its names | [`mask_rcnn`] |
//! | safetensors made of a Mask R-CNN of detectron2, or of a CenterMask2 | as here |
//! | a checkpoint of this program | as here, with the prefix `student.`, `teacher.` or `average.` |
//! | torchvision's ResNet, for the backbone alone | [`torchvision`] |
//! | the same from a pickle file of Detectron2 or MSRA | as here, without `backbone.` |
//!
//! Nothing is skipped silently: a file is loaded only if each of its arrays has a place and each parameter
//! has an array, but for heads that the networks of other programs do not have ([`extra_heads`]).

mod arrays;
mod centermask;
mod class_rows;
mod export;
mod extra_heads;
mod fit;
mod hugging_face;
mod layout;
mod mask_rcnn;
mod prefix;
mod torchvision;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::nn::params::Parameters;

pub use arrays::{ArrayEntry, Arrays, SINGLE};
pub use centermask::CenterMaskNames;
pub use class_rows::ClassRows;
pub use export::{export, export_centermask, export_mask_rcnn};
pub use extra_heads::AUXILIARY;
pub use fit::{ArrayFit, ArraySource, ArrayUse, Fit, Names, RowOrder, load};
pub use layout::Layout;
pub use mask_rcnn::MaskRcnnNames;

/// Separates a file from the network in it.
const PART: char = '#';

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

/// Sets every parameter of a Mask R-CNN from the safetensors file `path`, or from one network of it, `FILE#NETWORK`,
/// with torchvision's names or detectron2's.
///
/// # Errors
/// The file cannot be read, or does not fit.
pub fn load_mask_rcnn(network: &mut dyn Parameters, path: &Path) -> Result<()> {
    let fits = |layout: &Layout| matches!(layout, Layout::MaskRcnn(_));
    load_network(network, path, ("mask-rcnn", fits))
}

/// Sets every parameter of a CenterMask from the safetensors file `path`, or from one network of it, `FILE#NETWORK`,
/// with CenterMask2's names.
///
/// # Errors
/// The file cannot be read, or does not fit.
pub fn load_centermask(network: &mut dyn Parameters, path: &Path) -> Result<()> {
    let fits = |layout: &Layout| matches!(layout, Layout::CenterMask(_));
    load_network(network, path, ("centermask", fits))
}

/// Sets every parameter of the network that recipes call `name`, if the layout of the file `path` fits it.
fn load_network(
    network: &mut dyn Parameters,
    path: &Path,
    (name, fits): (&str, fn(&Layout) -> bool),
) -> Result<()> {
    let (file, part) = split(path);
    let arrays = Arrays::open(&file).with_context(|| format!("weights `{}`", path.display()))?;
    let layout = Layout::of(&arrays, part.as_deref())?;
    ensure!(
        fits(&layout),
        "{}: these are {}; `model.name` is \"{name}\"",
        arrays.path().display(),
        layout.describe()
    );
    fit::load(network, &arrays, &layout, ("weights", "[model]"))
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
