//! The analyses of a store: `analysis.json.gz` in a folder of its own beside those of the stages, named by the
//! evaluation that it belongs to.

use super::folder::StageFolder;
use super::root::Store;
use crate::atomic::{Durability, write_durably};
use crate::eval::analysis::Analysis;
use crate::experiment::settings::report::ReportConfig;
use crate::experiment::trial::key::StageKey;
use crate::recipe::content_hash;
use anyhow::Result;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::PathBuf;
use toml::Table;

/// The kind of the folders.
const KIND: &str = "analyse";
/// The version of the analyses: another one is made anew.
const VERSION: i64 = 2;
/// The number of hexadecimal digits in the name of a folder.
const DIGITS: usize = 20;

/// The place of the analysis of one evaluation.
pub struct AnalysisPlace {
    /// The folder.
    pub folder: StageFolder,
    path: PathBuf,
}

impl AnalysisPlace {
    /// The place of the analysis of the evaluation `evaluation` and the network `model`, which may not exist.
    /// `report`: what the recipe says about its analyses.
    pub fn new(store: &Store, evaluation: &StageKey, model: &str, report: &ReportConfig) -> Self {
        let similar = &report.similar;
        let mut reads = vec![
            ("needs".to_string(), evaluation.as_str().into()),
            ("model".to_string(), model.into()),
            ("version".to_string(), VERSION.into()),
        ];
        if !similar.is_empty() {
            reads.push(("similar".to_string(), similar.to_vec().into()));
        }
        if report.images > 0 {
            reads.push(("images".to_string(), (report.images as i64).into()));
        }
        let hash = content_hash(&Table::from_iter(reads));
        let key = StageKey::new(KIND, &hash[..DIGITS]);
        let folder = store.stage(&key);
        let path = folder.analysis();
        Self { folder, path }
    }

    /// The analysis; none if there is none, or if it is damaged.
    pub fn read(&self) -> Option<Analysis> {
        let file = BufReader::new(File::open(&self.path).ok()?);
        let read: Analysis = serde_json::from_reader(BufReader::new(GzDecoder::new(file))).ok()?;
        read.is_whole().then_some(read)
    }

    /// Writes the detections as COCO results. The same ones have the same bytes.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn write_predictions(&self, results: &[u8]) -> Result<()> {
        write_durably(
            &self.folder.predictions(),
            &packed(results)?,
            Durability::Synced,
        )
    }

    /// Writes the analysis. The same one has the same bytes.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn write(&self, analysis: &Analysis) -> Result<()> {
        let text = serde_json::to_vec(analysis)?;
        write_durably(&self.path, &packed(&text)?, Durability::Synced)
    }
}

/// The text as a gzip file.
fn packed(text: &[u8]) -> Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text)?;
    Ok(packed.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_analysis_is_read_again_and_a_damaged_one_is_none() {
        let out = tempfile::tempdir().unwrap();
        let store = Store::open(out.path()).unwrap();
        let key = StageKey::new("evaluate", "0123");
        let place = AnalysisPlace::new(&store, &key, "teacher", &ReportConfig::DEFAULT);
        assert_eq!(place.read(), None);
        place.folder.make().unwrap();
        let analysis = Analysis {
            version: 2,
            model: "teacher".into(),
            ..Analysis::default()
        };
        place.write(&analysis).unwrap();
        let bytes = std::fs::read(&place.path).unwrap();
        place.write(&analysis).unwrap();
        assert_eq!(std::fs::read(&place.path).unwrap(), bytes);
        assert_eq!(place.read(), Some(analysis));
        std::fs::write(&place.path, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(place.read(), None);
        let student = AnalysisPlace::new(&store, &key, "student", &ReportConfig::DEFAULT);
        let of = |report: &ReportConfig| AnalysisPlace::new(&store, &key, "teacher", report).path;
        let mut report = ReportConfig::DEFAULT;
        (report.predictions, report.bg_iou) = (true, 0.1);
        assert_eq!(
            of(&report),
            place.path,
            "what is drawn or left beside it is no other analysis"
        );
        report.images = 3;
        let part = of(&report);
        report.similar = vec![vec!["a".to_string(), "b".to_string()]];
        let all = [&student.path, &place.path, &part, &of(&report)];
        assert!((1..4).all(|at| !all[..at].contains(&all[at])), "{all:?}");
    }
}
