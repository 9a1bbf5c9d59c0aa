//! Compares the network, its losses and all gradients with Hugging Face `transformers`, by the numbers of
//! `tests/golden/hf_mask2former.py`, which explains how the files were made. Errors are relative, in the L2
//! norm.
//!
//! If `transformers` differs from the recipes here, the loss is set as there: queries of an image without an
//! object learn no-object (`EmptyImage::Background`), as in Mask2Former; the matching cost of a class has the
//! loss's weight (before version 5 it always had weight 1). It lists matched pairs in the order of the
//! queries, we in the order of the objects. Batch norm is frozen here, as in detectron2; `transformers` would
//! train its scale and shift.

use harness::detector::mask2former::matcher::{Prediction, assign};
use harness::detector::mask2former::points::{PointSource, Purpose};
use harness::detector::mask2former::{Criterion, LossConfig};
use harness::detector::{EmptyImage, MaskLoss, Part, Pending, Targets};
use harness::graph::weights::{Arrays, Layout, Names};
use harness::graph::{HuggingFaceFolder, Mask2Former, ModelConfig, Predictions};
use harness::nn::params::Parameters;
use harness::rng::Stream;
use harness::structures::Mask;
use harness::tensor::{Map, Place, Tape, Tensor2};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

/// The largest relative error of values, and of gradients.
const VALUES: f64 = 1e-4;
const GRADIENTS: f64 = 1e-3;

/// Arrays of a golden file: shape and values.
type Golden = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Cargo tells the tests that it runs where the repository is. Whoever runs them elsewhere, such as
/// `benches/gpu/window`, tells it by the same variable.
fn path(name: &str) -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    folder.join("tests/golden/hf_mask2former").join(name)
}

fn golden(case: &str) -> Golden {
    let bytes = std::fs::read(path(&format!("{case}.safetensors"))).expect("a golden file");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let values = |dtype: Dtype, data: &[u8]| -> Vec<f32> {
        match dtype {
            Dtype::F32 => data
                .as_chunks()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect(),
            Dtype::I64 => data
                .as_chunks()
                .0
                .iter()
                .map(|b| i64::from_le_bytes(*b) as f32)
                .collect(),
            Dtype::U8 => data.iter().map(|b| f32::from(*b)).collect(),
            other => panic!("{other:?} in a golden file"),
        }
    };
    file.iter()
        .map(|(name, array)| {
            let values = values(array.dtype(), array.data());
            (name.to_string(), (array.shape().to_vec(), values))
        })
        .collect()
}

/// |found - expected| / |expected|.
fn error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len(), "number of values");
    let square = |x: f64| x * x;
    let pairs = found.iter().zip(expected);
    let difference: f64 = pairs
        .map(|(f, e)| square(f64::from(*f) - f64::from(*e)))
        .sum();
    let size: f64 = expected.iter().map(|e| square(f64::from(*e))).sum();
    (difference / size.max(1e-30)).sqrt()
}

/// The worst error of one kind of numbers, printed at the end (`--nocapture`).
struct Worst {
    what: &'static str,
    bound: f64,
    error: f64,
    count: usize,
}

impl Worst {
    fn new(what: &'static str, bound: f64) -> Self {
        Self {
            what,
            bound,
            error: 0.0,
            count: 0,
        }
    }

    #[track_caller]
    fn add(&mut self, name: &str, error: f64) {
        assert!(
            error <= self.bound,
            "{} {name}: relative error {error:.2e}",
            self.what
        );
        self.error = self.error.max(error);
        self.count += 1;
    }
}

impl Drop for Worst {
    fn drop(&mut self) {
        println!(
            "  {} ({}): at most {:.1e}",
            self.what, self.count, self.error
        );
    }
}

/// The bits of splitmix64 of an index: the signs of the sums.
fn splitmix64(i: u64) -> u64 {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    let z = i.wrapping_mul(STEP).wrapping_add(STEP);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A gradient below this part of the whole is 0 by the mathematics: that of a key's bias before the softmax,
/// or of a bias before a norm of its channel alone. Ours may be as large as a rounding error, `ROUNDING` of
/// the whole.
const ZERO: f64 = 1e-10;
const ROUNDING: f64 = 1e-6;

fn norm(values: &[f32]) -> f64 {
    values
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// The relative error of a gradient, of its values or estimated from signed sums. For a gradient that is 0,
/// the excess over the rounding error, with the same bound.
fn gradient_error(golden: &Golden, name: &str, found: &[f32]) -> f64 {
    let whole = f64::from(golden["gradients.norm"].1[0]);
    let values = golden
        .get(&format!("gradient.{name}"))
        .map(|(_, values)| values);
    let norm_of_all = |values: &Vec<f32>| norm(values);
    let expected = values.map_or_else(
        || f64::from(golden[&format!("norm.{name}")].1[0]),
        norm_of_all,
    );
    if expected < ZERO * whole {
        return GRADIENTS * norm(found) / (ROUNDING * whole);
    }
    if let Some(values) = values {
        return error(found, values);
    }
    let (_, sums) = &golden[&format!("sums.{name}")];
    let mut square = 0.0;
    for (j, expected) in sums.iter().enumerate() {
        let sign = |i: usize| 1.0 - 2.0 * (splitmix64(i as u64) >> j & 1) as f64;
        let sum: f64 = (0..found.len())
            .map(|i| sign(i) * f64::from(found[i]))
            .sum();
        square += (sum - f64::from(*expected)).powi(2);
    }
    (square / sums.len() as f64).sqrt() / expected
}

/// The points that `transformers` drew.
struct Recorded<'a> {
    golden: &'a Golden,
    /// The layer of the first predictions: losses are also compared one layer at a time.
    first: usize,
}

impl Recorded<'_> {
    fn array(&self, name: &str, layer: usize) -> &[f32] {
        &self.golden[&format!("{name}.{layer}")].1
    }
}

impl PointSource for Recorded<'_> {
    fn points(
        &self,
        place: &Place,
        layer: usize,
        purposes: &[Purpose],
        numbers: Range<usize>,
    ) -> Tensor2 {
        let layer = self.first + layer;
        let draws = |purpose: &Purpose| match *purpose {
            Purpose::Matching { image } => {
                let name = format!("matching.{layer}.{image}");
                (self.golden[&name].1.clone(), Vec::new())
            }
            Purpose::Sampling { image, query, .. } => {
                let pairs = self.array("pairs", layer).chunks_exact(3);
                let wanted = [image as f32, query as f32];
                let row = pairs
                    .map(|pair| [pair[0], pair[1]])
                    .position(|pair| pair == wanted);
                let row = row.expect("transformers matched this query");
                let cut = |name| {
                    let array = self.array(name, layer);
                    let rows = self.golden[&format!("{name}.{layer}")].0[0];
                    let size = array.len() / rows;
                    array[row * size..][..size].to_vec()
                };
                (cut("pool"), cut("fresh"))
            }
        };
        let mut values = Vec::new();
        for purpose in purposes {
            let (first, rest) = draws(purpose);
            let all = [first.len() / 2, (first.len() + rest.len()) / 2];
            let ends = [(0, all[0]), (all[0], all[1])];
            assert!(
                ends.contains(&(numbers.start, numbers.end)),
                "points {numbers:?} of draws that end at {all:?}"
            );
            values.extend_from_slice(&[first, rest].concat()[2 * numbers.start..2 * numbers.end]);
        }
        Tensor2::constant(values, purposes.len(), 2 * numbers.len()).to(place)
    }
}

/// One case: the folder's network, the input and the targets.
struct Case {
    golden: Golden,
    folder: HuggingFaceFolder,
    model: Mask2Former,
    images: Map,
    targets: Vec<Targets<'static>>,
}

impl Case {
    fn open(name: &str) -> Self {
        let golden = golden(name);
        let folder = HuggingFaceFolder::open(&path(name)).expect("a folder");
        let config = ModelConfig {
            weights: path(name),
            ..folder.model.clone()
        };
        let mut rng = Stream::new(1, "parity");
        let model = Mask2Former::new(&config, folder.labels.len(), &mut rng).expect("a network");
        let (shape, values) = &golden["images"];
        let &[batch, height, width, 3] = &shape[..] else {
            panic!("images are {shape:?}")
        };
        let pixels = values.iter().map(|value| (value - 128.0) / 50.0).collect();
        let rows = batch * height * width;
        let images = Map::new(Tensor2::constant(pixels, rows, 3), batch, height, width);
        let targets = (0..batch)
            .map(|image| {
                let classes = &golden[&format!("target.classes.{image}")].1;
                let masks = &golden[&format!("target.masks.{image}")].1;
                let bits: Vec<u8> = masks.iter().map(|bit| *bit as u8).collect();
                let masks = bits.chunks_exact(height * width);
                Targets {
                    classes: classes.iter().map(|class| *class as usize).collect(),
                    masks: masks
                        .map(|bits| Mask::new(height, width, bits.to_vec()).into())
                        .collect(),
                    ..Targets::default()
                }
            })
            .collect();
        Self {
            golden,
            folder,
            model,
            images,
            targets,
        }
    }

    /// transformers' defaults, and the number of points of the case.
    fn loss(&self) -> LossConfig {
        LossConfig {
            points: self.golden["matching.0.0"].0[0],
            ..LossConfig::published()
        }
    }

    #[track_caller]
    fn value(&self, worst: &mut Worst, name: &str, found: &[f32]) {
        worst.add(name, error(found, &self.golden[name].1));
    }

    fn features(&self) {
        let mut worst = Worst::new("features and pixel decoder", VALUES);
        let tape = &mut Tape::off();
        let features = self.model.backbone_features(tape, &self.images);
        for (i, map) in features.iter().enumerate() {
            let name = format!("res{}", i + 2);
            let size = [map.batch, map.height, map.width, map.channels()];
            assert_eq!(self.golden[&name].0, size, "{name}");
            self.value(&mut worst, &name, map.data.values());
        }
        let pixels = self.model.pixel_features(tape, &features);
        for (i, map) in pixels.memory.iter().enumerate() {
            self.value(&mut worst, &format!("memory.{i}"), map.data.values());
        }
        self.value(
            &mut worst,
            "mask_features",
            pixels.mask_features.data.values(),
        );
    }

    fn logits(&self, predictions: &Predictions) {
        let mut worst = Worst::new("logits of every layer", VALUES);
        assert_eq!(
            predictions.layers.len(),
            self.folder.model.decoder_layers + 1
        );
        for (i, layer) in predictions.layers.iter().enumerate() {
            let (queries, (h, w)) = (predictions.queries, (predictions.height, predictions.width));
            let masks = format!("masks.{i}");
            assert_eq!(self.golden[&masks].0, [predictions.batch, queries, h, w]);
            self.value(&mut worst, &format!("classes.{i}"), layer.classes.values());
            self.value(&mut worst, &masks, layer.masks.values());
        }
    }

    /// The number of queries that are blocked everywhere, which need the fall-back; the script made sure that
    /// there are some.
    fn blocked_rows(&self, predictions: &Predictions) -> usize {
        let size = predictions.height * predictions.width;
        let layers = &predictions.layers[..predictions.layers.len() - 1];
        let rows = layers
            .iter()
            .flat_map(|layer| layer.masks.values().chunks_exact(size));
        rows.filter(|row| row.iter().all(|logit| *logit < 0.0))
            .count()
    }

    fn assignments(&self, predictions: &Predictions) {
        let loss = self.loss();
        for (index, layer) in predictions.layers.iter().enumerate() {
            let source = Recorded {
                golden: &self.golden,
                first: index,
            };
            let mut found = Vec::new();
            for (image, targets) in self.targets.iter().enumerate() {
                let queries = predictions.queries;
                let (classes, pixels) = (layer.classes.columns(), layer.masks.columns());
                let of_image = |all: &Tensor2, columns: usize| {
                    let values = &all.values()[image * queries * columns..][..queries * columns];
                    Tensor2::constant(values.to_vec(), queries, columns)
                };
                let prediction = Prediction {
                    classes: &of_image(&layer.classes, classes),
                    masks: &of_image(&layer.masks, pixels),
                    size: (predictions.height, predictions.width),
                };
                let purpose = [Purpose::Matching { image }];
                let points = source.points(&Place::Host, 0, &purpose, 0..loss.points);
                let pairs = assign(&prediction, targets, &loss, &points);
                found.extend(
                    pairs
                        .into_iter()
                        .map(|(query, object)| [image, query, object]),
                );
            }
            found.sort_unstable();
            let expected = self.golden[&format!("pairs.{index}")].1.chunks_exact(3);
            let expected: Vec<[usize; 3]> = expected
                .map(|pair| [pair[0] as usize, pair[1] as usize, pair[2] as usize])
                .collect();
            assert_eq!(found, expected, "assignment of layer {index}");
        }
    }

    /// Compares each loss term of each layer, then the gradient of the sum.
    fn losses(&mut self, tape: Tape, predictions: &Predictions) {
        let loss = self.loss();
        let criterion = Criterion::new(loss.clone());
        let part = Part {
            images: 0..predictions.batch,
            targets: &self.targets,
            origin: Default::default(),
            mask_loss: MaskLoss::default(),
            empty_image: EmptyImage::Background,
            background: Default::default(),
        };
        let source = |first| Recorded {
            golden: &self.golden,
            first,
        };
        let mut worst = Worst::new("loss terms", VALUES);
        for index in 0..predictions.layers.len() {
            let one = Predictions {
                layers: vec![predictions.layers[index].clone()],
                ..predictions.clone()
            };
            let source = source(index);
            let begun = criterion.begin(&one, &part, Box::new(source));
            let losses = Box::new(begun).losses(&mut Tape::off());
            let expected = &self.golden[&format!("losses.{index}")].1;
            let names: Vec<&str> = losses.terms.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, ["class", "mask", "dice"]);
            for ((name, found), expected) in losses.terms.iter().zip(expected) {
                let error = error(&[found.scalar()], &[*expected]);
                worst.add(&format!("{name} of layer {index}"), error);
            }
        }
        let mut tape = tape;
        let source = source(0);
        let begun = criterion.begin(predictions, &part, Box::new(source));
        let losses = Box::new(begun).losses(&mut tape);
        worst.add(
            "sum",
            error(&[losses.total.scalar()], &self.golden["loss"].1),
        );
        drop(worst);

        let mut grads = tape.backward(&losses.total);
        let mut worst = Worst::new("gradients of parameters", GRADIENTS);
        let mut known = 0;
        let (model, golden) = (&mut self.model, &self.golden);
        model.parameters("", &mut |ours, param| {
            if !param.value.requires_grad() {
                return;
            }
            let mut gradient = param.clone();
            let values = param.value.gradient(&mut grads);
            gradient.value.assign(&values);
            let gradient = gradient.to_reference();
            let names = Layout::HuggingFace.origin(ours).names;
            let size = gradient.len() / names.len();
            for (name, part) in names.iter().zip(gradient.chunks_exact(size)) {
                worst.add(name, gradient_error(golden, name, part));
                known += 1;
            }
        });
        let stored = |name: &&String| name.starts_with("gradient.") || name.starts_with("norm.");
        assert_eq!(
            known,
            golden.keys().filter(stored).count(),
            "parameters with a gradient"
        );
    }
}

fn compare(name: &str) {
    println!("{name}:");
    let mut case = Case::open(name);
    case.features();
    let mut tape = Tape::recording();
    let predictions = case.model.forward(&mut tape, &case.images);
    case.logits(&predictions);
    assert!(
        case.blocked_rows(&predictions) > 0,
        "a query blocked everywhere"
    );
    case.assignments(&predictions);
    case.losses(tape, &predictions);
}

#[test]
fn parity_bottleneck_blocks_odd_sizes_and_an_image_without_an_object() {
    let case = Case::open("bottleneck");
    assert!(case.targets[1].is_empty());
    compare("bottleneck");
}

#[test]
fn parity_basic_blocks_and_a_folder_in_parts_of_bfloat16() {
    let arrays = Arrays::open(&path("basic")).expect("a folder in parts");
    assert!(!path("basic/model.safetensors").exists());
    assert!(
        arrays
            .entries()
            .any(|(_, entry)| entry.dtype == Dtype::BF16)
    );
    compare("basic");
}

#[test]
fn parity_stride_in_1x1_and_more_objects_than_queries_in_half_precision() {
    let case = Case::open("strided");
    assert!(case.folder.model.backbone.stride_in_1x1);
    assert!(case.targets[0].len() > case.folder.model.queries);
    compare("strided");
}

/// The whole network, the losses and all gradients on a GPU. Its f32 results must meet the CPU's bounds.
#[cfg(feature = "cuda")]
mod on_a_gpu {
    use super::*;
    use harness::nn::params::move_to;
    use harness::tensor::DeviceChoice;

    fn compare(name: &str) {
        println!("{name}:");
        let (place, _) = DeviceChoice::Cuda(0).place().expect("a GPU");
        let mut case = Case::open(name);
        move_to(&mut case.model, &place);
        let mut tape = Tape::recording();
        let predictions = case.model.forward(&mut tape, &case.images);
        assert!(!matches!(predictions.layers[0].masks.place(), Place::Host));
        case.losses(tape, &predictions);
    }

    #[test]
    #[ignore = "needs a GPU"]
    fn parity_of_bottleneck_blocks_cuda() {
        compare("bottleneck");
    }

    #[test]
    #[ignore = "needs a GPU"]
    fn parity_of_basic_blocks_cuda() {
        compare("basic");
    }

    #[test]
    #[ignore = "needs a GPU"]
    fn parity_of_strides_in_1x1_cuda() {
        compare("strided");
    }
}
