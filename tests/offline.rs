//! The method `offline` through the program: rows share the teacher and its labels, the labels are COCO annotations,
//! and a run that is killed while the teacher labels goes on to the same bytes.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The time between two looks at a running process.
const LOOK: Duration = Duration::from_millis(1);
/// No process of these tests takes as long.
const TOO_LONG: Duration = Duration::from_secs(600);

/// A network that has barely begun to learn; its filters keep something all the same.
const RECIPE: &str = "sweeps = ['own']\n\
    [data]\ntrain-images = 42\nval-images = 4\n\
    [split]\nlabelled = 0.25\n\
    [loader]\nlabelled-views = 'weak'\n\
    [method]\nname = 'offline'\nteacher-steps = 12\nempty-image = 'drop'\nmask-threshold = 0.2\n\
    filter = { name = 'class-frequency', grid = [0.0, 1.0, 0.01] }\n\
    [train]\nsteps = 6\nwarm-up = 2\ncheckpoint = 3\n\
    [eval]\nmodel = 'student'\n";
const SWEEP: &str = "question = 'Which student?'\nreference = 'DD'\n\
    [[each]]\nlabel = 'DD'\nset.loader.mixing = 'pool'\nset.loader.unlabelled-view = 'weak'\n\
    [[each]]\nlabel = 'Noisy Boundaries'\nset.loader.mixing = 'pool'\nset.loader.labelled-views = 'strong'\n\
    set.phase.teacher.loader.labelled-views = 'weak'\n\
    set.model.mask-head = 'noise-tolerant'\nset.phase.teacher.model.mask-head = 'plain'\n\
    set.method.weighting = { name = 'boundary', scale = 3.0, applies-to = 'all' }\n\
    [[each]]\nlabel = 'STAC'\nset.method.filter = { name = 'best-or-above', threshold = 0.9 }\n\
    set.method.supervised-weight = 0.5\nset.augment.affine.probability = 1.0\nset.augment.affine.in-box.share = 0.5\n";

/// A folder with the recipe and its sweep.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["recipes", "sweeps"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
    }
    let smoke = Path::new("recipes/smoke.toml").canonicalize().unwrap();
    let text = format!("extends = {:?}\n{RECIPE}", smoke.to_str().unwrap());
    std::fs::write(folder.path().join("recipes/own.toml"), text).unwrap();
    std::fs::write(folder.path().join("sweeps/own.toml"), SWEEP).unwrap();
    folder
}

fn harness(words: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.args(words).current_dir(folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn sweep(folder: &Path, out: &str) -> Command {
    let words = ["sweep", "recipes/own.toml", "--workers", "2", "--out", out];
    harness(&words, folder)
}

fn done(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

/// The folders of the stages called `kind`.
fn stages(out: &Path, kind: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(out.join(".store/stages")).into_iter();
    let paths = all.flatten().flatten().map(|entry| entry.path());
    let is_of = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.rsplit_once('-')
            .is_some_and(|(found, _)| found == kind)
    };
    let mut found: Vec<PathBuf> = paths.filter(is_of).collect();
    found.sort();
    found
}

/// Every file that must be the same for two runs, by its path in the results folder.
fn files(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut paths: Vec<PathBuf> = ["own.csv", "own.md", "records.jsonl"]
        .map(|name| out.join(name))
        .into();
    for stage in stages(out, "label") {
        paths.extend(["labels.json", "journal.jsonl"].map(|name| stage.join(name)));
    }
    for trial in std::fs::read_dir(out.join(".store/trials")).unwrap() {
        let trial = trial.unwrap().path();
        paths.extend(
            ["settings.toml", "journal.jsonl", "metrics.json"].map(|name| trial.join(name)),
        );
    }
    let read = |path: &PathBuf| {
        let text =
            std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.strip_prefix(out).unwrap().to_path_buf(), text)
    };
    paths.iter().map(read).collect()
}

#[test]
fn a_teacher_labels_the_pool_once_and_a_kill_in_between_changes_no_byte() {
    let folder = folder();
    let at = |out: &str| folder.path().join(out);
    done(sweep(folder.path(), "whole"));
    let counts =
        ["teacher", "label", "student", "evaluate"].map(|kind| stages(&at("whole"), kind).len());
    assert_eq!(
        counts,
        [1, 2, 3, 3],
        "DD and Noisy Boundaries share their labels"
    );
    let expected = files(&at("whole"));

    for stage in stages(&at("whole"), "label") {
        check_labels(&stage);
        assert!(
            !stage.join("found.jsonl").exists(),
            "nothing of the work in between is left"
        );
    }
    let status = done(harness(&["status", "whole"], folder.path()));
    assert!(status.contains("3 of 3 trials done"), "{status}");
    let show = done(harness(&["show", "whole", "--row", "STAC"], folder.path()));
    assert!(
        show.contains("Pseudo-labels before the training:"),
        "{show}"
    );
    assert!(show.contains("kept per unlabelled image"), "{show}");

    let begun = || {
        let mut found = stages(&at("killed"), "label").into_iter();
        found.any(|stage| stage.join("found.jsonl").exists())
    };
    let mut child = sweep(folder.path(), "killed")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        assert!(start.elapsed() < TOO_LONG);
        std::thread::sleep(LOOK);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        stages(&at("killed"), "label")
            .iter()
            .any(|stage| !stage.join("labels.json").exists())
    );
    let text = done(sweep(folder.path(), "killed"));
    assert!(!text.contains("teacher, seed 0 started"), "{text}");
    assert_eq!(files(&at("killed")), expected);
}

/// The labels are annotations of the images without labels, and the journal tells what they are worth.
fn check_labels(stage: &Path) {
    let read = |name: &str| std::fs::read_to_string(stage.join(name)).unwrap();
    let labels: Value = serde_json::from_str(&read("labels.json")).unwrap();
    let list = |key: &str| labels[key].as_array().unwrap();
    assert_eq!((list("images").len(), list("categories").len()), (32, 10));
    assert!(!list("annotations").is_empty());
    for one in list("annotations") {
        assert_eq!(one["segmentation"]["size"], serde_json::json!([32, 32]));
        let side = |place: usize| one["bbox"][place].as_f64().unwrap();
        let area = one["area"].as_f64().unwrap();
        assert!(
            (area - side(2) * side(3)).abs() < 1e-3,
            "the area is that of the rectangle"
        );
        let score = one["score"].as_f64().unwrap();
        let qualities = ["class_quality", "mask_quality"].map(|key| one[key].as_f64().unwrap());
        assert!((score - qualities[0] * qualities[1]).abs() < 1e-6);
        assert!(
            list("images")
                .iter()
                .any(|image| image["id"] == one["image_id"])
        );
    }
    let journal = read("journal.jsonl");
    let line: Value = serde_json::from_str(journal.trim_end()).unwrap();
    assert_eq!(
        (&line["step"], &line["pool-images"]),
        (&0.into(), &32.into())
    );
    let kept = list("annotations").len();
    assert_eq!(line["kept"], kept);
    let by_class = line["kept-by-class"].as_array().unwrap();
    assert_eq!(
        by_class
            .iter()
            .map(|count| count.as_u64().unwrap())
            .sum::<u64>(),
        kept as u64
    );
    assert!(
        line["objects"].as_u64().unwrap() > 0 && line["right"].as_u64() <= line["matched"].as_u64()
    );
}
