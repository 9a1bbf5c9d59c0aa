//! `harness report --analyse`: analyses are made once, belong to their evaluation, and agree with the annotations.

use crate::folders::{copy_of, harness, report, stderr, text_of};
use crate::html::{table, table_behind};
use crate::trained::TRAINED;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The files of the analyses in a results folder, sorted.
fn files(results: &Path) -> Vec<PathBuf> {
    let stages = fs::read_dir(results.join(".store/stages")).unwrap();
    let paths = stages.map(|stage| stage.unwrap().path().join("analysis.json.gz"));
    let mut files: Vec<PathBuf> = paths.filter(|path| path.exists()).collect();
    files.sort();
    files
}

fn unpacked(file: &Path) -> Value {
    let mut text = String::new();
    let mut packed = GzDecoder::new(fs::File::open(file).unwrap());
    packed.read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Writes the report with analyses, which must succeed. Returns the page and the messages.
#[track_caller]
pub fn analysed(results: &Path) -> (String, String) {
    let output = harness(&["report", text_of(results), "--analyse", "--device", "cpu"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = fs::read_to_string(results.join("report.html")).unwrap();
    (page, stderr(&output))
}

#[test]
fn analyses_are_made_once_and_have_the_same_bytes() {
    let (_folder, results) = copy_of(&TRAINED.results());
    let page = report(&results);
    assert!(page.contains("harness report --analyse") && !page.contains("Kinds of errors (two)"));
    let (page, told) = analysed(&results);
    assert_eq!(
        told.matches("analysing the teacher of trial").count(),
        4,
        "{told}"
    );
    for part in [
        "Scores against masks (two)",
        "Confused classes (two)",
        "Kinds of errors (two)",
        "Similar classes: disc, rect; star5, plus;",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let first: Vec<Vec<u8>> = files(&results)
        .iter()
        .map(|file| fs::read(file).unwrap())
        .collect();
    assert_eq!(first.len(), 4);
    let (again, told) = analysed(&results);
    assert!(!told.contains("analysing") && again == page, "{told}");
    for file in files(&results) {
        fs::remove_file(file).unwrap();
    }
    analysed(&results);
    let second: Vec<Vec<u8>> = files(&results)
        .iter()
        .map(|file| fs::read(file).unwrap())
        .collect();
    assert!(first == second);
}

/// The pictures of galleries in a results folder, sorted.
fn pictures(results: &Path) -> Vec<PathBuf> {
    let stages = fs::read_dir(results.join(".store/stages")).unwrap();
    let folders = stages.map(|stage| stage.unwrap().path());
    let folders = folders.filter(|path| text_of(path).contains("/pictures-"));
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_gallery_shows_each_chosen_image_once_with_what_both_rows_find() {
    let (_folder, results) = copy_of(&TRAINED.results());
    assert!(!report(&results).contains("Gallery (two)"));
    let (page, _) = analysed(&results);
    assert!(page.contains("Gallery (two)") && page.contains("- DICC beside PL-DC"));
    let whole = page;
    let page = whole.split("<div class=\"gallery\">").nth(1).unwrap();
    let page = page.split("</section>").next().unwrap();
    let kept = pictures(&results);
    let shown = page.matches("href=\"data:image/jpeg;base64,").count();
    assert_eq!(shown, kept.len(), "each picture stands once");
    let strips = page.matches("<figure class=\"strip\">").count();
    assert!(
        (4..=12).contains(&strips) && shown <= 6,
        "{strips} strips of {shown} images"
    );
    assert_eq!(page.matches("<use class=\"photo\"").count(), 4 * strips);
    assert_eq!(page.matches(", fixed: F1 ").count(), 4);
    for word in ["url(", "<img", "<link", "@import"] {
        assert!(!whole.contains(word), "{word}");
    }
    // The F1 of an image is that of the detections which the analyses keep, as means over both seeds.
    let analyses: Vec<Value> = files(&results).iter().map(|file| unpacked(file)).collect();
    let f1 = |image: &Value| {
        let found = image["found"].as_array().unwrap();
        let right = found.iter().filter(|one| !one["object"].is_null()).count() as f64;
        match found.len() as f64 + image["objects"].as_f64().unwrap() {
            0.0 => 1.0,
            all => 2.0 * right / all,
        }
    };
    let all = analyses
        .iter()
        .flat_map(|one| one["drawn"].as_array().unwrap());
    let sum: f64 = all.map(f1).sum();
    assert!(sum > 0.0, "some image has a right detection");
    for (at, image) in analyses[0]["images"].as_array().unwrap().iter().enumerate() {
        let values: Vec<f64> = analyses.iter().map(|one| f1(&one["drawn"][at])).collect();
        let heading = format!("<strong>Image {image}</strong>");
        let Some(start) = page.find(&heading) else {
            continue;
        };
        let line = page[start..].split("</figcaption>").next().unwrap();
        let numbers = line
            .split("F1 ")
            .nth(1)
            .unwrap()
            .split(" (")
            .next()
            .unwrap();
        let shown: f64 = numbers
            .split(" to ")
            .map(|one| one.parse::<f64>().unwrap())
            .sum();
        let mean = values.iter().sum::<f64>() / 2.0;
        assert!((shown - mean).abs() < 0.011, "{line}: {values:?}");
    }

    // A page without one of its pictures says so, and the picture alone is made again.
    fs::remove_file(&kept[0]).unwrap();
    assert!(report(&results).contains("1 of the chosen images are not in the store"));
    let (again, told) = analysed(&results);
    assert!(again == whole && !told.contains("analysing"), "{told}");
}

#[test]
fn counts_are_those_of_the_annotations() {
    let (folder, results) = copy_of(&TRAINED.results());
    let (page, _) = analysed(&results);
    let data = folder.path().join("data");
    let output = harness(&[
        "data",
        "export",
        text_of(&TRAINED.recipe()),
        "--out",
        text_of(&data),
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let truth = fs::read_to_string(data.join("annotations/instances_val2017.json")).unwrap();
    let truth: Value = serde_json::from_str(&truth).unwrap();
    let mut objects: BTreeMap<u64, u64> = BTreeMap::new();
    for annotation in truth["annotations"].as_array().unwrap() {
        *objects
            .entry(annotation["category_id"].as_u64().unwrap() - 1)
            .or_default() += 1;
    }
    let total: u64 = objects.values().sum();
    for file in files(&results) {
        let analysis = unpacked(&file);
        assert_eq!(analysis["objects"].as_u64(), Some(total));
        assert_eq!(analysis["images"].as_array().unwrap().len(), 6);
        let mut rows: BTreeMap<u64, u64> = BTreeMap::new();
        for cell in analysis["confusion"].as_array().unwrap() {
            let [truth, _, count] = [0, 1, 2].map(|at| cell[at].as_u64().unwrap());
            if truth < 10 {
                *rows.entry(truth).or_default() += count;
            }
        }
        assert_eq!(rows, objects, "every object is found or missed");
    }
    // The shares of the kinds are those of all objects' best-scored detections: each line adds up to 100 %.
    let rows = table_behind(&page, "aria-label=\"Kinds of detections as a table\"");
    assert_eq!(rows.len(), 3);
    for row in &rows[1..] {
        let shares = row[1..6].iter().map(|cell| cell.split(' ').next().unwrap());
        let sum: f64 = shares.map(|share| share.parse::<f64>().unwrap()).sum();
        assert!((sum - 100.0).abs() < 0.3, "{row:?}");
    }
    assert_eq!(table(&page, "sweep-0-table-0").len(), 3);
}

#[test]
fn an_analysis_that_does_not_fit_its_evaluation_is_refused_and_the_others_are_shown() {
    let (_folder, results) = copy_of(&TRAINED.results());
    let mut changed = 0;
    let plan = fs::read_to_string(results.join("records.jsonl")).unwrap();
    let first: Value = serde_json::from_str(plan.lines().next().unwrap()).unwrap();
    let value = first["metrics"]["mAP"].to_string();
    for stage in fs::read_dir(results.join(".store/stages")).unwrap() {
        let path = stage.unwrap().path().join("metrics.json");
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let wrong = text.replacen(&format!("\"mAP\": {value}"), "\"mAP\": 77.5", 3);
        if changed == 0 && wrong != text {
            fs::write(&path, wrong).unwrap();
            changed += 1;
        }
    }
    assert_eq!(changed, 1);
    let (page, told) = analysed(&results);
    assert!(told.contains("and its evaluation found 77.5"), "{told}");
    assert_eq!(files(&results).len(), 3);
    assert!(page.contains("Kinds of errors (two)"));
}

#[test]
fn a_recipe_asks_for_analyses_and_names_similar_classes() {
    let (_folder, results) = copy_of(&TRAINED.results());
    let sweep = |similar: &str| {
        let (recipe, out) = (TRAINED.recipe(), text_of(&results));
        let similar = format!("report.similar={similar}");
        let set = ["--set", "report.analyse=true", "--set", &similar];
        harness(
            &[
                &["sweep", text_of(&recipe), "--out", out, "--device", "cpu"][..],
                &set,
            ]
            .concat(),
        )
    };
    let records = fs::read(results.join("records.jsonl")).unwrap();
    let output = sweep("[['disc', 'cat']]");
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(
        told.contains("unknown class `cat`; known: `disc`, `rect`"),
        "{told}"
    );
    assert!(files(&results).is_empty());

    let output = sweep("[['disc', 'star5']]");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    assert_eq!(
        told.matches("analysing the teacher of trial").count(),
        4,
        "{told}"
    );
    assert_eq!(
        fs::read(results.join("records.jsonl")).unwrap(),
        records,
        "the trials are the same"
    );
    assert!(report(&results).contains("Similar classes: disc, star5."));

    // Without the list the classes are those of the dataset again, and that needs other analyses.
    assert!(sweep("[]").status.success());
    assert!(report(&results).contains("Similar classes: disc, rect;"));
    assert_eq!(files(&results).len(), 8);
}

#[test]
fn an_analysis_without_images_of_confusions_is_shown_and_made_again() {
    let (_folder, results) = copy_of(&TRAINED.results());
    let (page, _) = analysed(&results);
    let says = "The analysis is of an earlier program and does not tell the images";
    assert!(!page.contains(says));
    let first = fs::read(&files(&results)[0]).unwrap();
    for file in files(&results) {
        let mut analysis = unpacked(&file);
        assert!(
            analysis
                .as_object_mut()
                .unwrap()
                .remove("confused")
                .is_some()
        );
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(analysis.to_string().as_bytes()).unwrap();
        fs::write(file, packed.finish().unwrap()).unwrap();
    }
    let old = report(&results);
    assert!(old.contains(says) && old.contains("Kinds of errors (two)"));
    let (again, told) = analysed(&results);
    assert_eq!(
        told.matches("analysing the teacher of trial").count(),
        4,
        "{told}"
    );
    assert!(again == page && fs::read(&files(&results)[0]).unwrap() == first);
}

#[test]
fn a_part_of_the_images_can_be_analysed_and_the_detections_are_coco_results() {
    let (_folder, results) = copy_of(&TRAINED.results());
    let plan = results.join(".store/plans/own.json");
    let mut read: Value = serde_json::from_slice(&fs::read(&plan).unwrap()).unwrap();
    read["report"] =
        json!({"analyse": false, "similar": [], "bg-iou": 0.1, "images": 3, "predictions": true});
    fs::write(&plan, read.to_string()).unwrap();
    let (page, told) = analysed(&results);
    assert_eq!(told.matches(": 3 images").count(), 4, "{told}");
    assert!(page.contains("BG: s and o are at most 0.1") && page.contains("on 3 evaluated images"));
    let mut count = 0;
    for file in files(&results) {
        let analysis = unpacked(&file);
        let images = analysis["images"].as_array().unwrap();
        assert_eq!(images.len(), 3);
        let found = unpacked(&file.with_file_name("predictions.json.gz"));
        for one in found.as_array().unwrap() {
            assert!(images.contains(&one["image_id"]), "{one}");
            let category = one["category_id"].as_u64().unwrap();
            assert!((1..=10).contains(&category), "{one}");
            let size = &one["segmentation"]["size"];
            assert!(
                size[0].as_u64() > Some(0) && one["segmentation"]["counts"].is_string(),
                "{one}"
            );
            assert_eq!(one["bbox"].as_array().unwrap().len(), 4);
            count += 1;
        }
        // Every detection that an analysis keeps is among them.
        let scores = analysis["found"]["score"].as_array().unwrap();
        assert!(scores.len() <= found.as_array().unwrap().len());
    }
    assert!(count > 12, "{count}");
    let (again, told) = analysed(&results);
    assert!(again == page && !told.contains("analysing"));
    fs::remove_file(files(&results)[0].with_file_name("predictions.json.gz")).unwrap();
    let (_, told) = analysed(&results);
    assert_eq!(told.matches("analysing").count(), 1, "{told}");
}
