//! Compares the graph with PyTorch, by the values and gradients of `tests/golden/mask2former.py`, which
//! explains how the files were made.

use std::collections::BTreeMap;
use std::path::PathBuf;

use harness::graph::backbone::ResNet;
use harness::graph::{BackboneConfig, Mask2Former, ModelConfig};
use harness::nn::params::Parameters;
use harness::registry;
use harness::rng::Stream;
use harness::tensor::{Grads, Map, Tape, Tensor2};
use safetensors::SafeTensors;

/// The largest error of a value, as a fraction of the largest value of its array.
const VALUES: f32 = 1e-4;
/// The same for gradients, which are sums over many more terms.
const GRADIENTS: f32 = 1e-3;

/// The largest error of a value with weights of half precision.
const HALF: f32 = 1e-2;

/// Arrays of a golden file: shape and values.
type Arrays = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name]
        .iter()
        .collect()
}

fn arrays(name: &str) -> Arrays {
    let bytes = std::fs::read(path(name)).expect("a golden file");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let floats = |data: &[u8]| {
        data.chunks_exact(4)
            .map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]]))
            .collect()
    };
    file.iter()
        .map(|(name, array)| {
            (
                name.to_string(),
                (array.shape().to_vec(), floats(array.data())),
            )
        })
        .collect()
}

/// `images`, channels-last.
fn images(arrays: &Arrays) -> Map {
    let (shape, values) = &arrays["images"];
    let [batch, height, width, channels] = shape[..] else {
        panic!("images are {shape:?}")
    };
    Map::new(
        Tensor2::constant(values.clone(), batch * height * width, channels),
        batch,
        height,
        width,
    )
}

#[track_caller]
fn close(name: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{name}: number of values");
    let scale = expected.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * scale,
            "{name}[{i}]: {f}, expected {e} (largest {scale})"
        );
    }
}

/// The gradients of the sum of all values of `outputs` with the irregular weights of the script.
fn backward(mut tape: Tape, outputs: Vec<Tensor2>) -> Grads {
    let weight = |i: usize| ((i * 7919 % 13) as f32 - 6.0) / 6.0 + 0.01;
    let inputs: Vec<&Tensor2> = outputs.iter().collect();
    let loss = tape.output(vec![0.0], 1, 1, &inputs);
    let seed = loss.clone();
    tape.record(&loss, move |grads| {
        let scale = seed.gradient_mut(grads)[0];
        for output in &outputs {
            let gradient = output.gradient_mut(grads).iter_mut();
            gradient
                .enumerate()
                .for_each(|(i, g)| *g += scale * weight(i));
        }
    });
    tape.backward(&loss)
}

/// Compares the gradient of every trained parameter of `network` with `prefix` + its name. Returns the number
/// of compared gradients.
fn compare_gradients(
    network: &mut dyn Parameters,
    grads: &mut Grads,
    arrays: &Arrays,
    prefix: &str,
) -> usize {
    let mut compared = 0;
    network.parameters("", &mut |name, param| {
        if param.value.requires_grad() {
            let mut gradient = param.clone();
            gradient
                .value
                .values_mut()
                .copy_from_slice(&param.value.gradient(grads));
            close(
                name,
                &gradient.to_reference(),
                &arrays[&format!("{prefix}{name}")].1,
                GRADIENTS,
            );
            compared += 1;
        }
    });
    compared
}

fn model_config() -> ModelConfig {
    let text = r#"
        queries = 5
        width = 16
        fpn-width = 8
        mask-width = 8
        heads = 2
        norm-groups = 4
        encoder-layers = 2
        encoder-points = 3
        encoder-ffn = 24
        decoder-layers = 4
        decoder-ffn = 20
        pixel-mean = [0.0, 0.0, 0.0]
        pixel-std = [1.0, 1.0, 1.0]
        channel-order = "rgb"
        mask-head = "plain"
        iou-head = "none"
        weights = ""
        [backbone]
        block = "basic"
        stem = { width = 8, kernel = 3, stride = 2, pool = false }
        widths = [8, 8, 16, 16]
        depths = [1, 2, 1, 1]
        norm = "group"
        norm-groups = 4
        norm-epsilon = 1e-5
        stride-in-1x1 = false
        frozen = false
        weights = ""
    "#;
    registry::read(text.parse().expect("TOML")).expect("a model")
}

#[test]
fn parity_of_mask2former_with_pytorch() {
    let golden = arrays("mask2former.safetensors");
    let config = model_config();
    let mut model = Mask2Former::new(&config, 3, &mut Stream::new(1, "golden")).expect("a model");
    let mut known = 0;
    model.parameters("", &mut |name, param| {
        let (shape, values) = golden
            .get(&format!("param.{name}"))
            .unwrap_or_else(|| panic!("no `{name}` in the file"));
        assert_eq!(&param.shape, shape, "{name}");
        param.set_from_reference(values);
        known += 1;
    });
    assert_eq!(
        known,
        golden
            .keys()
            .filter(|name| name.starts_with("param."))
            .count(),
        "parameters of the file"
    );

    let mut tape = Tape::recording();
    let predictions = model.forward(&mut tape, &images(&golden));
    assert_eq!(predictions.layers.len(), config.decoder_layers + 1);
    assert_eq!((predictions.batch, predictions.queries), (2, 5));
    assert_eq!((predictions.height, predictions.width), (16, 24));
    for (i, layer) in predictions.layers.iter().enumerate() {
        close(
            &format!("classes.{i}"),
            layer.classes.values(),
            &golden[&format!("classes.{i}")].1,
            VALUES,
        );
        close(
            &format!("masks.{i}"),
            layer.masks.values(),
            &golden[&format!("masks.{i}")].1,
            VALUES,
        );
    }

    let outputs = predictions
        .layers
        .into_iter()
        .flat_map(|layer| [layer.classes, layer.masks])
        .collect();
    let mut grads = backward(tape, outputs);
    let compared = compare_gradients(&mut model, &mut grads, &golden, "gradient.");
    assert_eq!(compared, known, "every parameter is trained");
}

#[test]
fn parity_of_a_converted_checkpoint_of_pl_dc() {
    let golden = arrays("mask2former.safetensors");
    let file = path("detectron2/pl-dc.safetensors");
    // Rounding to half precision may change the attention masks of the later layers.
    for (network, tolerance, layers) in [("teacher", VALUES, 5), ("student", HALF, 1)] {
        let config = ModelConfig {
            weights: format!("{}#{network}", file.display()).into(),
            ..model_config()
        };
        let model = Mask2Former::new(&config, 3, &mut Stream::new(1, "golden")).expect("a model");
        let predictions = model.forward(&mut Tape::off(), &images(&golden));
        for (i, layer) in predictions.layers[..layers].iter().enumerate() {
            let name = format!("classes.{i}");
            let expected = &golden[&name].1;
            close(&name, layer.classes.values(), expected, tolerance);
        }
    }
}

/// A bottleneck ResNet with frozen batch norm and the weights of the golden file.
fn frozen_norm_config(stride_in_1x1: bool, frozen: bool) -> BackboneConfig {
    resnet_config("resnet_weights.safetensors", stride_in_1x1, frozen)
}

/// The same with the weights of another file.
fn resnet_config(weights: &str, stride_in_1x1: bool, frozen: bool) -> BackboneConfig {
    let text = format!(
        r#"
        block = "bottleneck"
        stem = {{ width = 8, kernel = 7, stride = 2, pool = true }}
        widths = [4, 4, 8, 8]
        depths = [1, 2, 1, 1]
        norm = "frozen-batch"
        norm-groups = 1
        norm-epsilon = 1e-5
        stride-in-1x1 = {stride_in_1x1}
        frozen = {frozen}
        weights = '{}'
    "#,
        path(weights).display()
    );
    registry::read(text.parse().expect("TOML")).expect("a backbone")
}

#[test]
fn parity_of_a_bottleneck_resnet_with_frozen_norm() {
    let golden = arrays("resnet.safetensors");
    for (place, stride_in_1x1) in [("3x3", false), ("1x1", true)] {
        let config = frozen_norm_config(stride_in_1x1, false);
        let mut resnet = ResNet::new(&config, &mut Stream::new(1, "golden")).expect("a backbone");
        let mut tape = Tape::recording();
        let maps = resnet.forward(&mut tape, &images(&golden));
        for (map, stage) in maps.iter().zip(["res2", "res3", "res4", "res5"]) {
            let (shape, values) = &golden[&format!("{place}.{stage}")];
            assert_eq!(
                shape,
                &[map.batch, map.height, map.width, map.channels()],
                "{place} {stage}"
            );
            close(
                &format!("{place} {stage}"),
                map.data.values(),
                values,
                VALUES,
            );
        }
        let mut grads = backward(tape, maps.map(|map| map.data).into());
        let compared = compare_gradients(
            &mut resnet,
            &mut grads,
            &golden,
            &format!("{place}.gradient."),
        );
        let kernels = golden
            .keys()
            .filter(|name| name.starts_with(&format!("{place}.gradient.")))
            .count();
        assert_eq!(
            compared, kernels,
            "the kernels are trained, the norms are not"
        );
    }
}

#[test]
fn parity_of_converted_backbones_of_detectron2() {
    let golden = arrays("resnet.safetensors");
    for (file, place, stride_in_1x1) in [("msra", "1x1", true), ("torchvision", "3x3", false)] {
        let weights = format!("detectron2/{file}.safetensors");
        let config = resnet_config(&weights, stride_in_1x1, true);
        let resnet = ResNet::new(&config, &mut Stream::new(1, "golden")).expect("a backbone");
        let maps = resnet.forward(&mut Tape::off(), &images(&golden));
        for (map, stage) in maps.iter().zip(["res2", "res3", "res4", "res5"]) {
            let expected = &golden[&format!("{place}.{stage}")].1;
            close(
                &format!("{file} {stage}"),
                map.data.values(),
                expected,
                VALUES,
            );
        }
    }
}

#[test]
fn parity_of_a_frozen_backbone_that_records_nothing() {
    let golden = arrays("resnet.safetensors");
    let resnet = ResNet::new(
        &frozen_norm_config(false, true),
        &mut Stream::new(1, "golden"),
    )
    .expect("a backbone");
    let maps = resnet.forward(&mut Tape::recording(), &images(&golden));
    for (map, stage) in maps.iter().zip(["res2", "res3", "res4", "res5"]) {
        close(
            stage,
            map.data.values(),
            &golden[&format!("3x3.{stage}")].1,
            VALUES,
        );
        assert!(!map.data.requires_grad(), "{stage} is on the tape");
    }
}
