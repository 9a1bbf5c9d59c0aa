//! The spelling of settings from which the hashes of trials and stages are computed.

use crate::recipe::to_earlier_places;
use toml::Table;

/// Normalised settings in the spelling of the first results. So a trial keeps its hash when a table of the recipe
/// moves.
pub fn identity(settings: &Table) -> Table {
    let mut settings = settings.clone();
    to_earlier_places(&mut settings);
    settings
}
