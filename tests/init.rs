//! `harness init` through the binary: recipes for odd sets of pictures plan at once, and one of them trains.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A folder with pictures and a file of annotations.
struct Place(TempDir);

impl Place {
    /// `count` pictures of 48 x 40 pixels. Every picture has the `objects` of its index.
    fn new(count: usize, categories: Value, objects: impl Fn(usize) -> Vec<Value>) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(place.path("pictures")).unwrap();
        let (mut images, mut annotations) = (Vec::new(), Vec::new());
        for index in 0..count {
            let name = format!("{index}.png");
            let picture = image::RgbImage::from_fn(48, 40, |x, y| {
                let bright = (10..26).contains(&x) && (10..26).contains(&y);
                image::Rgb([
                    if bright { 220 } else { 40 },
                    (index * 9 % 200) as u8,
                    y as u8,
                ])
            });
            picture.save(place.path("pictures").join(&name)).unwrap();
            images.push(json!({ "id": index, "file_name": name, "width": 48, "height": 40 }));
            for mut object in objects(index) {
                object["id"] = json!(annotations.len() + 1);
                object["image_id"] = json!(index);
                annotations.push(object);
            }
        }
        let file =
            json!({ "images": images, "annotations": annotations, "categories": categories });
        std::fs::write(place.path("all.json"), file.to_string()).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exit code, standard output and standard error of a command, given in `folder`.
    fn run(&self, folder: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.current_dir(self.path(folder)).args(arguments);
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn init(&self) -> (Option<i32>, String, String) {
        self.run(
            ".",
            &["init", "own", "--coco", "all.json", "--images", "pictures"],
        )
    }

    /// The folder plans, from inside.
    fn plans(&self) -> String {
        let (code, said, errors) = self.run("own", &["plan", "recipes/own.toml"]);
        assert_eq!(code, Some(0), "{errors}");
        said
    }
}

fn square(category: Value, side: f64) -> Value {
    let end = 10.0 + side;
    json!({
        "category_id": category, "iscrowd": 0, "area": side * side, "bbox": [10.0, 10.0, side, side],
        "segmentation": [[10.0, 10.0, end, 10.0, end, end, 10.0, end]],
    })
}

fn one_class() -> Value {
    json!([{ "id": 1, "name": "square" }])
}

#[test]
fn a_few_pictures_of_one_class_plan_and_train() {
    let place = Place::new(12, one_class(), |_| vec![square(json!(1), 16.0)]);
    let (code, said, errors) = place.init();
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        said.contains("own/recipes/own.toml") && said.contains("Next:"),
        "{said}"
    );
    let recipe = std::fs::read_to_string(place.path("own/recipes/own.toml")).unwrap();
    for line in recipe.lines().filter(|line| line.contains(" = ")) {
        assert!(line.contains('#'), "a line without its reason: {line}");
    }
    place.plans();
    let short =
        "sweep recipes/own.toml -q --set sweeps=[] --set train.steps=12 --set method.burn-in=6";
    let short: Vec<&str> = short.split(' ').collect();
    let (code, said, errors) = place.run("own", &short);
    assert_eq!(code, Some(0), "{errors}");
    assert!(said.contains("mAP"), "{said}");
}

#[test]
fn the_numbers_of_the_recipe_are_those_of_the_plan_and_of_show() {
    let classes = json!([{ "id": 1, "name": "fire truck" }, { "id": 2, "name": "rare" }]);
    // A third of the pictures has no object.
    let place = Place::new(36, classes, |index| match index % 3 {
        0 => Vec::new(),
        _ if index == 1 => vec![square(json!(2), 12.0), square(json!(1), 16.0)],
        _ => vec![square(json!(1), 16.0)],
    });
    let (code, said, errors) = place.init();
    assert_eq!(code, Some(0), "{errors}");
    let told = "no evaluated picture has an object of `rare`";
    assert!((said + &errors).contains(told), "{errors}");
    let plan = place.plans();
    let line = plan
        .lines()
        .find(|line| line.contains("training images labelled"))
        .unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let of = words.iter().position(|word| *word == "of").unwrap();
    let numbers = format!("{} of {}: ", words[of - 1], words[of + 1]);
    let recipe = std::fs::read_to_string(place.path("own/recipes/own.toml")).unwrap();
    assert!(
        recipe.contains(&numbers),
        "`{numbers}` is not in:\n{recipe}"
    );
    let two_rows = "question = 'Does PMUA act?'\nreference = 'whole'\n[[each]]\nlabel = 'whole'\n[[each]]\n\
                    label = '- PMUA'\nset.\"method.weighting\" = { name = 'uniform' }\n";
    std::fs::write(place.path("own/sweeps/short.toml"), two_rows).unwrap();
    let short =
        "sweep recipes/own.toml -q --set sweeps=short --set train.steps=6 --set method.burn-in=4";
    let (code, _, errors) = place.run("own", &short.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{errors}");
    let show = ["show", "results/own", "--row", "- PMUA", "--all"];
    let (code, said, errors) = place.run("own", &show);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        said.contains("fire truck") && !said.contains("cannot be read"),
        "{said}"
    );
}

#[test]
fn odd_files_plan_too() {
    let texts = json!([{ "id": "cat", "name": "cat" }, { "id": "dog", "name": "dog" }, { "id": "gone", "name": "gone" }]);
    let crowd = || {
        let mut crowd = square(json!(1), 20.0);
        crowd["iscrowd"] = json!(1);
        crowd
    };
    for (name, place) in [
        (
            "three pictures",
            Place::new(3, one_class(), |_| vec![square(json!(1), 16.0)]),
        ),
        (
            "texts as ids, and a category without objects",
            Place::new(10, texts, |index| {
                let class = if index % 2 == 0 { "cat" } else { "dog" };
                vec![square(json!(class), 8.0 + index as f64)]
            }),
        ),
        (
            "crowds",
            Place::new(10, one_class(), |_| vec![square(json!(1), 16.0), crowd()]),
        ),
        (
            "pictures without objects",
            Place::new(10, one_class(), |index| match index % 2 {
                0 => vec![square(json!(1), 16.0)],
                _ => Vec::new(),
            }),
        ),
    ] {
        let (code, _, errors) = place.init();
        assert_eq!(code, Some(0), "{name}: {errors}");
        place.plans();
    }
}

#[test]
fn an_evaluation_set_of_the_user_s_own_is_taken() {
    let place = Place::new(8, one_class(), |_| vec![square(json!(1), 16.0)]);
    let arguments = [
        "init",
        "own",
        "--coco",
        "all.json",
        "--images",
        "pictures",
        "--val-coco",
        "all.json",
    ];
    let (code, _, errors) = place.run(".", &arguments);
    assert_eq!(code, Some(0), "{errors}");
    assert!(place.plans().contains("8"), "all are evaluated");
    assert!(!place.path("own/annotations").exists(), "nothing is drawn");
}

#[test]
fn what_cannot_be_trained_on_is_refused_and_nothing_is_written() {
    let boxes = |_| {
        let mut object = square(json!(1), 16.0);
        object.as_object_mut().unwrap().remove("segmentation");
        vec![object]
    };
    for (place, part) in [
        (Place::new(6, one_class(), boxes), "outline"),
        (Place::new(6, one_class(), |_| Vec::new()), "object"),
    ] {
        let (code, _, errors) = place.init();
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains(part), "`{part}` is not in: {errors}");
        assert!(!place.path("own").exists());
    }
    let place = Place::new(6, one_class(), |_| vec![square(json!(1), 16.0)]);
    std::fs::create_dir(place.path("own")).unwrap();
    std::fs::write(place.path("own/kept"), "mine").unwrap();
    let (code, _, errors) = place.init();
    assert_eq!(code, Some(2), "{errors}");
    let left: Vec<_> = std::fs::read_dir(place.path("own")).unwrap().collect();
    assert_eq!(left.len(), 1, "what was there stays alone");
}

#[test]
fn without_pictures_the_recipe_is_one_on_the_embedded_dataset() {
    let place = tempfile::tempdir().unwrap();
    let run = |folder: &Path, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command
            .current_dir(folder)
            .args(arguments)
            .output()
            .unwrap()
            .status
            .code()
    };
    assert_eq!(run(place.path(), &["init", "first"]), Some(0));
    let folder = place.path().join("first");
    assert_eq!(run(&folder, &["plan", "recipes/own.toml"]), Some(0));
    assert_eq!(run(&folder, &["schema"]), Some(0));
}
