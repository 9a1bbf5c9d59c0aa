//! Times full-size Mask2Former R-50 (`recipes/mask2former-r50.toml`). This is our side of
//! `benches/peer/full_size.sh`.
//!
//! ```text
//! # on the CPU
//! cargo bench --bench full_size -- --threads 1
//! # time and memory at the size of COCO, see `pl_dc`
//! cargo bench --bench full_size -- --threads 2 --repeats 1 --forward-size 1024 --pl-dc 1024
//! # the same with four times as many images, one at a time
//! cargo bench --bench full_size -- --threads 2 --repeats 1 --pl-dc 1024 --images 4 --micro-batch 1
//! # the same with Mask R-CNN; a network without training is sure of nothing and proposes much the same
//! # everywhere: the keys let it have as many detections as it may
//! cargo bench --bench full_size -- --threads 2 --repeats 1 --pl-dc 1024 --images 4 --micro-batch 1 \
//!     --network mask-rcnn-r50.toml --set model.proposals.overlap=1 --set model.detections.probability=0
//! # on a GPU
//! cargo bench --features cuda --bench full_size -- --device cuda:0 --precision bf16 \
//!     --images 8 --forward-size 1024 --step-size 1024 --parts
//! ```
//!
//! It runs the forward pass of one 512 x 512 image, and a training step: frozen backbone, two 256 x 256
//! images with eight objects each, forward, matching and losses, backward, clipping, AdamW. The weights are
//! random; the time does not depend on them. It prints one line of JSON: the median in ms of the whole and of
//! its parts, and the peak memory. `--images N` multiplies the number of images by N. The time on a GPU is
//! measured as described in [`device`].

mod device;
#[path = "../measure/mod.rs"]
mod measure;
mod memory;
mod pl_dc;
#[path = "../measure/recipe.rs"]
mod recipe;

use anyhow::{Result, ensure};
use clap::Parser;
use device::{Device, Repeats, Run};
use harness::detector::mask2former::{Criterion, Mask2FormerConfig, Mask2FormerDetector};
use harness::detector::{DETECTORS, Detector, EmptyImage, MaskLoss, Part, Targets};
use harness::graph::Mask2Former;
use harness::nn::params::move_to;
use harness::registry;
use harness::rng::Stream;
use harness::structures::{Mask, Picture};
use harness::tensor::{DeviceChoice, Precision, Tape};
use harness::train::{Optimizer, TrainConfig};
use measure::peak_memory;
use recipe::Recipe;
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLASSES: usize = 80;
const OBJECTS: usize = 8;
/// The views of a labelled image: the weak and the strong one.
const VIEWS: usize = 2;
const SEED: u64 = 0;

#[derive(Parser)]
struct Options {
    /// Number of threads of the pool that the ops use.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Number of timed runs, after one that is not counted.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Side of the image of the forward pass.
    #[arg(long, default_value_t = 512)]
    forward_size: usize,
    /// Side of the images of the training step.
    #[arg(long, default_value_t = 256)]
    step_size: usize,
    /// Side of the images of a whole step of PL-DC, which then replaces the training step.
    #[arg(long)]
    pl_dc: Option<usize>,
    /// Number of images of the forward pass, of labelled images of a step (in two views each), and of
    /// unlabelled images of a step of PL-DC.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    images: u32,
    /// Halve the number of images until they fit into the GPU's memory.
    #[arg(long)]
    largest: bool,
    /// Number of pseudo-labels of an unlabelled image [default: one for every query].
    #[arg(long)]
    pseudo_labels: Option<usize>,
    /// The recipe in `recipes/` with the network of a step of PL-DC, instead of Mask2Former.
    #[arg(long, requires = "pl_dc")]
    network: Option<String>,
    /// Number of images of one kind that go through the student at a time in a step of PL-DC; 0: all.
    #[arg(long, default_value_t = 0)]
    micro_batch: usize,
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    /// Precision of matrix products on a GPU: f32, tf32 or bf16.
    #[arg(long, default_value = "f32", value_parser = precision)]
    precision: Precision,
    /// On a GPU: also time the parts, in separate runs.
    #[arg(long)]
    parts: bool,
    /// On a GPU: number of runs that are not counted.
    #[arg(long, default_value_t = 3)]
    warm_up: usize,
    /// A setting of the recipe with the network, such as `model.queries=8`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Passed by `cargo bench`; ignored.
    #[arg(long, hide = true)]
    bench: bool,
}

fn precision(text: &str) -> Result<Precision, String> {
    Precision::deserialize(toml::Value::String(text.into()))
        .map_err(|_| "allowed: f32, tf32, bf16".to_string())
}

/// The recipes of a run.
struct Recipes {
    /// Mask2Former and PL-DC.
    own: Recipe,
    /// Another network, with its optimizer.
    other: Option<Recipe>,
}

/// The network of the recipe, with its loss.
fn network(recipe: &Recipe) -> Result<Mask2FormerConfig> {
    let mut table: toml::Table = recipe.table("model")?;
    table.remove("name");
    Ok(Mask2FormerConfig::read(table)?)
}

fn picture(size: usize, stream: &mut Stream) -> Picture {
    let values = (0..size * size * 3).map(|_| stream.below(256) as u8);
    Picture::new(size, size, values.collect())
}

/// Random boxes with a quarter of the side.
fn targets(size: usize, stream: &mut Stream) -> Targets<'static> {
    let side = size / 4;
    let mut mask = || {
        let (top, left) = (stream.below(size - side), stream.below(size - side));
        let inside = |at: usize, first: usize| (first..first + side).contains(&at);
        let bits = (0..size * size)
            .map(|i| u8::from(inside(i / size, top) && inside(i % size, left)))
            .collect();
        Mask::new(size, size, bits).into()
    };
    let masks = (0..OBJECTS).map(|_| mask()).collect();
    let classes = (0..OBJECTS).map(|_| stream.below(CLASSES)).collect();
    Targets {
        classes,
        masks,
        ..Targets::default()
    }
}

/// One forward pass without a gradient, as in the teacher's inference.
fn forward(model: &Mask2Former, pictures: &[Picture], device: &Device, parts: bool) -> Run {
    let pictures: Vec<&Picture> = pictures.iter().collect();
    // On a GPU, sending the images is part of the work, as for the peer. On the CPU, the clock has always
    // started after it.
    let before = (!device.is_host()).then(|| device.watch(parts));
    let images = model.normalise(&pictures);
    let tape = &mut Tape::off();
    let mut watch = before.unwrap_or_else(|| device.watch(parts));
    let features = model.backbone_features(tape, &images);
    watch.mark("backbone");
    let pixels = model.pixel_features(tape, &features);
    watch.mark("pixel decoder");
    drop(model.predictions(tape, &features, &pixels));
    watch.mark("transformer decoder");
    watch.stop()
}

/// The state of a training step.
struct Training {
    criterion: Criterion,
    optimizer: Optimizer,
    rate: f32,
}

impl Training {
    fn step(
        &mut self,
        model: &mut Mask2Former,
        pictures: &[Picture],
        targets: &[Targets],
        step: usize,
        (device, parts): (&Device, bool),
    ) -> Run {
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let before = (!device.is_host()).then(|| device.watch(parts));
        let images = model.normalise(&pictures);
        let mut tape = Tape::recording();
        let mut watch = before.unwrap_or_else(|| device.watch(parts));
        let features = model.backbone_features(&mut tape, &images);
        watch.mark("backbone");
        let pixels = model.pixel_features(&mut tape, &features);
        watch.mark("pixel decoder");
        let predictions = model.predictions(&mut tape, &features, &pixels);
        watch.mark("transformer decoder");
        let part = Part {
            images: 0..targets.len(),
            targets,
            origin: Default::default(),
            mask_loss: MaskLoss::default(),
            empty_image: EmptyImage::ZeroBatch,
            background: Default::default(),
        };
        let mut stream = Stream::at(SEED, "points", step as u64);
        let losses = &self.criterion;
        let loss = losses
            .losses(&mut tape, &predictions, &part, &mut stream)
            .total;
        watch.mark("losses");
        let mut grads = tape.backward(&loss);
        watch.mark("backward");
        self.optimizer.step(model, &mut grads, self.rate);
        watch.mark("optimizer");
        watch.stop()
    }
}

fn measure(options: &Options, recipes: &Recipes, device: &Device, images: usize) -> Result<Value> {
    let recipe = &recipes.own;
    let stream = &mut Stream::new(SEED, "bench");
    let mut model = Mask2Former::new(&network(recipe)?.network, CLASSES, stream)?;
    move_to(&mut model, &device.place);
    let repeats = Repeats {
        warm_up: if device.is_host() { 1 } else { options.warm_up },
        counted: options.repeats,
    };

    let size = options.forward_size;
    let pictures: Vec<Picture> = (0..images).map(|_| picture(size, stream)).collect();
    let seen = device.time(images, repeats, |_, parts| {
        forward(&model, &pictures, device, parts)
    });
    let mut result = json!({
        "program": "harness",
        "threads": options.threads,
        "device": device.described(),
        "images": images,
        "forward": seen.medians(),
        "forward_rate": seen.rate(),
        "forward_peak_rss_mb": peak_memory(),
    });
    if let Some(size) = options.pl_dc {
        let student: Box<dyn Detector> = match recipes.other.as_ref() {
            None => Box::new(Mask2FormerDetector::new(model, network(recipe)?.loss)),
            Some(other) => {
                drop(model);
                let config = registry::build(DETECTORS, other.table("model")?)?;
                let mut student = config.build(CLASSES, stream)?;
                move_to(&mut *student, &device.place);
                student
            }
        };
        let work = pl_dc::Work {
            size,
            images,
            pseudo_labels: options.pseudo_labels,
            micro_batch: options.micro_batch,
        };
        result["pl_dc"] = pl_dc::measure(recipes, student, &work, device, repeats)?;
        return Ok(result);
    }

    let train: TrainConfig = recipe.table("train")?;
    let mut training = Training {
        criterion: Criterion::new(network(recipe)?.loss),
        optimizer: Optimizer::new(train.optimizer(), &mut model),
        rate: train.rate as f32,
    };
    let (size, views) = (options.step_size, VIEWS * images);
    let pictures: Vec<Picture> = (0..views).map(|_| picture(size, stream)).collect();
    let targets: Vec<Targets> = (0..views).map(|_| targets(size, stream)).collect();
    let seen = device.time(views, repeats, |run, parts| {
        training.step(&mut model, &pictures, &targets, run, (device, parts))
    });
    result["step"] = seen.medians();
    result["step_rate"] = seen.rate();
    result["peak_rss_mb"] = json!(peak_memory());
    Ok(result)
}

fn run(options: &Options) -> Result<Value> {
    ensure!(options.repeats > 0, "--repeats: 0 is too few; at least 1");
    let own = "mask2former-r50.toml";
    let recipes = match &options.network {
        None => Recipes {
            own: Recipe::read(own, &options.set)?,
            other: None,
        },
        Some(other) => Recipes {
            own: Recipe::read(own, &[])?,
            other: Some(Recipe::read(other, &options.set)?),
        },
    };
    let device = Device::open(options.device, options.precision, options.parts)?;
    let images = options.images as usize;
    memory::fitting(images, options.largest, |images| {
        measure(options, &recipes, &device, images)
    })
}

fn main() -> ExitCode {
    let options = Options::parse();
    measure::report(options.threads, || run(&options))
}
