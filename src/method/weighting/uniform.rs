//! Weighting `uniform`: the plain mask loss.

use super::Weighting;
use crate::registry::{self, Checked, ComponentErrors};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, Clone, Debug, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Uniform {}

impl Checked for Uniform {}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Weighting>, ComponentErrors> {
    Ok(Box::new(registry::read::<Uniform>(table)?))
}

impl Weighting for Uniform {}
