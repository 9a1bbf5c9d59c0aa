//! Table `[model]` with `name = "mask-rcnn"`: the sizes of the network, and its loss in `[model.loss]`.

use super::criterion::terms;
use super::{ENTRY, LossConfig, MaskRcnnDetector};
use crate::detector::by_region::refuse_whole_images;
use crate::detector::config::chosen;
use crate::detector::tables::with_loss;
use crate::detector::{Demands, Detector, DetectorConfig, ExportedFile, Merge};
use crate::graph::mask_rcnn::{MaskRcnn, MaskRcnnConfig};
use crate::graph::weights::{self, MaskRcnnNames};
use crate::graph::{BackboneConfig, Operations};
use crate::registry::{Check, ComponentErrors};
use crate::rng::Stream;
use anyhow::{Result, ensure};
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

/// The programs that know the network.
const TORCHVISION: &str = "torchvision";
const DETECTRON2: &str = "detectron2";

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

    fn merges(&self) -> &'static [Merge] {
        &[Merge::MeanByProposal, Merge::UnionNms]
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

    fn takes_pieces(&self) -> bool {
        true
    }

    fn export(
        &self,
        names: Option<&str>,
        network: &mut dyn Detector,
        _labels: Vec<String>,
    ) -> Result<Vec<ExportedFile>> {
        ensure!(
            !self.network.iou_head.scores_masks(),
            "no other program has a Mask R-CNN with `model.iou-head` = \"scoring\", whose scores depend on it; allowed: \
             \"none\", \"flat\""
        );
        ensure!(
            !self.network.mask_head.is_coarse_too(),
            "torchvision and detectron2 have no Mask R-CNN with `model.mask-head` = \"noise-tolerant\"; allowed: \"plain\""
        );
        let names = match chosen(names, &[TORCHVISION, DETECTRON2])? {
            TORCHVISION => MaskRcnnNames::TORCHVISION,
            _ => MaskRcnnNames::DETECTRON2,
        };
        Ok(vec![ExportedFile {
            name: weights::SINGLE,
            content: weights::export_mask_rcnn(network, &names)?,
        }])
    }

    fn terms(&self) -> Vec<&'static str> {
        terms(&self.network)
    }

    /// Its candidates are its detections, which no rule of queries chooses, and its mask loss samples no points.
    fn unread(&self) -> &'static [&'static str] {
        &["score", "candidates", "top-pairs", "weighting.points"]
    }

    fn auxiliary_heads(&self) -> Option<usize> {
        Some(self.network.auxiliary_heads)
    }

    fn check_demands(&self, demands: &Demands, check: &mut Check) {
        let has_head = self.network.iou_head.is_there();
        demands.check_quality(has_head, "\"flat\" or \"scoring\"", check);
        refuse_whole_images(demands, ENTRY.name, check);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::{
        AreaMeasure, CandidateChoice, DETECTORS, MaskLoss, MaskQuality, MaskTarget, Negative,
        PseudoBox, Score, Selection,
    };
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
    fn what_is_exported_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let built = |weights: &Path, seed| {
            let mut table = table();
            table["weights"] = weights.to_string_lossy().into_owned().into();
            let config = registry::build(DETECTORS, table).expect("the body is valid");
            let network = config.build(5, &mut Stream::new(seed, "m"));
            (config, network.expect("a network"))
        };
        let values = |network: &mut dyn Detector| {
            let mut all = Vec::new();
            network.parameters("", &mut |name, param| {
                all.push((name.to_string(), param.value.values().to_vec()));
            });
            all
        };
        let (config, mut network) = built(Path::new(""), 1);
        let labels = || vec!["thing".to_string(); 5];
        for (names, known) in [
            (None, "rpn.head.conv.0.0.weight"),
            (
                Some(TORCHVISION),
                "roi_heads.mask_predictor.conv5_mask.bias",
            ),
            (Some(DETECTRON2), "proposal_generator.rpn_head.conv.weight"),
        ] {
            let files = config
                .export(names, &mut *network, labels())
                .expect("files");
            assert_eq!((files.len(), files[0].name), (1, "model.safetensors"));
            let path = folder.path().join(names.unwrap_or("first"));
            std::fs::write(&path, &files[0].content).expect("a writable folder");
            let arrays = weights::Arrays::open(&path).expect("a safetensors file");
            assert!(arrays.get(known).is_some(), "{names:?}");
            // Five classes and background, and their deltas in torchvision's form.
            let head = |field: &str| {
                let name = format!("roi_heads.box_predictor.{field}.bias");
                arrays.get(&name).expect("a head").shape[0]
            };
            let (deltas, first) = match names == Some(DETECTRON2) {
                true => (20, "fc1"),
                false => (24, "fc6"),
            };
            assert_eq!((head("cls_score"), head("bbox_pred")), (6, deltas));
            let first = arrays.get(&format!("roi_heads.box_head.{first}.weight"));
            assert_eq!(first.expect("a layer").shape, [128, 48 * 7 * 7]);
            let (_, mut again) = built(&path, 2);
            assert!(values(&mut *again) == values(&mut *network), "{names:?}");
        }
        let error = config.export(Some("transformers"), &mut *network, labels());
        let text = error.expect_err("no Mask R-CNN there").to_string();
        assert!(text.ends_with("allowed: torchvision, detectron2"), "{text}");
    }

    /// What a usual method asks for.
    fn demands() -> Demands {
        Demands {
            choice: CandidateChoice {
                score: Score::WithNoObject,
                selection: Selection::ArgMax,
                top: 1,
                quality: MaskQuality::MeanForeground,
            },
            mask_loss: MaskLoss::default(),
            negative: Negative::Own,
            area: AreaMeasure::Pixels,
            mask_target: MaskTarget::Full,
            pseudo_box: PseudoBox::Detection,
            lambda: Vec::new(),
        }
    }

    #[test]
    fn the_predicted_iou_is_refused_without_a_head() {
        let mut demands = demands();
        demands.choice.quality = MaskQuality::IouHead;
        demands.lambda = vec![("iou", 1.0)];
        let refused = |head: &str| {
            let mut table = table();
            table["iou-head"] = head.into();
            let config = registry::build(DETECTORS, table).expect("a valid table");
            let mut check = Check::new();
            config.check_demands(&demands, &mut check);
            demands.check_terms(&config.terms(), &mut check);
            let errors = check.finish().err().into_iter().flatten();
            errors
                .map(|error| format!("{}: {error}", error.key))
                .collect::<Vec<_>>()
        };
        let errors = refused("none");
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors[0].starts_with("mask-quality: ") && errors[0].contains("`model.iou-head`"));
        assert!(errors[1].starts_with("lambda.iou: "), "{errors:?}");
        assert_eq!(refused("flat"), Vec::<String>::new());
        assert_eq!(refused("scoring"), Vec::<String>::new());
    }

    #[test]
    fn what_changes_the_scores_of_another_program_is_not_exported() {
        let exported = |key: &str, head: &str| {
            let mut table = table();
            table[key] = head.into();
            let config = registry::build(DETECTORS, table).expect("a valid table");
            let mut network = config
                .build(5, &mut Stream::new(1, "m"))
                .expect("a network");
            config.export(None, &mut *network, vec!["thing".into(); 5])
        };
        let export = |head: &str| exported("iou-head", head);
        let error = exported("mask-head", "noise-tolerant").expect_err("no other program has it");
        assert!(error.to_string().contains("`model.mask-head`"), "{error}");
        let error = export("scoring").expect_err("no other program has it");
        assert!(error.to_string().contains("`model.iou-head`"), "{error}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("flat");
        let (flat, none) = (export("flat").unwrap(), export("none").unwrap());
        let two = exported("branches", "strong-weak").unwrap();
        assert_eq!(two[0].content.len(), none[0].content.len());
        std::fs::write(&path, &flat[0].content).expect("a writable folder");
        let arrays = weights::Arrays::open(&path).expect("a safetensors file");
        let names: Vec<&str> = arrays.entries().map(|(name, _)| name).collect();
        assert!(!names.iter().any(|name| name.contains("iou")), "{names:?}");
        assert_eq!(flat[0].content.len(), none[0].content.len());
    }

    #[test]
    fn what_only_masks_of_the_whole_image_have_is_refused() {
        let config = registry::build(DETECTORS, table()).expect("the body is valid");
        let refused = |per_query, area, mask_target| {
            let demands = Demands {
                mask_loss: MaskLoss {
                    per_query,
                    ..MaskLoss::default()
                },
                negative: Negative::Teacher,
                area,
                mask_target,
                ..demands()
            };
            let mut check = Check::new();
            config.check_demands(&demands, &mut check);
            check.finish().err().map(|errors| errors[0].key.clone())
        };
        let (pixels, full) = (AreaMeasure::Pixels, MaskTarget::Full);
        let key = |refused: Option<String>| refused.unwrap_or_default();
        assert_eq!(key(refused(true, pixels, full)), "weighting.divisor");
        assert_eq!(key(refused(false, AreaMeasure::Probability, full)), "area");
        assert_eq!(
            key(refused(false, pixels, MaskTarget::Quarter)),
            "mask-target"
        );
        assert_eq!(refused(false, pixels, full), None);
    }
}
