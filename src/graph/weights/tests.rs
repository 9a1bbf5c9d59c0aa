//! Tests loading and writing with real files.

mod mask_rcnn;

use super::*;
use crate::graph::backbone::{BackboneConfig, BlockKind, NormKind, ResNet, StemConfig};
use crate::graph::network_weights::NetworkWeights;
use crate::graph::{HuggingFaceFolder, Mask2Former, ModelConfig, config};
use crate::rng::Stream;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::BTreeMap;

/// The content of a file: shape and values by name.
type Values = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn bottleneck() -> BackboneConfig {
    let mut backbone = config::tests::small().backbone;
    (backbone.block, backbone.norm) = (BlockKind::Bottleneck, NormKind::FrozenBatch);
    backbone
}

/// A network that transformers can express.
fn config() -> ModelConfig {
    let mut config = ModelConfig {
        width: 32,
        fpn_width: 32,
        mask_width: 16,
        norm_groups: 32,
        encoder_points: 4,
        ..config::tests::small()
    };
    config.backbone = bottleneck();
    config.backbone.stem = StemConfig {
        width: 8,
        kernel: 7,
        stride: 2,
        pool: true,
    };
    config.backbone.norm_groups = 32;
    config
}

const CLASSES: usize = 3;

fn network(config: &ModelConfig, seed: u64) -> Mask2Former {
    Mask2Former::new(config, CLASSES, &mut Stream::new(seed, "model")).expect("a network")
}

/// The parameters of a network under `name` of their own names.
fn values(network: &mut dyn Parameters, name: impl Fn(&str) -> String) -> Values {
    let mut values = BTreeMap::new();
    network.parameters("", &mut |ours, param| {
        values.insert(name(ours), (param.shape.clone(), param.to_reference()));
    });
    values
}

fn write(values: &Values, path: &Path) {
    let bytes: BTreeMap<_, Vec<u8>> = values
        .iter()
        .map(|(k, (_, v))| (k, v.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let views = values.iter().map(|(name, (shape, _))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), &bytes[name]);
        (name, view.expect("a tensor"))
    });
    safetensors::serialize_to_file(views, None, path).expect("a writable folder");
}

/// Writes the parameters of a fresh backbone under torchvision's names, changed by `change`, and loads them.
fn round_trip(change: impl FnOnce(&mut Values)) -> Result<(ResNet, ResNet)> {
    let mut source = ResNet::new(&bottleneck(), &mut Stream::new(1, "source"))?;
    let mut arrays = values(&mut source, torchvision::name);
    arrays.insert("fc.weight".into(), (vec![1], vec![0.0]));
    let counter = "layer1.0.bn1.num_batches_tracked";
    arrays.insert(counter.into(), (vec![1], vec![0.0]));
    change(&mut arrays);
    let folder = tempfile::tempdir()?;
    let weights = folder.path().join("weights.safetensors");
    write(&arrays, &weights);
    let config = BackboneConfig {
        weights,
        ..bottleneck()
    };
    let loaded = ResNet::new(&config, &mut Stream::new(2, "target"))?;
    Ok((source, loaded))
}

#[test]
fn a_file_sets_every_value_of_a_backbone() {
    let (mut source, mut loaded) = round_trip(|_| ()).unwrap();
    let own = |name: &str| name.to_string();
    assert_eq!(values(&mut loaded, own), values(&mut source, own));
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
        "`bn1.running_mean` [8] is missing",
        "`conv1.weight` is [2, 3], must be [8, 3, 3, 3]",
        "`layer1.7.conv1.weight` is unexpected",
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

#[test]
fn a_network_survives_the_way_to_transformers_and_back() {
    let config = config();
    let mut source = network(&config, 1);
    let folder = tempfile::tempdir().unwrap();
    let labels = vec!["a".into(), "b".into(), "c".into()];
    let described = HuggingFaceFolder {
        model: config.clone(),
        labels,
    };
    let json = described.to_json().unwrap().to_string();
    std::fs::write(folder.path().join("config.json"), json).unwrap();
    let path = folder.path().join(arrays::SINGLE);
    std::fs::write(path, export(&mut source).unwrap()).unwrap();

    assert_eq!(
        HuggingFaceFolder::open(folder.path()).unwrap().labels,
        described.labels
    );
    let with_weights = ModelConfig {
        weights: folder.path().into(),
        ..config.clone()
    };
    let mut loaded = network(&with_weights, 2);
    let own = |name: &str| name.to_string();
    assert_eq!(values(&mut loaded, own), values(&mut source, own));
    // The same shapes, but another network.
    let other = ModelConfig {
        heads: 4,
        ..with_weights
    };
    let error = Mask2Former::new(&other, CLASSES, &mut Stream::new(2, "x")).unwrap_err();
    assert!(
        format!("{error:#}").contains("`heads` is 4, must be 2"),
        "{error:#}"
    );
}

#[test]
fn one_of_several_networks_is_chosen() {
    let config = config();
    let (mut student, mut teacher) = (network(&config, 1), network(&config, 2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let mut arrays = values(&mut student, |name| format!("modelStudent.{name}"));
    arrays.extend(values(&mut teacher, |name| format!("modelTeacher.{name}")));
    arrays.extend(values(&mut student, |name| {
        format!("optimizer.first.{name}")
    }));
    arrays.insert(
        "modelTeacher.criterion.empty_weight".into(),
        (vec![4], vec![1.0; 4]),
    );
    write(&arrays, &path);
    let own = |name: &str| name.to_string();
    let load = |part: &str| {
        let mut model = network(&config, 3);
        let path = format!("{}{part}", path.display());
        NetworkWeights::open(Path::new(&path))?.load(&config, &mut model)?;
        Ok::<_, anyhow::Error>(values(&mut model, own))
    };
    assert_eq!(load("#student").unwrap(), values(&mut student, own));
    assert_eq!(load("#teacher").unwrap(), values(&mut teacher, own));
    assert_eq!(
        load("").unwrap(),
        values(&mut teacher, own),
        "the teacher is what is reported"
    );
    let error = format!("{:#}", load("#average").unwrap_err());
    assert!(
        error.contains("which network `average`") && error.contains("`modelStudent`"),
        "{error}"
    );

    arrays.retain(|name, _| !name.ends_with("query_embed.weight"));
    arrays.insert(
        "modelTeacher.backbone.res9.weight".into(),
        (vec![1], vec![0.0]),
    );
    write(&arrays, &path);
    let error = format!("{:#}", load("#teacher").unwrap_err());
    let missing = "`modelTeacher.sem_seg_head.predictor.query_embed.weight` [5, 32] is missing";
    assert!(error.contains(missing), "{error}");
    assert!(
        error.contains("`modelTeacher.backbone.res9.weight` is unexpected"),
        "{error}"
    );
    assert!(
        !error.contains("modelStudent") && !error.contains("optimizer"),
        "{error}"
    );
}

#[test]
fn foreign_names_are_no_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    write(
        &BTreeMap::from([("conv1.weight".to_string(), (vec![1], vec![0.0]))]),
        &path,
    );
    let error = format!("{:#}", NetworkWeights::open(&path).unwrap_err());
    assert!(
        error.contains("other.safetensors: these are not the names of a Mask2Former"),
        "{error}"
    );
}
