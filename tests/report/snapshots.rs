//! Snapshots of pseudo-labels: what a training keeps, and what the page shows of it.

use crate::folders::{copy_of, harness, report, stderr, text_of};
use crate::trained::TRAINED;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The files of a folder by their names.
type Files = BTreeMap<String, Vec<u8>>;

/// The folders of the stages with a teacher, sorted.
fn stages(results: &Path) -> Vec<PathBuf> {
    let stages = fs::read_dir(results.join(".store/stages")).unwrap();
    let mut stages: Vec<PathBuf> = stages
        .map(|stage| stage.unwrap().path())
        .filter(|stage| text_of(stage).contains("/distill-"))
        .collect();
    stages.sort();
    stages
}

/// The snapshots of a stage; none without the folder.
fn kept(stage: &Path) -> Files {
    let entries = fs::read_dir(stage.join("snapshots")).into_iter().flatten();
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, fs::read(entry.path()).unwrap())
    };
    entries.map(|entry| file(entry.unwrap())).collect()
}

fn sweep(out: &Path, settings: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_harness"));
    command
        .arg("sweep")
        .arg(TRAINED.recipe())
        .arg("--out")
        .arg(out);
    for one in settings {
        command.args(["--set", one]);
    }
    command
}

#[test]
fn a_training_keeps_four_images_at_five_moments_and_without_the_key_it_has_the_same_bytes() {
    let with = stages(&TRAINED.results());
    assert_eq!(with.len(), 4);
    for stage in &with {
        let files = kept(stage);
        let steps: Vec<&str> = ["80", "82", "85", "87", "90"].into();
        for step in &steps {
            assert!(
                files.contains_key(&format!("{step}.json")),
                "{step} in {:?}",
                files.keys()
            );
        }
        let pictures = files
            .keys()
            .filter(|name| name.starts_with("image-"))
            .count();
        assert_eq!((files.len(), pictures), (9, 4), "{:?}", files.keys());
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("without");
    let output = sweep(&out, &["seeds=[0]", "report.snapshots=0"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let without = stages(&out);
    assert_eq!(without.len(), 2);
    for stage in &without {
        assert!(kept(stage).is_empty());
        let other = TRAINED
            .results()
            .join(".store/stages")
            .join(stage.file_name().unwrap());
        for file in ["final.safetensors", "journal.jsonl"] {
            let [one, other] = [stage, &other].map(|stage| fs::read(stage.join(file)).unwrap());
            assert!(one == other, "{file}");
        }
    }
    let page = report(&out);
    assert!(page.contains("Snapshots of pseudo-labels (two)"));
    assert!(
        page.contains("No snapshots of: PL-DC; - DICC.")
            && !page.contains("class=\"strip moments\"")
    );
}

#[cfg(unix)]
#[test]
fn a_stopped_and_continued_training_has_the_same_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("stopped");
    // With a checkpoint after each step, it goes on in the middle of the phase.
    let settings = ["seeds=[0]", "train.checkpoint=1"];
    let mut child = sweep(&out, &settings)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let is_there = |out: &Path| {
        let all = match out.join(".store/stages").exists() {
            true => stages(out),
            false => Vec::new(),
        };
        all.iter()
            .any(|stage| stage.join("snapshots/82.json").exists())
    };
    while !is_there(&out) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let number = child.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &number])
        .status()
        .unwrap();
    assert!(sent.success());
    child.wait().unwrap();
    let output = sweep(&out, &settings).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let expected: BTreeSet<Files> = stages(&TRAINED.results())
        .iter()
        .map(|one| kept(one))
        .collect();
    let found = stages(&out);
    assert_eq!(found.len(), 2);
    for stage in &found {
        assert!(expected.contains(&kept(stage)), "{}", stage.display());
    }
}

#[test]
fn the_page_has_a_grid_of_every_row_and_names_those_without_snapshots() {
    let (_folder, results) = copy_of(&TRAINED.results());
    let page = report(&results);
    assert!(page.contains("Snapshots of pseudo-labels (two)"));
    let figures: Vec<&str> = page
        .split("<figure class=\"strip moments\">")
        .skip(1)
        .collect();
    assert_eq!(figures.len(), 2 * 4);
    let mut lines = 0;
    for figure in figures {
        let figure = figure.split("</figure>").next().unwrap();
        assert_eq!(
            figure.matches("<use class=\"photo\"").count(),
            6,
            "the truth and five moments"
        );
        for words in [
            "hidden truth",
            "step 80, 0 %",
            "step 82, 20 %",
            "step 90, 100 %",
        ] {
            assert!(figure.contains(words), "{words}");
        }
        assert_eq!(figure.matches("data:image/png;base64,").count(), 5);
        lines += figure.matches("<path class=\"tier ").count();
    }
    assert!(lines > 0, "some teacher has candidates");
    // Both rows have the images of the same seed.
    assert_eq!(page.matches("href=\"data:image/jpeg;base64,").count(), 4);
    assert_eq!(report(&results), page);

    // A damaged moment is told, and rows without any are named.
    let stages = stages(&results);
    fs::write(stages[0].join("snapshots/85.json"), "{").unwrap();
    for stage in &stages[1..] {
        fs::remove_dir_all(stage.join("snapshots")).unwrap();
    }
    let page = report(&results);
    assert_eq!(page.matches("<figure class=\"strip moments\">").count(), 4);
    assert!(page.contains("No snapshots of: ") && !page.contains("step 85, "));
}

#[test]
fn an_analysis_makes_the_last_snapshot_of_rows_without_any_with_the_bytes_of_the_training() {
    let (_folder, results) = copy_of(&TRAINED.results());
    let stages = stages(&results);
    let before: Vec<Files> = stages.iter().map(|stage| kept(stage)).collect();
    for stage in &stages {
        fs::remove_dir_all(stage.join("snapshots")).unwrap();
    }
    let analyse = || {
        let output = harness(&["report", text_of(&results), "--analyse"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
        stderr(&output)
    };
    let told = analyse();
    assert_eq!(
        told.matches("snapshot of the last teacher").count(),
        2,
        "{told}"
    );
    // Of the first seed of both rows.
    let made: Vec<Files> = stages.iter().map(|stage| kept(stage)).collect();
    let mut rows = 0;
    for (made, before) in made
        .iter()
        .zip(&before)
        .filter(|(made, _)| !made.is_empty())
    {
        let steps: Vec<&String> = made
            .keys()
            .filter(|name| !name.starts_with("image-"))
            .collect();
        assert_eq!((steps, made.len()), (vec![&"90.json".to_string()], 5));
        for (name, bytes) in made {
            assert!(before[name] == *bytes, "{name}");
        }
        rows += 1;
    }
    assert_eq!(rows, 2);
    let page = report(&results);
    assert_eq!(
        page.matches("<figure class=\"strip moments\">").count(),
        2 * 4
    );
    assert!(page.contains("step 90, 100 %") && !page.contains("step 80, 0 %"));
    assert!(
        !analyse().contains("snapshot of the last teacher"),
        "made once"
    );
}

#[test]
fn classes_with_hostile_names_stay_text() {
    let (_folder, results) = copy_of(&TRAINED.results());
    let hostile = "</title><script>window.hit=1</script>";
    let mut changed = 0;
    let stages_of_all = fs::read_dir(results.join(".store/stages")).unwrap();
    for stage in stages_of_all.map(|stage| stage.unwrap().path()) {
        let path = stage.join("metrics.json");
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let mut read: serde_json::Value = serde_json::from_str(&text).unwrap();
        for class in read["classes"].as_array_mut().unwrap() {
            *class = format!("{}{hostile}", class.as_str().unwrap()).into();
        }
        fs::write(path, read.to_string()).unwrap();
        changed += 1;
    }
    assert!(changed > 0);
    let output = harness(&["report", text_of(&results)]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(results.join("report.html")).unwrap();
    let begin = page.find("class=\"snapshots\"").unwrap();
    let end = begin + page[begin..].find("</section>").unwrap();
    let section = &page[begin..end];
    assert!(section.contains("&lt;/title&gt;&lt;script&gt;") && !section.contains("<script"));
}
