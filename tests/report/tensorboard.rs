//! `harness export tensorboard`: files of records whose lengths fit, with the tags of every row.

use crate::folders::{HOSTILE, SWEPT, harness, stderr, stdout, text_of};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every file below a folder with its content.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
    found
}

/// The data of the records of a file.
fn records(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        found.push(&bytes[12..12 + length]);
        bytes = &bytes[16 + length..];
    }
    found
}

fn holds(data: &[u8], word: &str) -> bool {
    data.windows(word.len()).any(|part| part == word.as_bytes())
}

#[test]
fn every_trial_is_a_run_with_its_curves_metrics_and_hyperparameters() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    let results = SWEPT.results();
    for out in [&one, &other] {
        let output = harness(&[
            "export",
            "tensorboard",
            text_of(&results),
            "--out",
            text_of(out),
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(
            stdout(&output).ends_with("30 runs\n"),
            "{}",
            stdout(&output)
        );
    }
    let found = files(&one);
    assert_eq!(
        found.len(),
        31,
        "a file for each run, and one for the experiment"
    );
    let relative = |files: &BTreeMap<PathBuf, Vec<u8>>, of: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let files = files.iter();
        files
            .map(|(path, bytes)| (path.strip_prefix(of).unwrap().to_path_buf(), bytes.clone()))
            .collect()
    };
    assert!(
        relative(&found, &one) == relative(&files(&other), &other),
        "the same bytes every time"
    );
    let run = &found[&one.join("parts/both/seed-1/events.out.tfevents.0.harness")];
    let run = records(run);
    assert!(holds(run[0], "brain.Event:2"));
    assert!(holds(run[1], "_hparams_/session_start_info") && holds(run[1], "parts/both"));
    assert!(run.iter().any(|data| holds(data, "train/loss")));
    assert!(
        holds(run[run.len() - 2], "final/mAP")
            && holds(run[run.len() - 1], "_hparams_/session_end_info")
    );
    let experiment = records(&found[&one.join("events.out.tfevents.0.harness")]);
    for word in ["_hparams_/experiment", "method.level", "seed", "final/mAP"] {
        assert!(holds(experiment[1], word), "{word}");
    }
    // A label with separators makes no further folder.
    let rows = fs::read_dir(one.join("parts")).unwrap().count();
    assert_eq!(rows, 5 + HOSTILE.len());
}

#[test]
fn a_folder_without_a_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let output = harness(&[
        "export",
        "tensorboard",
        "results/published/smoke",
        "--out",
        text_of(&out),
    ]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(!out.exists());
}
