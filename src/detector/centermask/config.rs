//! Table `[model]` with `name = "centermask"`: the sizes of the network, and its loss in `[model.loss]`.

use super::criterion::TERMS;
use super::{CenterMaskDetector, ENTRY, LossConfig};
use crate::detector::by_region::refuse_whole_images;
use crate::detector::config::chosen;
use crate::detector::tables::with_loss;
use crate::detector::{Demands, Detector, DetectorConfig, ExportedFile, Negative};
use crate::graph::centermask::{CenterMask, CenterMaskConfig};
use crate::graph::weights;
use crate::graph::{BackboneConfig, Operations};
use crate::registry::{Check, ComponentErrors};
use crate::rng::Stream;
use anyhow::Result;
use std::path::Path;
use toml::Table;

/// The table, read and checked.
#[derive(Clone, Debug)]
pub struct CenterMaskTable {
    /// All keys but `loss`.
    pub network: CenterMaskConfig,
    /// `[model.loss]`.
    pub loss: LossConfig,
}

/// The program that knows the network.
const CENTERMASK2: &str = "centermask2";

/// The object classes of COCO.
const COCO_CLASSES: usize = 80;

pub(super) fn build(table: Table) -> Result<Box<dyn DetectorConfig>, ComponentErrors> {
    let (network, loss) = with_loss(table)?;
    Ok(Box::new(CenterMaskTable { network, loss }))
}

impl DetectorConfig for CenterMaskTable {
    fn build(&self, classes: usize, rng: &mut Stream) -> Result<Box<dyn Detector>> {
        let network = CenterMask::new(&self.network, classes, rng)?;
        Ok(Box::new(CenterMaskDetector::new(
            network,
            self.loss.clone(),
        )))
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

    /// Counts the regions of a training step that may have to find an object. The number of classes is not known before
    /// the dataset is read: it is that of COCO.
    fn operations(&self, height: usize, width: usize) -> Operations {
        let masks = self.loss.most_masks();
        self.network
            .operations((height, width), masks, COCO_CLASSES)
    }

    fn takes_pieces(&self) -> bool {
        true
    }

    /// CenterMask2 divides the losses of locations by the mean counts of all machines, which no replica knows.
    fn takes_replicas(&self) -> bool {
        false
    }

    fn export(
        &self,
        names: Option<&str>,
        network: &mut dyn Detector,
        _labels: Vec<String>,
    ) -> Result<Vec<ExportedFile>> {
        chosen(names, &[CENTERMASK2])?;
        Ok(vec![ExportedFile {
            name: weights::SINGLE,
            content: weights::export_centermask(network)?,
        }])
    }

    fn terms(&self) -> Vec<&'static str> {
        TERMS.to_vec()
    }

    /// Its candidates are its detections, which no rule of queries chooses, and its mask loss samples no points.
    fn unread(&self) -> &'static [&'static str] {
        &["score", "candidates", "top-pairs", "weighting.points"]
    }

    fn check_demands(&self, demands: &Demands, check: &mut Check) {
        refuse_whole_images(demands, ENTRY.name, check);
        if demands.negative == Negative::Teacher {
            let message = format!(
                "\"teacher-background\" has no meaning for \"{}\", which judges each class of a location alone; allowed: a \
                 number",
                ENTRY.name
            );
            check.refuse("weighting.negative", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::{
        AreaMeasure, CandidateChoice, DETECTORS, MaskLoss, MaskQuality, MaskTarget, PseudoBox,
        Score, Selection,
    };
    use crate::registry;

    fn table() -> Table {
        let recipe = include_str!("../../../recipes/bodies/centermask-scenes.toml");
        let recipe: Table = recipe.parse().expect("TOML");
        recipe["model"].as_table().expect("a table").clone()
    }

    #[test]
    fn errors_of_the_network_and_of_the_loss_come_together() {
        let mut table = table();
        table["heads"]["mask-side"] = 0.into();
        table["loss"]["regions"] = 0.into();
        let errors = registry::build(DETECTORS, table).expect_err("two mistakes");
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["heads.mask-side", "loss.regions"]);
    }

    #[test]
    fn what_is_exported_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let built = |weights: &Path, seed| {
            let mut table = table();
            table["weights"] = weights.to_string_lossy().into_owned().into();
            let config = registry::build(DETECTORS, table).expect("the body is valid");
            let network = config.build(5, &mut Stream::new(seed, "m"));
            (config, network)
        };
        let values = |network: &mut dyn Detector| {
            let mut all = Vec::new();
            network.parameters("", &mut |name, param| {
                all.push((name.to_string(), param.value.values().to_vec()));
            });
            all
        };
        let (config, network) = built(Path::new(""), 1);
        let mut network = network.expect("a network");
        let labels = || vec!["thing".to_string(); 5];
        let files = config.export(None, &mut *network, labels()).expect("files");
        assert_eq!((files.len(), files[0].name), (1, "model.safetensors"));
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, &files[0].content).expect("a writable folder");
        let arrays = weights::Arrays::open(&path).expect("a safetensors file");
        let shape = |name: &str| arrays.get(name).expect("an array").shape.clone();
        assert_eq!(shape("proposal_generator.fcos_head.scales.0.scale"), [1]);
        assert_eq!(
            shape("proposal_generator.fcos_head.cls_logits.weight"),
            [5, 48, 3, 3]
        );
        // A linear layer over 5 x 5 pixels of 32 channels.
        assert_eq!(
            shape("roi_heads.maskiou_head.maskiou_fc1.weight"),
            [128, 800]
        );
        let layout = weights::Layout::of(&arrays, None).expect("known names");
        assert_eq!(layout.classes(&arrays), Some(5));
        assert_eq!(layout.describe(), "CenterMask2's names");
        let (_, again) = built(&path, 2);
        let mut again = again.expect("its own values");
        assert!(values(&mut *again) == values(&mut *network));
        let error = config.export(Some("torchvision"), &mut *network, labels());
        let text = error.expect_err("no CenterMask there").to_string();
        assert!(text.ends_with("allowed: centermask2"), "{text}");
        // Another network's file is told by its name.
        let other = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/golden/mask_rcnn_weights.safetensors"
        );
        let error = built(Path::new(other), 1)
            .1
            .err()
            .expect("another network")
            .to_string();
        assert!(
            error.contains("Mask R-CNN") && error.ends_with("`model.name` is \"centermask\""),
            "{error}"
        );
    }

    #[test]
    fn what_the_network_does_not_have_is_refused() {
        let config = registry::build(DETECTORS, table()).expect("the body is valid");
        let usual = Demands {
            choice: CandidateChoice {
                score: Score::WithNoObject,
                selection: Selection::ArgMax,
                top: 1,
                quality: MaskQuality::IouHead,
            },
            mask_loss: MaskLoss::default(),
            negative: Negative::Own,
            area: AreaMeasure::Pixels,
            mask_target: MaskTarget::Full,
            pseudo_box: PseudoBox::Detection,
            lambda: vec![("box", 0.0), ("centreness", 0.0), ("iou", 2.0)],
        };
        let refused = |change: fn(&mut Demands)| {
            let mut demands = usual.clone();
            change(&mut demands);
            let mut check = Check::new();
            config.check_demands(&demands, &mut check);
            demands.check_terms(&config.terms(), &mut check);
            let errors = check.finish().err().into_iter().flatten();
            errors.map(|error| error.key).collect::<Vec<_>>()
        };
        assert!(refused(|_| ()).is_empty());
        assert!(refused(|d| d.negative = Negative::Weight(0.1)).is_empty());
        assert_eq!(
            refused(|d| d.negative = Negative::Teacher),
            ["weighting.negative"]
        );
        assert_eq!(refused(|d| d.area = AreaMeasure::Probability), ["area"]);
        assert_eq!(
            refused(|d| d.mask_target = MaskTarget::Quarter),
            ["mask-target"]
        );
        assert_eq!(
            refused(|d| d.mask_loss.per_query = true),
            ["weighting.divisor"]
        );
        assert_eq!(refused(|d| d.lambda = vec![("dice", 1.0)]), ["lambda.dice"]);
    }
}
