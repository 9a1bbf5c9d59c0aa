//! Times full-size Mask2Former R-50 (`recipes/mask2former-r50.toml`): our side of `benches/peer/full_size.sh`.
//!
//! `cargo bench --bench full_size -- --threads 1`
//!
//! Forward of one 512 x 512 image, and a training step: frozen backbone, two 256 x 256 images with eight objects each, forward,
//! matching and losses, backward, clipping, AdamW. Random weights: the time does not depend on them. Prints one line of JSON:
//! median ms of the whole and of its parts, and the peak memory.

use anyhow::{Context, Result};
use clap::Parser;
use harness::graph::Mask2Former;
use harness::method::criterion::{MaskLoss, Part};
use harness::method::{Criterion, EmptyImage, Targets};
use harness::recipe::{Hooks, Plan, Request};
use harness::rng::Stream;
use harness::structures::{Mask, Picture};
use harness::tensor::Tape;
use harness::train::{AdamW, TrainConfig};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLASSES: usize = 80;
const OBJECTS: usize = 8;
const IMAGES: usize = 2;
const SEED: u64 = 0;

#[derive(Parser)]
struct Options {
    /// Threads of the pool that the ops use.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Timed runs, after one that is not counted.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Side of the forward's image.
    #[arg(long, default_value_t = 512)]
    forward_size: usize,
    /// Side of the training step's images.
    #[arg(long, default_value_t = 256)]
    step_size: usize,
    /// Said by `cargo bench`; means nothing here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The milliseconds of one run by part, in order of their first mark.
struct Clock {
    began: Instant,
    last: Instant,
    parts: Vec<(&'static str, f64)>,
}

impl Clock {
    fn start() -> Self {
        let now = Instant::now();
        Self {
            began: now,
            last: now,
            parts: Vec::new(),
        }
    }

    /// Counts the time since the last mark to `part`.
    fn mark(&mut self, part: &'static str) {
        self.parts
            .push((part, 1e3 * self.last.elapsed().as_secs_f64()));
        self.last = Instant::now();
    }

    fn stop(mut self) -> Vec<(&'static str, f64)> {
        self.parts
            .insert(0, ("all", 1e3 * self.began.elapsed().as_secs_f64()));
        self.parts
    }
}

/// The median of every part over all runs but the first.
fn medians(runs: &[Vec<(&'static str, f64)>]) -> Value {
    let median = |part: usize| {
        let mut times: Vec<f64> = runs[1..].iter().map(|run| run[part].1).collect();
        times.sort_by(f64::total_cmp);
        (10.0 * times[times.len() / 2]).round() / 10.0
    };
    (0..runs[0].len())
        .map(|part| (runs[0][part].0.to_string(), json!(median(part))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The tables of the recipe.
struct Recipe(toml::Table);

impl Recipe {
    fn read() -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/mask2former-r50.toml");
        let request = Request {
            recipe: &path,
            environment: &[],
            set: &[],
        };
        // The components check their own tables when they are built.
        let unchecked = Hooks {
            check: &|_| Vec::new(),
            normalise: &|_| {},
        };
        let plan = Plan::new(request, unchecked)?;
        let trial = plan.trials.first().context("a trial")?;
        Ok(Self(trial.settings.clone()))
    }

    fn table<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let table = self.0[name].clone();
        table.try_into().with_context(|| format!("[{name}]"))
    }
}

fn picture(size: usize, stream: &mut Stream) -> Picture {
    let values = (0..size * size * 3).map(|_| stream.below(256) as u8);
    Picture::new(size, size, values.collect())
}

/// Random boxes of a quarter of the side.
fn targets(size: usize, stream: &mut Stream) -> Targets {
    let side = size / 4;
    let mut mask = || {
        let (top, left) = (stream.below(size - side), stream.below(size - side));
        let inside = |at: usize, first: usize| (first..first + side).contains(&at);
        let bits = (0..size * size)
            .map(|i| u8::from(inside(i / size, top) && inside(i % size, left)))
            .collect();
        Mask::new(size, size, bits)
    };
    let masks = (0..OBJECTS).map(|_| mask()).collect();
    let classes = (0..OBJECTS).map(|_| stream.below(CLASSES)).collect();
    Targets {
        classes,
        masks,
        discounts: None,
    }
}

/// One forward without a gradient.
fn forward(model: &Mask2Former, image: &Picture) -> Vec<(&'static str, f64)> {
    let images = model.normalise(&[image]);
    let tape = &mut Tape::off();
    let mut clock = Clock::start();
    let features = model.backbone_features(tape, &images);
    clock.mark("backbone");
    let pixels = model.pixel_features(tape, &features);
    clock.mark("pixel decoder");
    drop(model.predictions(tape, &features, &pixels));
    clock.mark("transformer decoder");
    clock.stop()
}

/// What a training step needs.
struct Training {
    criterion: Criterion,
    optimizer: AdamW,
    rate: f32,
}

impl Training {
    fn step(
        &mut self,
        model: &mut Mask2Former,
        pictures: &[Picture],
        targets: &[Targets],
        step: usize,
    ) -> Vec<(&'static str, f64)> {
        let pictures: Vec<&Picture> = pictures.iter().collect();
        let images = model.normalise(&pictures);
        let mut tape = Tape::recording();
        let mut clock = Clock::start();
        let features = model.backbone_features(&mut tape, &images);
        clock.mark("backbone");
        let pixels = model.pixel_features(&mut tape, &features);
        clock.mark("pixel decoder");
        let predictions = model.predictions(&mut tape, &features, &pixels);
        clock.mark("transformer decoder");
        let part = Part {
            images: 0..IMAGES,
            targets,
            mask_loss: MaskLoss::default(),
        };
        let mut stream = Stream::at(SEED, "points", step as u64);
        let losses = &self.criterion;
        let loss = losses
            .losses(&mut tape, &predictions, &part, &mut stream)
            .total;
        clock.mark("losses");
        let mut grads = tape.backward(&loss);
        clock.mark("backward");
        self.optimizer.step(model, &mut grads, self.rate);
        clock.mark("optimizer");
        clock.stop()
    }
}

/// The largest resident size of this process in MiB, 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}

fn measure(options: &Options) -> Result<Value> {
    let recipe = Recipe::read()?;
    let stream = &mut Stream::new(SEED, "bench");
    let mut model = Mask2Former::new(&recipe.table("model")?, CLASSES, stream)?;
    let runs = 0..=options.repeats;

    let image = picture(options.forward_size, stream);
    let seen: Vec<_> = runs.clone().map(|_| forward(&model, &image)).collect();
    let forward = medians(&seen);
    let forward_memory = peak_memory();

    let train: TrainConfig = recipe.table("train")?;
    let mut training = Training {
        criterion: Criterion::new(recipe.table("loss")?, EmptyImage::ZeroBatch),
        optimizer: AdamW::new(train.optimizer(), &mut model),
        rate: train.rate as f32,
    };
    let size = options.step_size;
    let pictures: Vec<Picture> = (0..IMAGES).map(|_| picture(size, stream)).collect();
    let targets: Vec<Targets> = (0..IMAGES).map(|_| targets(size, stream)).collect();
    let seen: Vec<_> = runs
        .map(|run| training.step(&mut model, &pictures, &targets, run))
        .collect();
    Ok(json!({
        "program": "harness",
        "threads": options.threads,
        "forward": forward,
        "step": medians(&seen),
        "forward_peak_rss_mb": forward_memory,
        "peak_rss_mb": peak_memory(),
    }))
}

fn main() -> Result<()> {
    let options = Options::parse();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()?;
    println!("{}", pool.install(|| measure(&options))?);
    Ok(())
}
