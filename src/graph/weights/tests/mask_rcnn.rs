//! A file like the one that torchvision released for COCO: old names, 91 classes at COCO's category ids.

use super::*;
use crate::graph::mask_rcnn::{HeadConfig, MaskRcnn, MaskRcnnConfig, published};
use crate::graph::weights::fit::{Names, RowOrder};
use crate::graph::weights::mask_rcnn::MaskRcnnNames;

/// The value of rows that belong to no category.
const UNUSED: f32 = 77.0;

fn network(classes: usize, weights: &Path, seed: u64) -> Result<MaskRcnn> {
    let mut config = MaskRcnnConfig {
        fpn_width: 4,
        heads: HeadConfig {
            box_side: 2,
            width: 8,
            mask_side: 2,
            mask_width: 4,
            mask_convs: 4,
        },
        weights: weights.to_path_buf(),
        ..published()
    };
    config.backbone.stem.width = 8;
    (config.backbone.widths, config.backbone.depths) = ([8; 4], [1; 4]);
    MaskRcnn::new(&config, classes, &mut Stream::new(seed, "m"))
}

/// The arrays of `network` as the released file has them, with rows of [`UNUSED`] that no category has.
fn released(network: &mut MaskRcnn) -> Values {
    let mut values = BTreeMap::new();
    network.parameters("", &mut |ours, param| {
        let names = MaskRcnnNames::Torchvision {
            released: true,
            by_id: true,
        };
        let source = names.origin(ours);
        let (shape, mut stored) = source.stored(param);
        if matches!(source.rows, RowOrder::Classes(_)) {
            let row = stored.len() / shape[0];
            for row in stored.chunks_exact_mut(row) {
                if row.iter().all(|value| *value == 0.0) {
                    row.fill(UNUSED);
                }
            }
        }
        values.insert(source.names[0].clone(), (shape, stored));
    });
    values
}

#[test]
fn the_categories_of_coco_are_read_from_the_released_file() {
    let mut source = network(80, Path::new(""), 1).unwrap();
    // Biases are 0 at first, as unused rows are.
    let mut next = 0.0;
    source.parameters("", &mut |name, param| {
        if name.ends_with("bias") {
            param.value.values_mut().iter_mut().for_each(|value| {
                next += 1.0;
                *value = next;
            });
        }
    });
    let arrays = released(&mut source);
    for (name, shape) in [
        ("backbone.body.conv1.weight", vec![8, 3, 7, 7]),
        ("backbone.body.layer1.0.downsample.1.running_var", vec![32]),
        ("backbone.fpn.inner_blocks.0.weight", vec![4, 32, 1, 1]),
        ("backbone.fpn.layer_blocks.3.bias", vec![4]),
        ("rpn.head.conv.weight", vec![4, 4, 3, 3]),
        ("rpn.head.cls_logits.weight", vec![3, 4, 1, 1]),
        ("roi_heads.box_head.fc6.weight", vec![8, 16]),
        ("roi_heads.box_predictor.cls_score.weight", vec![91, 8]),
        ("roi_heads.box_predictor.bbox_pred.bias", vec![364]),
        ("roi_heads.mask_head.mask_fcn1.weight", vec![4, 4, 3, 3]),
        ("roi_heads.mask_head.mask_fcn4.bias", vec![4]),
        (
            "roi_heads.mask_predictor.conv5_mask.weight",
            vec![4, 4, 2, 2],
        ),
        (
            "roi_heads.mask_predictor.mask_fcn_logits.weight",
            vec![91, 4, 1, 1],
        ),
    ] {
        assert_eq!(arrays[name].0, shape, "{name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("released.safetensors");
    write(&arrays, &path);
    let mut loaded = network(80, &path, 2).unwrap();
    let own = |name: &str| name.to_string();
    assert!(values(&mut loaded, own) == values(&mut source, own));

    // The second category of a network with all ids is the same; its twelfth has no name.
    let mut all = network(90, &path, 2).unwrap();
    let mut biases = Vec::new();
    all.parameters("", &mut |name, param| {
        if name == "roi_heads.box_predictor.cls_score.bias" {
            biases = param.value.values().to_vec();
        }
    });
    let stored = &arrays["roi_heads.box_predictor.cls_score.bias"].1;
    assert_eq!(
        (biases[1], biases[11], biases[90]),
        (stored[2], UNUSED, stored[0])
    );

    let error = format!("{:#}", network(5, &path, 2).expect_err("91 classes"));
    let expected = "`roi_heads.box_predictor.cls_score.bias` is [91], must be [6]";
    assert!(error.contains(expected), "{error}");
}
