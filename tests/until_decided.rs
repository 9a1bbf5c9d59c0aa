//! Seeds until decided through the binary: rows of known effects, kills, two processes, results from elsewhere.

use harness::metrics::UntilDecided;
use harness::report::statistics::{LEVEL, until_decided};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No process of these tests takes as long.
const TOO_LONG: Duration = Duration::from_secs(300);

/// A folder of its own with copies of the recipes of made-up numbers.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for folder in ["recipes", "sweeps"] {
            fs::create_dir(place.at(folder)).unwrap();
        }
        for file in [
            "recipes/pl-dc.toml",
            "recipes/mock.toml",
            "recipes/mock-decided.toml",
            "sweeps/mock-decided.toml",
        ] {
            fs::copy(file, place.at(file)).unwrap();
        }
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command
            .current_dir(self.0.path())
            .args(arguments.split(' '));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn output(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must end with exit code 0; returns its standard output.
    fn works(&self, arguments: &str) -> String {
        let output = self.output(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sweeps into the folder `out`, with `more` arguments.
    fn sweep(&self, out: &str, more: &str) -> Command {
        let arguments = format!("sweep -q recipes/mock-decided.toml --workers 2 --out {out}{more}");
        self.command(&arguments)
    }

    fn finish(&self, out: &str, more: &str) {
        let output = self.sweep(out, more).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{errors}");
    }

    /// The rows of the table in the folder `out`: the cells by the names of their columns.
    fn rows(&self, out: &str) -> BTreeMap<String, BTreeMap<String, String>> {
        let text = fs::read_to_string(self.at(out).join("mock-decided.csv")).unwrap();
        let mut lines = csv::Reader::from_reader(text.as_bytes());
        let names = lines.headers().unwrap().clone();
        let rows = lines.records().map(|cells| {
            let cells = cells.unwrap();
            let named = names.iter().zip(&cells);
            let named = named.map(|(name, cell)| (name.to_string(), cell.to_string()));
            (cells[0].to_string(), named.collect())
        });
        rows.collect()
    }

    /// What must be the same for two runs: tables, records, the layout of the tables, and the decisions.
    fn found(&self, out: &str) -> BTreeMap<String, String> {
        let files = [
            "mock-decided.csv",
            "mock-decided.md",
            "records.jsonl",
            "tables.json",
            ".store/decisions/mock-decided.json",
        ];
        let read = |file: &str| fs::read_to_string(self.at(out).join(file)).unwrap();
        files
            .iter()
            .map(|file| (file.to_string(), read(file)))
            .collect()
    }

    fn decisions(&self, out: &str) -> Vec<Value> {
        let text = fs::read(self.at(out).join(".store/decisions/mock-decided.json")).unwrap();
        let kept: Value = serde_json::from_slice(&text).unwrap();
        let mut kept = kept["decisions"].as_array().unwrap().clone();
        kept.sort_by_key(|one| one["row"].to_string());
        kept
    }
}

fn wait(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < TOO_LONG, "this never comes");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn known_effects_get_their_verdicts_and_the_clear_ones_few_seeds() {
    let place = Place::new();
    let planned = place.works("plan recipes/mock-decided.toml --out out");
    let text = planned.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "5 of 5 compared rows are open, with 3 of at most 40 seeds; in all at most 240 trials",
        "to run: 18 of 18 trials",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {planned}");
    }
    place.finish("out", "");
    let rows = place.rows("out");
    let cell = |row: &str, column: &str| rows[row][column].clone();
    let seeds = |row: &str| cell(row, "seeds").parse::<usize>().unwrap();
    for row in ["- all", "- two", "- one"] {
        assert_eq!(cell(row, "verdict"), "hurts", "{row}");
        assert!(cell(row, "e").parse::<f64>().unwrap() >= 20.0);
    }
    assert_eq!(cell("- nothing", "verdict"), "same");
    // Half a deviation is more than nothing, and less than what matters: forty seeds do not tell.
    let half = (cell("- half", "verdict"), seeds("- half"));
    assert_eq!((&*half.0, half.1), ("inconclusive", 40));
    assert!(
        seeds("- all") <= seeds("- two") && seeds("- two") <= seeds("- one"),
        "{rows:?}"
    );
    assert_eq!(cell("- two", "pairs"), cell("- two", "seeds"));
    // Nobody is trained who is not needed: the reference as long as the longest row.
    let longest = rows.values().map(|row| row["seeds"].parse().unwrap()).max();
    assert_eq!(Some(seeds("all")), longest);
    let trained: usize = rows.keys().map(|row| seeds(row)).sum();
    assert_eq!(lines(&place.at("out/records.jsonl")), trained);
    let done = place.works("plan recipes/mock-decided.toml --out out");
    assert!(
        done.contains(&format!("to run: 0 of {trained} trials")),
        "{done}"
    );
    let markdown = fs::read_to_string(place.at("out/mock-decided.md")).unwrap();
    for part in [
        "Seeds: from 0 on until decided, 3 to 40",
        "| E |",
        "at most 40 seeds",
        "±0.7",
    ] {
        assert!(markdown.contains(part), "`{part}` is not in: {markdown}");
    }
    // The table that is made again from the records is the same.
    let csv = place.works("table out --format csv");
    assert_eq!(
        csv,
        fs::read_to_string(place.at("out/mock-decided.csv")).unwrap()
    );
    let power = place.works("plan recipes/mock-decided.toml --out out --power 1");
    assert!(power.contains("seeds to see an effect of 1 mAP"), "{power}");
}

/// Rows of two deviations spend what the simulation says: at most as much as each alone at a fifth of the level, the
/// first step of Holm's correction, and at least as much as at the whole level.
#[test]
fn rows_of_known_effect_spend_the_simulated_number_of_seeds() {
    let place = Place::new();
    let rule = UntilDecided {
        at_least: 3,
        at_most: 40,
        effect_scale: 1.0,
        negligible: Some(0.7),
    };
    let expected = |level: f64| until_decided(&rule, -2.0, 1.0, level).seeds;
    let mut spent = Vec::new();
    for level in 0..2 {
        // Another level draws other noise after the burn-in.
        let effects =
            "--set method.effects.nothing=2 --set method.effects.half=2 --set method.effects.one=2";
        let out = format!("out-{level}");
        place.finish(
            &out,
            &format!(" {effects} --set method.level={}", 20 + level),
        );
        let rows = place.rows(&out);
        let compared = rows.iter().filter(|(label, _)| !label.ends_with("all"));
        for (label, row) in compared {
            assert_eq!(row["verdict"], "hurts", "{label}");
            spent.push(row["seeds"].parse::<f64>().unwrap());
        }
    }
    let mean = spent.iter().sum::<f64>() / spent.len() as f64;
    // The standard deviation of the number of seeds is about 2.5, and rows of a table share their reference: of two
    // tables, three standard errors are at most this.
    let margin = 3.0 * 2.5 / 2f64.sqrt();
    let bounds = [expected(LEVEL) - margin, expected(LEVEL / 5.0) + margin];
    assert!(
        (bounds[0]..bounds[1]).contains(&mean),
        "{mean} is not in {bounds:?}"
    );
}

#[test]
fn a_sweep_that_is_killed_in_a_round_comes_to_the_same_decisions() {
    let place = Place::new();
    // Steps that take a while, so that a kill meets trials at work.
    let slow = " --set seeds.at-most=10 --set method.sleep-ms=3";
    place.finish("undisturbed", slow);
    let expected = place.found("undisturbed");
    let path = place.at("out/records.jsonl");
    // The first round has 18 trials, the next ones up to six.
    for count in [4, 19, 25] {
        let mut child = place.sweep("out", slow).spawn().unwrap();
        wait(|| lines(&path) >= count || child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        // Its own process ends when it sees that nobody watches it.
        std::thread::sleep(Duration::from_millis(300));
    }
    place.finish("out", slow);
    assert_eq!(place.found("out"), expected);
}

#[test]
fn two_processes_come_to_the_same_decisions() {
    let place = Place::new();
    let few = " --set seeds.at-most=10";
    place.finish("undisturbed", few);
    let children: [Child; 2] = [(); 2].map(|()| place.sweep("out", few).spawn().unwrap());
    for child in children {
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{errors}");
    }
    assert_eq!(place.found("out"), place.found("undisturbed"));
}

#[test]
fn decisions_stand_with_more_seeds_and_are_made_again_from_records() {
    let place = Place::new();
    place.finish("out", " --set seeds.at-most=9");
    let before = place.decisions("out");
    assert!(!before.is_empty(), "the largest effect is decided");
    let more = " --set seeds.at-most=13";
    place.finish("out", more);
    let after = place.decisions("out");
    assert!(after.len() > before.len(), "{after:?}");
    assert!(
        before.iter().all(|one| after.contains(one)),
        "{before:?}, {after:?}"
    );
    // Another folder takes the results, trains nothing, and decides the same.
    place.finish("grown", &format!("{more} --reuse-records out"));
    assert_eq!(place.decisions("grown"), after);
    assert_eq!(
        lines(&place.at("grown/timing.jsonl")),
        0,
        "nothing was trained"
    );
    let verdicts = |out: &str| -> Vec<(String, String)> {
        let rows = place.rows(out).into_iter();
        rows.map(|(label, row)| (label, row["verdict"].clone()))
            .collect()
    };
    assert_eq!(verdicts("grown"), verdicts("out"));
}

#[test]
fn a_row_that_fails_stops_and_goes_on_when_it_is_done_again() {
    let place = Place::new();
    let sweep = fs::read_to_string(place.at("sweeps/mock-decided.toml")).unwrap();
    let failing = sweep.replace(
        "half    = { ",
        "half    = { \"method.fail-at\" = 3, \"method.fail-times\" = 1, ",
    );
    fs::write(place.at("sweeps/mock-decided.toml"), failing).unwrap();
    let few = " --set seeds.at-most=14";
    let output = place.sweep("out", few).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let rows = place.rows("out");
    assert!(rows["- half"]["status"].starts_with("failed: "), "{rows:?}");
    let seeds = (&*rows["- nothing"]["seeds"], &*rows["- half"]["seeds"]);
    assert_eq!(seeds, ("14", "0"));
    let kept = place.decisions("out");
    assert!(!kept.is_empty(), "{rows:?}");
    place.finish("out", &format!("{few} --retries 1"));
    let half = &place.rows("out")["- half"];
    assert_eq!((&*half["status"], &*half["seeds"]), ("ok", "14"));
    let after = place.decisions("out");
    assert!(
        kept.iter().all(|one| after.contains(one)),
        "{kept:?}, {after:?}"
    );
}

#[test]
fn a_finished_sweep_is_published_and_an_unfinished_one_is_not() {
    let place = Place::new();
    let few = " --set seeds.at-most=5";
    let publish = format!("sweep recipes/mock-decided.toml --out out --publish{few}");
    place.finish("out", " --set seeds.at-most=4");
    let refused = place.output(&publish);
    assert_eq!(refused.status.code(), Some(2));
    place.finish("out", few);
    place.works(&publish);
    let published = place.at("results/published/mock-decided");
    for file in [
        "mock-decided.csv",
        "mock-decided.md",
        "records.jsonl",
        "tables.json",
    ] {
        let text = |folder: &Path| fs::read_to_string(folder.join(file)).unwrap();
        assert_eq!(text(&published), text(&place.at("out")), "{file}");
    }
}

#[test]
fn where_nothing_is_compared_nothing_is_decided() {
    let place = Place::new();
    for (set, part) in [
        ("sweeps=[]", "the recipe has no sweep"),
        (
            "seeds={at-least=1,at-most=9,until='decided'}",
            "`seeds.at-least`: expected a whole number from 2",
        ),
    ] {
        let output = place.output(&format!("plan recipes/mock-decided.toml --set {set}"));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(part), "{text}");
    }
    // A fixed list makes the keys of the sweep idle, which is told.
    let output = place.output("plan recipes/mock-decided.toml --set seeds=0,1");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("the key `negligible` of the sweep `mock-decided` does nothing"),
        "{text}"
    );
}
