//! Table `[model]` with `name = "mask2former"`: the sizes of the network, and its loss in `[model.loss]`.

use super::criterion::terms;
use super::{LossConfig, Mask2FormerDetector};
use crate::detector::config::chosen;
use crate::detector::tables::with_loss;
use crate::detector::{Demands, Detector, DetectorConfig, ExportedFile, Negative, PseudoBox};
use crate::graph::{
    BackboneConfig, HuggingFaceFolder, Mask2Former, ModelConfig, Operations, weights,
};
use crate::registry::{Check, ComponentErrors};
use crate::rng::Stream;
use anyhow::Result;
use std::path::Path;
use toml::Table;

/// The table, read and checked.
#[derive(Clone, Debug)]
pub struct Mask2FormerConfig {
    /// All keys but `loss`.
    pub network: ModelConfig,
    /// `[model.loss]`.
    pub loss: LossConfig,
}

pub(super) fn build(table: Table) -> Result<Box<dyn DetectorConfig>, ComponentErrors> {
    Ok(Box::new(Mask2FormerConfig::read(table)?))
}

impl Mask2FormerConfig {
    /// Reads the table without its name.
    ///
    /// # Errors
    /// Everything that is wrong, by the path of its key.
    pub fn read(table: Table) -> Result<Self, ComponentErrors> {
        let (network, loss) = with_loss(table)?;
        Ok(Self { network, loss })
    }
}

/// The network of `config.json` in the Hugging Face folder `folder`, and the names of its classes. `weights`: the file
/// or folder with its values; random values if it is empty. Its loss is the published one.
///
/// # Errors
/// The configuration is that of another network.
pub fn of_folder(folder: &Path, weights: &Path) -> Result<(Box<dyn DetectorConfig>, Vec<String>)> {
    let HuggingFaceFolder { model, labels } = HuggingFaceFolder::open(folder)?;
    let config = Mask2FormerConfig {
        network: ModelConfig {
            weights: weights.to_path_buf(),
            ..model
        },
        loss: LossConfig::published(),
    };
    Ok((Box::new(config), labels))
}

impl DetectorConfig for Mask2FormerConfig {
    fn build(&self, classes: usize, rng: &mut Stream) -> Result<Box<dyn Detector>> {
        let network = Mask2Former::new(&self.network, classes, rng)?;
        let loss = self.loss.clone();
        Ok(Box::new(Mask2FormerDetector::new(network, loss)))
    }

    fn network(&self) -> String {
        format!("{:?}", self.network)
    }

    fn weights(&self) -> &Path {
        &self.network.weights
    }

    fn backbone(&self) -> &BackboneConfig {
        &self.network.backbone
    }

    fn operations(&self, height: usize, width: usize) -> Operations {
        self.network.operations(height, width)
    }

    fn terms(&self) -> Vec<&'static str> {
        terms(&self.network)
    }

    fn check_demands(&self, demands: &Demands, check: &mut Check) {
        demands.check_quality(self.network.iou_head.is_there(), "\"flat\"", check);
        if demands.negative == Negative::Teacher {
            check.refuse(
                "weighting.negative",
                "\"teacher-background\" has no meaning for \"mask2former\", whose queries are no regions that a teacher \
                 could look at; allowed: a number",
            );
        }
        if demands.pseudo_box == PseudoBox::Detection {
            check.refuse(
                "pseudo-box",
                "\"detection\" has no meaning for \"mask2former\", which detects no boxes; allowed: \"mask\"",
            );
        }
    }

    fn takes_pieces(&self) -> bool {
        true
    }

    fn export(
        &self,
        names: Option<&str>,
        network: &mut dyn Detector,
        labels: Vec<String>,
    ) -> Result<Vec<ExportedFile>> {
        chosen(names, &["transformers"])?;
        let folder = HuggingFaceFolder {
            model: self.network.clone(),
            labels,
        };
        let config = serde_json::to_string_pretty(&folder.to_json()?)? + "\n";
        let values = ExportedFile {
            name: weights::SINGLE,
            content: weights::export(network)?,
        };
        // It makes the folder one of weights.
        let config = ExportedFile {
            name: "config.json",
            content: config.into_bytes(),
        };
        Ok(vec![values, config])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::{
        AreaMeasure, CandidateChoice, DETECTORS, MaskLoss, MaskQuality, MaskTarget, Score,
        Selection,
    };
    use crate::registry::{self, ComponentError};

    fn refused(change: impl FnOnce(&mut Table)) -> Vec<String> {
        let mut table = super::super::loss::tests::model();
        change(&mut table);
        let errors = registry::build(DETECTORS, table).err();
        let told = |error: ComponentError| format!("{}: {error}", error.key);
        errors.into_iter().flatten().map(told).collect()
    }

    #[test]
    fn the_recipe_of_pl_dc_is_accepted() {
        assert_eq!(refused(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn what_only_detectors_of_boxes_have_is_refused() {
        let config = registry::build(DETECTORS, super::super::loss::tests::model()).unwrap();
        let (mean, head) = (MaskQuality::MeanForeground, MaskQuality::IouHead);
        let refused = |pseudo_box, negative, quality| {
            let demands = Demands {
                choice: CandidateChoice {
                    score: Score::WithNoObject,
                    selection: Selection::ArgMax,
                    top: 1,
                    quality,
                },
                mask_loss: MaskLoss::default(),
                negative,
                area: AreaMeasure::Probability,
                mask_target: MaskTarget::Quarter,
                pseudo_box,
                lambda: vec![("dice", 1.0)],
            };
            let mut check = Check::new();
            config.check_demands(&demands, &mut check);
            demands.check_terms(&config.terms(), &mut check);
            let errors = check.finish().err().into_iter().flatten();
            errors.map(|error| error.key).collect::<Vec<_>>()
        };
        let fine = refused(PseudoBox::Mask, Negative::Weight(0.1), mean);
        assert_eq!(fine, Vec::<String>::new());
        let both = refused(PseudoBox::Detection, Negative::Teacher, mean);
        assert_eq!(both, ["weighting.negative", "pseudo-box"]);
        let no_head = refused(PseudoBox::Mask, Negative::Own, head);
        assert_eq!(no_head, ["mask-quality"]);
    }

    #[test]
    fn errors_of_the_network_and_of_the_loss_come_together() {
        let errors = refused(|table| {
            table.insert("heads".into(), 3.into());
            table["loss"]["points"] = 0.into();
        });
        let keys: Vec<&str> = errors.iter().filter_map(|e| e.split(':').next()).collect();
        assert_eq!(keys, ["width", "loss.points"]);
        let errors = refused(|table| drop(table.remove("loss")));
        assert_eq!(errors.len(), 12, "{errors:?}");
        assert_eq!(
            errors[6],
            "loss.points: missing; needed: a whole number, 0 or more"
        );
        let errors = refused(|table| drop(table.insert("loss".into(), 3.into())));
        assert_eq!(errors, ["loss: 3 is not a table"]);
    }

    #[test]
    fn the_loss_is_one_of_the_known_keys() {
        let errors = refused(|table| drop(table.insert("lost".into(), 3.into())));
        assert!(errors[0].contains("unknown field `lost`") && errors[0].ends_with("`loss`"));
        let keys = registry::keys(&DETECTORS[0]).unwrap();
        assert!(keys.contains(&"queries".into()) && keys.contains(&"loss".into()));
    }
}
