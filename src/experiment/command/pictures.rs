//! Keeps small copies of the images that the galleries of a report draw.

use crate::experiment::insight::analysed::AnalysedRows;
use crate::experiment::insight::choice::{Results, Row};
use crate::experiment::insight::gallery::{compared, pictures};
use crate::experiment::insight::trial::{KeptTrial, located};
use crate::experiment::store::pictures::KeptPicture;
use crate::experiment::trial::datasets::Datasets;
use crate::report::TableLayout;
use anyhow::{Context, Result, ensure};
use toml::Value;

/// Keeps the images of the sweep with the table `layout` that are chosen and not yet in the store.
///
/// # Errors
/// The dataset cannot be read, or is another one than that of the analyses, or the store is not writable.
pub fn keep_pictures(results: &Results, layout: &TableLayout, datasets: &Datasets) -> Result<()> {
    let trials = |row| -> Result<Vec<KeptTrial>> {
        let row = Row { table: layout, row };
        let trials = row.trials(None)?.into_iter();
        trials
            .map(|(seed, hash)| KeptTrial::read(results, hash, seed))
            .collect()
    };
    let rows = layout.rows.iter().map(trials).collect::<Result<Vec<_>>>()?;
    let found = AnalysedRows::read(results, rows.iter().map(Vec::as_slice));
    let Some(first) = found.rows.first() else {
        return Ok(());
    };
    let (trial, analysis) = (&rows[first.place][0], &first.own[0].1);
    let place = pictures(results, trial).context("the settings of its first trial are unknown")?;
    let mut images: Vec<usize> = compared(&found, &layout.references())
        .iter()
        .flat_map(|one| one.images.iter().map(|image| image.image))
        .filter(|image| place.read(analysis.images[*image]).is_none())
        .collect();
    images.sort_unstable();
    images.dedup();
    if images.is_empty() {
        return Ok(());
    }
    let table = located(results.store()?, &results.plans, trial.hash)?;
    let data = table
        .get("data")
        .and_then(Value::as_table)
        .context("no table `data`")?;
    let source = datasets.get(data)?.val;
    for image in images {
        let id = analysis.images[image];
        let is_same = image < source.len() && source.id(image) == id;
        ensure!(
            is_same,
            "the dataset has other images than its analysis: {id} is missing"
        );
        let (sample, truth) = (source.load(image)?, source.truth(image)?);
        place.write(id, &KeptPicture::of(&sample.picture, &truth.instances)?)?;
    }
    Ok(())
}
