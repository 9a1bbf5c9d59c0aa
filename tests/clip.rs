//! Compares CLIP with `transformers` and `open_clip` by the numbers of `tests/golden/clip.py`, which explains
//! how the files were made. Also tests bad input to the program.

use harness::data::image_file::{Exif, decode};
use harness::graph::clip::folder::{self, Released};
use harness::graph::clip::text::{EndToken, TextSizes};
use harness::graph::clip::tokenizer::Tokenizer;
use harness::graph::clip::transformer::TransformerSizes;
use harness::graph::clip::{ClipConfig, ClipRegions, Descriptions, VisionLanguage};
use harness::ops::{self, Gelu};
use harness::tensor::{Map, Tape, Tensor2};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use tempfile::TempDir;

/// The folders with small random models.
const MODELS: [&str; 4] = ["vit-quick", "vit-gelu", "convnext-mlp", "convnext-linear"];
/// The largest relative error (L2 norm) of a network's output.
const TOLERANCE: f64 = 1e-4;
/// The texts of `clip.py`; the last one is longer than the context.
fn prompts() -> Vec<String> {
    let long = ["many words of one sentence that is far too long"; 9].join(" ");
    let short = [
        "a photo of a dog",
        "a photo of two cats on a red sofa.",
        "It's a bird, isn't it? 3 of 10!",
        "",
    ];
    short.map(String::from).into_iter().chain([long]).collect()
}

fn golden(name: &str) -> PathBuf {
    let folder = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", "clip", name];
    folder.iter().collect()
}

/// The results of the references.
struct Expected(BTreeMap<String, Vec<f32>>);

impl Expected {
    fn read() -> Self {
        let bytes = std::fs::read(golden("expected.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let arrays = file.iter().map(|(name, view)| {
            let values = view.data().chunks_exact(4);
            let values = values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            (name.to_string(), values.collect())
        });
        Self(arrays.collect())
    }

    /// Panics unless `found` is the array `name` up to [`TOLERANCE`].
    #[track_caller]
    fn check(&self, name: &str, found: &[f32]) {
        close(name, found, &self.0[name]);
    }
}

#[track_caller]
fn close(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}: number of values");
    let square = |v: f32| f64::from(v).powi(2);
    let error: f64 = found.iter().zip(expected).map(|(f, e)| square(f - e)).sum();
    let size: f64 = expected.iter().map(|e| square(*e)).sum();
    let relative = (error / size).sqrt();
    assert!(
        relative <= TOLERANCE,
        "{name}: relative error {relative:.2e}"
    );
    println!("{name}: {relative:.1e}");
}

fn open(name: &str) -> Released {
    folder::open(&golden(name)).unwrap_or_else(|error| panic!("{error:#}"))
}

/// The rows of `values`, each scaled to length 1.
fn normalised(values: &[f32], rows: usize) -> Vec<f32> {
    let columns = values.len() / rows;
    let rows = Tensor2::constant(values.to_vec(), rows, columns);
    ops::normalize_rows(&mut Tape::off(), &rows)
        .values()
        .to_vec()
}

/// The pixels of `clip.py` for sizes that differ from those of a model.
fn wide(height: usize, width: usize) -> Map {
    let values = (0..height * width * 3).map(|i| ((i * 7919 % 251) as f32 - 125.0) / 60.0);
    let values = Tensor2::constant(values.collect(), height * width, 3);
    Map::new(values, 1, height, width)
}

#[test]
fn parity_of_preprocessing() {
    let (expected, picture) = (
        Expected::read(),
        decode(&golden("picture.png"), Exif::Applied).unwrap(),
    );
    for name in MODELS {
        let found = open(name).preprocess.apply(&picture).unwrap();
        let expected = &expected.0[&format!("{name}.pixels")];
        for (i, (found, expected)) in found.data.values().iter().zip(expected).enumerate() {
            // No pixel may be off by one level, which would be 0.013.
            assert!(
                (found - expected).abs() < 1e-5,
                "{name}[{i}]: {found}, {expected}"
            );
        }
    }
}

#[test]
fn parity_of_the_towers_and_the_similarities() {
    let (expected, picture) = (
        Expected::read(),
        decode(&golden("picture.png"), Exif::Applied).unwrap(),
    );
    for name in MODELS {
        let Released {
            model,
            tokenizer,
            preprocess,
        } = open(name);
        let image = model.image(&preprocess.apply(&picture).unwrap());
        let reference = &expected.0[&format!("{name}.image")];
        close(
            &format!("{name}.image"),
            image.values(),
            &normalised(reference, 1),
        );
        let prompts = prompts();
        let texts = prompts.iter().flat_map(|text| {
            let ids = tokenizer.encode(text).unwrap();
            model.text(&ids).values().to_vec()
        });
        let texts: Vec<f32> = texts.collect();
        let reference = normalised(&expected.0[&format!("{name}.text")], prompts.len());
        close(&format!("{name}.text"), &texts, &reference);
        let texts = Tensor2::constant(texts, prompts.len(), image.columns());
        let cosines = ops::linear(&mut Tape::off(), &image, &texts, None, false);
        let scaled = cosines.values().iter().map(|c| c * model.logit_scale());
        expected.check(&format!("{name}.logits"), &scaled.collect::<Vec<_>>());
    }
}

#[test]
fn parity_of_dense_features_regions_and_other_sizes() {
    let expected = Expected::read();
    for (name, height, width) in [
        ("vit-quick", 24, 56),
        ("vit-gelu", 18, 42),
        ("convnext-mlp", 96, 160),
        ("convnext-linear", 96, 160),
    ] {
        let model = open(name).model;
        let pixels = wide(height, width);
        let reference = normalised(&expected.0[&format!("{name}.wide_image")], 1);
        let image = model.image(&pixels);
        close(&format!("{name}.wide_image"), image.values(), &reference);
        let dense = model.dense(&pixels);
        let stride = model.stride();
        assert_eq!(
            (dense.height, dense.width),
            (height / stride, width / stride)
        );
        expected.check(&format!("{name}.dense"), dense.data.values());
        // The two regions of `clip.py`: the left half, and weights that grow along the rows.
        let left =
            (0..dense.pixels()).map(|i| f32::from(i % dense.width < dense.width.div_ceil(2)));
        let ramp = (0..dense.pixels()).map(|i| i as f32);
        let weights = Arc::new(left.chain(ramp).collect());
        let pooled = ops::mask_pool(&mut Tape::off(), &dense, &[0, 0], weights);
        expected.check(&format!("{name}.regions"), model.embed(&pooled).values());
    }
}

#[test]
fn parity_of_the_tokens() {
    let transformer = TransformerSizes {
        width: 1,
        layers: 1,
        heads: 1,
        hidden: 1,
        activation: Gelu::Quick,
        epsilon: 1e-5,
    };
    let sizes = TextSizes {
        vocabulary: 49408,
        context: 77,
        transformer,
        end: EndToken::LargestId,
    };
    let folder = golden("tokens");
    let rows = std::fs::read(folder.join("texts.json")).unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&rows).unwrap();
    assert!(rows.len() >= 300, "{} texts", rows.len());
    let hugging_face = Tokenizer::hugging_face(&folder, &sizes).unwrap();
    let open_clip = Tokenizer::open_clip(&folder, &sizes).unwrap();
    let mut wrong = Vec::new();
    for (key, tokenizer) in [("hugging_face", hugging_face), ("open_clip", open_clip)] {
        for row in &rows {
            let text = row["text"].as_str().unwrap();
            let found = serde_json::json!(tokenizer.encode(text).unwrap());
            if found != row[key] {
                wrong.push(format!("{key} {text:?}: {found}, expected {}", row[key]));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let long = rows.iter().filter(|row| {
        let ids = row["hugging_face"].as_array().unwrap();
        ids.len() == 77 && ids[76] == 49407
    });
    assert!(long.count() >= 10, "texts that are cut keep their end");
}

#[test]
fn a_released_clip_is_a_model_of_regions() {
    let config = |name: &str, size: usize| ClipConfig {
        weights: golden(name),
        descriptions: Descriptions::Templates(vec!["a photo of a {}".into(), "It's a {}!".into()]),
        size,
        normalise: true,
    };
    let classes = ["dog".to_string(), "bird".to_string(), "sofa".to_string()];
    let picture = decode(&golden("picture.png"), Exif::Applied).unwrap();
    for (name, size, grid, width) in [
        ("vit-quick", 32, (3, 4), 16),
        ("convnext-mlp", 0, (2, 3), 12),
    ] {
        let model = ClipRegions::new(&config(name, size), &classes).unwrap();
        let text = model.text();
        assert_eq!((text.classes, text.descriptions), (3, 2));
        assert_eq!((text.values.rows(), text.values.columns()), (6, width));
        let released = open(name);
        let ids = released.tokenizer.encode("It's a bird!").unwrap();
        let row = released.model.text(&ids);
        assert_eq!(&text.values.values()[3 * width..4 * width], row.values());
        let dense = model.dense(&picture);
        assert_eq!((dense.height, dense.width), grid, "{name}");
        assert_eq!(model.embed(&dense.data).columns(), width);
        assert!((model.logit_scale() - 3f32.exp()).abs() < 1e-3);
        let raw = ClipConfig {
            normalise: false,
            ..config(name, size)
        };
        let raw = ClipRegions::new(&raw, &classes).unwrap().dense(&picture);
        assert_ne!(
            raw.data.values(),
            dense.data.values(),
            "normalise has an effect"
        );
    }
}

#[test]
fn descriptions_may_be_a_class_s_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("texts.json");
    std::fs::write(
        &file,
        r#"{"dog": ["It barks.", "four legs"], "bird": ["It sings.", "two legs"]}"#,
    )
    .unwrap();
    let config = ClipConfig {
        weights: golden("vit-quick"),
        descriptions: Descriptions::File(file),
        size: 32,
        normalise: true,
    };
    let regions = ClipRegions::new(&config, &["bird".into(), "dog".into()]).unwrap();
    let text = regions.text();
    assert_eq!((text.classes, text.descriptions), (2, 2));
    let released = open("vit-quick");
    for (row, text_of_it) in ["It sings.", "two legs", "It barks.", "four legs"]
        .iter()
        .enumerate()
    {
        let ids = released.tokenizer.encode(text_of_it).unwrap();
        let alone = released.model.text(&ids);
        let width = alone.columns();
        assert_eq!(
            &text.values.values()[row * width..][..width],
            alone.values()
        );
    }
}

// --- the command
// --------------------------------------------------------------------------------------------

fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs `harness clip` on a folder and an image; both texts are prompts.
fn clip(folder: &Path, image: &Path) -> Output {
    let (folder, image) = (folder.to_str().unwrap(), image.to_str().unwrap());
    harness(&[
        "clip",
        folder,
        "--image",
        image,
        "--text",
        "a photo of a dog",
        "--text",
        "",
    ])
}

#[test]
fn parity_of_the_command() {
    let expected = Expected::read();
    let picture = golden("picture.png");
    let picture = picture.to_str().unwrap();
    for name in MODELS {
        let mut arguments = vec!["clip".to_string(), golden(name).display().to_string()];
        for text in prompts() {
            arguments.extend(["--text".to_string(), text]);
        }
        // The same image twice: two blocks.
        arguments.extend(["--image", picture, "--image", picture].map(String::from));
        let output = harness(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let count = prompts().len();
        assert_eq!(lines.len(), 2 * (2 + count), "{text}");
        let logits = &expected.0[&format!("{name}.logits")];
        let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
        for block in lines.chunks(2 + count) {
            assert_eq!(block[0], picture);
            for (line, logit) in block[2..].iter().zip(logits) {
                let mut numbers = line
                    .split_whitespace()
                    .map(|word| word.parse::<f32>().unwrap());
                let (found, probability) = (numbers.next().unwrap(), numbers.next().unwrap());
                assert!((found - logit).abs() < 1e-4, "{name}: {found}, {logit}");
                assert!(
                    (probability - logit.exp() / sum).abs() < 1e-4,
                    "{name}: {line}"
                );
            }
        }
    }
}

/// A copy of a golden folder, to be damaged.
fn copy(name: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(golden(name)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// Panics unless the command was refused with all `parts` in its message.
#[track_caller]
fn refused(output: &Output, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(output.stdout.is_empty(), "nothing is printed");
    assert!(!text.contains("panicked"), "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// Replaces `file` in a copy of `name` by `content`, and expects a refusal that names it.
#[track_caller]
fn refused_with(name: &str, file: &str, content: &[u8], parts: &[&str]) {
    let folder = copy(name);
    std::fs::write(folder.path().join(file), content).unwrap();
    let output = clip(folder.path(), &golden("picture.png"));
    refused(&output, &[&[file], parts].concat());
}

#[test]
fn damaged_weights_are_refused() {
    for (name, file) in [
        ("vit-quick", "model.safetensors"),
        ("vit-gelu", "model-00002-of-00002.safetensors"),
        ("convnext-mlp", "open_clip_model.safetensors"),
    ] {
        let whole = std::fs::read(golden(name).join(file)).unwrap();
        let not_whole = ["not a complete safetensors file"];
        for length in [0, 5, 100, whole.len() / 2, whole.len() - 1] {
            refused_with(name, file, &whole[..length], &not_whole);
        }
        let mut corrupt = whole.clone();
        corrupt[..8].fill(0xff);
        refused_with(name, file, &corrupt, &not_whole);
        let mut corrupt = whole;
        corrupt[8..40].fill(b'?');
        refused_with(name, file, &corrupt, &not_whole);
    }
}

/// The weights of `vit-quick` without two arrays, with an extra one, one of another shape, one of another
/// type, and a counter of older files.
fn misfits() -> Vec<u8> {
    let bytes = std::fs::read(golden("vit-quick").join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut arrays: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
    arrays.remove("visual_projection.weight").unwrap();
    arrays
        .remove("text_model.encoder.layers.1.self_attn.k_proj.bias")
        .unwrap();
    let four = [0; 16];
    let small = TensorView::new(Dtype::F32, vec![2, 2], &four).unwrap();
    arrays.insert("text_projection.weight".into(), small.clone());
    arrays.insert("vision_model.head.weight".into(), small);
    let integers = TensorView::new(Dtype::I32, vec![], &four[..4]).unwrap();
    arrays.insert("logit_scale".into(), integers);
    let counter = TensorView::new(Dtype::I64, vec![1, 2], &four).unwrap();
    arrays.insert("text_model.embeddings.position_ids".into(), counter);
    safetensors::serialize(arrays, None).unwrap()
}

#[test]
fn arrays_that_do_not_fit_are_all_listed() {
    refused_with(
        "vit-quick",
        "model.safetensors",
        &misfits(),
        &[
            "`visual_projection.weight` [16, 32] is missing",
            "`text_model.encoder.layers.1.self_attn.k_proj.bias` [24] is missing",
            "`text_projection.weight` is [2, 2], must be [16, 24]",
            "`vision_model.head.weight` is unexpected",
            "`logit_scale` is I32, must be F32, F16, BF16 or F64",
        ],
    );
}

/// The exit code and the output of `harness weights inspect` for a folder.
fn inspected(folder: &Path) -> (Option<i32>, String) {
    let output = harness(&["weights", "inspect", folder.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.is_empty(), "{text}");
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn an_inspection_lists_every_array_and_its_parameter() {
    for (name, file, lines) in [
        (
            "vit-quick",
            "model.safetensors",
            [
                "text_model.encoder.layers.1.self_attn.k_proj.bias  F32  [24]  -> transformer.resblocks.1.attn.in_proj_bias",
                "visual_projection.weight  F32  [16, 32]  -> visual.proj",
            ],
        ),
        (
            "convnext-mlp",
            "open_clip_model.safetensors",
            [
                "logit_scale  F32  []  -> logit_scale",
                "visual.trunk.stem.0.bias  F32  [8]  -> visual.trunk.stem.0.bias",
            ],
        ),
    ] {
        let folder = copy(name);
        // The command does not read tokens and preprocessing.
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let kept = [file, "config.json", "open_clip_config.json"];
            if !kept.iter().any(|kept| path.ends_with(kept)) {
                std::fs::remove_file(path).unwrap();
            }
        }
        let (code, listing) = inspected(folder.path());
        assert_eq!(code, Some(0), "{listing}");
        for line in lines {
            assert!(
                listing.lines().any(|found| found == line),
                "{line}: {listing}"
            );
        }
        let bytes = std::fs::read(folder.path().join(file)).unwrap();
        let count = SafeTensors::deserialize(&bytes).unwrap().len();
        assert_eq!(listing.lines().count(), count + 1, "{listing}");
        let summary = listing.lines().last().unwrap();
        let parts = [
            format!("{file}: {count} arrays with "),
            "; 0 missing".into(),
        ];
        assert!(summary.contains(&parts[0]), "{summary}");
        assert!(summary.ends_with(&parts[1]), "{summary}");
    }
    for name in ["vit-gelu", "convnext-linear"] {
        let (code, listing) = inspected(&golden(name));
        assert_eq!(code, Some(0), "{listing}");
    }
}

#[test]
fn an_inspection_lists_what_does_not_fit() {
    let folder = copy("vit-quick");
    std::fs::write(folder.path().join("model.safetensors"), misfits()).unwrap();
    let (code, listing) = inspected(folder.path());
    assert_eq!(code, Some(2), "{listing}");
    for line in [
        "visual_projection.weight  missing  [16, 32]",
        "text_model.encoder.layers.1.self_attn.k_proj.bias  missing  [24]",
        "text_model.embeddings.position_ids  I64  [1, 2]  ignored: 0, 1, 2, ...",
        "text_projection.weight  F32  [2, 2]  does not fit text_projection: is [2, 2], must be [16, 24]",
        "logit_scale  I32  []  does not fit logit_scale: is I32, must be F32, F16, BF16 or F64",
        "vision_model.head.weight  F32  [2, 2]  unexpected",
    ] {
        assert!(
            listing.lines().any(|found| found == line),
            "{line}: {listing}"
        );
    }
    assert!(
        listing.contains("1 ignored, 2 of the wrong shape or type, 1 unexpected; 2 missing"),
        "{listing}"
    );
}

#[test]
fn wrong_configurations_are_refused() {
    let hugging_face = std::fs::read_to_string(golden("vit-quick").join("config.json")).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(hugging_face.contains(from), "{from}");
        hugging_face.replace(from, to).into_bytes()
    };
    let clip_to_bert = changed(r#""model_type": "clip","#, r#""model_type": "bert","#);
    refused_with(
        "vit-quick",
        "config.json",
        &clip_to_bert,
        &["`bert`", "`clip`"],
    );
    refused_with("vit-quick", "config.json", b"{", &["not JSON"]);
    refused_with("vit-quick", "config.json", b"[1]", &["not a JSON object"]);
    let width = changed(r#""hidden_size": 32"#, r#""hidden_size": 30"#);
    refused_with(
        "vit-quick",
        "config.json",
        &width,
        &[
            "hidden_size: 30 does not fit",
            "multiples of 4 (`num_attention_heads`)",
        ],
    );
    let width = changed(r#""hidden_size": 32"#, r#""hidden_size": 4000000"#);
    refused_with(
        "vit-quick",
        "config.json",
        &width,
        &["hidden_size: 4000000 is out of range"],
    );
    let layers = changed(
        r#""num_hidden_layers": 2"#,
        r#""num_hidden_layers": 9999999"#,
    );
    refused_with(
        "vit-quick",
        "config.json",
        &layers,
        &["num_hidden_layers: 9999999 is out of range"],
    );
    let vocabulary = changed(r#""vocab_size": 565"#, r#""vocab_size": 56"#);
    refused_with(
        "vit-quick",
        "config.json",
        &vocabulary,
        &["token_embedding"],
    );
    let preprocess = "preprocessor_config.json";
    refused_with(
        "vit-quick",
        preprocess,
        br#"{"resample": 9}"#,
        &["resample", "9"],
    );
    refused_with("vit-quick", "vocab.json", b"{}", &["<|startoftext|>"]);
    refused_with("vit-quick", "merges.txt", b"a\n", &["`a` is not a pair"]);

    let file = "open_clip_config.json";
    refused_with("convnext-mlp", file, b"{}", &["no model_cfg"]);
    let open_clip = std::fs::read_to_string(golden("convnext-mlp").join(file)).unwrap();
    let resnet = open_clip.replace("convnext_golden", "resnet50");
    refused_with(
        "convnext-mlp",
        file,
        resnet.as_bytes(),
        &["`resnet50`", "`convnext_*`"],
    );
    let packed = "bpe_simple_vocab_16e6.txt.gz";
    refused_with("convnext-mlp", packed, b"no gzip", &["not a gzip file"]);

    let empty = tempfile::tempdir().unwrap();
    let output = clip(empty.path(), &golden("picture.png"));
    refused(&output, &["config.json", "open_clip_config.json"]);
    refused(
        &clip(Path::new("no/such/folder"), &golden("picture.png")),
        &["no/such/folder"],
    );
}

#[test]
fn images_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.png");
    std::fs::write(&text, "no image").unwrap();
    let whole = std::fs::read(golden("picture.png")).unwrap();
    let half = folder.path().join("half.png");
    std::fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    let missing = folder.path().join("missing.png");
    for path in [text, half, missing] {
        let name = path.file_name().unwrap().to_str().unwrap();
        refused(
            &clip(&golden("vit-quick"), &path),
            &[name, "cannot be decoded"],
        );
    }
    let dot = folder.path().join("dot.png");
    image::RgbImage::new(1, 1).save(&dot).unwrap();
    refused(
        &clip(&golden("vit-quick"), &dot),
        &["dot.png", "1 x 1 pixels"],
    );
}

#[test]
fn a_recipe_may_name_a_released_clip() {
    let table = |weights: &str| {
        format!(
            "method.correction.vlm={{ name = \"clip\", weights = {weights:?}, descriptions = [\"a photo of a {{}}\"], size = 32, normalise = true }}"
        )
    };
    let folder = golden("vit-quick");
    let plan = |set: &str| harness(&["plan", "recipes/smoke.toml", "--set", set]);
    let output = plan(&table(folder.to_str().unwrap()));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}");
    // A plan needs no file; a run does.
    let output = plan(&table("no/such"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let missing = |path: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        path.display().to_string()
    };
    let no_folder = missing("no/such");
    let needed = format!("a run also needs method.correction.vlm.weights: no folder `{no_folder}`");
    assert!(text.contains(&needed), "{text}");
    let file = [
        "--set",
        "method.correction.vlm.descriptions='no/texts.json'",
    ];
    let known = table(folder.to_str().unwrap());
    let output = harness(&[&["plan", "recipes/smoke.toml", "--set", &known][..], &file].concat());
    let text = String::from_utf8_lossy(&output.stderr);
    let no_file = missing("no/texts.json");
    let needed =
        format!("a run also needs method.correction.vlm.descriptions: no file `{no_file}`");
    assert!(text.contains(&needed), "{text}");
    let out = tempfile::tempdir().unwrap();
    // A file that lacks classes is refused before anything runs.
    let texts = out.path().join("texts.json");
    std::fs::write(&texts, r#"{"dog": ["a dog"]}"#).unwrap();
    let file = format!("method.correction.vlm.descriptions={texts:?}");
    let out = out.path().to_str().unwrap();
    let sweep = [
        "sweep",
        "recipes/smoke.toml",
        "--out",
        out,
        "--set",
        &known,
        "--set",
        &file,
    ];
    let parts = [
        "method.correction.vlm.descriptions",
        "texts.json",
        "is missing",
    ];
    refused(&harness(&sweep), &parts);
    let set = table("no/such");
    let sweep = ["sweep", "recipes/smoke.toml", "--out", out, "--set", &set];
    refused(
        &harness(&sweep),
        &["method.correction.vlm.weights", "no/such"],
    );
}
