//! Analyses of the trials of a results folder, for the report: each evaluates the reported network once more, and keeps
//! every detection with the objects that it overlaps. A trial is analysed once; the store keeps the result, and the
//! images that the galleries draw.

use super::first::of_network;
use super::pictures::keep_pictures;
use crate::data::DATASETS;
use crate::data::supercategories::groups;
use crate::detector::{Detector, Judged};
use crate::eval::Evaluators;
use crate::eval::analysis::{Analysis, Analyst, Qualities};
use crate::experiment::insight::analysis::{place, report_of};
use crate::experiment::insight::choice::Results;
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
    // An analysis of an earlier program does not tell the images of the confusions.
    if place.read().is_some_and(|one| one.confused.is_some()) {
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
    let report = report_of(results, trial);
    let begins = |count: usize| {
        let KeptTrial { hash, seed, .. } = trial;
        tell(&format!(
            "analysing the {model} of trial {hash}, seed {seed}: {count} images"
        ));
    };
    let (analysis, metric) = made(&settings, &model, datasets, device, report, &begins)?;
    if let (Some((name, Some(expected))), Some(found)) = (expected, metric) {
        ensure!(
            (found - expected).abs() <= SAME,
            "{name} is {found} here, and its evaluation found {expected}"
        );
    }
    place.write(&analysis)
}

/// The analysis, and the first metric of the evaluation, if it is defined. `begins` is given the number of images.
fn made(
    settings: &Settings,
    model: &str,
    datasets: &Datasets,
    device: DeviceChoice,
    report: &ReportConfig,
    begins: &dyn Fn(usize),
) -> Result<(Analysis, Option<f64>)> {
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
    let count = dataset.val.len();
    begins(count);
    let mut analyst = Analyst::new(&dataset, groups, model);
    let indices: Vec<usize> = (0..count).collect();
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
    let evaluators = Evaluators::new(&settings.eval.metrics, &dataset)?;
    let scores = evaluators.evaluate(found)?;
    let metric = evaluators.main_metric(&scores).map(|(_, value)| value);
    Ok((analysis, metric))
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
