//! Tests `recipes/reference.toml`, which the program writes: every component with every key.

use harness::experiment::{TrialSettings, reference};
use toml::Table;

/// The repository's file.
fn file() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/reference.toml");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_file_is_what_the_program_writes() {
    let (file, written) = (file(), reference());
    let lines = file.lines().zip(written.lines());
    if let Some((number, (old, new))) = lines.enumerate().find(|(_, (old, new))| old != new) {
        panic!(
            "recipes/reference.toml:{}: `{old}` is `{new}` in the code; \
             `harness schema --reference > recipes/reference.toml` writes the file anew",
            number + 1
        );
    }
    assert_eq!(file.len(), written.len(), "the end of the file differs");
}

#[test]
fn its_live_tables_are_a_trial() {
    let mut settings: Table = file().parse().unwrap();
    settings.retain(|_, value| value.is_table());
    settings.insert("seed".into(), 0.into());
    TrialSettings::read(&settings).unwrap();
}

/// A line is a comment for people, a line of TOML, or one of TOML behind `#`.
#[test]
fn every_key_has_a_comment_before_it() {
    let text = file();
    let lines: Vec<&str> = text.lines().collect();
    let is_key = |line: &str| {
        let line = line.strip_prefix('#').unwrap_or(line);
        let name = line.split(" = ").next().unwrap_or_default();
        line.contains(" = ") && !line.starts_with([' ', '[']) && !name.contains(' ')
    };
    let mut keys = 0;
    for pair in lines.windows(2).filter(|pair| is_key(pair[1])) {
        let [before, line] = pair else { unreachable!() };
        let is_name = line.trim_start_matches('#').starts_with("name = ");
        assert!(is_name || before.starts_with("# "), "{before}\n{line}");
        keys += 1;
    }
    assert!(keys > 120, "{keys}");
}
