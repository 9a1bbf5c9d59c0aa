//! The head of the page: state, verdicts, warnings, and what is not shown.

use super::badly;
use super::coded::coded;
use super::content::Report;
use super::frame::Section;
use super::verdict;
use maud::{Markup, html};

/// The first section.
pub fn section(report: &Report) -> Section {
    let body = html! {
        p class="state" { (state(report)) }
        @for comparison in &report.compared {
            p class="compared" { (coded(&verdict::compared(comparison))) }
        }
        @for run in &report.runs {
            @if let Some(origin) = &run.origin {
                p class="origin" { "Recipe " code { (run.recipe) } ": " (origin) }
            }
        }
        @if !report.running.is_empty() {
            div class="running" {
                h2 { "Running" }
                pre { @for line in &report.running { (line) "\n" } }
                p class="note" {
                    "The page is written anew while work is left, and reads itself again unless you are using it."
                }
            }
        }
        @for (index, sweep) in report.sweeps.iter().enumerate() {
            @if let Some(view) = sweep.views.first() {
                div class="verdict" {
                    p {
                        a href=(format!("#sweep-{index}")) { strong { (view.table.header.name) } }
                        ": " (view.table.header.question)
                    }
                    p { (coded(&verdict::sentence(&view.table, sweep.seeds))) }
                }
            }
        }
        (badly::list(&report.sweeps))
        (list("Warnings", "warnings", &report.warnings))
        (list("Not shown", "missing", &report.missing))
        label class="script filter" {
            "Filter rows "
            input type="search" id="filter" placeholder="a part of a label";
        }
    };
    Section {
        id: "summary".into(),
        title: title(report),
        level: 1,
        body,
    }
}

/// The title of the page: the folder, or both folders of a comparison.
pub fn title(report: &Report) -> String {
    match &report.other {
        Some(other) => format!("{} compared with {other}", report.folder),
        None => format!("Report of {}", report.folder),
    }
}

fn state(report: &Report) -> String {
    let [finished, failed, planned] = report.trials;
    let left = planned.saturating_sub(finished + failed);
    let mut text = format!("{finished} of {planned} trials are finished");
    if failed > 0 {
        text.push_str(&format!(", {failed} failed"));
    }
    if left > 0 {
        text.push_str(&format!(
            ", {left} {} left. The tables are preliminary: rows may have different seeds",
            if left == 1 { "is" } else { "are" }
        ));
    }
    text + "."
}

fn list(title: &str, class: &str, lines: &[String]) -> Markup {
    html! {
        @if !lines.is_empty() {
            div class=(class) {
                h2 { (title) }
                ul {
                    @for line in lines {
                        li { (coded(line)) }
                    }
                }
            }
        }
    }
}
