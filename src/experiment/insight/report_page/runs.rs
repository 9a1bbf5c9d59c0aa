//! The runs that made a results folder.

use super::super::choice::Results;
use super::super::sections::state;
use crate::experiment::outlook::standing::StageState;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::root::Store;
use crate::report::page::Run;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The runs, by the names of their recipes, and the warnings about them.
pub fn runs(results: &Results) -> (Vec<Run>, Vec<String>) {
    let mut warnings = Vec::new();
    let mut runs = Vec::new();
    for path in files(&results.path) {
        let text = std::fs::read(&path).unwrap_or_default();
        match serde_json::from_slice::<Map<String, Value>>(&text) {
            Ok(facts) => runs.push(run(&facts)),
            Err(error) => warnings.push(format!("left out `{}`: {error}", shown(&path))),
        }
    }
    for run in &runs {
        if run
            .facts
            .iter()
            .any(|(name, value)| name == "changed" && value == "true")
        {
            warnings.push(format!(
                "the repository of the recipe `{}` had local changes that no commit holds",
                run.recipe
            ));
        }
    }
    for plan in &results.plans {
        let known = runs.iter().position(|run| run.recipe == plan.recipe);
        let place = known.unwrap_or_else(|| {
            runs.push(Run {
                recipe: plan.recipe.clone(),
                command: command(&plan.recipe, &Map::new()),
                ..Run::default()
            });
            runs.len() - 1
        });
        if let Some(store) = &results.store {
            let processors = add_stages(&mut runs[place], store, plan);
            if processors.len() > 1 {
                warnings.push(format!(
                    "the stages of the recipe `{}` ran on several machines: {}",
                    plan.recipe,
                    processors.join(", ")
                ));
            }
        }
    }
    (runs, warnings)
}

/// The files of runs in the folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_run = |path: &PathBuf| {
        let name = shown(path);
        name.starts_with("run-") && name.ends_with(".json")
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_run).collect();
    files.sort();
    files
}

/// The name of a file.
fn shown(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn run(facts: &Map<String, Value>) -> Run {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "unknown".to_string(),
        Value::Array(list) => {
            let words: Vec<String> = list.iter().map(words).collect();
            words.join(", ")
        }
        other => words(other),
    };
    let recipe = facts.get("recipe").map_or(String::new(), words);
    let others = facts.iter().filter(|(name, _)| *name != "recipe");
    Run {
        command: command(&recipe, facts),
        recipe,
        facts: others
            .map(|(name, value)| (name.replace('_', " "), text(value)))
            .collect(),
        ..Run::default()
    }
}

/// A value without the quotes of a text, and seconds with one decimal.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.1}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

/// The commands that make the results of a run again.
fn command(recipe: &str, facts: &Map<String, Value>) -> String {
    let quoted = |word: &str| format!("'{}'", word.replace('\'', "'\\''"));
    let mut text = String::new();
    if let Some(commit) = facts.get("commit").and_then(Value::as_str) {
        text.push_str(&format!("git checkout {}\n", quoted(commit)));
    }
    text.push_str(&format!(
        "harness sweep {}",
        quoted(&format!("recipes/{recipe}.toml"))
    ));
    for set in facts
        .get("set")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        text.push_str(&format!(" --set {}", quoted(&words(set))));
    }
    text + "\n"
}

/// Adds the stages of the plan with their states, the crates, and the local changes. Returns the processors, each once.
fn add_stages(run: &mut Run, store: &Store, plan: &FrozenPlan) -> Vec<String> {
    let mut processors: Vec<String> = Vec::new();
    for entry in &plan.stages {
        let found = StageState::of(store, entry);
        run.stages
            .push((entry.title.clone(), state(&found), entry.trials));
        let folder = store.stage(&entry.key);
        let text = std::fs::read(folder.environment()).unwrap_or_default();
        let environment: Value = serde_json::from_slice(&text).unwrap_or_default();
        if let Some(cpu) = environment["cpu"]
            .as_str()
            .filter(|cpu| processors.iter().all(|one| one != cpu))
        {
            processors.push(cpu.to_string());
        }
        if let Some(crates) = environment["crates"]
            .as_object()
            .filter(|_| run.crates.is_empty())
        {
            run.crates = crates
                .iter()
                .map(|(name, version)| (name.clone(), words(version)))
                .collect();
        }
        if let Ok(diff) = std::fs::read(folder.diff()) {
            let diff = String::from_utf8_lossy(&diff).into_owned();
            if run.files.iter().all(|(_, text)| *text != diff) {
                run.files.push(("Local changes (diff.patch)".into(), diff));
            }
        }
    }
    processors
}
