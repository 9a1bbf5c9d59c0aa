//! The spelling of settings from which the hashes of trials and stages are computed.

use crate::recipe::to_earlier_places;
use toml::{Table, Value};

/// The key of `[data]` that changes no result.
const CHECK: &str = "check";

/// Normalised settings in the spelling of the first results. So a trial keeps its hash when a table of the recipe
/// moves. A key that changes no result is left out.
pub fn identity(settings: &Table) -> Table {
    let mut settings = settings.clone();
    to_earlier_places(&mut settings);
    if let Some(data) = settings.get_mut("data").and_then(Value::as_table_mut) {
        data.remove(CHECK);
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_of_the_pictures_makes_no_other_trial() {
        let table = |data: &str| -> Table { format!("seed = 1\n[data]\n{data}").parse().unwrap() };
        let plain = identity(&table("name = 'coco'"));
        assert_eq!(identity(&table("name = 'coco'\ncheck = 'never'")), plain);
        assert_ne!(identity(&table("name = 'coco'\nexif = false")), plain);
    }
}
