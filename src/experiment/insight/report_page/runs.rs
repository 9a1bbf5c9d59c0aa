//! The runs that made a results folder.

use super::super::choice::Results;
use super::super::sections::state;
use crate::experiment::outlook::standing::StageState;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::program::commit_text;
use crate::experiment::store::root::Store;
use crate::report::page::{Run, StageLine};
use crate::screen::counted;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the environments of stages tell besides processor, crates and commits: their keys, and titles for people.
const TOLD: [(&str, &str); 4] = [
    ("gpus", "GPUs"),
    ("driver", "driver of the GPUs"),
    (
        "code-version",
        "version of the computations (`CODE_VERSION`)",
    ),
    ("build", "BLAKE3 of the program's file"),
];

/// The runs, by the names of their recipes, and the warnings about them.
pub fn runs(results: &Results) -> (Vec<Run>, Vec<String>) {
    let mut warnings = Vec::new();
    let mut all = Vec::new();
    for path in files(&results.path) {
        let text = std::fs::read(&path).unwrap_or_default();
        match serde_json::from_slice::<Map<String, Value>>(&text) {
            Ok(facts) => all.push(facts),
            Err(error) => warnings.push(format!("left out `{}`: {error}", shown(&path))),
        }
    }
    for facts in &all {
        if facts.get("changed") == Some(&Value::Bool(true)) {
            warnings.push(format!(
                "the repository of the recipe `{}` had local changes that no commit holds",
                recipe(facts)
            ));
        }
    }
    warnings.extend(commits(results, &all));
    warnings.extend(machines(&all));
    let mut runs: Vec<Run> = all.iter().map(run).collect();
    for plan in &results.plans {
        let known = runs.iter().position(|run| run.recipe == plan.recipe);
        let place = known.unwrap_or_else(|| {
            runs.push(Run {
                origin: plan.program.as_ref().map(|program| {
                    let recipe = plan.commit.as_deref().unwrap_or("unknown");
                    format!(
                        "program of commit {}; recipe of commit {recipe}.",
                        program.text()
                    )
                }),
                ..of(&plan.recipe)
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

/// A run of `recipe` of which no file tells.
pub fn of(recipe: &str) -> Run {
    Run {
        recipe: recipe.to_string(),
        command: command(recipe, &Map::new()),
        ..Run::default()
    }
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
    let recipe = recipe(facts);
    let others = facts.iter().filter(|(name, _)| *name != "recipe");
    Run {
        command: command(&recipe, facts),
        origin: origin(facts),
        recipe,
        facts: others
            .map(|(name, value)| (titled(name), text(value)))
            .collect(),
        ..Run::default()
    }
}

/// The name of the recipe of a run.
fn recipe(facts: &Map<String, Value>) -> String {
    facts.get("recipe").map_or(String::new(), words)
}

/// The name of a fact for people.
fn titled(name: &str) -> String {
    match name {
        "changed" => "local changes".to_string(),
        "ended" => "ended (UTC)".to_string(),
        other => other.replace('_', " "),
    }
}

/// The commit of the program of a run, with its local changes in words; none if its file does not tell it. Files of
/// earlier programs have one commit for both.
fn program(facts: &Map<String, Value>) -> Option<String> {
    let own = facts.get("program").and_then(Value::as_object);
    let own = own.unwrap_or(facts);
    let changed = own.get("changed") == Some(&Value::Bool(true));
    Some(commit_text(Some(own.get("commit")?.as_str()?), changed))
}

/// The machine of a run; none if its file does not tell it.
fn machine(facts: &Map<String, Value>) -> Option<String> {
    let (cpu, cores) = (
        facts.get("cpu")?.as_str()?,
        facts.get("cores").and_then(Value::as_u64),
    );
    Some(cores.map_or(cpu.to_string(), |cores| {
        format!("{cpu}, {}", counted(cores as usize, "core"))
    }))
}

/// The origin of a run in a sentence; none if its file tells nothing of it.
fn origin(facts: &Map<String, Value>) -> Option<String> {
    let source = |of: &Map<String, Value>| {
        let commit = of.get("commit")?.as_str()?;
        let changed = of.get("changed").map_or("unknown".to_string(), words);
        Some(format!("commit {commit}, local changes: {changed}"))
    };
    let own = facts
        .get("program")
        .and_then(Value::as_object)
        .and_then(source);
    let own = own.map(|own| format!("program of {own}"));
    let recipe = source(facts).map(|source| match own {
        Some(_) => format!("recipe of {source}"),
        None => source,
    });
    let ended = facts.get("ended").and_then(Value::as_str);
    let ended = ended.map(|ended| {
        let date = ended.split('T').next().unwrap_or_default();
        format!("ended on {date} (UTC)")
    });
    let parts: Vec<String> = [own, recipe, machine(facts), ended]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then(|| parts.join("; ") + ".")
}

/// The values, each with the names that have it, if there are several values.
fn differing(pairs: impl Iterator<Item = (String, String)>) -> Option<String> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (value, name) in pairs {
        let known = names.entry(value).or_default();
        if !known.contains(&name) {
            known.push(name);
        }
    }
    let word =
        |(value, names): (&String, &Vec<String>)| format!("{value} (`{}`)", names.join("`, `"));
    let words: Vec<String> = names.iter().map(word).collect();
    (words.len() > 1).then(|| words.join("; "))
}

/// The warning about results of several programs. Records of earlier programs do not tell theirs: for these, the files
/// of the runs of their recipes do.
fn commits(results: &Results, runs: &[Map<String, Value>]) -> Option<String> {
    let told = results.records.iter().filter_map(|record| {
        let commits = record.commits.as_ref()?;
        Some((commits.program.clone(), record.recipe.clone()))
    });
    let is_silent = |facts: &&Map<String, Value>| {
        let recipe = recipe(facts);
        let mut records = results.records.iter();
        records.any(|record| record.commits.is_none() && record.recipe == recipe)
    };
    let of_runs = runs.iter().filter(is_silent);
    let of_runs = of_runs.filter_map(|facts| Some((program(facts)?, recipe(facts))));
    let found = differing(told.chain(of_runs))?;
    Some(format!(
        "programs of several commits made the results: {found}"
    ))
}

/// The warning about runs on several machines.
fn machines(runs: &[Map<String, Value>]) -> Option<String> {
    let machines = runs
        .iter()
        .filter_map(|facts| Some((machine(facts)?, recipe(facts))));
    let found = differing(machines)?;
    Some(format!("the runs were on several machines: {found}"))
}

/// A value without the quotes of a text, and seconds with one decimal.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.1}", number.as_f64().unwrap_or_default())
        }
        Value::Bool(true) => "yes".to_string(),
        Value::Bool(false) => "no".to_string(),
        Value::Null => "unknown".to_string(),
        Value::Object(parts) => {
            let word =
                |(name, value): (&String, &Value)| format!("{}: {}", titled(name), words(value));
            let words: Vec<String> = parts.iter().map(word).collect();
            words.join(", ")
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

/// The processor and the GPUs of an environment; empty if it tells none.
fn hardware(environment: &Value) -> String {
    let gpus = environment["gpus"].as_array().into_iter().flatten();
    let parts = [&environment["cpu"]].into_iter().chain(gpus);
    let parts: Vec<&str> = parts.filter_map(Value::as_str).collect();
    parts.join(", ")
}

/// Adds the stages of the plan with their states, the crates, and the local changes. Returns the processors, each once.
fn add_stages(run: &mut Run, store: &Store, plan: &FrozenPlan) -> Vec<String> {
    let mut processors: Vec<String> = Vec::new();
    let mut told = TOLD.map(|(key, title)| (key, title, Vec::new()));
    for entry in &plan.stages {
        let folder = store.stage(&entry.key);
        let text = std::fs::read(folder.environment()).unwrap_or_default();
        let environment: Value = serde_json::from_slice(&text).unwrap_or_default();
        run.stages.push(StageLine {
            key: entry.key.to_string(),
            title: entry.title.clone(),
            state: state(&StageState::of(store, entry)),
            machine: hardware(&environment),
            trials: entry.trials,
        });
        if let Some(cpu) = environment["cpu"]
            .as_str()
            .filter(|cpu| processors.iter().all(|one| one != cpu))
        {
            processors.push(cpu.to_string());
        }
        for (key, _, values) in &mut told {
            let value = &environment[*key];
            let single = std::slice::from_ref(value);
            let parts = value.as_array().map_or(single, Vec::as_slice);
            for part in parts.iter().filter(|part| !part.is_null()).map(words) {
                if !values.contains(&part) {
                    values.push(part);
                }
            }
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
    let told = told.into_iter().filter(|(_, _, values)| !values.is_empty());
    let told = told.map(|(_, title, values)| (title.to_string(), values.join("; ")));
    run.facts.extend(told);
    processors
}
