//! Weighting `uniform`: the plain mask loss.

use super::Weighting;
use crate::registry::{self, ComponentError};
use crate::tensor::Tensor2;
use serde::Deserialize;

#[derive(Deserialize, Clone, Debug)]
#[serde(deny_unknown_fields)]
struct Uniform {}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Weighting>, ComponentError> {
    Ok(Box::new(registry::options::<Uniform>(table)?))
}

impl Weighting for Uniform {
    fn discounts(&self, _logits: &Tensor2, _rows: &[usize]) -> Option<Tensor2> {
        None
    }
}
