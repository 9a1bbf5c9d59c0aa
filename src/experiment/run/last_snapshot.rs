//! The snapshot of a teacher at the end of its training, made of the networks that the training left. It has the bytes
//! of the one that the training itself writes there.

use super::snapshot_images::SnapshotImages;
use super::vlm::vlm;
use crate::atomic::Durability;
use crate::experiment::settings::sections::Settings;
use crate::experiment::store::root::Store;
use crate::experiment::trial::datasets::Datasets;
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::parts::TrialParts;
use crate::structures::Picture;
use crate::tensor::Place;
use crate::train::{Checkpoint, restore};
use anyhow::{Context, Result};

/// Writes the snapshot of `count` images into the folder of the training `training`, of the phase with its name.
/// `made_vlm`: the stage that trained the vision-language model, if one did.
///
/// # Errors
/// The networks are missing or damaged, an image or a file of the trial cannot be read, or the store is not writable.
pub fn keep_last_snapshot(
    store: &Store,
    [training, made_vlm]: [Option<&StageKey>; 2],
    settings: &Settings,
    datasets: &Datasets,
    place: &Place,
    count: usize,
) -> Result<()> {
    let training = training.context("no training has a teacher")?;
    let mut phases = settings.phases().into_iter();
    let phase = phases.find(|phase| phase.labels && phase.name == training.kind());
    let phase =
        phase.with_context(|| format!("no teacher labels in the phase {}", training.kind()))?;
    let images = SnapshotImages::new(settings, datasets, count)?;
    let images = images.context("no teacher labels")?;
    let folder = store.stage(training);
    let checkpoint = Checkpoint::load(&folder.result(), training.as_str())?;
    let settings = &settings.of_phase(phase.name);
    let parts = TrialParts::new(settings, datasets, place)?;
    let mut learner = parts.learner(settings, &phase)?;
    if settings.method.vlm().is_some() {
        learner.attach_vlm(vlm(store, made_vlm, settings, &parts, place)?);
    }
    restore(&mut *learner, &checkpoint)?;
    let step = checkpoint.step();
    let look = |picture: &Picture| learner.snapshot(picture, step);
    images.keep(step, &look, &folder, Durability::Synced)
}
