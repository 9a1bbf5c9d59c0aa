//! Tests reading, writing and refusing `config.json`.

use super::*;
use serde_json::json;

fn config() -> Value {
    json!({
        "model_type": "mask2former",
        "feature_size": 64,
        "hidden_dim": 64,
        "mask_feature_size": 32,
        "encoder_feedforward_dim": 48,
        "decoder_layers": 4,
        "num_attention_heads": 4,
        "id2label": { "10": "k", "0": "a", "1": "b", "2": "c", "3": "d", "4": "e", "5": "f", "6": "g", "7": "h", "8": "i", "9": "j" },
        "class_weight": 2.0,
        "backbone_config": {
            "model_type": "resnet",
            "embedding_size": 8,
            "hidden_sizes": [16, 32, 64, 128],
            "depths": [1, 2, 1, 1],
            "downsample_in_bottleneck": true,
            "out_features": ["stage1", "stage2", "stage3", "stage4"],
        },
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut json = config();
    *json.pointer_mut(path).expect("a known key") = value;
    json
}

fn refused(json: Value) -> String {
    format!("{:#}", HuggingFaceFolder::parse(json).expect_err("refused"))
}

#[test]
fn sizes_are_read_and_defaults_are_transformers() {
    let HuggingFaceFolder { model, labels } = HuggingFaceFolder::parse(config()).unwrap();
    assert_eq!(
        (model.width, model.fpn_width, model.mask_width),
        (64, 64, 32)
    );
    assert_eq!((model.decoder_layers, model.decoder_ffn), (3, 2048));
    assert_eq!(
        (model.heads, model.queries, model.encoder_layers),
        (4, 100, 6)
    );
    assert_eq!(model.backbone.widths, [4, 8, 16, 32]);
    assert!(model.backbone.stride_in_1x1);
    assert_eq!(
        (labels.len(), labels[10].as_str()),
        (11, "k"),
        "in order of the numbers"
    );
    let basic = with("/backbone_config/depths", json!([2, 2, 2, 2]));
    assert_eq!(
        HuggingFaceFolder::parse(basic)
            .unwrap()
            .model
            .backbone
            .depths,
        [2; 4]
    );
}

#[test]
fn a_configuration_survives_the_way_there_and_back() {
    let folder = HuggingFaceFolder::parse(config()).unwrap();
    let json = folder.to_json().unwrap();
    assert_eq!(json["decoder_layers"], 4);
    assert_eq!(HuggingFaceFolder::parse(json).unwrap(), folder);
}

#[test]
fn what_transformers_cannot_have_is_refused_by_key() {
    let mut folder = HuggingFaceFolder::parse(config()).unwrap();
    folder.model.fpn_width = 32;
    folder.model.encoder_points = 2;
    folder.model.backbone.stem.pool = false;
    let error = folder.to_json().unwrap_err().to_string();
    for key in ["`fpn-width`", "`encoder-points`", "`backbone.stem.pool`"] {
        assert!(error.contains(key), "{key} in {error}");
    }
    assert!(!error.contains("norm-groups"), "{error}");
}

#[test]
fn another_architecture_is_reported() {
    let error = refused(json!({ "model_type": "detr" }));
    assert_eq!(error, "`model_type`: unknown `detr`; known: `mask2former`");
    let swin = refused(with("/backbone_config/model_type", json!("swin")));
    assert!(
        swin.contains("`backbone_config.model_type`: unknown `swin`; known: `resnet`"),
        "{swin}"
    );
    let typed = refused(with("/feature_size", json!("wide")));
    assert!(typed.starts_with("`feature_size`: "), "{typed}");
}

#[test]
fn all_that_is_not_supported_is_listed() {
    let mut json = with("/hidden_dim", json!(128));
    json["pre_norm"] = json!(true);
    json["backbone_config"]["hidden_act"] = json!("gelu");
    json["backbone_config"]["out_features"] = json!(["stage4"]);
    json["id2label"] = json!({ "1": "a" });
    let error = refused(json);
    for key in [
        "hidden_dim",
        "pre_norm",
        "hidden_act",
        "out_features",
        "id2label",
    ] {
        assert!(error.contains(key), "{key} in {error}");
    }
    let mut narrow = with("/feature_size", json!(48));
    narrow["hidden_dim"] = json!(48);
    let narrow = refused(narrow);
    assert!(
        narrow.contains("`feature_size`: 48 does not fit; allowed: multiples of 32"),
        "{narrow}"
    );
}

/// The place of every whole number in `json`, as `pointer` names it.
fn whole_numbers(json: &Value, place: &str) -> Vec<String> {
    let inner = |(key, value): (String, &Value)| whole_numbers(value, &format!("{place}/{key}"));
    match json {
        Value::Object(map) => map
            .iter()
            .map(|(k, v)| (k.clone(), v))
            .flat_map(inner)
            .collect(),
        Value::Array(list) => {
            let numbered = list.iter().enumerate();
            numbered
                .map(|(i, v)| (i.to_string(), v))
                .flat_map(inner)
                .collect()
        }
        Value::Number(_) if json.is_u64() => vec![place.to_string()],
        _ => Vec::new(),
    }
}

#[test]
fn absurd_numbers_are_refused_by_key_with_what_is_allowed() {
    let mut whole = HuggingFaceFolder::parse(config())
        .unwrap()
        .to_json()
        .unwrap();
    // It is written for others, and not read.
    whole.as_object_mut().unwrap().remove("label2id");
    let mut unnamed = whole.clone();
    unnamed.as_object_mut().unwrap().remove("id2label");
    unnamed["num_labels"] = json!(3);
    for json in [whole, unnamed] {
        let places = whole_numbers(&json, "");
        assert!(places.len() > 20, "{places:?}");
        for place in places {
            for number in [i64::MAX as u64, 1 << 31, 0] {
                let mut wrong = json.clone();
                *wrong.pointer_mut(&place).unwrap() = json!(number);
                let error = refused(wrong);
                let key = place
                    .split('/')
                    .filter(|part| part.parse::<usize>().is_err());
                let key = key.collect::<Vec<_>>()[1..].join(".");
                let told = error.contains(&format!("`{key}`: ")) && error.contains("; allowed: ");
                assert!(told, "{key} = {number}: {error}");
            }
        }
    }
}
