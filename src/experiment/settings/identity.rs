//! The spelling of a trial's settings that its hash, and those of its stages, are taken of.

use crate::recipe::to_earlier_places;
use toml::Table;

/// Normalised settings as the program spelled them when the first results were made: a trial keeps its hash
/// when a table of the recipe moves.
pub fn identity(settings: &Table) -> Table {
    let mut settings = settings.clone();
    to_earlier_places(&mut settings);
    settings
}
