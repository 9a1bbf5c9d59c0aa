//! Correction `keep`: the teacher's word is final. Nothing vouches for a medium candidate, so none is used.

use super::{Corrected, Correction, Region, TrainingProgress};
use crate::registry::{self, Checked, ComponentErrors};
use crate::structures::Picture;
use crate::tensor::{Later, Tensor2};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, Clone, Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Keep {}

impl Checked for Keep {}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Correction>, ComponentErrors> {
    Ok(Box::new(registry::read::<Keep>(table)?))
}

impl Correction for Keep {
    fn correct(
        &self,
        _: &Picture,
        _: &Tensor2,
        regions: &[Region],
        _: TrainingProgress,
    ) -> Later<Vec<Option<Corrected>>> {
        Later::ready(vec![None; regions.len()])
    }
}
