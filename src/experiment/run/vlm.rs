//! The vision-language model of a trial, as its training left it or its files have it.

use crate::experiment::settings::sections::Settings;
use crate::experiment::store::root::Store;
use crate::experiment::trial::key::StageKey;
use crate::experiment::trial::parts::TrialParts;
use crate::graph::clip::{ClipRegions, VisionLanguage, VisionLanguageConfig};
use crate::nn::params::move_to;
use crate::tensor::Place;
use crate::train::{Checkpoint, restore_clip_tiny};
use anyhow::{Context, Result};

/// The vision-language model of `settings`. `key`: the stage that trained it, if one did.
///
/// # Errors
/// The settings name no such model, or its weights are missing or damaged.
pub(super) fn vlm(
    store: &Store,
    key: Option<&StageKey>,
    settings: &Settings,
    parts: &TrialParts,
    place: &Place,
) -> Result<Box<dyn VisionLanguage>> {
    let vlm = settings.method.vlm();
    match vlm.context("no vision-language model is set")? {
        VisionLanguageConfig::ClipTiny(config) => {
            let key = key.context("the stage of the vision-language model is missing")?;
            let checkpoint = Checkpoint::load(&store.stage(key).result(), key.as_str())?;
            let mut model = restore_clip_tiny(config, &checkpoint)?;
            move_to(&mut model, place);
            Ok(Box::new(model))
        }
        VisionLanguageConfig::Prototypes(config) => {
            Ok(Box::new(parts.prototypes(settings, config)?))
        }
        VisionLanguageConfig::Clip(config) => {
            let model = ClipRegions::new(config, &parts.dataset.classes)?;
            Ok(Box::new(model.at(place)))
        }
    }
}
