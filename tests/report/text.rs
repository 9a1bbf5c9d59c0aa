//! The page as text: its numbers, its bytes, its escapes, and what it says about folders that lack something.

use crate::folders::{HOSTILE, SWEPT, copy, harness, published, report, stderr, stdout, text_of};
use crate::html::{copied, table};
use std::collections::BTreeMap;
use std::fs;

/// The CSV of the folder's table: the cells of each row by the names of their columns.
fn csv(results: &str) -> Vec<BTreeMap<String, String>> {
    let output = harness(&["table", results, "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    let rows = reader.deserialize().collect::<Result<_, _>>();
    rows.unwrap()
}

/// The numbers in a text, without the sign of a rise.
fn numbers(text: &str) -> Vec<String> {
    let words = text.split([' ', '[', ']', ',', '±']);
    let words = words.filter(|word| !word.is_empty());
    words
        .map(|word| word.trim_start_matches('+').to_string())
        .collect()
}

#[test]
fn every_number_of_the_table_is_that_of_the_csv() {
    let results = SWEPT.results();
    let page = report(&results);
    let rows = table(&page, "sweep-0-table-0");
    let expected = csv(text_of(&results));
    assert_eq!(rows.len(), expected.len() + 1);
    let columns: [(&str, &[&str]); 14] = [
        ("variant", &["variant"]),
        ("seeds", &["seeds"]),
        ("mAP", &["mAP", "mAP_std"]),
        ("AP50", &["AP50"]),
        ("AP75", &["AP75"]),
        ("APs", &["APs"]),
        ("APm", &["APm"]),
        ("APl", &["APl"]),
        ("difference", &["delta_mAP", "delta_low", "delta_high"]),
        ("bootstrap", &["boot_low", "boot_high"]),
        ("p (Holm)", &["p_holm"]),
        ("verdict", &["verdict"]),
        ("paper", &["paper_mAP"]),
        ("its difference", &["paper_delta"]),
    ];
    let mut compared = 0;
    for (row, expected) in rows[1..].iter().zip(&expected) {
        let is_reference = expected["variant"] == "both";
        for (title, cell) in rows[0].iter().zip(row) {
            let (_, names) = columns.iter().find(|(known, _)| known == title).unwrap();
            let wanted: Vec<String> = names.iter().map(|name| expected[*name].clone()).collect();
            match *title == "variant" {
                true => assert_eq!(
                    cell.split_whitespace().collect::<Vec<_>>(),
                    wanted[0].split_whitespace().collect::<Vec<_>>()
                ),
                // The reference is not compared with itself.
                false if cell.is_empty() && is_reference => {}
                false => {
                    let wanted: Vec<String> =
                        wanted.into_iter().filter(|text| !text.is_empty()).collect();
                    assert_eq!(numbers(cell), wanted, "{title} of {row:?}");
                    compared += wanted.len();
                }
            }
        }
    }
    assert!(!page.contains("class=\"note preliminary\""));
    assert!(compared > 60, "only {compared} numbers were compared");
}

#[test]
fn the_texts_to_copy_are_those_of_the_table_command() {
    let results = SWEPT.results();
    let page = report(&results);
    for format in ["md", "csv", "latex"] {
        let output = harness(&[
            "table",
            text_of(&results),
            "--sweep",
            "parts",
            "--format",
            format,
        ]);
        assert_eq!(
            copied(&page, &format!("sweep-0-table-0-{format}")),
            stdout(&output),
            "{format}"
        );
    }
}

#[test]
fn the_same_folder_gives_the_same_bytes() {
    let (folder, results) = copy();
    let first = report(&results);
    assert_eq!(report(&results), first);
    let elsewhere = folder.path().join("page.html");
    let output = harness(&["report", text_of(&results), "--out", text_of(&elsewhere)]);
    assert!(
        stdout(&output).contains("1 sweep with 30 finished trials"),
        "{}",
        stdout(&output)
    );
    assert_eq!(fs::read_to_string(elsewhere).unwrap(), first);
    let here = folder.path().to_str().unwrap();
    assert!(
        !first.contains(here),
        "the page names a path of this machine"
    );
}

#[test]
fn labels_are_text() {
    let page = report(&SWEPT.results());
    assert!(!page.contains("<img") && !page.contains("<svg onload") && !page.contains("<b>part"));
    // The curves, the records and the code.
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("</script").count(), 3);
    let rows = table(&page, "sweep-0-table-0");
    for label in HOSTILE {
        let same = |row: &Vec<String>| row[0].split_whitespace().eq(label.split_whitespace());
        assert!(rows.iter().any(same), "{label}");
    }
}

#[test]
fn nothing_names_another_place() {
    let page = report(&SWEPT.results());
    let places: Vec<_> = page
        .match_indices("http")
        .filter(|(at, _)| !page[*at..].starts_with("http-equiv"))
        .collect();
    assert!(places.is_empty(), "{places:?}");
    for word in ["url(", "@import", " srcset=", "<link", "<iframe", "<base"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn the_page_has_figures_settings_and_provenance() {
    let page = report(&SWEPT.results());
    for part in [
        "Forest plot of the mAP",
        "Learning curves (parts)",
        "Settings that differ (parts)",
        "method.modules.a",
        "BLAKE3 of the file",
        "Seeds: 0, 1, 2; Machine: ",
        "harness sweep &#39;recipes/own.toml&#39;",
        "30 of 30 trials are finished.",
        "no journal in the store has any",
    ] {
        let part = part.replace("&#39;", "'");
        assert!(page.contains(&part), "{part}");
    }
}

#[test]
fn folders_that_lack_something_have_a_report_that_says_so() {
    let (_folder, results) = copy();
    let store = results.join(".store");
    let journal = fs::read_dir(store.join("stages"))
        .unwrap()
        .find_map(|stage| {
            let path = stage.unwrap().path().join("journal.jsonl");
            path.exists().then_some(path)
        });
    let journal = journal.unwrap();
    fs::write(&journal, "{\"step\":20,\"loss\":null}\n{\"step\":4").unwrap();
    let records = fs::read_to_string(results.join("records.jsonl")).unwrap();
    let lines: Vec<&str> = records.lines().collect();
    let failed = lines[1].replace(
        "\"status\":\"ok\"",
        "\"status\":\"failed\",\"error\":\"it \\u003cb\\u003e failed\"",
    );
    let kept = [&[lines[0], failed.as_str()], &lines[3..]]
        .concat()
        .join("\n");
    fs::write(results.join("records.jsonl"), kept + "\n{\"recipe\":\"cu").unwrap();
    let page = report(&results);
    for part in [
        "28 of 30 trials are finished, 1 failed, 1 is left",
        "left out",
        "it &lt;b&gt; failed",
        "class=\"note preliminary\">Preliminary: trials are left",
    ] {
        assert!(page.contains(part), "{part}");
    }

    fs::remove_dir_all(&store).unwrap();
    let page = report(&results);
    assert!(page.contains("the folder has no <code>.store</code>"));
    assert!(page.contains("id=\"sweep-0-table-0\"") && !page.contains("Learning curves (parts)"));

    fs::remove_file(results.join("records.jsonl")).unwrap();
    let page = report(&results);
    assert!(
        page.contains("0 of 30 trials are finished") && page.contains("No trial has a result yet.")
    );
}

#[test]
fn a_thousand_trials_fit_the_budget() {
    let (_folder, results) = published(333);
    let page = report(&results);
    assert!(page.len() < 8_000_000, "{} bytes", page.len());
    assert!(page.contains("These are the 200 rows with the largest differences of 333"));
    assert!(
        table(&page, "sweep-0-table-0")
            .iter()
            .any(|row| row[0] == "row 0"),
        "the reference stays"
    );
    let elements = page.matches('<').count();
    assert!(elements < 40_000, "{elements} tags");
    assert!(report(&SWEPT.results()).len() < 5_000_000);
}

#[test]
fn what_is_no_results_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("absent"), folder.path().to_path_buf()] {
        let output = harness(&["report", text_of(&path)]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let told = stderr(&output);
        assert!(
            told.contains("no folder") || told.contains("no results in"),
            "{told}"
        );
        assert!(!path.join("report.html").exists());
    }
    let results = SWEPT.results();
    let below = folder.path().join("no/such/folder.html");
    fs::write(folder.path().join("no"), "a file").unwrap();
    let output = harness(&["report", text_of(&results), "--out", text_of(&below)]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}
