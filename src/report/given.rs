//! What a table is made of: its head, and the records of its rows.

use super::metric::USUAL;
use super::record::Record;
use crate::metrics::{MatrixPlace, PaperColumn, RowDecision, RowGroup, UntilDecided};

/// The parts of a table besides its rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// The name of the sweep.
    pub name: String,
    /// The question that the table answers.
    pub question: String,
    /// The label of the row that the differences are computed against.
    pub reference: Option<String>,
    /// The place of the published numbers in the paper.
    pub paper: Option<PaperColumn>,
    /// The titles of the columns of the matrix of its rows, in order; empty if they stand in the order of the rows.
    pub columns: Vec<String>,
    /// Lines about the run: commit, seeds, machine. Only formats with room for them write them.
    pub provenance: Vec<String>,
    /// The rule of seeds until decided; none if their number is fixed.
    pub until: Option<UntilDecided>,
    /// The decisions of that rule that have fallen in earlier runs.
    pub decisions: Vec<RowDecision>,
}

impl Header {
    /// The metric of the paper's numbers: that of their column, or else the first of the table's `metrics`.
    pub(super) fn paper_metric<'a>(&'a self, metrics: &'a [String]) -> &'a str {
        let column = self.paper.as_ref().map(|paper| paper.column.as_str());
        let is_metric = |name: &&str| USUAL.contains(name) || metrics.iter().any(|one| one == name);
        column.filter(is_metric).unwrap_or(&metrics[0])
    }
}

/// The records of one row, one place per seed; none if not finished.
#[derive(Clone, Debug)]
pub struct RowRecords<'a> {
    /// The variant.
    pub label: &'a str,
    /// The number in the paper.
    pub paper: Option<f64>,
    /// The group that the row is compared in; none if the table has one reference or none.
    pub group: Option<&'a RowGroup>,
    /// The place in the matrix of the rows; none if the table has no such matrix.
    pub place: Option<&'a MatrixPlace>,
    /// The records, in the order of the seeds.
    pub records: Vec<Option<&'a Record>>,
}

impl RowRecords<'_> {
    /// The row with the records of its first `most` seeds.
    pub(super) fn first(&self, most: usize) -> Self {
        let most = most.min(self.records.len());
        Self {
            records: self.records[..most].to_vec(),
            ..self.clone()
        }
    }
}
