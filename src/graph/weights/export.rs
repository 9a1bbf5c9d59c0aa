//! A network's values under other programs' names: for `transformers`, with the constants that it stores beside them;
//! of a Mask R-CNN for torchvision or detectron2, of a CenterMask for CenterMask2.

use super::centermask::CenterMaskNames;
use super::extra_heads::head_of;
use super::fit::Names;
use super::hugging_face::{CLASS_WEIGHTS, names};
use super::mask_rcnn::MaskRcnnNames;
use crate::nn::params::Parameters;
use anyhow::{Context, Result};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::{BTreeMap, HashMap};

/// A parameter with one value per class and one for no-object.
const CLASSES: &str = "class_predictor.bias";
/// The default weight of no-object in the loss.
const NO_OBJECT: f32 = 0.1;
/// The last parameter of a batch norm, and the counter that its training keeps.
const VARIANCE: &str = "running_var";
const COUNTER: &str = "num_batches_tracked";

/// An array to be written.
struct Array {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    fn floats(shape: Vec<usize>, values: &[f32]) -> Self {
        Self {
            dtype: Dtype::F32,
            shape,
            bytes: values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        }
    }
}

/// The content of `model.safetensors` for `network`, a [`crate::graph::Mask2Former`], without heads that `transformers`
/// does not have.
///
/// # Errors
/// The values of a network cannot cause any.
pub fn export(network: &mut dyn Parameters) -> Result<Vec<u8>> {
    let mut arrays: BTreeMap<String, Array> = BTreeMap::new();
    network.parameters("", &mut |ours, param| {
        if head_of(ours).is_some() {
            return;
        }
        let names = names(ours);
        let mut shape = param.shape.clone();
        shape[0] /= names.len();
        let values = param.to_reference();
        let size = values.len() / names.len();
        for (name, part) in names.into_iter().zip(values.chunks_exact(size)) {
            if let Some(norm) = name.strip_suffix(VARIANCE) {
                let counter = Array {
                    dtype: Dtype::I64,
                    shape: Vec::new(),
                    bytes: 0i64.to_le_bytes().into(),
                };
                arrays.insert(format!("{norm}{COUNTER}"), counter);
            }
            if name == CLASSES {
                let mut weights = vec![1.0; part.len()];
                *weights.last_mut().expect("no-object") = NO_OBJECT;
                arrays.insert(CLASS_WEIGHTS.into(), Array::floats(shape.clone(), &weights));
            }
            arrays.insert(name, Array::floats(shape.clone(), part));
        }
    });
    file(&arrays)
}

/// The content of a safetensors file with the values of `network`, a [`crate::graph::mask_rcnn::MaskRcnn`], under these
/// `names`, without heads that other programs do not have. torchvision's rows for background that no network here has
/// are 0.
///
/// # Errors
/// The values of a network cannot cause any.
pub fn export_mask_rcnn(network: &mut dyn Parameters, names: &MaskRcnnNames) -> Result<Vec<u8>> {
    written(network, names, |ours| head_of(ours).is_none())
}

/// The content of a safetensors file with the values of `network`, a [`crate::graph::centermask::CenterMask`], under
/// CenterMask2's names.
///
/// # Errors
/// The values of a network cannot cause any.
pub fn export_centermask(network: &mut dyn Parameters) -> Result<Vec<u8>> {
    written(network, &CenterMaskNames::default(), |_| true)
}

/// The content of a safetensors file with those values of `network` whose own names `is_written` takes.
fn written(
    network: &mut dyn Parameters,
    names: &dyn Names,
    is_written: impl Fn(&str) -> bool,
) -> Result<Vec<u8>> {
    let mut arrays: BTreeMap<String, Array> = BTreeMap::new();
    network.parameters("", &mut |ours, param| {
        if is_written(ours) {
            let source = names.origin(ours);
            let (shape, values) = source.stored(param);
            let name = source.names.into_iter().next().expect("one array");
            arrays.insert(name, Array::floats(shape, &values));
        }
    });
    file(&arrays)
}

/// The content of a safetensors file with `arrays`.
fn file(arrays: &BTreeMap<String, Array>) -> Result<Vec<u8>> {
    let views = arrays.iter().map(|(name, array)| {
        let view = TensorView::new(array.dtype, array.shape.clone(), &array.bytes);
        Ok((name, view.with_context(|| format!("`{name}`"))?))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    // transformers refuses a file without this entry.
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize(views, Some(metadata)).context("safetensors")
}
