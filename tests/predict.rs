//! Tests `harness predict` and `harness weights` through the program: transformers' logits of a picture, and
//! bad input (one message that names the file, exit code 2, no panic, no output file).

use safetensors::SafeTensors;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The largest relative error of logits, in the L2 norm.
const LOGITS: f64 = 1e-4;

fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(arguments)
        .output()
        .unwrap()
}

fn golden(name: &str) -> PathBuf {
    [
        env!("CARGO_MANIFEST_DIR"),
        "tests/golden/hf_mask2former",
        name,
    ]
    .iter()
    .collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A copy of the folder of the first golden case, to be damaged.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "config.json",
            "model.safetensors",
            "preprocessor_config.json",
        ] {
            let from = golden("bottleneck").join(name);
            std::fs::copy(from, folder.path().join(name)).unwrap();
        }
        std::fs::copy(golden("picture.png"), folder.path().join("picture.png")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Predicts `images`, with `more` arguments.
    fn predict(&self, images: &[&Path], more: &[&str]) -> Output {
        let (out, raw) = (self.path("r.json"), self.path("r.safetensors"));
        let mut arguments = vec!["predict", text(self.folder.path()), "--images"];
        arguments.extend(images.iter().map(|image| text(image)));
        arguments.extend(["--out", text(&out), "--raw", text(&raw)]);
        arguments.extend(more);
        harness(&arguments)
    }

    /// The prediction of the picture must be refused with all `parts` in the message.
    #[track_caller]
    fn refused(&self, image: &str, parts: &[&str]) {
        refused(&self.predict(&[&self.path(image)], &[]), parts);
        for file in ["r.json", "r.safetensors"] {
            assert!(!self.path(file).exists(), "{file} was written");
        }
    }

    fn results(&self) -> Vec<Value> {
        serde_json::from_slice(&std::fs::read(self.path("r.json")).unwrap()).unwrap()
    }
}

#[track_caller]
fn refused(output: &Output, parts: &[&str]) {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(!error.contains("panicked"), "{error}");
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

#[track_caller]
fn fine(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn array(bytes: &[u8], name: &str) -> (Vec<usize>, Vec<f64>) {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let array = file.tensor(name).unwrap();
    let values = array.data().as_chunks().0.iter();
    let values = values.map(|b| f64::from(f32::from_le_bytes(*b))).collect();
    (array.shape().to_vec(), values)
}

#[test]
fn parity_of_a_folders_logits_through_resize_and_normalisation() {
    let bench = Bench::new();
    fine(&bench.predict(&[&bench.path("picture.png")], &[]));
    let found = std::fs::read(bench.path("r.safetensors")).unwrap();
    let expected = std::fs::read(golden("predict.safetensors")).unwrap();
    for name in ["class_logits", "mask_logits"] {
        let (found, expected) = (array(&found, name), array(&expected, name));
        assert_eq!(found.0, expected.0, "{name}");
        let pairs = found.1.iter().zip(&expected.1);
        let difference: f64 = pairs.map(|(f, e)| (f - e).powi(2)).sum();
        let size: f64 = expected.1.iter().map(|e| e * e).sum();
        let error = (difference / size).sqrt();
        println!("{name}: {error:.1e}");
        assert!(error <= LOGITS, "{name}: relative error {error:.2e}");
    }
    let (shape, qualities) = array(&found, "class_quality");
    assert_eq!(shape, [1, 5, 3]);
    let sums = qualities.chunks(3).map(|row| row.iter().sum::<f64>());
    assert!(
        sums.into_iter().all(|sum| sum > 0.0 && sum < 1.0),
        "the rest is no-object"
    );
    assert_eq!(array(&found, "mask_quality").0, [1, 5]);
}

#[test]
fn results_are_coco_results_of_the_pictures_own_size() {
    let bench = Bench::new();
    std::fs::copy(bench.path("picture.png"), bench.path("000000000139.png")).unwrap();
    let annotations = bench.path("instances.json");
    let known = r#"{"images": [{"id": 5, "file_name": "picture.png"}],
        "categories": [{"id": 7, "name": "LABEL_0"}, {"id": 8, "name": "LABEL_1"}, {"id": 9, "name": "LABEL_2"}]}"#;
    std::fs::write(&annotations, known).unwrap();

    fine(&bench.predict(&[&bench.path("000000000139.png")], &[]));
    let plain = bench.results();
    assert!(!plain.is_empty());
    for result in &plain {
        assert_eq!(result["image_id"], 139);
        assert_eq!(result["segmentation"]["size"], serde_json::json!([61, 53]));
        assert!((1..=3).contains(&result["category_id"].as_u64().unwrap()));
        let score = result["score"].as_f64().unwrap();
        assert!(score > 0.0 && score < 1.0, "{score}");
    }
    let with = ["--annotations", text(&annotations)];
    fine(&bench.predict(&[&bench.path("picture.png")], &with));
    let named = bench.results();
    assert_eq!(named.len(), plain.len());
    for (named, plain) in named.iter().zip(&plain) {
        assert_eq!(named["image_id"], 5);
        assert_eq!(
            named["category_id"].as_u64(),
            plain["category_id"].as_u64().map(|id| id + 6)
        );
        assert_eq!(named["segmentation"], plain["segmentation"]);
    }
}

#[test]
fn pictures_of_one_size_share_arrays_and_others_are_named() {
    let bench = Bench::new();
    std::fs::copy(bench.path("picture.png"), bench.path("second.png")).unwrap();
    let wide = image::RgbImage::from_fn(70, 31, |x, y| {
        image::Rgb([(3 * x) as u8, (5 * y) as u8, 90])
    });
    wide.save(bench.path("wide.png")).unwrap();
    let raw = |images: &[&str]| {
        let paths: Vec<PathBuf> = images.iter().map(|image| bench.path(image)).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        fine(&bench.predict(&paths, &[]));
        std::fs::read(bench.path("r.safetensors")).unwrap()
    };
    let (shape, values) = array(&raw(&["picture.png", "second.png"]), "class_logits");
    assert_eq!(shape, [2, 5, 4]);
    assert_eq!(values[..20], values[20..]);
    let mixed = raw(&["picture.png", "wide.png"]);
    assert_eq!(array(&mixed, "picture.png.mask_logits").0, [1, 5, 24, 24]);
    assert_eq!(array(&mixed, "wide.png.mask_logits").0, [1, 5, 16, 32]);
    // The images of a folder are sorted by name.
    let folder = bench.path("images");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(bench.path("picture.png"), folder.join("a.png")).unwrap();
    std::fs::write(folder.join("notes.txt"), "no image").unwrap();
    assert!(fine(&bench.predict(&[&folder], &[])).contains("in 1 image:"));
    assert_eq!(bench.results()[0]["file_name"], "a.png");
}

/// Cityscapes has a folder for each city, and two cities may have pictures of one name.
#[test]
#[cfg(unix)]
fn folders_below_a_folder_keep_their_names_apart() {
    let bench = Bench::new();
    let folder = bench.path("val");
    for city in ["lindau", "frankfurt"] {
        std::fs::create_dir_all(folder.join(city)).unwrap();
        std::fs::copy(bench.path("picture.png"), folder.join(city).join("x.png")).unwrap();
    }
    std::os::unix::fs::symlink(&folder, folder.join("lindau/again")).unwrap();
    let drawn = folder.join("drawn");
    // The second time there are drawings, which are no images.
    for _ in 0..2 {
        let told = fine(&bench.predict(&[&folder], &["--draw", text(&drawn)]));
        assert!(told.contains("in 2 images"), "{told}");
        let mut names: Vec<Value> = bench.results();
        names
            .iter_mut()
            .for_each(|one| *one = one["file_name"].take());
        names.dedup();
        assert_eq!(names, ["frankfurt/x.png", "lindau/x.png"]);
    }
    for city in ["lindau", "frankfurt"] {
        assert!(drawn.join(city).join("x.png").is_file(), "{city}");
    }
}

#[test]
fn raw_numbers_of_two_pictures_of_one_name_are_refused_before_the_work() {
    let bench = Bench::new();
    // Wrong arguments are reported before the network is made.
    std::fs::remove_file(bench.path("model.safetensors")).unwrap();
    let [first, second] = ["a", "b"].map(|folder| bench.path(folder).join("x.png"));
    for path in [&first, &second] {
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::copy(bench.path("picture.png"), path).unwrap();
    }
    let parts = ["--raw", text(&first), text(&second)];
    refused(&bench.predict(&[&first, &second], &[]), &parts);
    // The images of a folder are counted too.
    let folder = bench.path("b");
    refused(&bench.predict(&[&first, &folder], &[]), &parts);
    // Results identify images by their ids.
    std::fs::copy(
        golden("bottleneck").join("model.safetensors"),
        bench.path("model.safetensors"),
    )
    .unwrap();
    let (folder, out) = (bench.folder.path(), bench.path("r.json"));
    let (model, out) = (text(folder), text(&out));
    let images = [text(&first), text(&second)];
    let arguments = [
        "predict", model, "--images", images[0], images[1], "--out", out,
    ];
    assert!(fine(&harness(&arguments)).contains("in 2 images"));
}

#[test]
fn results_and_raw_numbers_in_one_file_are_refused() {
    let bench = Bench::new();
    let (picture, out) = (bench.path("picture.png"), bench.path("r"));
    std::fs::create_dir(bench.path("inner")).unwrap();
    for other in ["r", "./r", "inner/../r"] {
        let raw = bench.path(other);
        let output = harness(&[
            "predict",
            text(bench.folder.path()),
            "--images",
            text(&picture),
            "--out",
            text(&out),
            "--raw",
            text(&raw),
        ]);
        refused(&output, &["--out", "--raw", "are the same file"]);
        assert!(!out.exists());
    }
}

#[test]
fn a_picture_that_is_none_or_too_small_is_named() {
    let bench = Bench::new();
    std::fs::write(bench.path("text.png"), "no picture").unwrap();
    bench.refused("text.png", &["text.png: cannot be decoded"]);
    let bytes = std::fs::read(bench.path("picture.png")).unwrap();
    std::fs::write(bench.path("cut.png"), &bytes[..bytes.len() / 2]).unwrap();
    bench.refused("cut.png", &["cut.png: cannot be decoded"]);
    image::RgbImage::new(1, 1)
        .save(bench.path("dot.png"))
        .unwrap();
    bench.refused("dot.png", &["dot.png: 1 x 1 pixels are too few"]);
    bench.refused("absent.png", &["absent.png: no such file or folder"]);
    std::fs::create_dir(bench.path("empty")).unwrap();
    bench.refused("empty", &["empty: no image"]);
}

#[test]
fn a_folder_that_is_not_a_mask2formers_is_named() {
    let write = |name: &str, content: &str| {
        let bench = Bench::new();
        std::fs::write(bench.path(name), content).unwrap();
        bench
    };
    let other = r#"{"model_type": "detr"}"#;
    write("config.json", other).refused("picture.png", &["config.json", "`detr`", "`mask2former`"]);
    write("config.json", "{").refused("picture.png", &["config.json: not JSON"]);
    let other = r#"{"image_processor_type": "DetrImageProcessor"}"#;
    let parts = ["preprocessor_config.json", "`DetrImageProcessor`"];
    write("preprocessor_config.json", other).refused("picture.png", &parts);

    let bench = Bench::new();
    let weights = bench.path("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    for cut in [bytes.len() - 100, 1000, 4, 0] {
        std::fs::write(&weights, &bytes[..cut]).unwrap();
        bench.refused(
            "picture.png",
            &["model.safetensors: not a complete safetensors file"],
        );
    }
    std::fs::remove_file(&weights).unwrap();
    bench.refused("picture.png", &["holds neither model.safetensors nor"]);
    std::fs::remove_file(bench.path("config.json")).unwrap();
    bench.refused("picture.png", &["config.json: cannot be read"]);
    let output = harness(&[
        "predict",
        "no/such/folder",
        "--images",
        "x.png",
        "--out",
        "r.json",
    ]);
    refused(&output, &["x.png: no such file"]);
}

#[test]
fn weights_that_do_not_fit_are_listed_in_one_message() {
    let bench = Bench::new();
    let config = std::fs::read_to_string(bench.path("config.json")).unwrap();
    let config = config.replace("\"num_queries\": 5", "\"num_queries\": 6");
    let config = config.replace("\"decoder_layers\": 5", "\"decoder_layers\": 6");
    std::fs::write(bench.path("config.json"), config).unwrap();
    let parts = [
        "`model.transformer_module.queries_embedder.weight` is [5, 32], must be [6, 32]",
        "`model.transformer_module.queries_features.weight` is [5, 32], must be [6, 32]",
        "`model.transformer_module.decoder.layers.4.self_attn.k_proj.bias` [32] is missing",
    ];
    bench.refused("picture.png", &parts);
    let output = harness(&["weights", "inspect", text(bench.folder.path())]);
    assert_eq!(output.status.code(), Some(2));
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        listing.contains("does not fit sem_seg_head.predictor.query_feat.weight"),
        "{listing}"
    );
    assert!(
        listing.contains("2 of the wrong shape or type"),
        "{listing}"
    );
}

#[test]
fn an_inspection_lists_every_array_and_its_place() {
    let listing = fine(&harness(&["weights", "inspect", text(&golden("basic"))]));
    for part in [
        "class_predictor.bias  BF16  [6]  -> sem_seg_head.predictor.class_embed.bias",
        "criterion.empty_weight  BF16  [6]  ignored: not a parameter",
        "transformers' names",
        "0 unexpected; 0 missing",
    ] {
        assert!(listing.contains(part), "`{part}` is not in: {listing}");
    }
    let file = golden("bottleneck").join("model.safetensors");
    let alone = fine(&harness(&["weights", "inspect", text(&file)]));
    assert!(
        alone.contains("class_predictor.bias  F16  [4]\n"),
        "{alone}"
    );
    let torchvision = "tests/golden/resnet_weights.safetensors";
    let arguments = [
        "weights",
        "inspect",
        torchvision,
        "--recipe",
        "recipes/pl-dc.toml",
    ];
    let output = harness(&arguments);
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "another ResNet");
    assert!(
        listing.contains("fc.weight  F32  [2, 32]  ignored: the classifier"),
        "{listing}"
    );
    assert!(
        listing.contains("does not fit res2.0.conv1.weight"),
        "{listing}"
    );
}

/// A recipe with a network that transformers can express: the sizes of the first golden case, on the drawn
/// dataset.
fn recipe(folder: &Path) -> PathBuf {
    let smoke = Path::new("recipes/smoke.toml").canonicalize().unwrap();
    let text = format!(
        "extends = {smoke:?}\nsweeps = []\n
        [model]
        queries = 5
        width = 32
        fpn-width = 32
        mask-width = 16
        heads = 4
        norm-groups = 32
        encoder-layers = 1
        encoder-points = 4
        encoder-ffn = 24
        decoder-layers = 4
        decoder-ffn = 24
        [model.backbone]
        block = \"bottleneck\"
        stem = {{ width = 8, kernel = 7, stride = 2, pool = true }}
        widths = [4, 4, 8, 8]
        depths = [1, 2, 1, 1]
        norm = \"frozen-batch\"
        [train]
        steps = 3
        warm-up = 1
        [method]
        name = \"supervised\"
        burn-in = 3
        empty-image = \"background\"
        [eval]
        model = \"student\"\n"
    );
    let path = folder.join("own.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_trained_checkpoint_goes_to_transformers_and_predicts_the_same_there() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe(folder.path());
    let at = |name: &str| folder.path().join(name);
    fine(&harness(&[
        "sweep",
        text(&recipe),
        "--out",
        text(&at("results")),
    ]));
    let stages = std::fs::read_dir(at("results/.store/stages")).unwrap();
    let mut trained = stages.map(|entry| entry.unwrap().path().join("final.safetensors"));
    let checkpoint = trained
        .find(|path| path.exists())
        .expect("a finished stage");
    let weights = format!("{}#student", checkpoint.display());

    let arguments = ["weights", "inspect", &weights, "--recipe", text(&recipe)];
    let listing = fine(&harness(&arguments));
    assert!(
        listing.contains("ignored: a moment of the optimizer"),
        "{listing}"
    );
    assert!(listing.contains("0 unexpected; 0 missing"), "{listing}");

    let export = [
        "weights",
        "export",
        text(&recipe),
        "--weights",
        &weights,
        "--out",
    ];
    fine(&harness(&[&export[..], &[text(&at("folder"))]].concat()));
    refused(
        &harness(&[&export[..], &[text(&at("folder"))]].concat()),
        &["exists already"],
    );
    fine(&harness(&["weights", "inspect", text(&at("folder"))]));

    let predict = |weights: &str, raw: &Path| {
        let (out, picture) = (at("r.json"), golden("picture.png"));
        fine(&harness(&[
            "predict",
            text(&recipe),
            "--weights",
            weights,
            "--images",
            text(&picture),
            "--out",
            text(&out),
            "--raw",
            text(raw),
        ]));
        std::fs::read(raw).unwrap()
    };
    let own = predict(&weights, &at("own.safetensors"));
    let exported = predict(text(&at("folder")), &at("exported.safetensors"));
    assert!(own == exported, "the same values, the same bits");
}

#[test]
fn a_recipe_without_weights_gets_advice() {
    let picture = golden("picture.png");
    let output = harness(&[
        "predict",
        "recipes/smoke.toml",
        "--images",
        text(&picture),
        "--out",
        "r.json",
    ]);
    refused(&output, &["model.weights is empty; give --weights PATH"]);
    let export = harness(&[
        "weights",
        "export",
        "recipes/smoke.toml",
        "--weights",
        "no/such",
        "--out",
        "x",
    ]);
    refused(&export, &["model.weights", "no/such"]);
}

/// A recipe without its dataset and vision-language model; its network is that of the first golden case.
fn recipe_without_its_dataset(folder: &Path) -> PathBuf {
    let own = std::fs::read_to_string(recipe(folder)).unwrap();
    let (model, _) = own[own.find("[model]").unwrap()..]
        .split_once("[train]")
        .unwrap();
    let extended = Path::new("recipes/mask2former-r50.toml")
        .canonicalize()
        .unwrap();
    let path = folder.join("absent.toml");
    let text = format!(
        "extends = {extended:?}\n{model}\n[data]\nroot = \"no/coco\"\n[eval]\nsize = 96\nshorter = 64\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn an_inspection_needs_no_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe_without_its_dataset(folder.path());
    let inspect = |path: &Path| {
        let arguments = ["weights", "inspect", text(path), "--recipe", text(&recipe)];
        harness(&arguments)
    };
    let listing = fine(&inspect(&golden("bottleneck")));
    for part in [
        "class_predictor.bias  F16  [4]  -> sem_seg_head.predictor.class_embed.bias",
        "0 unexpected; 0 missing",
        "3 classes, as in the file, because the dataset is missing: data.root: ",
        "/no/coco: nothing there",
    ] {
        assert!(listing.contains(part), "`{part}` is not in: {listing}");
    }
    let torchvision = Path::new("tests/golden/resnet_weights.safetensors");
    let listing = inspect(torchvision).stdout;
    let listing = String::from_utf8_lossy(&listing);
    let part = "the class head cannot be compared, because the dataset is missing: data.root: ";
    assert!(listing.contains(part), "{listing}");
}

#[test]
fn a_prediction_needs_the_dataset_or_annotations_for_the_classes() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe_without_its_dataset(folder.path());
    let (out, annotations) = (
        folder.path().join("r.json"),
        folder.path().join("known.json"),
    );
    let predict = |weights: &Path, more: &[&str]| {
        let picture = golden("picture.png");
        let arguments = [
            "predict",
            text(&recipe),
            "--weights",
            text(weights),
            "--images",
            text(&picture),
            "--out",
            text(&out),
        ];
        harness(&[&arguments[..], more].concat())
    };
    let weights = golden("bottleneck");
    let missing = folder.path().join("no/coco");
    let missing = format!("data.root: {}: nothing there", missing.display());
    let parts = [
        missing.as_str(),
        "--annotations FILE or --set data.root=PATH",
    ];
    refused(&predict(&weights, &[]), &parts);
    let with = ["--annotations", text(&annotations)];
    refused(&predict(&weights, &with), &["known.json: No such file"]);
    let known = r#"{"images": [{"id": 5, "file_name": "picture.png"}], "categories":
        [{"id": 9, "name": "z"}, {"id": 7, "name": "y"}, {"id": 8, "name": "x"}]}"#;
    std::fs::write(&annotations, known).unwrap();
    let absent = predict(Path::new("no/such"), &with);
    refused(&absent, &["model.weights", "no/such"]);
    let present = [&with[..], &["--set", "data.classes=\"present\""]].concat();
    let parts = ["data.classes = \"present\" needs the dataset"];
    refused(&predict(&weights, &present), &parts);
    assert!(!out.exists());

    fine(&predict(&weights, &with));
    let results: Vec<Value> = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert!(!results.is_empty());
    for result in &results {
        assert_eq!(result["image_id"], 5);
        assert!((7..=9).contains(&result["category_id"].as_u64().unwrap()));
    }
    let fewer = known.replace(r#"{"id": 9, "name": "z"}, "#, "");
    std::fs::write(&annotations, fewer).unwrap();
    let parts = ["`class_predictor.bias` is [4], must be [3]"];
    refused(&predict(&weights, &with), &parts);
}
