//! A whole step of PL-DC's training at full size: what it costs in time and memory.
//!
//! One labelled image in its weak and its strong view and one unlabelled image; backbone frozen. The filter lets all through, so that every
//! query's mask is a pseudo-label with its uncertainty: no step of a training holds more. The correction is left out: what it
//! costs is a vision-language model, which `harness clip` shows alone.

use crate::measure::{Clock, listed, peak_memory, rounded};
use crate::{CLASSES, OBJECTS, Recipe, SEED, picture, targets};
use anyhow::{Context, Result};
use harness::data::split::ClassCounts;
use harness::data::{Batch, UnlabelledViews, View};
use harness::graph::Mask2Former;
use harness::method::{self, MethodConfig, Setup};
use harness::rng::Stream;
use harness::structures::{Instance, InstanceSource};
use harness::tensor::Tape;
use harness::train::{AdamW, TrainConfig};
use serde_json::{Value, json};

fn batch(size: usize, stream: &mut Stream) -> Batch {
    let truth = targets(size, stream);
    let instances: Vec<Instance> = truth
        .classes
        .into_iter()
        .zip(truth.masks)
        .map(|(class, mask)| Instance {
            class,
            mask,
            source: InstanceSource::Annotation,
        })
        .collect();
    let mut view = || View {
        picture: picture(size, stream),
        instances: instances.clone(),
    };
    let labelled = vec![view(), view()];
    let (weak, strong) = (view().picture, view().picture);
    Batch {
        labelled,
        unlabelled: vec![UnlabelledViews {
            weak,
            strong,
            hidden_truth: Vec::new(),
        }],
    }
}

/// The method of the recipe with the burn-in over, a filter that keeps all, and no correction.
fn config(recipe: &Recipe) -> Result<MethodConfig> {
    let mut table = recipe.0["method"].clone();
    let method = table.as_table_mut().context("[method]")?;
    method.insert("burn-in".into(), 0.into());
    method.insert("candidates".into(), "arg-max".into());
    method.insert("score".into(), "with-no-object".into());
    method.insert("min-area".into(), 0.into());
    let filter = "name = 'decoupled'\nclass = 0.0\nmask = 0.0";
    method.insert("filter".into(), toml::Value::Table(filter.parse()?));
    let keep = "name = 'keep'";
    method.insert("correction".into(), toml::Value::Table(keep.parse()?));
    table.try_into().context("[method]")
}

/// Runs `steps` steps on images of `size` pixels a side: the parts of the last one, and the peak memory of them all.
pub fn measure(recipe: &Recipe, model: Mask2Former, size: usize, steps: usize) -> Result<Value> {
    let stream = &mut Stream::new(SEED, "batch");
    let setup = Setup {
        seed: SEED,
        steps,
        counts: ClassCounts {
            annotations: vec![OBJECTS; CLASSES],
            objects: vec![OBJECTS; CLASSES],
        },
        epoch_steps: steps,
    };
    let mut method = method::start(&config(recipe)?, &recipe.table("loss")?, model, &setup)?;
    let train: TrainConfig = recipe.table("train")?;
    let mut optimizer = AdamW::new(train.optimizer(), method.student());
    let mut last = Value::Null;
    for step in 0..steps {
        let batch = batch(size, stream);
        let mut clock = Clock::start();
        let mut tape = Tape::recording();
        let output = method.step(&mut tape, &batch, step);
        clock.mark("teacher, student, losses");
        let mut grads = tape.backward(&output.loss);
        clock.mark("backward");
        optimizer.step(method.student(), &mut grads, train.rate as f32);
        clock.mark("optimizer");
        let parts = clock.stop();
        let kept = output.report.pseudo.map_or(0, |pseudo| pseudo.counts.kept);
        last = json!({
            "ms": listed(&parts, |ms| ms),
            "all_ms": rounded(parts.iter().map(|(_, ms)| ms).sum()),
            "pseudo_labels": kept,
            "peak_rss_mb": peak_memory(),
        });
    }
    Ok(last)
}
