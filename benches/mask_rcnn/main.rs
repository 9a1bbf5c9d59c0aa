//! Times full-size Mask R-CNN R-50-FPN (`recipes/mask-rcnn-r50.toml`) by torchvision's rules. This is our side of
//! `benches/peer/mask_rcnn.sh`.
//!
//! ```text
//! cargo bench --bench mask_rcnn -- --threads 1 --weights FILE
//! ```
//!
//! It runs the detection of one picture of 800 x 1333 pixels, from bytes to masks of the picture's size, and a
//! training step (frozen stem and res2) on two pictures of 512 x 512 with eight objects each: forward, losses,
//! backward, SGD.
//! Pictures, objects and the order of sampling are those of the peer, and so are the weights of `FILE`, which has
//! torchvision's names. It prints one line of JSON: the median in ms of the whole and of its parts, the loss of the
//! first step and the number of detections, which show that both programs do the same work, and the peak memory.

#[path = "../measure/mod.rs"]
mod measure;
#[path = "../measure/recipe.rs"]
mod recipe;
mod work;

use anyhow::{Result, ensure};
use clap::Parser;
use harness::detector::mask_rcnn::{LossConfig, MaskRcnnDetector, SampleOrder};
use harness::detector::{Detector, EmptyImage, MaskLoss, Part, Targets};
use harness::graph::mask_rcnn::{MaskRcnn, MaskRcnnConfig};
use harness::registry;
use harness::rng::Stream;
use harness::structures::Picture;
use harness::tensor::Tape;
use harness::train::{Optimizer, TrainConfig};
use measure::{Clock, listed, median, peak_memory};
use recipe::Recipe;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use toml::Table;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLASSES: usize = 80;
/// Rows and columns of the picture that is detected in.
const DETECTED: (usize, usize) = (800, 1333);
/// Rows and columns of the pictures of a training step.
const TRAINED: (usize, usize) = (512, 512);
/// The pictures of a training step.
const BATCH: usize = 2;
/// The most detections of a picture.
const TOP: usize = 100;

#[derive(Parser)]
struct Options {
    /// Number of threads of the pool that the ops use.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Number of timed runs, after one that is not counted.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// The values of the network, safetensors with torchvision's names.
    #[arg(long)]
    weights: PathBuf,
    /// Passed by `cargo bench`; ignored.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The times of one run: of the parts, in ms.
type Run = Vec<(&'static str, f64)>;

/// The detector with torchvision's rules and its numbers of proposals.
fn detector(recipe: &Recipe) -> Result<MaskRcnnDetector> {
    let mut model: Table = recipe.table("model")?;
    model.remove("name");
    let loss = model.remove("loss").unwrap_or_else(|| Table::new().into());
    let network: MaskRcnnConfig = registry::read(model)?;
    let loss: LossConfig = registry::read(loss.try_into()?)?;
    let network = MaskRcnn::new(&network, CLASSES, &mut Stream::new(0, "bench"))?;
    Ok(MaskRcnnDetector::new(network, loss).sampling(SampleOrder::First))
}

/// One detection: its times and the number of objects found.
fn detect(model: &MaskRcnnDetector, picture: &Picture) -> (Run, usize) {
    let mut clock = Clock::start();
    let images = model.images(&[picture]);
    let output = model.forward(&mut Tape::off(), &images);
    clock.mark("backbone, pyramid, anchors");
    let found = output.detect(&[DETECTED], TOP);
    clock.mark("regions and masks");
    (clock.stop(), found[0].len())
}

/// The state of a training.
struct Training {
    model: MaskRcnnDetector,
    optimizer: Optimizer,
    rate: f32,
}

impl Training {
    /// One step: its times and its loss.
    fn step(&mut self, pictures: &[Picture], targets: &[Targets]) -> (Run, f32) {
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let part = Part {
            images: 0..targets.len(),
            targets,
            origin: Default::default(),
            mask_loss: MaskLoss::default(),
            empty_image: EmptyImage::Background,
            background: Default::default(),
        };
        let mut tape = Tape::recording();
        let mut clock = Clock::start();
        let images = self.model.images(&pictures);
        let output = self.model.forward(&mut tape, &images);
        let started = output.begin(&part, Stream::new(0, "bench"));
        let loss = started.losses(&mut tape).total;
        clock.mark("forward and losses");
        let mut grads = tape.backward(&loss);
        clock.mark("backward");
        self.optimizer.step(&mut self.model, &mut grads, self.rate);
        clock.mark("optimizer");
        (clock.stop(), loss.values()[0])
    }
}

/// The medians of the whole and of the parts over all runs but the first.
fn medians(runs: &[Run]) -> Map<String, Value> {
    let counted = &runs[1..];
    let whole = counted.iter().map(|run| run.iter().map(|(_, ms)| ms).sum());
    let mut parts = vec![("all", median(whole.collect()))];
    for (at, (name, _)) in counted[0].iter().enumerate() {
        let times = counted.iter().map(|run| run[at].1).collect();
        parts.push((*name, median(times)));
    }
    listed(&parts, |ms| ms)
}

fn run(options: &Options) -> Result<Value> {
    ensure!(options.repeats > 0, "--repeats: 0 is too few; at least 1");
    let set = [
        format!("model.weights={}", options.weights.display()),
        "model.semantics=torchvision".to_string(),
        "model.proposals.kept-train=2000".to_string(),
        // The values of the whole network are in the file.
        "model.backbone.weights=".to_string(),
    ];
    let recipe = Recipe::read("mask-rcnn-r50.toml", &set)?;
    let mut model = detector(&recipe)?;

    let picture = work::picture(0, DETECTED);
    let seen: Vec<(Run, usize)> = (0..=options.repeats)
        .map(|_| detect(&model, &picture))
        .collect();
    let found = seen[0].1;
    let forward: Vec<Run> = seen.into_iter().map(|(run, _)| run).collect();
    let forward_peak = peak_memory();

    let train: TrainConfig = recipe.table("train")?;
    let mut training = Training {
        optimizer: Optimizer::new(train.optimizer(), &mut model),
        // A step of this rate leaves the weights as they are, so that every step does the same work.
        rate: 0.0,
        model,
    };
    let pictures: Vec<Picture> = (0..BATCH)
        .map(|number| work::picture(number, TRAINED))
        .collect();
    let targets: Vec<Targets> = (0..BATCH)
        .map(|number| work::targets(number, TRAINED))
        .collect();
    let seen: Vec<(Run, f32)> = (0..=options.repeats)
        .map(|_| training.step(&pictures, &targets))
        .collect();
    let loss = seen[0].1;
    let step: Vec<Run> = seen.into_iter().map(|(run, _)| run).collect();
    Ok(json!({
        "program": "harness",
        "threads": options.threads,
        "forward": medians(&forward),
        "detections": found,
        "forward_peak_rss_mb": forward_peak,
        "step": medians(&step),
        "loss": loss,
        "peak_rss_mb": peak_memory(),
    }))
}

fn main() -> ExitCode {
    let options = Options::parse();
    measure::report(options.threads, || run(&options))
}
