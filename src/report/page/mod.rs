//! One self-contained HTML page of a results folder: tables, figures, provenance and the raw records.
//!
//! The page needs no network, and its policy forbids every request. It is complete without JavaScript, which only adds
//! sorting, copying and the choice of what is shown. Every number of a table is the text of the other formats.
//! Nothing depends on the clock: the same folder gives the same bytes.

mod axes;
mod badly;
mod classes;
mod coded;
mod compared;
mod confusion;
mod confusion_change;
mod confusion_examples;
mod content;
mod curves;
mod download;
mod drawing;
mod errors;
mod forest;
mod frame;
mod gallery;
mod gallery_content;
mod head;
mod heat_map;
mod labels;
mod labels_by_class;
mod marks;
mod matrix;
mod provenance;
mod scale;
mod scatter;
mod settings;
mod snapshots;
mod snapshots_content;
mod snapshots_numbers;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod thin;
mod thresholds;
mod tide;
mod verdict;
mod views;

pub use content::{
    Analysed, AnalysedRow, ClassTable, ClassValues, HeatMap, LabelClass, LabelFlow, LabelWindow,
    Panel, Point, Report, Run, Scatter, SeedConfusions, SeedKinds, Series, Setting, SettingsTable,
    StageLine, Sweep, TrialLine, View,
};
pub use gallery_content::{Found, Gallery, GalleryComparison, GalleryPicture, Shape, Side, Strip};
pub use snapshots_content::{
    SnapshotCandidate, SnapshotImage, SnapshotPanel, SnapshotRow, SnapshotTier, Snapshots,
    UNCERTAIN,
};
pub use sweep::PENDING;
pub use views::{ClassLine, ShownPicture, ViewPart, ViewRow, Views, views_page};

use anyhow::Result;

/// The page of `report` as HTML.
///
/// # Errors
/// A table cannot be written as text.
pub fn render(report: &Report) -> Result<String> {
    let mut sections = vec![head::section(report)];
    for (index, one) in report.compared.iter().enumerate() {
        sections.push(compared::section(index, one)?);
    }
    for (index, one) in report.sweeps.iter().enumerate() {
        sections.extend(sweep::sections(index, one)?);
    }
    sections.push(provenance::section(report));
    let frame = frame::Frame {
        title: head::title(report),
        version: &report.version,
        records: &report.records,
        refresh: report.refresh,
    };
    Ok(frame::document(&frame, &sections))
}
