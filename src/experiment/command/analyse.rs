//! Analyses of the trials of a results folder, for the report: each evaluates the reported network once more, and keeps
//! every detection with the objects that it overlaps. A trial is analysed once; the store keeps the result, the images
//! that the galleries draw, and a snapshot of the teacher at the end of the rows that have none.

use super::first::of_network;
use super::last_snapshots::keep_last_snapshots;
use super::pictures::keep_pictures;
use super::predict::ids::Ids;
use crate::data::supercategories::groups;
use crate::data::{DATASETS, Source};
use crate::detector::{Detector, Judged};
use crate::eval::Evaluators;
use crate::eval::analysis::{Analysis, Analyst, Qualities};
use crate::experiment::insight::analysis::{place, report_of};
use crate::experiment::insight::choice::{Results, Row};
use crate::experiment::insight::trial::KeptTrial;
use crate::experiment::run::outcome::contained;
use crate::experiment::settings::report::ReportConfig;
use crate::experiment::settings::sections::Settings;
use crate::experiment::trial::datasets::Datasets;
use crate::experiment::trial::inputs::CommandError;
use crate::experiment::trial::parts as trial;
use crate::graph::Images;
use crate::nn::params::move_to;
use crate::registry;
use crate::structures::Picture;
use crate::tensor::{DeviceChoice, Tape};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::BTreeSet;

/// The number of pictures that the network sees at once.
const AT_ONCE: usize = 4;
/// The points by which the metric may differ from that of the evaluation: processors round differently.
const SAME: f64 = 0.1;

/// Makes the analyses that the finished trials of `results` lack. A trial that cannot be analysed is named, and the
/// others go on. `tell` is given a line about each.
///
/// # Errors
/// The folder has no store, or the device cannot be used.
pub fn analyse(
    results: &Results,
    device: DeviceChoice,
    tell: &dyn Fn(&str),
) -> Result<(), CommandError> {
    let work = || -> Result<()> {
        results.store()?.accept()?;
        let datasets = Datasets::default();
        let (mut seen, mut networks) = (BTreeSet::new(), 0);
        for table in &results.tables {
            for row in &table.rows {
                for (seed, hash) in table.seeds.iter().zip(&row.trials) {
                    if !seen.insert(hash) {
                        continue;
                    }
                    let trial = KeptTrial::read(results, hash, *seed)?;
                    networks += usize::from(place(results, &trial).is_some());
                    let made = contained(|| one(results, &trial, &datasets, device, tell));
                    if let Err(reason) = made {
                        let label = &row.label;
                        tell(&format!(
                            "warning: no analysis of {label}, seed {seed}: {reason}"
                        ));
                    }
                }
            }
        }
        for table in &results.tables {
            for row in &table.rows {
                let (label, row) = (&row.label, Row { table, row });
                let made = || keep_last_snapshots(results, row, &datasets, device, tell);
                if let Err(reason) = contained(made) {
                    tell(&format!("warning: no snapshot of {label}: {reason}"));
                }
            }
            if let Err(reason) = contained(|| keep_pictures(results, table, &datasets)) {
                let name = &table.name;
                tell(&format!("warning: no gallery of {name}: {reason}"));
            }
        }
        if networks == 0 {
            tell("note: nothing to analyse: no finished trial has a network");
        }
        Ok(())
    };
    let (_, no_gpu) = device
        .place()
        .map_err(|why| CommandError::Input(anyhow!("--device {why}")))?;
    if let Some(no_gpu) = no_gpu {
        tell(&format!("note: {no_gpu}; the CPU is"));
    }
    work().map_err(CommandError::Input)
}

/// Makes the analysis of `trial`, unless it has one or is not finished.
fn one(
    results: &Results,
    trial: &KeptTrial,
    datasets: &Datasets,
    device: DeviceChoice,
    tell: &dyn Fn(&str),
) -> Result<()> {
    let Some((place, model)) = place(results, trial) else {
        return Ok(());
    };
    let report = report_of(results, trial);
    // An analysis of an earlier program does not tell the images of the confusions.
    let is_made = place.read().is_some_and(|one| one.confused.is_some());
    if is_made && (!report.predictions || place.folder.predictions().exists()) {
        return Ok(());
    }
    let last = trial
        .trainings()
        .last()
        .filter(|stage| stage.state.is_done());
    let last = last.context("the store no longer has its weights")?;
    let settings = of_network(results, trial, &last.folder, &model)?;
    let Some(_lease) = place.folder.lease()? else {
        bail!("another process is making it");
    };
    let expected = trial
        .evaluation
        .as_ref()
        .and_then(|found| found.models.get(&model)?.metrics.first());
    let begins = |count: usize| {
        let KeptTrial { hash, seed, .. } = trial;
        tell(&format!(
            "analysing the {model} of trial {hash}, seed {seed}: {count} images"
        ));
    };
    let made = made(&settings, &model, datasets, device, report, &begins)?;
    // The metric of a part of the images is another one.
    let is_whole = report.images == 0;
    if let (Some((name, Some(expected))), Some(found)) =
        (expected, made.metric.filter(|_| is_whole))
    {
        ensure!(
            (found - expected).abs() <= SAME,
            "{name} is {found} here, and its evaluation found {expected}"
        );
    }
    if let Some(results) = made.predictions {
        place.write_predictions(&results)?;
    }
    place.write(&made.analysis)
}

/// What an analysis gives.
struct Made {
    analysis: Analysis,
    /// The first metric of the evaluation, if it is defined.
    metric: Option<f64>,
    /// The detections as COCO results, if the recipe asks for them.
    predictions: Option<Vec<u8>>,
}

/// Makes an analysis. `begins` is given the number of images.
fn made(
    settings: &Settings,
    model: &str,
    datasets: &Datasets,
    device: DeviceChoice,
    report: &ReportConfig,
    begins: &dyn Fn(usize),
) -> Result<Made> {
    let dataset = datasets.get(&settings.data)?;
    let config = registry::build(DATASETS, settings.data.clone())?;
    let own = report.groups(&dataset.classes);
    let own = own.map_err(|why| anyhow!("report.similar: {why}"))?;
    let groups = own.unwrap_or_else(|| {
        let supercategories = config.supercategories(&dataset.classes);
        groups(supercategories.as_deref(), dataset.classes.len())
    });
    let (place, _) = device.place().map_err(|why| anyhow!("--device {why}"))?;
    let place = place
        .computing_with(settings.precision)
        .context("precision")?;
    let mut network = trial::model(settings, dataset.classes.len())?;
    move_to(&mut *network, &place);
    let indices = chosen(&*dataset.val, report.images);
    begins(indices.len());
    let mut analyst = Analyst::new(&dataset, groups, model);
    for part in indices.chunks(AT_ONCE) {
        let samples = part.iter().map(|index| dataset.val.load(*index));
        let samples = samples.collect::<Result<Vec<_>>>()?;
        let pictures: Vec<&Picture> = samples.iter().map(|one| &one.picture).collect();
        let images = settings.eval.input(&*network, &pictures);
        let sizes: Vec<(usize, usize)> = samples
            .iter()
            .map(|one| (one.picture.height, one.picture.width))
            .collect();
        for (index, found) in part
            .iter()
            .zip(judged(&*network, &images, &sizes, settings.eval.top))
        {
            let with_qualities = found.into_iter().map(|one| {
                let qualities = Qualities {
                    class: one.class_quality,
                    mask: one.mask_quality,
                    is_first: one.is_first,
                };
                (one.detection, qualities)
            });
            analyst.add(&dataset, *index, &with_qualities.collect::<Vec<_>>())?;
        }
    }
    let (analysis, found) = analyst.finish()?;
    let predictions = report.predictions.then(|| {
        let file = config.train_annotations();
        let ids = Ids::new(&[], &dataset.classes, file.as_deref())?;
        found.results(&ids.categories)
    });
    let predictions = predictions.transpose().context("report.predictions")?;
    let evaluators = Evaluators::new(&settings.eval.metrics, &dataset)?;
    let scores = evaluators.evaluate(found)?;
    Ok(Made {
        analysis,
        metric: evaluators.main_metric(&scores).map(|(_, value)| value),
        predictions,
    })
}

/// The places of the analysed images of `source`, in its order: of `count` images, those whose ids have the smallest
/// BLAKE3 digests; all if `count` is 0. So every row and every seed has the same ones.
fn chosen(source: &dyn Source, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..source.len()).collect();
    if count > 0 {
        all.sort_by_cached_key(|at| {
            *blake3::hash(source.id(*at).to_string().as_bytes()).as_bytes()
        });
        all.truncate(count);
        all.sort_unstable();
    }
    all
}

/// The detections of pictures with their qualities.
fn judged(
    network: &dyn Detector,
    images: &Images,
    sizes: &[(usize, usize)],
    top: usize,
) -> Vec<Vec<Judged>> {
    network.forward(&mut Tape::off(), images).judge(sizes, top)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::load;

    #[test]
    fn a_part_of_the_images_is_the_same_in_every_larger_part() {
        let table = "name = 'scenes'\nsize = 48\ntrain-images = 1\ntrain-seed = 1\nval-images = 40\nval-seed = 2\n\
                     area-bounds = [25.0, 81.0]";
        let val = load(table.parse().unwrap()).unwrap().val;
        let all: Vec<usize> = (0..40).collect();
        assert_eq!(chosen(&*val, 0), all);
        assert_eq!(chosen(&*val, 99), all);
        let (few, more) = (chosen(&*val, 5), chosen(&*val, 12));
        assert_eq!((few.len(), more.len()), (5, 12));
        assert!(few.iter().all(|at| more.contains(at)), "{few:?} {more:?}");
        assert!(
            more.is_sorted() && few != [0, 1, 2, 3, 4],
            "not the first ones"
        );
    }
}
