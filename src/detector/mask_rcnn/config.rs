//! Table `[model]` with `name = "mask-rcnn"`: the sizes of the network, and its loss in `[model.loss]`.

use super::{LossConfig, MaskRcnnDetector};
use crate::detector::tables::with_loss;
use crate::detector::{Demands, Detector, DetectorConfig};
use crate::graph::mask_rcnn::{MaskRcnn, MaskRcnnConfig};
use crate::graph::{BackboneConfig, Operations};
use crate::registry::{Check, ComponentErrors};
use crate::rng::Stream;
use anyhow::{Result, bail};
use std::path::Path;
use toml::Table;

/// The table, read and checked.
#[derive(Clone, Debug)]
pub struct MaskRcnnTable {
    /// All keys but `loss`.
    pub network: MaskRcnnConfig,
    /// `[model.loss]`.
    pub loss: LossConfig,
}

/// The object classes of COCO.
const COCO_CLASSES: usize = 80;

pub(super) fn build(table: Table) -> Result<Box<dyn DetectorConfig>, ComponentErrors> {
    let (network, loss) = with_loss(table)?;
    Ok(Box::new(MaskRcnnTable { network, loss }))
}

impl DetectorConfig for MaskRcnnTable {
    fn build(&self, classes: usize, rng: &mut Stream) -> Result<Box<dyn Detector>> {
        let network = MaskRcnn::new(&self.network, classes, rng)?;
        Ok(Box::new(MaskRcnnDetector::new(network, self.loss.clone())))
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

    /// Counts the regions of a training step: its sample, and the masks of those that have to find an object. The
    /// number of classes is not known before the dataset is read: it is that of COCO.
    fn operations(&self, height: usize, width: usize) -> Operations {
        let regions = self.loss.regions;
        let masks = (regions as f32 * self.loss.region_objects) as usize;
        self.network
            .operations((height, width), regions, masks, COCO_CLASSES)
    }

    fn hugging_face(&self, _labels: Vec<String>) -> Result<serde_json::Value> {
        bail!(
            "`transformers` has no Mask R-CNN; `model.name` must be \"mask2former\" for this export"
        )
    }

    fn check_demands(&self, demands: &Demands, check: &mut Check) {
        if demands.mask_loss.per_query {
            check.refuse(
                "weighting.divisor",
                "\"queries\" has no meaning for \"mask-rcnn\", which has none; allowed: \"masks\"",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::{CandidateChoice, DETECTORS, MaskLoss, Score, Selection};
    use crate::registry;

    fn table() -> Table {
        let recipe = include_str!("../../../recipes/bodies/mask-rcnn-scenes.toml");
        let recipe: Table = recipe.parse().expect("TOML");
        recipe["model"].as_table().expect("a table").clone()
    }

    #[test]
    fn errors_of_the_network_and_of_the_loss_come_together() {
        let mut table = table();
        table["heads"]["box-side"] = 0.into();
        table["loss"]["regions"] = 0.into();
        let errors = registry::build(DETECTORS, table).expect_err("two mistakes");
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["heads.box-side", "loss.regions"]);
    }

    #[test]
    fn queries_divide_no_loss() {
        let config = registry::build(DETECTORS, table()).expect("the body is valid");
        let refused = |per_query| {
            let demands = Demands {
                choice: CandidateChoice {
                    score: Score::WithNoObject,
                    selection: Selection::ArgMax,
                    top: 1,
                },
                mask_loss: MaskLoss {
                    per_query,
                    ..MaskLoss::default()
                },
            };
            let mut check = Check::new();
            config.check_demands(&demands, &mut check);
            check.finish().err().map(|errors| errors[0].key.clone())
        };
        assert_eq!(refused(true).as_deref(), Some("weighting.divisor"));
        assert_eq!(refused(false), None);
    }
}
