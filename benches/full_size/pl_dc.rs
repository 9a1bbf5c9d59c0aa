//! Measures time and memory of a whole PL-DC training step at full size.
//!
//! It uses labelled images in their weak and strong views and as many unlabelled ones, with a frozen
//! backbone. The filter keeps everything, so the mask of every query is a pseudo-label with its uncertainty.
//! No training step holds more, unless the number of pseudo-labels is given. There is no correction: its cost
//! is that of a vision-language model, which `harness clip` shows separately.

use crate::device::{Device, Repeats};
use crate::measure::{peak_memory, rounded};
use crate::recipe::Recipe;
use crate::{CLASSES, OBJECTS, Recipes, SEED, VIEWS, picture, targets};
use anyhow::Result;
use harness::data::loader::Pieces;
use harness::data::split::ClassCounts;
use harness::data::{Batch, UnlabelledViews, View};
use harness::detector::Detector;
use harness::method::{GradientSum, METHODS, Method, Parts, Setup};
use harness::registry;
use harness::rng::Stream;
use harness::structures::{Instance, InstanceSource};
use harness::tensor::Tape;
use harness::train::{Optimizer, TrainConfig};
use serde_json::{Value, json};

/// The input of a step.
pub struct Work {
    /// The number of pixels along a side.
    pub size: usize,
    /// The number of labelled images; there are as many unlabelled ones.
    pub images: usize,
    /// The number of pseudo-labels of an unlabelled image; with none, there is one for every query.
    pub pseudo_labels: Option<usize>,
    /// The number of images of one kind that go through the student at a time; 0: all.
    pub micro_batch: usize,
}

fn batch(work: &Work, stream: &mut Stream) -> Batch {
    let mut batch = Batch {
        labelled: Vec::new(),
        unlabelled: Vec::new(),
        pseudo: Vec::new(),
    };
    for _ in 0..work.images {
        let truth = targets(work.size, stream);
        let instances: Vec<Instance> = truth
            .classes
            .into_iter()
            .zip(truth.masks)
            .map(|(class, mask)| Instance {
                class,
                mask: mask.pixels().into_owned(),
                source: InstanceSource::Annotation,
            })
            .collect();
        let mut view = || View {
            picture: picture(work.size, stream),
            instances: instances.clone(),
        };
        batch.labelled.extend([view(), view()]);
        let (weak, strong) = (view().picture, view().picture);
        batch.unlabelled.push(UnlabelledViews {
            weak,
            strong,
            moved: None,
            hidden_truth: Vec::new(),
        });
    }
    batch
}

/// The method of the recipe without a burn-in, with a filter that keeps everything and without correction.
fn method(recipe: &Recipe, pseudo_labels: Option<usize>) -> Result<Box<dyn Method>> {
    let mut method: toml::Table = recipe.table("method")?;
    method.insert("burn-in".into(), 0.into());
    match pseudo_labels {
        None => method.insert("candidates".into(), "arg-max".into()),
        Some(count) => {
            method.insert("top-pairs".into(), i64::try_from(count)?.into());
            method.insert("candidates".into(), "top-pairs".into())
        }
    };
    method.insert("score".into(), "with-no-object".into());
    method.insert("min-area".into(), 0.into());
    let filter = "name = 'decoupled'\nclass = 0.0\nmask = 0.0";
    method.insert("filter".into(), toml::Value::Table(filter.parse()?));
    let keep = "name = 'keep'";
    method.insert("correction".into(), toml::Value::Table(keep.parse()?));
    Ok(registry::build(METHODS, method)?)
}

/// Times steps, each on its own images. On the CPU only the last one counts, because a step takes a minute.
pub fn measure(
    recipes: &Recipes,
    student: Box<dyn Detector>,
    work: &Work,
    device: &Device,
    repeats: Repeats,
) -> Result<Value> {
    let repeats = match device.is_host() {
        true => Repeats {
            warm_up: repeats.counted - 1,
            counted: 1,
        },
        false => repeats,
    };
    let stream = &mut Stream::new(SEED, "batch");
    // On a GPU, as many again may time the parts.
    let rounds = if device.is_host() { 1 } else { 2 };
    let steps = repeats.warm_up + rounds * repeats.counted;
    let setup = Setup {
        seed: SEED,
        counts: ClassCounts {
            images: 2,
            annotations: vec![OBJECTS; CLASSES],
            objects: vec![OBJECTS; CLASSES],
        },
        epoch_steps: steps,
    };
    let phase = method(&recipes.own, work.pseudo_labels)?
        .phases(steps)
        .remove(0);
    let mut learner = phase.learner(Parts {
        student,
        setup: &setup,
    })?;
    let recipe = recipes.other.as_ref().unwrap_or(&recipes.own);
    let train: TrainConfig = recipe.table("train")?;
    let mut optimizer = Optimizer::new(train.optimizer(), learner.student());
    let mut kept = 0;
    // Two views of the labelled images and the strong view of the others: the student's input.
    let seen = device.time(3 * work.images, repeats, |step, parts| {
        let batch = batch(work, stream);
        let mut watch = device.watch(parts);
        let sent = learner.send(batch);
        let (output, mut grads) = match work.micro_batch {
            0 => {
                let mut tape = Tape::recording();
                let output = learner.step(&mut tape, &sent, step);
                watch.mark("teacher, student, losses");
                let grads = tape.backward(&output.loss);
                watch.mark("backward");
                (output, grads)
            }
            images => {
                let mut sum = GradientSum::new();
                let pieces = Pieces {
                    images,
                    replicas: 1,
                    labelled_views: VIEWS,
                };
                let output = learner.step_in_pieces(&mut sum, &sent, step, pieces);
                watch.mark("teacher, student, losses, backward");
                (output, sum.into_grads())
            }
        };
        optimizer.step(learner.student(), &mut grads, train.rate as f32);
        watch.mark("optimizer");
        let run = watch.stop();
        kept = output
            .report
            .wait()
            .pseudo
            .map_or(0, |pseudo| pseudo.counts.kept);
        run
    });
    Ok(json!({
        "ms": seen.parts(),
        "all_ms": rounded(seen.all()),
        "rate": seen.rate(),
        "pseudo_labels": kept,
        "peak_rss_mb": peak_memory(),
    }))
}
