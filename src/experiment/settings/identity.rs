//! The spelling of settings from which the hashes of trials and stages are computed.

use crate::recipe::to_earlier_places;
use toml::{Table, Value};

/// The keys of `[data]` that change no result.
const NO_RESULT: [&str; 2] = ["cache", "check"];
/// The table whose keys all change no result.
const REPORT: &str = "report";

/// Normalised settings in the spelling of the first results. So a trial keeps its hash when a table of the recipe
/// moves. Keys that change no result are left out.
pub fn identity(settings: &Table) -> Table {
    let mut settings = settings.clone();
    to_earlier_places(&mut settings);
    if let Some(data) = settings.get_mut("data").and_then(Value::as_table_mut) {
        data.retain(|key, _| !NO_RESULT.contains(&key));
    }
    settings.remove(REPORT);
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_and_cache_of_the_pictures_and_the_report_make_no_other_trial() {
        let table = |data: &str| -> Table { format!("seed = 1\n[data]\n{data}").parse().unwrap() };
        let plain = identity(&table("name = 'coco'"));
        assert_eq!(identity(&table("name = 'coco'\ncheck = 'never'")), plain);
        assert_eq!(identity(&table("name = 'coco'\ncache = 64")), plain);
        assert_ne!(identity(&table("name = 'coco'\nexif = false")), plain);
        let reported = table("name = 'coco'\n[report]\nanalyse = true");
        assert_eq!(identity(&reported), plain);
    }
}
