//! Weights of a backbone from a safetensors file with torchvision's names.
//!
//! | here (detectron2) | there (torchvision) |
//! |---|---|
//! | `stem.conv1.weight` | `conv1.weight` |
//! | `stem.conv1.norm.bias` | `bn1.bias` |
//! | `res2.0.conv1.weight` | `layer1.0.conv1.weight` |
//! | `res2.0.conv1.norm.running_mean` | `layer1.0.bn1.running_mean` |
//! | `res2.0.shortcut.weight` | `layer1.0.downsample.0.weight` |
//! | `res2.0.shortcut.norm.weight` | `layer1.0.downsample.1.weight` |
//!
//! The file is read whole and dropped again: the values are copied into the order of the kernels anyway.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};
use safetensors::{Dtype, SafeTensors};

use super::ResNet;
use crate::nn::params::Parameters;

/// The classifier, which a backbone does not have.
const CLASSIFIER: &str = "fc.";
/// A counter of batch norm that only its training uses.
const COUNTER: &str = "num_batches_tracked";
/// Longest list of names in an error.
const LISTED: usize = 12;

/// Sets every parameter of `resnet` from `path`.
///
/// # Errors
/// The file cannot be read, or its names and shapes are not those of `resnet`: missing, mis-shaped and left-over names are
/// listed together. `resnet` is then partly written and of no use.
pub(super) fn load(resnet: &mut ResNet, path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let bytes = std::fs::read(path)
        .with_context(|| format!("backbone weights `{shown}`: cannot be read"))?;
    let file = SafeTensors::deserialize(&bytes)
        .with_context(|| format!("backbone weights `{shown}`: not a safetensors file"))?;
    let mut left: BTreeSet<&str> = file
        .names()
        .into_iter()
        .filter(|name| !ignored(name))
        .collect();
    let mut problems = Vec::new();
    resnet.parameters("", &mut |ours, param| {
        let name = torchvision(ours);
        left.remove(name.as_str());
        match file.tensor(&name) {
            Err(_) => problems.push(format!("`{name}` is missing")),
            Ok(found) if found.dtype() != Dtype::F32 => {
                problems.push(format!("`{name}` is {:?}, must be F32", found.dtype()));
            }
            Ok(found) if found.shape() != param.shape => {
                problems.push(format!(
                    "`{name}` is {:?}, must be {:?}",
                    found.shape(),
                    param.shape
                ));
            }
            Ok(found) => param.set_from_reference(&floats(found.data())),
        }
    });
    problems.extend(
        left.into_iter()
            .map(|name| format!("`{name}` has no place in this backbone")),
    );
    if !problems.is_empty() {
        let more = problems.len().saturating_sub(LISTED);
        let more = if more == 0 {
            String::new()
        } else {
            format!("\n  and {more} more")
        };
        problems.truncate(LISTED);
        bail!(
            "backbone weights `{shown}` do not fit [model.backbone]:\n  {}{more}",
            problems.join("\n  ")
        );
    }
    Ok(())
}

/// Whether a name of the file is not expected to be used.
fn ignored(name: &str) -> bool {
    name.starts_with(CLASSIFIER) || name.ends_with(COUNTER)
}

/// Little-endian bytes to numbers.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
        .collect()
}

/// torchvision's name of our parameter `ours`.
fn torchvision(ours: &str) -> String {
    let parts: Vec<&str> = ours.split('.').collect();
    match parts[..] {
        ["stem", "conv1", "norm", field] => format!("bn1.{field}"),
        ["stem", "conv1", field] => format!("conv1.{field}"),
        [stage, block, "shortcut", "norm", field] => {
            format!("{}.{block}.downsample.1.{field}", layer(stage))
        }
        [stage, block, "shortcut", field] => {
            format!("{}.{block}.downsample.0.{field}", layer(stage))
        }
        [stage, block, conv, "norm", field] => {
            format!(
                "{}.{block}.{}.{field}",
                layer(stage),
                conv.replace("conv", "bn")
            )
        }
        [stage, block, conv, field] => format!("{}.{block}.{conv}.{field}", layer(stage)),
        _ => unreachable!("`{ours}` is no parameter of a ResNet"),
    }
}

/// `res2` -> `layer1`.
fn layer(stage: &str) -> String {
    let number: usize = stage
        .trim_start_matches("res")
        .parse()
        .expect("a stage's number");
    format!("layer{}", number - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::backbone::{BackboneConfig, BlockKind, NormKind};
    use crate::graph::config;
    use crate::rng::Stream;
    use safetensors::tensor::TensorView;
    use std::collections::BTreeMap;

    fn bottleneck() -> BackboneConfig {
        let mut backbone = config::tests::small().backbone;
        (backbone.block, backbone.norm) = (BlockKind::Bottleneck, NormKind::FrozenBatch);
        backbone
    }

    /// Writes the parameters of a fresh backbone under torchvision's names, changed by `change`, and loads them.
    fn round_trip(
        change: impl FnOnce(&mut BTreeMap<String, (Vec<usize>, Vec<f32>)>),
    ) -> anyhow::Result<(ResNet, ResNet)> {
        let mut source = ResNet::new(&bottleneck(), &mut Stream::new(1, "source"))?;
        let mut arrays = BTreeMap::new();
        source.parameters("", &mut |name, param| {
            arrays.insert(
                torchvision(name),
                (param.shape.clone(), param.to_reference()),
            );
        });
        arrays.insert("fc.weight".into(), (vec![1], vec![0.0]));
        arrays.insert(
            "layer1.0.bn1.num_batches_tracked".into(),
            (vec![1], vec![0.0]),
        );
        change(&mut arrays);
        let bytes: BTreeMap<_, Vec<u8>> = arrays
            .iter()
            .map(|(k, (_, v))| (k, v.iter().flat_map(|x| x.to_le_bytes()).collect()))
            .collect();
        let views = arrays.iter().map(|(name, (shape, _))| {
            (
                name,
                TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).expect("a tensor"),
            )
        });
        let folder = tempfile::tempdir()?;
        let weights = folder.path().join("weights.safetensors");
        safetensors::serialize_to_file(views, None, &weights)?;
        let loaded = ResNet::new(
            &BackboneConfig {
                weights,
                ..bottleneck()
            },
            &mut Stream::new(2, "target"),
        )?;
        Ok((source, loaded))
    }

    #[test]
    fn names_are_torchvisions() {
        for (ours, theirs) in [
            ("stem.conv1.weight", "conv1.weight"),
            ("stem.conv1.norm.bias", "bn1.bias"),
            ("res2.0.conv1.weight", "layer1.0.conv1.weight"),
            ("res5.2.conv3.norm.running_var", "layer4.2.bn3.running_var"),
            ("res3.0.shortcut.weight", "layer2.0.downsample.0.weight"),
            (
                "res3.0.shortcut.norm.weight",
                "layer2.0.downsample.1.weight",
            ),
        ] {
            assert_eq!(torchvision(ours), theirs);
        }
    }

    #[test]
    fn a_file_sets_every_value() {
        let (mut source, mut loaded) = round_trip(|_| ()).unwrap();
        let mut expected = Vec::new();
        source.parameters("", &mut |_, param| {
            expected.extend_from_slice(param.value.values())
        });
        let mut found = Vec::new();
        loaded.parameters("", &mut |_, param| {
            found.extend_from_slice(param.value.values())
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn all_that_does_not_fit_is_listed_with_the_file() {
        let error = round_trip(|arrays| {
            arrays.remove("bn1.running_mean");
            arrays.insert("conv1.weight".into(), (vec![2, 3], vec![0.0; 6]));
            arrays.insert("layer1.7.conv1.weight".into(), (vec![1], vec![0.0]));
        });
        let text = format!("{:#}", error.expect_err("a misfit"));
        for part in [
            "weights.safetensors",
            "`bn1.running_mean` is missing",
            "`conv1.weight` is [2, 3], must be [8, 3, 3, 3]",
            "`layer1.7.conv1.weight` has no place",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert!(!text.contains("fc."), "{text}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let config = BackboneConfig {
            weights: "no/such/file".into(),
            ..bottleneck()
        };
        let error = ResNet::new(&config, &mut Stream::new(1, "x")).expect_err("no file");
        assert!(format!("{error:#}").contains("`no/such/file`"), "{error:#}");
    }
}
