//! The sections of a sweep.

use super::coded::coded;
use super::content::{Sweep, TrialLine};
use super::frame::Section;
use super::{
    classes, confusion, curves, errors, forest, gallery, labels, provenance, scatter, settings,
    snapshots, table, thresholds, verdict,
};
use crate::report::cell::number;
use anyhow::Result;
use maud::{Markup, html};

/// The state of a trial that has neither finished nor failed.
pub const PENDING: &str = "pending";

/// The sections of the sweep with this place in the report.
///
/// # Errors
/// A table cannot be written as text.
pub fn sections(index: usize, sweep: &Sweep) -> Result<Vec<Section>> {
    let Some(first) = sweep.views.first() else {
        return Ok(Vec::new());
    };
    let name = &first.table.header.name;
    let id = format!("sweep-{index}");
    let mut sections = vec![Section {
        id: id.clone(),
        title: name.clone(),
        level: 1,
        body: results(&id, sweep)?,
    }];
    let analysed = sweep.analysed.as_ref();
    let parts = [
        (
            "classes",
            "Classes",
            sweep.classes.as_ref().map(|one| classes::body(&id, one)),
        ),
        (
            "settings",
            "Settings that differ",
            sweep.settings.as_ref().map(settings::body),
        ),
        ("curves", "Learning curves", curves::body(&id, sweep)),
        ("labels", "Pseudo-labels", labels::body(&id, &sweep.labels)),
        (
            "snapshots",
            "Snapshots of pseudo-labels",
            sweep
                .snapshots
                .as_ref()
                .map(|one| snapshots::body(&id, one)),
        ),
        (
            "thresholds",
            "Thresholds by class",
            thresholds::body(&id, &sweep.maps, &sweep.fixed),
        ),
        (
            "scatter",
            "Scores against masks",
            analysed.map(|one| scatter::body(&id, one)),
        ),
        (
            "confusion",
            "Confused classes",
            analysed.map(|one| confusion::body(&id, one, sweep.gallery.as_ref())),
        ),
        (
            "errors",
            "Kinds of errors",
            analysed.map(|one| errors::body(&id, one)),
        ),
        (
            "gallery",
            "Gallery",
            sweep.gallery.as_ref().map(|one| gallery::body(&id, one)),
        ),
    ];
    for (part, title, body) in parts {
        if let Some(body) = body {
            sections.push(Section {
                id: format!("{id}-{part}"),
                title: format!("{title} ({name})"),
                level: 2,
                body,
            });
        }
    }
    Ok(sections)
}

/// The tables and forest plots, one pair for each metric.
fn results(id: &str, sweep: &Sweep) -> Result<Markup> {
    let first = &sweep.views[0].table;
    let mut views = Vec::new();
    let rows = format!("{id}-row");
    for (place, view) in sweep.views.iter().enumerate() {
        let id = format!("{id}-table-{place}");
        views.push(html! {
            div class="view" data-view=(place) hidden[place > 0] {
                (table::table(&id, view, &rows)?)
                (forest::figure(&id, view))
            }
        });
    }
    Ok(html! {
        p { (first.header.question) }
        p { (coded(&verdict::sentence(first, sweep.seeds))) }
        @if !first.header.provenance.is_empty() {
            p class="note" { (first.header.provenance.join("; ")) }
        }
        @if sweep.views.len() > 1 {
            label class="script" {
                "Differences and verdicts of "
                select class="metric" {
                    @for (place, view) in sweep.views.iter().enumerate() {
                        option value=(place) { (view.table.metric) }
                    }
                }
            }
        }
        @if sweep.trials.iter().any(|trial| trial.state == PENDING) {
            p class="note preliminary" {
                "Preliminary: trials are left, so rows may have different seeds. Differences are of the seeds that a row and \
                 its reference have both finished."
            }
        }
        @for line in &first.cautions {
            p class="note caution" { "May mislead: " (coded(line)) "." }
        }
        @for view in &views { (view) }
        @if !sweep.reasons.is_empty() {
            details open {
                summary { "In words" }
                dl class="reasons" {
                    @for (label, sentence) in &sweep.reasons {
                        dt { (label) }
                        dd { (coded(sentence)) }
                    }
                }
            }
        }
        (trials(&rows, &first.metric, &sweep.trials))
    })
}

/// The trials behind a fold. The first one of a row has an id with the beginning `rows`, to which the table leads.
fn trials(rows: &str, metric: &str, trials: &[TrialLine]) -> Markup {
    let has_stages = trials.iter().any(|trial| !trial.stages.is_empty());
    let is_first = |at: usize| at == 0 || trials[at - 1].row != trials[at].row;
    html! {
        details {
            summary { "Trials (" (trials.len()) ")" }
            div class="wide" tabindex="0" role="region" aria-label="Trials" {
                table {
                    thead {
                        tr {
                            th scope="col" { "variant" }
                            th scope="col" class="number" { "seed" }
                            th scope="col" class="number" { (metric) }
                            th scope="col" class="number" { "seconds" }
                            th scope="col" { "trial" }
                            @if has_stages { th scope="col" { "stages" } }
                            th scope="col" { "state" }
                        }
                    }
                    tbody {
                        @for (at, trial) in trials.iter().enumerate() {
                            tr id=[is_first(at).then(|| format!("{rows}-{}", trial.row))] {
                                th scope="row" { (trial.label) }
                                td class="number" { (trial.seed) }
                                td class="number" { (number(trial.value)) }
                                td class="number" { (trial.seconds.map_or(String::new(), |one| format!("{one:.1}"))) }
                                td { code { (trial.hash) } }
                                @if has_stages {
                                    td { @for key in &trial.stages { (provenance::stage_link(key)) " " } }
                                }
                                td { (trial.state) (provenance::log(&trial.log)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
