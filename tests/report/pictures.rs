//! Pictures for people: `harness data look` and `harness predict --draw`.

use crate::folders::{harness, stderr, stdout, text_of};
use crate::trained::TRAINED;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of the files in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    entries.map(|entry| name(entry.unwrap())).collect()
}

#[test]
fn views_are_written_as_pictures_and_as_one_page_that_asks_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = TRAINED.recipe();
    let look = |out: &Path| {
        let arguments = [
            "data",
            "look",
            text_of(&recipe),
            "--out",
            text_of(out),
            "--images",
            "2",
        ];
        harness(&arguments)
    };
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let output = look(&one);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // Two phases with two labelled images in four pictures, two unlabelled images in three, two evaluated ones in two.
    assert!(
        stdout(&output).ends_with("26 pictures\n"),
        "{}",
        stdout(&output)
    );
    let files = names(&one);
    assert_eq!(files.len(), 27);
    for file in [
        "burn-in-labelled-01-weak.png",
        "distill-labelled-02-strong-objects.png",
        "distill-unlabelled-02-hidden.png",
        "evaluated-02-objects.png",
        "index.html",
    ] {
        assert!(files.contains(file), "{file} in {files:?}");
    }
    let size = |file: &str| {
        let picture = image::open(one.join(file)).unwrap();
        (picture.width(), picture.height())
    };
    assert_eq!(
        size("burn-in-labelled-01-weak.png"),
        (32, 32),
        "as the network sees it"
    );
    assert_eq!(
        size("burn-in-labelled-01-weak-objects.png"),
        (320, 320),
        "with room for words"
    );
    let page = fs::read_to_string(one.join("index.html")).unwrap();
    assert_eq!(page.matches("src=\"data:image/").count(), 26);
    let asks = page
        .match_indices("http")
        .any(|(at, _)| !page[at..].starts_with("http-equiv"));
    assert!(!asks && page.contains("checker_rect") && page.contains("Evaluated images"));
    // The same recipe gives the same files, and a full folder is left alone.
    look(&other);
    for file in &files {
        assert!(
            fs::read(one.join(file)).unwrap() == fs::read(other.join(file)).unwrap(),
            "{file}"
        );
    }
    let output = look(&one);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("needed: a new or an empty folder"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn detections_are_drawn_into_copies_of_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let views = folder.path().join("views");
    let recipe = TRAINED.recipe();
    let output = harness(&[
        "data",
        "look",
        text_of(&recipe),
        "--out",
        text_of(&views),
        "--images",
        "1",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let image = views.join("evaluated-01-view.png");
    let before = fs::read(&image).unwrap();
    let results = TRAINED.results();
    let predict = |draw: &Path, score: &str| {
        let out = folder.path().join("found.json");
        let arguments = [
            "predict",
            text_of(&results),
            "--row",
            "PL-DC",
            "--seed",
            "0",
            "--images",
            text_of(&image),
        ];
        let more = [
            "--out",
            text_of(&out),
            "--draw",
            text_of(draw),
            "--min-score",
            score,
        ];
        harness(&[&arguments[..], &more].concat())
    };
    let [all, none] = ["all", "none"].map(|name| folder.path().join(name));
    let output = predict(&all, "0");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found = fs::read_to_string(folder.path().join("found.json")).unwrap();
    let count = found.matches("\"image_id\"").count();
    let said = stdout(&output);
    let plural = if count == 1 { "" } else { "s" };
    let told = format!("{count} detection{plural} with a score of at least 0 drawn");
    assert!(count > 0 && said.contains(&told), "`{told}` in {said}");
    assert!(predict(&none, "1").status.success());
    let [all, none] =
        [all, none].map(|folder| image::open(folder.join("evaluated-01-view.png")).unwrap());
    assert_eq!((all.width(), all.height()), (320, 320));
    assert!(all != none, "the objects are drawn");

    let output = predict(&views, "0.5");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("would replace an image"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read(&image).unwrap(), before);
    assert_eq!(
        predict(&folder.path().join("more"), "1.5").status.code(),
        Some(2)
    );
}
