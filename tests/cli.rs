//! Bad input to the program: exit code 2 before any training, one clear message, no panic, and earlier
//! results unchanged.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn harness(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the smoke recipe with `arguments` into a folder with earlier results. It must be refused with all
/// `parts` in the message.
fn refused(arguments: &[&str], parts: &[&str]) {
    refused_recipe("recipes/smoke.toml", arguments, parts);
}

fn refused_recipe(recipe: &str, arguments: &[&str], parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("modules.csv");
    std::fs::write(&table, "earlier results").unwrap();
    let out = folder.path().to_str().unwrap();
    let output = harness(&[&["sweep", recipe, "--out", out], arguments].concat());
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        !text.contains("panicked") && !text.contains("backtrace"),
        "{text}"
    );
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert_eq!(std::fs::read_to_string(&table).unwrap(), "earlier results");
    assert!(
        !folder.path().join("records.jsonl").exists(),
        "nothing was run"
    );
}

/// A recipe with sweeps in folders of their own.
struct Recipe {
    folder: TempDir,
}

impl Recipe {
    /// `recipe` extends the smoke recipe; `sweeps` are names and contents.
    fn new(recipe: &str, sweeps: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["recipes", "sweeps"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let smoke = Path::new("recipes/smoke.toml").canonicalize().unwrap();
        let text = format!("extends = {:?}\n{recipe}", smoke.to_str().unwrap());
        std::fs::write(folder.path().join("recipes/own.toml"), text).unwrap();
        for (name, text) in sweeps {
            std::fs::write(folder.path().join(format!("sweeps/{name}.toml")), text).unwrap();
        }
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("recipes/own.toml")
    }

    fn refused(&self, parts: &[&str]) {
        refused_recipe(self.file().to_str().unwrap(), &[], parts);
    }
}

#[test]
fn an_unknown_key_is_placed_and_a_near_one_proposed() {
    refused(
        &["--set", "train.stepz=3"],
        &["train.stepz", "did you mean `train.steps`?"],
    );
    let recipe = Recipe::new("[train]\nstepz = 3\n", &[]);
    recipe.refused(&["own.toml:3:1", "train.stepz", "did you mean `train.steps`?"]);
}

#[test]
fn a_wrong_type_is_reported_with_the_key() {
    refused(
        &["--set", "train.steps=\"many\""],
        &["train.steps", "many", "a whole number"],
    );
    let recipe = Recipe::new("[train]\nsteps = \"many\"\n", &[]);
    recipe.refused(&["own.toml:3:9", "train.steps", "many"]);
}

#[test]
fn a_value_out_of_range_is_reported_with_what_is_allowed() {
    refused(
        &["--set", "split.labelled=1.5"],
        &["split.labelled", "1.5 is out of range", "at most 1"],
    );
    refused(
        &["--set", "train.drop=-0.5"],
        &["train.drop", "-0.5 is out of range; allowed: 0 to 1"],
    );
    refused(
        &["--set", "model.loss.points=0"],
        &["model.loss.points", "0 is out of range; allowed: 1 to "],
    );
    refused(
        &["--set", "method.burn-in=160"],
        &["method.burn-in", "160", "train.steps"],
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let arguments = [
        "--set",
        "train.clip=0.0",
        "--set",
        "model.loss.oversample=0.5",
    ];
    refused(
        &arguments,
        &["train.clip", "model.loss.oversample", "2 errors"],
    );
}

#[test]
fn an_unknown_component_lists_the_known_ones() {
    let set = "method.filter={ name = \"otsu\" }";
    let recipe = Recipe::new("sweeps = []\n", &[]);
    let parts = [
        "method.filter.name",
        "otsu",
        "`coupled`, `decoupled`, `adaptive`",
    ];
    refused_recipe(recipe.file().to_str().unwrap(), &["--set", set], &parts);
}

#[test]
fn a_missing_sweep_or_recipe_is_named() {
    Recipe::new("sweeps = [\"absent\"]\n", &[]).refused(&[
        "own.toml:2:",
        "absent.toml",
        "no such file",
    ]);
    refused_recipe(
        "recipes/smoky.toml",
        &[],
        &["recipes/smoky.toml", "did you mean `smoke.toml`?"],
    );
}

#[test]
fn missing_or_foreign_weights_are_named() {
    refused(
        &["--set", "model.backbone.weights=nowhere.safetensors"],
        &["model.backbone.weights", "nowhere.safetensors"],
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.safetensors");
    std::fs::write(&path, "not weights").unwrap();
    let set = format!("model.backbone.weights={}", path.display());
    refused(
        &["--set", &set],
        &["model.backbone.weights", "text.safetensors"],
    );
}

#[test]
fn a_split_that_cannot_be_is_refused_before_training() {
    refused(
        &["--set", "split.labelled=0.001"],
        &["split.labelled", "no labelled image"],
    );
    refused(
        &["--set", "split.labelled=0.02"],
        &["split.min-instances = 1", "not reached"],
    );
}

#[test]
fn missing_images_are_named() {
    refused_recipe(
        "recipes/coco-mini.toml",
        &["--set", "data.root=nowhere"],
        &["nowhere"],
    );
}

#[test]
fn a_results_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    let inside = file.join("results");
    let output = harness(&[
        "sweep",
        "recipes/smoke.toml",
        "--out",
        inside.to_str().unwrap(),
    ]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("cannot write into the results folder") && text.contains("file"),
        "{text}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
}

#[test]
fn wrong_arguments_end_with_code_2() {
    for arguments in [
        &["sweep"][..],
        &["swep", "x"],
        &["sweep", "x", "--workers", "0"],
    ] {
        assert_eq!(harness(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(harness(&["--help"]).status.code(), Some(0));
}

#[test]
fn a_device_that_cannot_be_had_is_refused_with_its_reason() {
    refused(
        &["--device", "gpu"],
        &["`gpu` is not a device", "auto, cpu, cuda"],
    );
    refused(&["--gpus", "0,0"], &["0 appears twice", "`0,1,3`"]);
    refused(&["--device", "cpu", "--gpus", "0"], &["cannot be used"]);
    refused(
        &["--set", "precision=\"bf17\""],
        &["precision", "unknown `bf17`; did you mean `bf16`?"],
    );
    let precise = ["--device", "cpu", "--set", "precision=\"bf16\""];
    refused(&precise, &["precision", "the CPU supports only \"f32\""]);
    // No machine has so many GPUs.
    refused(&["--device", "cuda:4000"], &["--device cuda:4000: "]);
    refused(&["--gpus", "4000,4001"], &["--gpus cuda:4000: "]);
}

#[test]
fn a_plan_lists_the_trials_and_runs_none() {
    let output = harness(&["plan", "recipes/smoke.toml", "--set", "seeds=[0, 1]"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for part in [
        "modules: PL-DC",
        "modules: - DICC",
        "modules: - all",
        "modules: 5 rows",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn a_plan_reports_what_a_run_will_need() {
    let output = harness(&[
        "plan",
        "recipes/paper-vs-released.toml",
        "--set",
        "data.root=nowhere",
    ]);
    let (text, notes) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr(&output),
    );
    assert_eq!(output.status.code(), Some(0), "{notes}");
    assert!(text.contains("released: the teacher is reported"), "{text}");
    // A path that is typed begins in the working folder, one in a recipe beside the recipe.
    let here = std::env::current_dir().unwrap();
    let here = here.display();
    let expected = format!(
        "note: a run also needs data.root: no folder `{here}/nowhere`\n\
         note: a run also needs method.correction.vlm.weights: no folder `{here}/weights/convnext_large_d_320`\n"
    );
    assert_eq!(notes, expected);
    let set = "model.backbone.weights=nowhere.safetensors";
    let output = harness(&["plan", "recipes/pl-dc-paper.toml", "--set", set]);
    assert_eq!(output.status.code(), Some(0));
    let expected = format!("no file `{here}/nowhere.safetensors`");
    assert!(stderr(&output).contains(&expected));
    let output = harness(&["plan", "recipes/pl-dc-paper.toml", "--set", "data.root=src"]);
    assert_eq!(
        output.status.code(),
        Some(2),
        "a folder without COCO is no missing folder"
    );
}

#[test]
fn a_recipe_finds_its_files_from_any_folder_and_a_tilde_is_the_home() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let recipes = Path::new("recipes").canonicalize().unwrap();
    let base = recipes.join("coco-mini.toml");
    let recipe = folder.join("own.toml");
    let notes = |text: &str, elsewhere: &Path, set: &str| {
        let text = format!("extends = {base:?}\nsweeps = []\n{text}");
        std::fs::write(&recipe, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.current_dir(elsewhere).env("HOME", "/home/nobody");
        command.arg("plan").arg(&recipe).args(["--set", set]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stderr(&output)
    };
    let (root, own) = (Path::new("/"), "[data]\nroot = 'pictures'\n");
    let beside = format!("no folder `{}/pictures`", folder.display());
    for elsewhere in [root, &folder, &recipes] {
        let notes = notes(own, elsewhere, "seeds=[0]");
        assert!(notes.contains(&beside), "{notes}");
    }
    let typed = notes(own, root, "data.root=pictures");
    assert!(typed.contains("no folder `/pictures`"), "{typed}");
    let home = "no folder `/home/nobody/pictures`";
    let typed = notes(own, root, "data.root=~/pictures");
    assert!(typed.contains(home), "{typed}");
    let written = notes("[data]\nroot = '~/pictures'\n", root, "seeds=[0]");
    assert!(written.contains(home), "{written}");
}

#[test]
fn a_path_that_the_working_folder_has_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let recipes = folder.path().join("recipes");
    std::fs::create_dir_all(&recipes).unwrap();
    std::fs::create_dir(folder.path().join("pictures")).unwrap();
    let base = Path::new("recipes/coco-mini.toml").canonicalize().unwrap();
    let text = format!("extends = {base:?}\nsweeps = []\n[data]\nroot = 'pictures'\n");
    std::fs::write(recipes.join("own.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.current_dir(folder.path());
    let output = command
        .args(["sweep", "recipes/own.toml"])
        .output()
        .unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("the working folder has `pictures`"), "{text}");
}

#[test]
fn a_trial_that_fails_costs_only_its_row() {
    let sweep = "question = \"Does it end well?\"\n\
                 [[each]]\nlabel = \"well\"\n\
                 [[each]]\nlabel = \"badly\"\nset.\"train.rate\" = 1e6\n";
    let recipe = Recipe::new("sweeps = [\"ends\"]\n", &[("ends", sweep)]);
    let out = recipe.folder.path().join("out");
    let file = recipe.file();
    let arguments = [
        "sweep",
        file.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    let output = harness(&arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("failed: badly, seed 0: the "), "{text}");
    let table = std::fs::read_to_string(out.join("ends.csv")).unwrap();
    let rows: Vec<&str> = table.lines().collect();
    assert!(
        rows[1].starts_with("well,1,") && rows[1].contains(",ok,"),
        "{table}"
    );
    assert!(
        rows[2].starts_with("badly,0,") && rows[2].contains("failed: the "),
        "{table}"
    );
    let record = std::fs::read_to_string(out.join("records.jsonl")).unwrap();
    assert!(record.contains("at step "), "the step is told: {record}");
}

#[test]
fn the_dataset_is_written_for_other_tools() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("scenes");
    let arguments = [
        "data",
        "export",
        "recipes/smoke.toml",
        "--out",
        out.to_str().unwrap(),
    ];
    let output = harness(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("140 images"));
    let again = harness(&arguments);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        stderr(&again).contains("exists already"),
        "{}",
        stderr(&again)
    );
}
