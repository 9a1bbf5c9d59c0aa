//! Times full-size Mask2Former R-50 (`recipes/mask2former-r50.toml`): our side of `benches/peer/full_size.sh`.
//!
//! `cargo bench --bench full_size -- --threads 1`
//! `cargo bench --bench full_size -- --threads 2 --repeats 1 --forward-size 1024 --pl-dc 1024`: time and memory at the size of COCO ([`pl_dc`])
//!
//! Forward of one 512 x 512 image, and a training step: frozen backbone, two 256 x 256 images with eight objects each, forward,
//! matching and losses, backward, clipping, AdamW. Random weights: the time does not depend on them. Prints one line of JSON:
//! median ms of the whole and of its parts, and the peak memory.

#[path = "../measure/mod.rs"]
mod measure;
mod pl_dc;

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
use measure::{Clock, listed, median, peak_memory};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::iter;
use std::path::Path;

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
    /// Side of the images of a whole step of PL-DC, in place of the training step.
    #[arg(long)]
    pl_dc: Option<usize>,
    /// Said by `cargo bench`; means nothing here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The median of every part over all runs but the first, and of the whole.
fn medians(runs: &[Vec<(&'static str, f64)>]) -> Value {
    let counted = &runs[1..];
    let whole = |run: &Vec<(&str, f64)>| run.iter().map(|(_, ms)| ms).sum();
    let part = |at: usize| {
        let times = counted.iter().map(|run| run[at].1).collect();
        (runs[0][at].0, median(times))
    };
    let all = ("all", median(counted.iter().map(whole).collect()));
    let parts: Vec<_> = iter::once(all)
        .chain((0..runs[0].len()).map(part))
        .collect();
    listed(&parts, |ms| ms).into()
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

fn measure(options: &Options) -> Result<Value> {
    let recipe = Recipe::read()?;
    let stream = &mut Stream::new(SEED, "bench");
    let mut model = Mask2Former::new(&recipe.table("model")?, CLASSES, stream)?;
    let runs = 0..=options.repeats;

    let image = picture(options.forward_size, stream);
    let seen: Vec<_> = runs.clone().map(|_| forward(&model, &image)).collect();
    let forward = medians(&seen);
    let mut result = json!({
        "program": "harness",
        "threads": options.threads,
        "forward": forward,
        "forward_peak_rss_mb": peak_memory(),
    });
    if let Some(size) = options.pl_dc {
        result["pl_dc"] = pl_dc::measure(&recipe, model, size, options.repeats)?;
        return Ok(result);
    }

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
    result["step"] = medians(&seen);
    result["peak_rss_mb"] = json!(peak_memory());
    Ok(result)
}

fn main() -> Result<()> {
    let options = Options::parse();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()?;
    println!("{}", pool.install(|| measure(&options))?);
    Ok(())
}
