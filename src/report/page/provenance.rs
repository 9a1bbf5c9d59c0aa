//! The origin of the results: runs, stages, crates, local changes, and how to make them again.

use super::coded::coded;
use super::content::{Report, Run};
use super::download::copied;
use super::frame::Section;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The last section.
pub fn section(report: &Report) -> Section {
    let mut told = BTreeSet::new();
    let body = html! {
        @if report.runs.is_empty() {
            p { "No file of a run (" code { "run-*.json" } ") lies in the folder." }
        }
        @for (index, run) in report.runs.iter().enumerate() {
            (self::run(index, run, &mut told))
        }
        h2 { "This file" }
        dl class="facts" {
            dt { "written by" }
            dd { "harness " (report.version) }
            dt { "records" }
            dd {
                @match &report.digest {
                    Some(digest) => {
                        "The element " code { "records" } " at the end of this page has the lines of " code { "records.jsonl" }
                        ". BLAKE3 of the file: " code { (digest) }
                    }
                    None => {
                        "There is no " code { "records.jsonl" } " in the folder."
                    }
                }
            }
        }
    };
    Section {
        id: "provenance".into(),
        title: "Provenance".into(),
        level: 1,
        body,
    }
}

/// The last lines of the journal of a failed trial behind a fold.
pub fn log(lines: &[String]) -> Markup {
    html! {
        @if !lines.is_empty() {
            details {
                summary { "Last lines of its journal" }
                pre { "\n" (lines.join("\n")) }
            }
        }
    }
}

/// The link of a trial to one of its stages.
pub fn stage_link(key: &str) -> Markup {
    let kind = key.rsplit_once('-').map_or(key, |(kind, _)| kind);
    html! { a href=(format!("#stage-{key}")) title=(key) { (kind) } }
}

/// A run. Stages of several runs have one id: that of the first run, so their keys are added to `told`.
fn run<'a>(index: usize, run: &'a Run, told: &mut BTreeSet<&'a str>) -> Markup {
    html! {
        h2 { "Recipe " (run.recipe) }
        dl class="facts" {
            @for (name, value) in &run.facts {
                dt { (coded(name)) }
                dd { (value) }
            }
        }
        (copied(&format!("command-{index}"), "Make it again", "the commands", &run.command))
        @if !run.stages.is_empty() {
            details {
                summary { "Stages (" (run.stages.len()) ")" }
                div class="wide" tabindex="0" role="region" aria-label="Stages" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "stage" }
                                th scope="col" { "state" }
                                th scope="col" { "machine" }
                                th scope="col" class="number" { "trials" }
                            }
                        }
                        tbody {
                            @for stage in &run.stages {
                                @let id = told.insert(&stage.key).then(|| format!("stage-{}", stage.key));
                                tr id=[id] {
                                    th scope="row" { (stage.title) }
                                    td { (stage.state) }
                                    td { (stage.machine) }
                                    td class="number" { (stage.trials) }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !run.crates.is_empty() {
            details {
                summary { "Crates (" (run.crates.len()) ")" }
                p class="crates" {
                    @for (name, version) in &run.crates { code { (name) " " (version) } " " }
                }
            }
        }
        @for (place, (name, text)) in run.files.iter().enumerate() {
            (copied(&format!("file-{index}-{place}"), name, "the file", text))
        }
    }
}
