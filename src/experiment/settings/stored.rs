//! Settings that were written to a store, perhaps by an earlier version of the program.

use super::new_keys::NEW_KEYS;
use crate::recipe::to_todays_places;
use toml::Table;

/// The settings in `text`, in today's spelling and with the defaults of missing keys. `None` if `text` is not TOML.
pub fn stored(text: &str) -> Option<Table> {
    let mut settings = text.parse().ok()?;
    to_todays_places(&mut settings);
    NEW_KEYS.fill(&mut settings);
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::identity::identity;
    use crate::experiment::settings::normalise::normalise;
    use crate::experiment::settings::sections::tests::table;
    use crate::experiment::settings::trial_settings::TrialSettings;

    /// The default trial, in today's spelling and as a store of the time before `[model.loss]` has it.
    fn both() -> [String; 2] {
        let mut today = table();
        normalise(&mut today);
        let earlier = identity(&today);
        assert!(earlier.contains_key("loss") && !today.contains_key("loss"));
        [today, earlier].map(|table| format!("# PL-DC, seed 0\n{table}"))
    }

    #[test]
    fn settings_of_an_earlier_version_are_those_of_today() {
        let [today, earlier] = both().map(|text| stored(&text).unwrap());
        assert_eq!(today, earlier);
        assert!(TrialSettings::read(&earlier).is_ok());
        assert_eq!(stored("[loss"), None);
    }
}
