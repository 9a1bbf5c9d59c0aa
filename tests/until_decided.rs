//! Seeds until decided through the binary: rows of known effects, kills, two processes, results from elsewhere.

use harness::experiment::{
    DeviceRequest, EXECUTORS, Interrupt, Link, RecipeRequest, Request, SweepOptions, Verbosity,
    sweep,
};
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
    let spent = ["- all", "- two", "- one", "- nothing"].map(seeds);
    assert_eq!(spent, [9, 12, 30, 30], "the larger the effect, the fewer");
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
    let text = done.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("with 40 of at most 40 seeds; no row gets another seed"),
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

/// Stops at the end of a round: all of its trials have ended, and those of the next round are left.
#[test]
fn who_stops_at_the_end_of_a_round_has_the_next_one_left() {
    let place = Place::new();
    place.finish("out", " --set seeds.at-most=3");
    // Without the records, a sweep finds the results of the first round in the store only when it runs.
    fs::remove_file(place.at("out/records.jsonl")).unwrap();
    let request = RecipeRequest {
        recipe: place.at("recipes/mock-decided.toml"),
        set: Vec::new(),
    };
    let options = SweepOptions {
        out: Some(place.at("out")),
        workers: 2,
        devices: DeviceRequest::default(),
        executor: &EXECUTORS[0],
        retries: 0,
        fail_fast: false,
        renew: false,
        reuse: Vec::new(),
        report: false,
        replace: false,
        verbosity: Verbosity::Quiet,
        interrupt: Interrupt::default(),
        link: Link::default(),
    };
    options.interrupt.request(Request::Stop);
    let outcome = sweep(&request, &options).unwrap();
    // The fourth seed of five rows and of their reference.
    assert_eq!((outcome.interrupted, outcome.left), (true, 6));
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

#[test]
fn two_recipes_share_a_folder_and_a_sweep_whose_rows_have_stopped() {
    let place = Place::new();
    place.finish("out", " --set seeds.at-most=5");
    let text = fs::read_to_string(place.at("recipes/mock-decided.toml")).unwrap();
    fs::write(place.at("recipes/other.toml"), &text).unwrap();
    let other = "sweep -q recipes/other.toml --workers 2 --out out --set seeds.at-most=5";
    place.works(other);
    // Another level makes other trials, whose tables would take the place of these.
    let level = " --set seeds.at-most=5 --set method.level=30";
    let output = place.sweep("out", level).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("of another recipe, `other`"), "{text}");
}

#[test]
fn another_rule_asks_anew_and_its_scale_counts() {
    let place = Place::new();
    let few = " --set seeds.at-most=12";
    place.finish("out", few);
    let decision = |row: &str| {
        let kept = place.decisions("out");
        let own = kept.into_iter().find(|one| one["row"] == row);
        own.map(|one| one["seeds"].as_u64().unwrap())
    };
    assert_eq!((decision("- all"), decision("- two")), (Some(9), Some(12)));
    let e = || place.rows("out")["- all"]["e"].parse::<f64>().unwrap();
    let before = e();
    let path = place.at("sweeps/mock-decided.toml");
    let text = fs::read_to_string(&path).unwrap();
    let other = text.replace("negligible = 0.7", "effect-scale = 0.05\nnegligible = 0.7");
    fs::write(&path, other).unwrap();
    place.finish("out", few);
    // Who expects small effects has less evidence of a large one after as many seeds.
    let row = place.rows("out")["- all"].clone();
    assert_eq!((&*row["verdict"], &*row["seeds"]), ("inconclusive", "12"));
    assert!(e() < before, "{} {before}", e());
    let markdown = fs::read_to_string(place.at("out/mock-decided.md")).unwrap();
    assert!(markdown.contains("effect scale 0.05)"), "{markdown}");
    // The first rule again: its verdicts fall again at the same seeds.
    fs::write(&path, text).unwrap();
    place.finish("out", few);
    assert_eq!((decision("- all"), decision("- two")), (Some(9), Some(12)));
}

#[test]
fn a_damaged_file_of_decisions_is_named_and_can_be_left_out() {
    let place = Place::new();
    let few = " --set seeds.at-most=10";
    place.finish("out", few);
    let expected = place.found("out");
    let path = place.at("out/.store/decisions/mock-decided.json");
    fs::write(&path, "{").unwrap();
    let output = place.sweep("out", few).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    for part in ["decisions/mock-decided.json", "without the file"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    fs::remove_file(&path).unwrap();
    place.finish("out", few);
    assert_eq!(place.found("out"), expected);
}

#[test]
fn power_without_a_deviation_or_a_reference_is_refused() {
    let place = Place::new();
    for (arguments, part) in [
        (
            "--power 1",
            "`- nothing` of the sweep `mock-decided` has no two differences",
        ),
        (
            "--power 1 --set seeds=0,1 --set sweeps=[]",
            "--power: no row of the recipe is compared with another",
        ),
        ("--power x", "--power"),
        ("--power 1 --deviation 0", "--deviation"),
        ("--deviation 1", "--power"),
    ] {
        let output = place.output(&format!(
            "plan recipes/mock-decided.toml --out out {arguments}"
        ));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {text}");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(part), "{arguments}: {text}");
    }
}
