//! Tests the program on small datasets of files: what it says before a training of what the data lacks.

use assert_cmd::Command;
use image::ImageEncoder as _;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;

/// Two training images with one cup each, one with a pen and one with nothing; a cup for the evaluation.
struct Fixture {
    folder: tempfile::TempDir,
}

fn object(id: u64, image: u64, category: u64) -> Value {
    let outline = [4, 3, 20, 3, 20, 15, 4, 15];
    json!({ "id": id, "image_id": image, "category_id": category, "iscrowd": 0, "area": 192, "segmentation": [outline] })
}

fn document(images: std::ops::Range<u64>, annotations: Vec<Value>) -> Value {
    let image =
        |id| json!({ "id": id, "file_name": format!("{id}.png"), "width": 32, "height": 24 });
    json!({
        "images": images.map(image).collect::<Vec<_>>(),
        "categories": [{ "id": 1, "name": "cup" }, { "id": 2, "name": "pen" }],
        "annotations": annotations,
    })
}

fn train() -> Value {
    document(
        1..5,
        vec![object(1, 1, 1), object(2, 2, 1), object(3, 3, 2)],
    )
}

fn val() -> Value {
    document(5..6, vec![object(1, 5, 1)])
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for id in 1..6u8 {
            let picture = image::RgbImage::from_pixel(32, 24, image::Rgb([40 * id, 90, 200]));
            picture
                .save(folder.path().join(format!("{id}.png")))
                .unwrap();
        }
        let fixture = Self { folder };
        fixture.annotate(&train(), &val());
        let smoke = Path::new("recipes/smoke.toml").canonicalize().unwrap();
        let root = fixture.folder.path();
        let recipe = format!(
            "extends = {smoke:?}\nsweeps = []\n[data]\nname = 'coco'\nroot = {root:?}\nclasses = 'all'\n\
             on-bad-annotation = 'error'\ntrain-annotations = 'train.json'\ntrain-images = '.'\n\
             val-annotations = 'val.json'\nval-images = '.'\nunlabelled-images = ''\narea-bounds = [25.0, 81.0]\n\
             [split]\nlabelled = 0.5\nmin-instances = 0\n[method.correction]\nname = 'keep'\n"
        );
        fs::write(root.join("own.toml"), recipe).unwrap();
        fixture
    }

    fn annotate(&self, train: &Value, val: &Value) {
        for (name, document) in [("train.json", train), ("val.json", val)] {
            fs::write(self.folder.path().join(name), document.to_string()).unwrap();
        }
    }

    /// Runs a command on the recipe with these `--set` arguments.
    fn run(&self, command: &[&str], set: &[&str]) -> Output {
        let mut harness = Command::new(env!("CARGO_BIN_EXE_harness"));
        harness.current_dir(self.folder.path()).args(command);
        harness.args(["own.toml", "--out", "out"]);
        for set in set {
            harness.args(["--set", set]);
        }
        harness.output().unwrap()
    }

    /// The standard output of a command that succeeds.
    fn fine(&self, command: &[&str], set: &[&str]) -> String {
        let output = self.run(command, set);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The standard error of a command that refuses its input.
    fn refused(&self, command: &[&str], set: &[&str]) -> String {
        let output = self.run(command, set);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        stderr(&output)
    }

    /// Leaves out the last bytes of a picture, and returns the whole of it.
    fn cut(&self, picture: &str) -> Vec<u8> {
        let path = self.folder.path().join(picture);
        let whole = fs::read(&path).unwrap();
        fs::write(path, &whole[..whole.len() - 20]).unwrap();
        whole
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_plan_counts_what_is_labelled_unlabelled_and_evaluated() {
    let fixture = Fixture::new();
    let text = fixture.fine(&["plan"], &["split.labelled=1"]);
    let told = "seed 0: 3 of 4 training images labelled (75 %), 4 unlabelled, 1 evaluated";
    assert!(text.contains(told), "{text}");
    // printf '0,1,2' | sha256sum
    let sha256 = "c0be322c1ad6af50f418b96232d98fe25a36d5d0a557291833f8248f2084b8ef";
    let json = fixture.fine(&["plan", "--json"], &["split.labelled=1"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let draw = &json["splits"][0]["draws"][0];
    assert_eq!(draw["sha256"], sha256);
    assert!(text.contains(sha256), "{text}");
    assert_eq!(
        draw["all"]["labelled"],
        json!({ "images": 3, "instances": 3 })
    );
    let cup = json!({
        "name": "cup",
        "labelled": { "images": 2, "instances": 2 },
        "unlabelled": { "images": 2, "instances": 2 },
        "evaluated": { "images": 1, "instances": 1 },
    });
    assert_eq!(draw["classes"][0], cup);
    let quarter = fixture.fine(&["plan"], &["split.labelled=0.5", "seeds=[0, 1, 2]"]);
    assert_eq!(quarter.matches("training images labelled (").count(), 3);
}

/// The key that a message about empty data names, and the words of the reason.
type Expected = (&'static str, &'static str);

#[test]
fn an_empty_part_is_an_error_with_its_key_before_any_training() {
    let crowd = |mut annotation: Value| {
        annotation["iscrowd"] = json!(1);
        annotation
    };
    let nothing = document(5..6, vec![]);
    let crowds = document(5..6, vec![crowd(object(1, 5, 1))]);
    let other = document(5..6, vec![object(1, 5, 2)]);
    let cups = document(1..5, vec![object(1, 1, 1), object(2, 2, 1)]);
    let all_crowds = document(1..5, (1..5).map(|id| crowd(object(id, id, 1))).collect());
    let cases: [(Value, Value, &[&str], Expected); 6] = [
        (train(), nothing, &[], ("data.val-annotations", "no object")),
        (train(), crowds, &[], ("data.val-annotations", "crowds")),
        (
            cups,
            other,
            &["data.classes=present"],
            ("data.val-annotations", "no object"),
        ),
        (all_crowds, val(), &[], ("split.labelled", "crowds")),
        (
            train(),
            val(),
            &["split.labelled=0.1"],
            ("split.labelled", "no labelled image is left of 4"),
        ),
        (
            train(),
            val(),
            &["split.min-instances=99999"],
            ("split.min-instances", "`cup` (2)"),
        ),
    ];
    for (train, val, set, (key, reason)) in cases {
        let fixture = Fixture::new();
        fixture.annotate(&train, &val);
        for command in ["plan", "sweep"] {
            let text = fixture.refused(&[command], set);
            assert!(
                text.contains(key) && text.contains(reason),
                "{command}: {text}"
            );
        }
        assert!(!fixture.folder.path().join("out/records.jsonl").exists());
    }
}

#[test]
fn a_teacher_without_an_unlabelled_image_is_told_the_key() {
    let fixture = Fixture::new();
    fixture.annotate(&document(1..5, vec![object(1, 1, 1)]), &val());
    let set = ["split.unlabelled-backgrounds=false", "split.labelled=0.75"];
    for command in ["plan", "sweep"] {
        let text = fixture.refused(&[command], &set);
        assert!(text.contains("split.unlabelled-backgrounds"), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[test]
fn a_damaged_picture_is_named_before_any_training() {
    let fixture = Fixture::new();
    let (train, val) = (fixture.cut("2.png"), fixture.cut("5.png"));
    let text = fixture.refused(&["data", "check"], &[]);
    assert!(text.contains("2 problems"), "{text}");
    assert!(
        text.contains("train: ") && text.contains("2.png: cannot be decoded"),
        "{text}"
    );
    assert!(
        text.contains("val: ") && text.contains("5.png: cannot be decoded"),
        "{text}"
    );
    let text = fixture.refused(&["sweep"], &[]);
    assert!(text.contains("2 of 5 pictures cannot be used"), "{text}");
    assert!(text.contains("data.check"), "{text}");
    assert!(!fixture.folder.path().join("out/.store/stages").exists());

    fs::write(fixture.folder.path().join("2.png"), train).unwrap();
    fs::write(fixture.folder.path().join("5.png"), val).unwrap();
    let text = fixture.fine(&["data", "check"], &[]);
    assert!(
        text.contains("5 pictures: no problem; 2 decoded, 3 as before"),
        "{text}"
    );
    // No network is made of it.
    let text = fixture.fine(&["data", "check"], &["model.backbone.weights=nowhere"]);
    assert!(text.contains("0 decoded, 5 as before"), "{text}");
}

#[test]
fn the_check_of_the_pictures_changes_no_trial() {
    let fixture = Fixture::new();
    let hash = |set: &[&str]| {
        let json = fixture.fine(&["plan", "--json"], set);
        let json: Value = serde_json::from_str(&json).unwrap();
        json["trials"][0]["hash"].clone()
    };
    let plain = hash(&[]);
    assert_eq!(hash(&["data.check=never"]), plain);
    assert_eq!(hash(&["data.exif=true"]), plain);
    assert_ne!(hash(&["data.exif=false"]), plain);
}

/// An EXIF part (TIFF, big-endian) with nothing but the orientation 6: the picture is to be turned to the right.
const TURN_RIGHT: [u8; 26] = [
    b'M', b'M', 0, b'*', 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0,
];

#[test]
fn a_picture_with_an_orientation_is_turned_and_that_is_told() {
    let fixture = Fixture::new();
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
    encoder.set_exif_metadata(TURN_RIGHT.to_vec()).unwrap();
    // It is stored with 24 columns and 32 rows, and shown with 32 columns and 24 rows.
    let stored = image::RgbImage::new(24, 32);
    encoder.encode_image(&stored).unwrap();
    fs::write(fixture.folder.path().join("3.png"), bytes).unwrap();
    let text = fixture.fine(&["plan"], &[]);
    assert!(
        text.contains("train: 1 image turned by the EXIF tag: "),
        "{text}"
    );
    let text = fixture.refused(&["plan"], &["data.exif=false"]);
    assert!(text.contains("24 x 32 pixels"), "{text}");
    fixture.fine(&["data", "check"], &[]);

    let (mut train, mut val) = (train(), val());
    train["images"][2]["width"] = json!(24);
    train["images"][2]["height"] = json!(32);
    val["images"][0]["file_name"] = json!("3.png");
    fixture.annotate(&train, &val);
    let text = fixture.refused(&["plan"], &[]);
    assert!(text.contains("data.exif = false leaves"), "{text}");
}

/// The lines about oddities in a text.
fn oddities(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.trim_start_matches("note: "));
    let parts = ["train: ", "val: ", "unlabelled: "];
    lines
        .filter(|line| parts.iter().any(|part| line.starts_with(part)))
        .collect()
}

#[test]
fn what_the_reader_left_out_is_told_by_every_command() {
    let fixture = Fixture::new();
    let (mut train, mut val) = (train(), val());
    let mut empty = object(9, 1, 1);
    empty["segmentation"] = json!([]);
    train["annotations"]
        .as_array_mut()
        .unwrap()
        .push(empty.clone());
    empty["image_id"] = json!(5);
    val["annotations"].as_array_mut().unwrap().push(empty);
    fixture.annotate(&train, &val);
    let skip = ["data.on-bad-annotation=skip"];
    let plan = fixture.fine(&["plan"], &skip);
    let told = oddities(&plan);
    assert_eq!(told.len(), 2, "{plan}");
    assert!(
        told[0].starts_with("train: 1 annotation left out"),
        "{plan}"
    );
    assert!(told[1].starts_with("val: 1 annotation"), "{plan}");
    let check = fixture.fine(&["data", "check"], &skip);
    assert_eq!(oddities(&check), told);
    let json: Value = serde_json::from_str(&fixture.fine(&["plan", "--json"], &skip)).unwrap();
    assert_eq!(json["splits"][0]["findings"].as_array().unwrap().len(), 2);
    fs::remove_dir_all(fixture.folder.path().join("out")).unwrap();
    let export = fixture.fine(&["data", "export"], &skip);
    assert_eq!(oddities(&export), told);
}

#[test]
fn evaluated_objects_without_a_mask_are_told_before_any_training() {
    let fixture = Fixture::new();
    let mut boxes = val();
    boxes["annotations"][0]["segmentation"] = json!([]);
    fixture.annotate(&train(), &boxes);
    for command in ["plan", "sweep"] {
        let text = fixture.refused(&[command], &["data.on-bad-annotation=skip"]);
        assert!(text.contains("data.val-annotations"), "{text}");
        assert!(
            text.contains("no object of the 1 evaluated images has a mask"),
            "{text}"
        );
    }
}

#[test]
fn the_faults_of_all_parts_are_told_together_with_the_folder() {
    let fixture = Fixture::new();
    for id in 1..6 {
        fs::remove_file(fixture.folder.path().join(format!("{id}.png"))).unwrap();
    }
    let text = fixture.refused(&["data", "check"], &[]);
    let folder = format!(
        "images are looked for in {}",
        fixture.folder.path().display()
    );
    for part in [
        "train-annotations",
        "val-annotations",
        "image 1: no file `1.png`",
        &folder,
    ] {
        assert!(text.contains(part), "`{part}`: {text}");
    }
}

#[test]
fn classes_that_one_part_alone_knows_are_named() {
    let fixture = Fixture::new();
    let mut cups = document(1..5, vec![object(1, 1, 1), object(2, 2, 1)]);
    cups["categories"] = json!([{ "id": 1, "name": "cup" }]);
    let both = document(5..6, vec![object(1, 5, 1), object(2, 5, 2)]);
    fixture.annotate(&cups, &both);
    let text = fixture.fine(&["plan"], &[]);
    let told = "val: 1 class without an object in the training images: `pen`";
    assert!(text.contains(told), "{text}");
    let mut crowd = train();
    crowd["annotations"][2]["iscrowd"] = json!(1);
    fixture.annotate(&crowd, &val());
    let text = fixture.fine(&["plan"], &[]);
    assert!(
        text.contains("train: 1 class with crowds only: `pen`"),
        "{text}"
    );
    let mut renamed = both.clone();
    renamed["categories"][1]["name"] = json!("spoon");
    fixture.annotate(&train(), &renamed);
    let text = fixture.refused(&["plan"], &[]);
    assert!(text.contains("category 2 is `pen` in"), "{text}");
    assert!(text.contains("and `spoon` in"), "{text}");
}

#[test]
fn a_published_rule_is_told_by_the_plan_with_its_seed() {
    let fixture = Fixture::new();
    let set = ["split.rule=numpy", "split.seed=1", "seeds=[0, 1]"];
    let text = fixture.fine(&["plan"], &set);
    let told = "data `coco`, split.labelled = 0.5 by rule `numpy`, seed 1 in every trial, seed 0";
    assert!(text.contains(told), "{text}");
    let json = fixture.fine(&["plan", "--json"], &set);
    let json: Value = serde_json::from_str(&json).unwrap();
    let draws = json["splits"][0]["draws"].as_array().unwrap();
    assert_eq!(draws.len(), 2);
    assert_eq!(draws[0]["sha256"], draws[1]["sha256"]);
    assert_eq!(draws[0]["chosen"], 2);
    // numpy.random.seed(1); numpy.random.permutation(4) is 3, 2, 0, 1; printf '2,3' | sha256sum
    let sha256 = "46584c88c62d575eca10a01b7c96b76ee70c876d24e57e8448b4fade22eba959";
    assert_eq!(draws[0]["sha256"], sha256);
    assert!(
        text.contains("2 of 4 training images labelled (50 %), 1 of them without an object"),
        "{text}"
    );
}

#[test]
fn a_split_is_written_for_other_frameworks_and_read_again_as_a_list() {
    let fixture = Fixture::new();
    let mut train = train();
    train["images"][0]["coco_url"] = json!("kept");
    fixture.annotate(&train, &val());
    let set = ["split.rule=numpy", "split.seed=1", "seeds=[0, 1]"];
    let told = fixture.fine(&["data", "split"], &set);
    assert!(
        told.starts_with("train.1@50.json, train.1@50-unlabeled.json: 2 of 4"),
        "{told}"
    );
    let read = |name: &str| -> Value {
        let text = fs::read(fixture.folder.path().join("out").join(name)).unwrap();
        serde_json::from_slice(&text).unwrap()
    };
    let (labelled, unlabelled) = (read("train.1@50.json"), read("train.1@50-unlabeled.json"));
    let ids = |document: &Value| -> Vec<u64> {
        let images = document["images"].as_array().unwrap().iter();
        images.map(|image| image["id"].as_u64().unwrap()).collect()
    };
    let mut all = [ids(&labelled), ids(&unlabelled)].concat();
    assert_eq!(ids(&labelled).len(), 2);
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3, 4]);
    assert_eq!(unlabelled["annotations"], json!([]));
    assert_eq!(unlabelled["categories"], train["categories"]);
    for annotation in labelled["annotations"].as_array().unwrap() {
        assert!(ids(&labelled).contains(&annotation["image_id"].as_u64().unwrap()));
    }
    let hash = |set: &[&str]| {
        let json: Value = serde_json::from_str(&fixture.fine(&["plan", "--json"], set)).unwrap();
        json["splits"][0]["draws"][0]["sha256"].clone()
    };
    let drawn = hash(&set);
    assert_eq!(hash(&["split.list=out/train.1@50.json"]), drawn);
    let text = fixture.refused(&["plan"], &["split.list=out/train.1@50-unlabeled.json"]);
    assert!(text.contains("lists the unlabelled images"), "{text}");
    // The same again changes nothing; another split of the same name is not written over it.
    fixture.fine(&["data", "split"], &set);
    let other = [
        "split.rule=numpy-replace",
        "split.seed=1",
        "split.labelled=0.5",
    ];
    let text = fixture.refused(&["data", "split"], &other);
    assert!(
        text.contains("exists already with another content"),
        "{text}"
    );
}

#[test]
fn the_unlabelled_images_of_a_split_are_those_of_the_method_that_reads_them() {
    let fixture = Fixture::new();
    let sweep = "question = 'q'\n[[each]]\nlabel = 'alone'\nset.method = { name = 'supervised', empty-image = 'background' }\n\
                 [[each]]\nlabel = 'taught'\n";
    let root = fixture.folder.path();
    fs::create_dir(root.join("recipes")).unwrap();
    fs::create_dir(root.join("sweeps")).unwrap();
    fs::write(root.join("sweeps/both.toml"), sweep).unwrap();
    let set = [
        "split.unlabelled-backgrounds=false",
        "sweeps=both",
        "split.labelled=0.4",
    ];
    fixture.fine(&["data", "split"], &set);
    let text = fs::read(root.join("out/train.0@40-unlabeled.json")).unwrap();
    let unlabelled: Value = serde_json::from_slice(&text).unwrap();
    let ids: Vec<u64> = unlabelled["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["id"].as_u64().unwrap())
        .collect();
    let text = fs::read(root.join("out/train.0@40.json")).unwrap();
    let labelled: Value = serde_json::from_slice(&text).unwrap();
    let of_labelled = |id: &u64| {
        let mut images = labelled["images"].as_array().unwrap().iter();
        images.any(|image| image["id"] == *id)
    };
    // Image 4 has no object.
    let expected: Vec<u64> = (1..4).filter(|id| !of_labelled(id)).collect();
    assert_eq!(ids, expected);
}

#[test]
fn rows_that_differ_in_their_unlabelled_images_alone_have_files_of_their_own() {
    let fixture = Fixture::new();
    let sweep = "question = 'q'\n[[each]]\nlabel = 'alone'\nset.method = { name = 'supervised', empty-image = 'background' }\n\
                 [[each]]\nlabel = 'rest'\n[[each]]\nlabel = 'all'\nset.'split.unlabelled' = 'all'\n";
    let root = fixture.folder.path();
    fs::create_dir(root.join("recipes")).unwrap();
    fs::create_dir(root.join("sweeps")).unwrap();
    fs::write(root.join("sweeps/both.toml"), sweep).unwrap();
    fixture.fine(&["data", "split"], &["sweeps=both", "split.labelled=0.4"]);
    let images = |name: &str| -> usize {
        let text = fs::read(root.join("out").join(name)).unwrap();
        let file: Value = serde_json::from_slice(&text).unwrap();
        file["images"].as_array().unwrap().len()
    };
    let labelled = images("train.0@40.json");
    let (rest, all) = (
        images("train.0@40-unlabeled.json"),
        images("train.0@40-all-unlabeled.json"),
    );
    assert_eq!(all, labelled + rest);
    assert!(rest > 0);
    assert_eq!(fs::read_dir(root.join("out")).unwrap().count(), 3);
}

#[test]
fn the_split_of_a_drawn_dataset_has_the_names_of_its_export() {
    let folder = tempfile::tempdir().unwrap();
    let smoke = Path::new("recipes/smoke.toml").canonicalize().unwrap();
    let mut harness = Command::new(env!("CARGO_BIN_EXE_harness"));
    harness
        .current_dir(folder.path())
        .args(["data", "split"])
        .arg(smoke);
    let output = harness
        .args(["--out", "out", "--set", "seeds=[3]"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut files: Vec<String> = fs::read_dir(folder.path().join("out"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files[0].starts_with("instances_train2017.3@"), "{files:?}");
    let text = fs::read(folder.path().join("out").join(&files[1])).unwrap();
    let labelled: Value = serde_json::from_slice(&text).unwrap();
    let name = labelled["images"][0]["file_name"].as_str().unwrap();
    assert!(name.starts_with("train_0000"), "{name}");
    assert!(!labelled["annotations"].as_array().unwrap().is_empty());
}

#[test]
fn a_list_that_does_not_fit_is_refused_with_its_file() {
    let fixture = Fixture::new();
    let list = fixture.folder.path().join("list.txt");
    fs::write(&list, "1.png\n9.png\n").unwrap();
    let text = fixture.refused(&["plan"], &["split.list=list.txt"]);
    for part in [
        "split.list",
        "list.txt",
        "1 of 2 names are of no training image: line 2 `9.png`",
    ] {
        assert!(text.contains(part), "`{part}`: {text}");
    }
    fs::write(&list, "1.png\n3\n").unwrap();
    let text = fixture.fine(&["plan"], &["split.list=list.txt"]);
    assert!(
        text.contains("data `coco`, list `list.txt`, seed 0"),
        "{text}"
    );
    let text = fixture.refused(&["sweep"], &["split.list=absent.txt"]);
    assert!(text.contains("absent.txt"), "{text}");
    for command in ["split", "check", "look"] {
        let text = fixture.refused(&["data", command], &["split.list=absent.txt"]);
        assert!(
            text.contains("`split.list`: no file")
                && text.contains("needed: a list of labelled images"),
            "{text}"
        );
    }
    let output = fixture.run(&["plan"], &["split.list=absent.txt"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "a plan tells what is missing"
    );
    assert!(
        stderr(&output).contains("a run also needs split.list"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn each_share_takes_its_own_list_and_another_list_is_told() {
    let fixture = Fixture::new();
    for (name, text) in [("perc_25.txt", "1.png"), ("perc_50.txt", "1.png\n3.png")] {
        fs::write(fixture.folder.path().join(name), text).unwrap();
    }
    let plan = |labelled: &str, list: &str| fixture.fine(&["plan"], &[labelled, list]);
    let (quarter, half) = ("split.labelled=0.25", "split.labelled=0.5");
    let placed = "split.list=perc_{percent}.txt";
    assert!(plan(quarter, placed).contains("list `perc_25.txt`"));
    let text = plan(half, placed);
    assert!(text.contains("list `perc_50.txt`"), "{text}");
    assert!(!text.contains("note: split.list"), "{text}");
    let text = plan(half, "split.list=perc_25.txt");
    let note = "note: split.list: perc_25.txt: the file lists 1 of 4 training images (25.00 %), not the 50 % of split.labelled";
    assert!(text.contains(note), "{text}");
    let missing = fixture.run(&["plan"], &["split.list={percent}.txt"]);
    assert!(stderr(&missing).contains("50.txt"), "{}", stderr(&missing));
}
