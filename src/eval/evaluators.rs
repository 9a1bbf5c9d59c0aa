//! The evaluators that a recipe names, together: they share the annotations and the detections.

use super::{EVALUATORS, Evaluator, EvaluatorEntry, Found, Scores};
use crate::data::Dataset;
use crate::registry::{Check, ComponentError};
use crate::structures::Detection;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// The evaluators of a trial, with the annotations of the images that are evaluated.
pub struct Evaluators {
    chosen: Vec<(&'static EvaluatorEntry, Box<dyn Evaluator>)>,
    /// Rows and columns of every image.
    sizes: BTreeMap<u64, (usize, usize)>,
    classes: usize,
}

impl Evaluators {
    /// Those of `names`, with the annotations of the dataset's `val` images.
    ///
    /// # Errors
    /// An unknown name; annotations that cannot be read, named.
    pub fn new(names: &[String], dataset: &Dataset) -> Result<Self> {
        let mut chosen = Vec::new();
        for name in names {
            let entry = entry(name).with_context(|| format!("no evaluator `{name}`"))?;
            chosen.push((entry, (entry.new)(dataset)));
        }
        let mut sizes = BTreeMap::new();
        for index in 0..dataset.val.len() {
            let truth = dataset.val.truth(index)?;
            sizes.insert(truth.image_id, (truth.height, truth.width));
            for (_, evaluator) in &mut chosen {
                evaluator.annotate(&truth);
            }
        }
        Ok(Self {
            chosen,
            sizes,
            classes: dataset.classes.len(),
        })
    }

    /// Adds the detections of one image to `found`.
    ///
    /// # Errors
    /// An image that is not in the dataset; a mask of another size than its image; a score that is not a
    /// number.
    pub fn add(&self, found: &mut Found, image_id: u64, detections: &[Detection]) -> Result<()> {
        self.check(image_id, detections)?;
        found.add(image_id, detections);
        Ok(())
    }

    /// The numbers of what one model found.
    ///
    /// # Errors
    /// A metric fails.
    pub fn evaluate(&self, found: Found) -> Result<Scores> {
        let mut scores = Scores::default();
        let Some(((_, last), others)) = self.chosen.split_last() else {
            return Ok(scores);
        };
        for (_, evaluator) in others {
            scores.extend(evaluator.evaluate(found.clone())?);
        }
        scores.extend(last.evaluate(found)?);
        Ok(scores)
    }

    /// The metric that stands for all of `scores` where there is room for one: its name and its value, if it
    /// is defined.
    pub fn main_metric(&self, scores: &Scores) -> Option<(&'static str, f64)> {
        let (entry, _) = self.chosen.first()?;
        let name = *entry.metrics.first()?;
        Some((name, scores.metrics.get(name)?))
    }

    /// A metric would count such detections as misses.
    fn check(&self, image_id: u64, detections: &[Detection]) -> Result<()> {
        let expected = self.sizes.get(&image_id);
        let expected =
            *expected.with_context(|| format!("detections of unknown image {image_id}"))?;
        for Detection {
            class, score, mask, ..
        } in detections
        {
            let size = (mask.height, mask.width);
            ensure!(
                size == expected,
                "image {image_id}: a mask of {size:?} pixels, the image has {expected:?}"
            );
            ensure!(
                !score.is_nan(),
                "image {image_id}: a score that is no number"
            );
            ensure!(
                *class < self.classes,
                "image {image_id}: class {class} of {}",
                self.classes
            );
        }
        Ok(())
    }
}

fn entry(name: &str) -> Option<&'static EvaluatorEntry> {
    EVALUATORS.iter().find(|entry| entry.name == name)
}

/// Refuses a list of evaluators that cannot be used: an empty list, an unknown name, a name that is there
/// twice. `key`: the key of the list.
pub fn check_names(check: &mut Check, key: &str, names: &[String]) {
    let known = || EVALUATORS.iter().map(|entry| entry.name);
    check.known(key, known());
    if names.is_empty() {
        let known: Vec<String> = known().map(|name| format!("`{name}`")).collect();
        check.require(
            false,
            key,
            "[]",
            format!("one or more of {}", known.join(", ")),
        );
    }
    for (index, name) in names.iter().enumerate() {
        let key = format!("{key}[{index}]");
        if entry(name).is_none() {
            let unknown = ComponentError::one_of("", name, known());
            check.keep::<()>(&key, Err(unknown));
        } else if names[..index].contains(name) {
            check.refuse(&key, format!("`{name}` is there twice"));
        }
    }
}

/// The names of the metrics of all evaluators.
pub fn metric_names() -> impl Iterator<Item = &'static str> {
    let metrics = EVALUATORS.iter().flat_map(|entry| entry.metrics);
    metrics.copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::load;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_evaluators_share_a_name_or_a_metric() {
        let names: BTreeSet<&str> = EVALUATORS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), EVALUATORS.len());
        let metrics: BTreeSet<&str> = metric_names().collect();
        assert_eq!(metrics.len(), metric_names().count());
        assert!(EVALUATORS.iter().all(|entry| !entry.metrics.is_empty()));
    }

    #[test]
    fn lists_that_cannot_be_used_are_refused() {
        let refused = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            let mut check = Check::new();
            check_names(&mut check, "metrics", &names);
            check
                .finish()
                .map_or_else(|errors| errors.to_string(), |()| String::new())
        };
        let all: Vec<String> = EVALUATORS.iter().map(|e| format!("`{}`", e.name)).collect();
        let all = all.join(", ");
        assert_eq!(refused(&["coco"]), "");
        assert_eq!(
            refused(&[]),
            format!("metrics: [] does not fit; allowed: one or more of {all}")
        );
        assert_eq!(
            refused(&["coco", "cocoa", "coco"]),
            format!("metrics[1]: unknown `cocoa`; known: {all}; metrics[2]: `coco` is there twice")
        );
    }

    #[test]
    fn every_evaluator_gives_the_metrics_of_its_entry() {
        let table = "name = 'scenes'\nsize = 32\ntrain-images = 1\ntrain-seed = 1\nval-images = 2\nval-seed = 2\n\
                     area-bounds = [25.0, 81.0]";
        let dataset = load(table.parse().unwrap()).unwrap();
        let sample = dataset.val.load(0).unwrap();
        let detections = sample.instances.iter().map(|one| Detection {
            class: one.class,
            score: 0.75,
            bounds: None,
            mask: one.mask.clone(),
        });
        let detections: Vec<Detection> = detections.collect();
        for entry in EVALUATORS {
            let evaluators = Evaluators::new(&[entry.name.to_string()], &dataset).unwrap();
            for detections in [&[][..], &detections] {
                let mut found = Found::default();
                evaluators
                    .add(&mut found, sample.image_id, detections)
                    .unwrap();
                let scores = evaluators.evaluate(found).unwrap();
                let names: Vec<&str> = scores.metrics.iter().map(|(name, _)| name).collect();
                assert_eq!(names, entry.metrics, "{}", entry.name);
            }
        }
    }
}
