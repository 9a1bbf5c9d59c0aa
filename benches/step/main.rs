//! Times the training step of `recipes/pl-dc.toml`. This is our side of `benches/peer/compare.sh`.
//!
//! `cargo bench --bench step -- --threads 1 --mode pldc --steps 60`
//!
//! A short supervised burn-in comes first, so that the teacher keeps pseudo-labels; its last steps are the
//! supervised measurement. Then the teacher-student phase follows. It prints one line of JSON: the median per
//! step of each phase in ms, the mean of its parts in ms, and the pseudo-labels per image. The whole step
//! runs through [`Learner`], as in training. The parts are timed afterwards, on a step that is put together
//! here from the learner's own pieces ([`parts`]).

#[path = "../measure/mod.rs"]
mod measure;
mod parts;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use harness::data::loader::Loader;
use harness::data::split::Split;
use harness::data::{self, Dataset};
use harness::detector::{DETECTORS, Detector};
use harness::graph::clip::{ClipTiny, VISION_LANGUAGE_MODELS, VisionLanguageConfig};
use harness::method::{Learner, METHODS, Parts, Setup, TeacherStudentConfig, follow};
use harness::registry;
use harness::rng::Stream;
use harness::tensor::Tape;
use harness::train::{ClipTraining, Optimizer, Schedule, TrainConfig, Training, restore_clip_tiny};
use measure::{median, peak_memory, rounded};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of first steps of a phase that are not counted.
const DISCARD: usize = 10;
/// The number of steps whose parts are timed.
const PART_STEPS: usize = 20;
/// The cost of the dual encoder does not depend on its training, so a few steps on a few pictures are enough.
const VLM_STEPS: i64 = 5;
const VLM_IMAGES: i64 = 24;
const SEED: u64 = 0;

#[derive(Parser)]
struct Options {
    /// Number of threads of the pool that the ops use.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The last phase to time.
    #[arg(long, value_enum, default_value_t = Mode::Pldc)]
    mode: Mode,
    /// Number of timed steps of each phase.
    #[arg(long, default_value_t = 60)]
    steps: usize,
    /// Number of supervised steps before the teacher appears.
    #[arg(long, default_value_t = 300)]
    burn_in: usize,
    /// Initial class thresholds, of the rarest and of the most frequent class.
    #[arg(long, num_args = 2, default_values_t = [0.3, 0.45])]
    class_thresholds: Vec<f64>,
    /// Initial mask thresholds.
    #[arg(long, num_args = 2, default_values_t = [0.6, 0.7])]
    mask_thresholds: Vec<f64>,
    /// Fused probability above which a medium candidate is used.
    #[arg(long, default_value_t = 0.2)]
    accept: f64,
    /// Passed by `cargo bench`; ignored.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    Supervised,
    Pldc,
}

/// The recipe with the changes of the bench.
struct Recipe(toml::Table);

impl Recipe {
    fn new(options: &Options) -> Result<Self> {
        let mut recipe: toml::Table = include_str!("../../recipes/pl-dc.toml").parse()?;
        let method = &mut recipe["method"];
        method["burn-in"] = (options.burn_in as i64).into();
        method["filter"]["class"] = options.class_thresholds.clone().into();
        method["filter"]["mask"] = options.mask_thresholds.clone().into();
        method["filter"]["accept"] = options.accept.into();
        method["correction"]["vlm"]["steps"] = VLM_STEPS.into();
        method["correction"]["vlm"]["images"] = VLM_IMAGES.into();
        Ok(Self(recipe))
    }

    fn table<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        self.0[name]
            .clone()
            .try_into()
            .with_context(|| format!("[{name}]"))
    }

    fn teacher_student(&self) -> Result<TeacherStudentConfig> {
        let mut table: toml::Table = self.table("method")?;
        table.remove("name");
        Ok(TeacherStudentConfig::read(table)?)
    }

    /// The learner of phase `phase` of the recipe's method around `student`.
    fn learner(
        &self,
        phase: usize,
        student: Box<dyn Detector>,
        setup: &Setup,
    ) -> Result<Box<dyn Learner>> {
        let train: TrainConfig = self.table("train")?;
        let method = registry::build(METHODS, self.table("method")?)?;
        method.phases(train.steps)[phase].learner(Parts { student, setup })
    }

    fn dataset(&self) -> Result<Dataset> {
        Ok(data::load(self.table("data")?)?)
    }

    fn vlm(&self) -> Result<ClipTiny> {
        let table = self.0["method"]["correction"]["vlm"].clone().try_into()?;
        let size = self.0["data"]["size"].as_integer().context("data.size")? as usize;
        match registry::build(VISION_LANGUAGE_MODELS, table)? {
            VisionLanguageConfig::ClipTiny(config) => {
                let mut training = ClipTraining::new(&config, size);
                for _ in 0..config.steps {
                    training.advance()?;
                }
                restore_clip_tiny(&config, &training.checkpoint("", false))
            }
            VisionLanguageConfig::Prototypes(_) | VisionLanguageConfig::Clip(_) => {
                bail!("the recipe's model is not clip-tiny")
            }
        }
    }
}

/// A training run without journal and checkpoints.
struct Run {
    loader: Loader,
    setup: Setup,
    learner: Box<dyn Learner>,
    optimizer: Optimizer,
    schedule: Schedule,
    average: Option<Box<dyn Detector>>,
    rate_of_average: f32,
    pseudo_labels: usize,
}

impl Run {
    fn new(recipe: &Recipe) -> Result<Self> {
        let dataset = recipe.dataset()?;
        let split = Split::new(&dataset, &recipe.table("split")?, SEED)?;
        let loader = Loader::new(
            &dataset,
            &split,
            &recipe.table("augment")?,
            &recipe.table("loader")?,
            SEED,
        );
        let train: TrainConfig = recipe.table("train")?;
        let mut stream = Stream::new(SEED, "model");
        let model = registry::build(DETECTORS, recipe.table("model")?)?;
        let student = model.build(dataset.classes.len(), &mut stream)?;
        let setup = Setup {
            seed: SEED,
            counts: split.counts,
            epoch_steps: train.steps,
        };
        let mut learner = recipe.learner(0, student, &setup)?;
        Ok(Self {
            optimizer: Optimizer::new(train.optimizer(), learner.student()),
            schedule: Schedule::new(&train),
            average: None,
            rate_of_average: train.average as f32,
            pseudo_labels: 0,
            loader,
            setup,
            learner,
        })
    }

    /// Goes on with the recipe's second phase, as a training does after its burn-in.
    fn distill(&mut self, recipe: &Recipe, vlm: &ClipTiny) -> Result<()> {
        let student = self.learner.student().copy();
        self.average = Some(student.copy());
        self.learner = recipe.learner(1, student, &self.setup)?;
        self.learner.attach_vlm(Box::new(vlm.clone()));
        Ok(())
    }

    /// Runs one whole step and returns its time in milliseconds.
    fn step(&mut self, step: usize) -> Result<f64> {
        let began = Instant::now();
        let batch = self.loader.batch(step, self.learner.needs_unlabelled())?;
        let mut tape = Tape::recording();
        let sent = self.learner.send(batch);
        let output = self.learner.step(&mut tape, &sent, step);
        let mut grads = tape.backward(&output.loss);
        let student = self.learner.student();
        self.optimizer
            .step(student, &mut grads, self.schedule.rate(step));
        if let Some(average) = &mut self.average {
            follow(&mut **average, student, self.rate_of_average);
        }
        self.pseudo_labels += output
            .report
            .wait()
            .pseudo
            .map_or(0, |pseudo| pseudo.counts.kept);
        drop((sent, grads));
        Ok(1e3 * began.elapsed().as_secs_f64())
    }
}

/// The median of the last `count` values.
fn last_median(values: &[f64], count: usize) -> f64 {
    median(values[values.len().saturating_sub(count)..].to_vec())
}

fn measure(options: &Options) -> Result<serde_json::Value> {
    let recipe = Recipe::new(options)?;
    let vlm = recipe.vlm()?;
    let mut run = Run::new(&recipe)?;
    let burn_in = (0..options.burn_in)
        .map(|step| run.step(step))
        .collect::<Result<Vec<_>>>()?;
    let mut parameters = 0;
    run.learner
        .student()
        .parameters("", &mut |_, param| parameters += param.value.len());

    let mut result =
        json!({ "program": "harness", "threads": options.threads, "parameters": parameters });
    let mut pieces = parts::Pieces::new(&recipe, &vlm, run.learner.student())?;
    let seen = pieces.time(&mut run.loader, options.burn_in, PART_STEPS, false)?;
    result["supervised"] =
        json!({ "ms_median": rounded(last_median(&burn_in, options.steps)), "parts_ms": seen });
    if options.mode == Mode::Pldc {
        run.distill(&recipe, &vlm)?;
        let steps = options.burn_in..options.burn_in + DISCARD + options.steps;
        let images = recipe.0["loader"]["unlabelled"]
            .as_integer()
            .context("loader.unlabelled")? as usize
            * steps.len();
        let times = steps
            .clone()
            .map(|step| run.step(step))
            .collect::<Result<Vec<_>>>()?;
        let mut pieces = parts::Pieces::new(&recipe, &vlm, run.learner.student())?;
        let seen = pieces.time(&mut run.loader, steps.end, PART_STEPS, true)?;
        result["pldc"] = json!({
            "ms_median": rounded(last_median(&times, options.steps)),
            "parts_ms": seen,
            "pseudo_per_image": rounded(run.pseudo_labels as f64 / images as f64),
        });
    }
    result["peak_rss_mb"] = json!(peak_memory());
    Ok(result)
}

fn main() -> ExitCode {
    let options = Options::parse();
    measure::report(options.threads, || measure(&options))
}
