//! Tests files that are truncated, foreign, or from another time.

use crate::rig::{Rig, stderr};
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

fn cut(path: &Path, part: u64) {
    let file = File::options().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length * part / 4).unwrap();
}

/// Runs the sweep into `out` until a stage after the burn-in has a checkpoint, and returns it.
fn interrupted(rig: &Rig, out: &str) -> PathBuf {
    let checkpoints = || rig.checkpoints(out, "distill-");
    rig.killed_when(out, || !checkpoints().is_empty());
    checkpoints().remove(0)
}

#[test]
fn a_truncated_checkpoint_is_reported_and_its_stage_begins_anew() {
    let rig = Rig::new();
    let expected = rig.expected();
    for part in 0..4 {
        let out = format!("out-{part}");
        cut(&interrupted(&rig, &out), part);
        let text = rig.finish(&out);
        assert!(
            text.contains("cannot continue from")
                && text.contains("the stage starts again from the beginning"),
            "{text}"
        );
        assert_eq!(rig.found(&out), expected);
    }
}

#[test]
fn a_truncated_result_is_made_again() {
    let rig = Rig::new();
    let expected = rig.expected();
    for (kind, name) in [
        ("burn-in-", "final.safetensors"),
        ("distill-", "final.safetensors"),
        ("evaluate-", "metrics.json"),
    ] {
        rig.finish("out");
        for path in rig.files("out", kind, name) {
            cut(&path, 2);
        }
        // Only the files that an evaluation needs are checked.
        let evaluations = rig.files("out", "evaluate-", "metrics.json");
        cut(&evaluations[0], 0);
        let text = rig.finish("out");
        assert!(
            text.contains("is damaged and will be computed again"),
            "{text}"
        );
        assert_eq!(rig.found("out"), expected);
    }
}

#[test]
fn a_checkpoint_of_other_settings_is_refused_with_the_reason() {
    let rig = Rig::new();
    let checkpoint = interrupted(&rig, "out");
    rig.finish("other");
    let foreign = rig
        .files("other", "burn-in-", "final.safetensors")
        .remove(0);
    fs::copy(foreign, &checkpoint).unwrap();
    let output = rig.sweep("out").output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("cannot continue from") && text.contains("it belongs to other settings"),
        "{text}"
    );
    assert!(checkpoint.exists(), "it is left for whoever wants to look");
}

#[test]
fn a_store_of_another_version_of_the_code_is_refused_and_set_aside_if_one_asks() {
    let rig = Rig::new();
    let expected = rig.expected();
    let version = rig.at("undisturbed/.store/version.json");
    let text = fs::read_to_string(&version).unwrap();
    fs::write(&version, "{\"code-version\":1000}").unwrap();
    let output = rig.sweep("undisturbed").output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("was made by version 1000") && told.contains("--out"),
        "{told}"
    );
    let plan = rig.plan("undisturbed");
    assert_eq!(
        plan.matches("code version changed: 1000 -> ").count(),
        6,
        "{plan}"
    );
    assert!(
        plan.contains("to run: 6 of 6 trials in 14 stages"),
        "{plan}"
    );

    // If asked to, a sweep does the work again and loses nothing.
    let old = fs::read(rig.at("undisturbed/records.jsonl")).unwrap();
    let output = rig.sweep("undisturbed").arg("--renew").output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("version-1000"), "{told}");
    assert_eq!(rig.found("undisturbed"), expected);
    let aside = rig.at("undisturbed/version-1000");
    assert_eq!(fs::read(aside.join("records.jsonl")).unwrap(), old);
    assert!(aside.join(".store/stages").is_dir() && aside.join("parts.md").exists());
    assert_eq!(fs::read_to_string(&version).unwrap(), text);
    assert!(rig.plan("undisturbed").contains("to run: 0 of 6"));
}

#[test]
fn a_record_cut_in_half_is_written_again_from_the_store() {
    let rig = Rig::new();
    let expected = rig.expected();
    let records = rig.at("undisturbed/records.jsonl");
    let line = "{\"recipe\":\"older\",\"hash\":\"f00\",\"label\":\"kept\",\"seed\":0,\"steps\":1,\"status\":\"ok\"}\n";
    let text = fs::read_to_string(&records).unwrap();
    let damaged = format!("{line}{}", &text[..text.len() / 2 - 20]);
    fs::write(&records, &damaged).unwrap();
    let told = rig.finish("undisturbed");
    assert!(
        told.contains("left out 1 damaged line of") && told.contains("records.jsonl.damaged"),
        "{told}"
    );
    assert_eq!(
        fs::read_to_string(&records).unwrap(),
        format!("{text}{line}")
    );
    assert_eq!(
        fs::read_to_string(rig.at("undisturbed/records.jsonl.damaged")).unwrap(),
        damaged
    );
    fs::write(&records, text).unwrap();
    assert_eq!(rig.found("undisturbed"), expected, "all else is as it was");
}

#[test]
fn a_clock_that_went_backwards_changes_nothing() {
    let rig = Rig::new();
    let expected = rig.expected();
    let day = Duration::from_secs(86400);
    for time in [SystemTime::now() + 1000 * day, SystemTime::UNIX_EPOCH + day] {
        let out = format!(
            "out-{}",
            time.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs()
        );
        interrupted(&rig, &out);
        set_times(&rig.at(&out), time);
        rig.finish(&out);
        assert_eq!(rig.found(&out), expected);
    }
}

fn set_times(folder: &Path, time: SystemTime) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            set_times(&path, time);
        }
        let times = FileTimes::new().set_modified(time).set_accessed(time);
        File::open(&path).unwrap().set_times(times).unwrap();
    }
}
