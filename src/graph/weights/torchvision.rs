//! torchvision's names of a ResNet.
//!
//! | here (detectron2) | there (torchvision) |
//! |---|---|
//! | `stem.conv1.weight` | `conv1.weight` |
//! | `stem.conv1.norm.bias` | `bn1.bias` |
//! | `res2.0.conv1.weight` | `layer1.0.conv1.weight` |
//! | `res2.0.conv1.norm.running_mean` | `layer1.0.bn1.running_mean` |
//! | `res2.0.shortcut.weight` | `layer1.0.downsample.0.weight` |
//! | `res2.0.shortcut.norm.weight` | `layer1.0.downsample.1.weight` |

/// A name that no other layout has.
pub(super) const MARK: &str = "layer1.0.conv1.weight";
/// The classifier, which a backbone does not have.
pub(super) const CLASSIFIER: &str = "fc.";

/// torchvision's name of the backbone's parameter `ours`.
pub(super) fn name(ours: &str) -> String {
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
            let norm = conv.replace("conv", "bn");
            format!("{}.{block}.{norm}.{field}", layer(stage))
        }
        [stage, block, conv, field] => format!("{}.{block}.{conv}.{field}", layer(stage)),
        _ => unreachable!("`{ours}` is not a parameter of a ResNet"),
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
            assert_eq!(name(ours), theirs);
        }
    }
}
