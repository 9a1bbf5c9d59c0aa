//! The names of `transformers`' `Mask2FormerForUniversalSegmentation` with a ResNet backbone.
//!
//! | here (Mask2Former's own) | there |
//! |---|---|
//! | `backbone.stem.conv1.norm.weight` | `model.pixel_level_module.encoder.embedder.embedder.normalization.weight` |
//! | `backbone.res3.0.conv2.weight` | `model.pixel_level_module.encoder.encoder.stages.1.layers.0.layer.1.convolution.weight` |
//! | `sem_seg_head.pixel_decoder.adapter_1.norm.bias` | `model.pixel_level_module.decoder.adapter_1.1.bias` |
//! | `sem_seg_head.pixel_decoder.transformer.encoder.layers.0.linear1.weight` | `model.pixel_level_module.decoder.encoder.layers.0.fc1.weight` |
//! | `sem_seg_head.predictor.query_feat.weight` | `model.transformer_module.queries_features.weight` |
//! | `sem_seg_head.predictor.transformer_self_attention_layers.0.self_attn.in_proj_weight` | the rows of `...decoder.layers.0.self_attn.{q,k,v}_proj.weight`, in this order |
//! | `sem_seg_head.predictor.mask_embed.layers.2.bias` | `model.transformer_module.decoder.mask_predictor.mask_embedder.2.0.bias` |
//! | `sem_seg_head.predictor.class_embed.weight` | `class_predictor.weight` |

/// The class weights of the loss, which are not a parameter.
pub(super) const CLASS_WEIGHTS: &str = "criterion.empty_weight";
/// A name that no other layout has.
pub(super) const MARK: &str = "model.transformer_module.queries_features.weight";

const ENCODER: &str = "model.pixel_level_module.encoder";
const DECODER: &str = "model.pixel_level_module.decoder";
const TRANSFORMER: &str = "model.transformer_module";
/// The order of the packed projections.
const PROJECTIONS: [&str; 3] = ["q_proj", "k_proj", "v_proj"];

/// The names of the arrays that, stacked along their first axis, are our parameter `ours`.
pub(super) fn names(ours: &str) -> Vec<String> {
    let parts: Vec<&str> = ours.split('.').collect();
    let name = match &parts[..] {
        ["backbone", rest @ ..] => backbone(rest),
        ["sem_seg_head", "pixel_decoder", rest @ ..] => pixel_decoder(rest),
        ["sem_seg_head", "predictor", rest @ ..] => match rest {
            ["transformer_self_attention_layers", i, "self_attn", packed]
                if packed.starts_with("in_proj_") =>
            {
                let field = packed.trim_start_matches("in_proj_");
                let layer = format!("{TRANSFORMER}.decoder.layers.{i}.self_attn");
                return PROJECTIONS
                    .iter()
                    .map(|projection| format!("{layer}.{projection}.{field}"))
                    .collect();
            }
            _ => predictor(rest),
        },
        _ => None,
    };
    // A parameter of another network has no name there, so that it is found missing.
    vec![name.unwrap_or_else(|| ours.to_string())]
}

fn backbone(parts: &[&str]) -> Option<String> {
    let unit = |place: String, rest: &[&str]| match rest {
        ["norm", field] => Some(format!("{ENCODER}.{place}.normalization.{field}")),
        [field] => Some(format!("{ENCODER}.{place}.convolution.{field}")),
        _ => None,
    };
    match parts {
        ["stem", "conv1", rest @ ..] => unit("embedder.embedder".into(), rest),
        [stage, block, conv, rest @ ..] => {
            let stage: usize = stage.strip_prefix("res")?.parse().ok()?;
            let layer = format!("encoder.stages.{}.layers.{block}", stage.checked_sub(2)?);
            match conv.strip_prefix("conv") {
                Some(number) => {
                    let index = number.parse::<usize>().ok()?.checked_sub(1)?;
                    unit(format!("{layer}.layer.{index}"), rest)
                }
                None => unit(format!("{layer}.{conv}"), rest),
            }
        }
        _ => None,
    }
}

fn pixel_decoder(parts: &[&str]) -> Option<String> {
    let rest = match parts {
        ["input_proj", i, j, field] => format!("input_projections.{i}.{j}.{field}"),
        ["transformer", "level_embed"] => "level_embed".into(),
        [
            "transformer",
            "encoder",
            "layers",
            i,
            "self_attn",
            linear,
            field,
        ] => {
            format!("encoder.layers.{i}.self_attn.{linear}.{field}")
        }
        ["transformer", "encoder", "layers", i, part, field] => {
            let part = match *part {
                "norm1" => "self_attn_layer_norm",
                "norm2" => "final_layer_norm",
                linear => feed_forward(linear)?,
            };
            format!("encoder.layers.{i}.{part}.{field}")
        }
        ["mask_features", field] => format!("mask_projection.{field}"),
        [conv, "norm", field] => format!("{conv}.1.{field}"),
        [conv, field] => format!("{conv}.0.{field}"),
        _ => return None,
    };
    Some(format!("{DECODER}.{rest}"))
}

fn predictor(parts: &[&str]) -> Option<String> {
    let layer = |i: &str, part: &str, field: &str| format!("decoder.layers.{i}.{part}.{field}");
    let rest = match parts {
        ["class_embed", field] => return Some(format!("class_predictor.{field}")),
        ["query_feat", field] => format!("queries_features.{field}"),
        ["query_embed", field] => format!("queries_embedder.{field}"),
        ["level_embed", field] => format!("level_embed.{field}"),
        ["decoder_norm", field] => format!("decoder.layernorm.{field}"),
        ["mask_embed", "layers", i, field] => {
            format!("decoder.mask_predictor.mask_embedder.{i}.0.{field}")
        }
        [
            "transformer_cross_attention_layers",
            i,
            "multihead_attn",
            rest @ ..,
        ] => layer(i, "cross_attn", &rest.join(".")),
        ["transformer_cross_attention_layers", i, "norm", field] => {
            layer(i, "cross_attn_layer_norm", field)
        }
        [
            "transformer_self_attention_layers",
            i,
            "self_attn",
            rest @ ..,
        ] => layer(i, "self_attn", &rest.join(".")),
        ["transformer_self_attention_layers", i, "norm", field] => {
            layer(i, "self_attn_layer_norm", field)
        }
        ["transformer_ffn_layers", i, "norm", field] => layer(i, "final_layer_norm", field),
        ["transformer_ffn_layers", i, linear, field] => layer(i, feed_forward(linear)?, field),
        _ => return None,
    };
    Some(format!("{TRANSFORMER}.{rest}"))
}

fn feed_forward(linear: &str) -> Option<&'static str> {
    match linear {
        "linear1" => Some("fc1"),
        "linear2" => Some("fc2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_transformers() {
        let decoder = "model.transformer_module.decoder.layers.3";
        for (ours, theirs) in [
            (
                "backbone.stem.conv1.weight",
                "model.pixel_level_module.encoder.embedder.embedder.convolution.weight",
            ),
            (
                "backbone.res5.2.conv3.norm.running_var",
                "model.pixel_level_module.encoder.encoder.stages.3.layers.2.layer.2.normalization.running_var",
            ),
            (
                "backbone.res3.0.shortcut.weight",
                "model.pixel_level_module.encoder.encoder.stages.1.layers.0.shortcut.convolution.weight",
            ),
            (
                "sem_seg_head.pixel_decoder.transformer.encoder.layers.1.norm2.bias",
                "model.pixel_level_module.decoder.encoder.layers.1.final_layer_norm.bias",
            ),
            (
                "sem_seg_head.pixel_decoder.layer_1.weight",
                "model.pixel_level_module.decoder.layer_1.0.weight",
            ),
            (
                "sem_seg_head.predictor.transformer_cross_attention_layers.3.multihead_attn.out_proj.bias",
                &format!("{decoder}.cross_attn.out_proj.bias"),
            ),
            (
                "sem_seg_head.predictor.transformer_ffn_layers.3.linear2.weight",
                &format!("{decoder}.fc2.weight"),
            ),
            (
                "sem_seg_head.predictor.class_embed.bias",
                "class_predictor.bias",
            ),
        ] {
            assert_eq!(names(ours), [theirs]);
        }
        let packed =
            "sem_seg_head.predictor.transformer_self_attention_layers.3.self_attn.in_proj_weight";
        let parts = ["q", "k", "v"].map(|part| format!("{decoder}.self_attn.{part}_proj.weight"));
        assert_eq!(names(packed), parts);
    }
}
