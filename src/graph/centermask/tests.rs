//! The whole network: its size, its names, its first values.

use super::*;

#[test]
fn the_published_network_has_the_published_number_of_parameters() {
    const CLASSES: usize = 91;
    let mut model = CenterMask::new(&published(), CLASSES, &mut Stream::new(0, "m")).unwrap();
    let (mut detector, mut regions, mut names) = (0, 0, Vec::new());
    model.parameters("", &mut |name, param| {
        names.push(name.to_string());
        if name.starts_with("roi_heads.") {
            regions += param.value.len();
        } else if !name.contains("norm.") && !name.contains(".scales.") {
            detector += param.value.len();
        }
    });
    // torchvision's `fcos_resnet50_fpn`, which has no scales.
    assert_eq!(detector, 32_269_600);
    let convolution = |inputs: usize, outputs: usize| 9 * inputs * outputs + outputs;
    let attention = 9 * 2;
    let masks = 4 * convolution(256, 256) + attention + (4 * 256 * 256 + 256) + 257 * CLASSES;
    let convolutions = convolution(257, 256) + 3 * convolution(256, 256);
    let iou = convolutions + (12_544 + 1) * 1024 + (1024 + 1) * 1024 + (1024 + 1) * CLASSES;
    assert_eq!(regions, masks + iou);
    for name in [
        "backbone.bottom_up.stem.conv1.norm.bias",
        "backbone.fpn_lateral3.weight",
        "backbone.fpn_output5.bias",
        "backbone.top_block.p6.weight",
        "backbone.top_block.p7.bias",
        "proposal_generator.fcos_head.cls_tower.0.weight",
        "proposal_generator.fcos_head.cls_tower.10.bias",
        "proposal_generator.fcos_head.bbox_tower.9.weight",
        "proposal_generator.fcos_head.cls_logits.bias",
        "proposal_generator.fcos_head.bbox_pred.weight",
        "proposal_generator.fcos_head.ctrness.bias",
        "proposal_generator.fcos_head.scales.4.scale",
        "roi_heads.mask_head.mask_fcn4.weight",
        "roi_heads.mask_head.spatialAtt.conv.weight",
        "roi_heads.mask_head.deconv.bias",
        "roi_heads.mask_head.predictor.weight",
        "roi_heads.maskiou_head.maskiou_fcn1.weight",
        "roi_heads.maskiou_head.maskiou_fc2.bias",
        "roi_heads.maskiou_head.maskiou.weight",
    ] {
        assert!(names.iter().any(|known| known == name), "no `{name}`");
    }
    assert!(!names.iter().any(|name| name.contains("lateral2")));
}

/// FCOS begins with a probability of 0.01 for every class.
#[test]
fn at_first_every_class_has_the_prior_probability() {
    let mut config = published();
    (config.fpn_width, config.heads.width) = (32, 16);
    (config.heads.mask_width, config.backbone.depths) = (8, [1; 4]);
    let mut model = CenterMask::new(&config, 4, &mut Stream::new(4, "m")).unwrap();
    let mut seen = 0;
    model.parameters("", &mut |name, param| {
        let values = param.value.values();
        if name.ends_with("cls_logits.bias") {
            assert!(values.iter().all(|bias| (bias + 99f32.ln()).abs() < 1e-6));
            seen += 1;
        }
        if name.ends_with(".scale") {
            assert_eq!(values, [1.0]);
            seen += 1;
        }
    });
    assert_eq!(seen, 1 + LEVELS);
}
