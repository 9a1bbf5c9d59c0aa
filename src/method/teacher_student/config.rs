//! Table `[method]` of the methods in which a student learns from a teacher's pseudo-labels: its keys and its phases.

use super::{Follows, TeacherStudent};
use crate::detector::{
    AreaMeasure, CandidateChoice, Demands, EmptyImage, MaskQuality, MaskTarget, PseudoBox, Score,
    Selection,
};
use crate::graph::clip::VisionLanguageConfig;
use crate::method::Method;
use crate::method::correction::{CORRECTIONS, Correction};
use crate::method::filter::{FILTERS, Filter};
use crate::method::lambda::{self, Lambda};
use crate::method::phase::{Build, MethodKeys, Passes, Phase, Start};
use crate::method::supervised;
use crate::method::teacher::{Average, EmaRamp};
use crate::method::weighting::{WEIGHTINGS, Weighting};
use crate::registry::{self, Check, ComponentErrors, MOST_STEPS, MOST_WEIGHT};
use crate::structures::LARGEST_SIDE;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;
use toml::Table;

/// Table `[method]` with `name = "teacher-student"`, its slots made.
#[derive(Clone, Debug)]
pub struct TeacherStudentConfig {
    /// T_b: steps before the teacher follows the student.
    pub burn_in: usize,
    /// Part of the teacher that stays at every step.
    pub ema: f32,
    /// The growth of that part.
    pub ema_ramp: EmaRamp,
    /// Weight of the unlabelled loss.
    pub lambda: Lambda,
    /// Weight of the labelled loss.
    pub supervised_weight: f32,
    /// The classes that the softmax of eq. 3 runs over.
    pub score: Score,
    /// The pairs that are candidates.
    pub candidates: Selection,
    /// Number of pairs for [`Selection::TopPairs`].
    pub top_pairs: usize,
    /// The quality of a candidate's mask.
    pub mask_quality: MaskQuality,
    /// The area of a pseudo-mask is larger than this.
    pub min_area: usize,
    /// The measure of that area.
    pub area: AreaMeasure,
    /// A pixel of a pseudo-mask has a probability above this.
    pub mask_threshold: f32,
    /// The resolution of the student's targets.
    pub mask_target: MaskTarget,
    /// The rectangles of pseudo-labels.
    pub pseudo_box: PseudoBox,
    /// Pseudo-masks that overlap a better one by more are dropped.
    pub duplicate_iou: f64,
    /// The class loss of images without a target.
    pub empty_image: EmptyImage,
    /// Slot `filter`, before its first image.
    pub filter: Box<dyn Filter>,
    /// Slot `correction`, without its vision-language model.
    pub correction: Box<dyn Correction>,
    /// Slot `weighting`.
    pub weighting: Box<dyn Weighting>,
}

/// The keys as a recipe spells them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::method) struct Keys {
    /// T_b: steps before the teacher follows the student.
    pub burn_in: usize,
    /// Part of the teacher that stays at every step; the rest comes from the student.
    pub ema: f32,
    /// How this part grows from the first step with a teacher on.
    pub ema_ramp: EmaRamp,
    /// Weight of the unlabelled loss, or a table of weights by term of the loss; `default` is that of all others, or 1.
    pub lambda: Lambda,
    /// Weight of the labelled loss in steps with a teacher.
    pub supervised_weight: f32,
    /// The classes that the softmax of eq. 3 runs over.
    pub score: Score,
    /// The pairs of query and class that are candidates.
    pub candidates: Selection,
    /// Number of pairs of an image with `candidates = "top-pairs"`.
    pub top_pairs: usize,
    /// The quality of a candidate's mask, which filters and weightings read.
    pub mask_quality: MaskQuality,
    /// The area of a pseudo-mask is larger than this.
    pub min_area: usize,
    /// The measure of that area.
    pub area: AreaMeasure,
    /// A pixel belongs to a pseudo-mask if the teacher's probability is above this.
    pub mask_threshold: f32,
    /// The resolution of the pseudo-masks that the student learns from.
    pub mask_target: MaskTarget,
    /// The rectangle of a pseudo-label, for a detector of boxes.
    pub pseudo_box: PseudoBox,
    /// A pseudo-mask that overlaps a better one by more than this is dropped; 1 drops none.
    pub duplicate_iou: f64,
    /// The class loss of images without a target.
    pub empty_image: EmptyImage,
    /// The rule that chooses pseudo-labels among the candidates.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub filter: Table,
    /// The correction of the classes of pseudo-labels.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub correction: Table,
    /// The weights of the pixels in the mask loss of pseudo-labels.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub weighting: Table,
}

/// The least threshold of a pixel: Mask R-CNN's logits end at those of nearly this probability.
pub(in crate::method) const LEAST_THRESHOLD: f32 = 1e-6;

/// Largest number of query-class pairs of an image.
pub(in crate::method) const MOST_PAIRS: usize = 1_000_000;

pub(in crate::method) fn build(table: Table) -> Result<Box<dyn Method>, ComponentErrors> {
    Ok(Box::new(TeacherStudentConfig::read(table)?))
}

impl TeacherStudentConfig {
    /// The choice of the teacher's proposals that are candidates.
    pub fn choice(&self) -> CandidateChoice {
        CandidateChoice {
            score: self.score,
            selection: self.candidates,
            top: self.top_pairs,
            quality: self.mask_quality,
        }
    }

    /// Reads the table without its name.
    ///
    /// # Errors
    /// All keys that are unknown or out of their range, or one that is missing; the refusals of the slots, by
    /// the paths of their keys.
    pub fn read(table: Table) -> Result<Self, ComponentErrors> {
        registry::make(table, Self::new)
    }

    /// Checks the keys and makes the slots; none if `check` refuses a slot.
    pub(in crate::method) fn new(keys: Keys, check: &mut Check) -> Option<Self> {
        check.range("burn-in", keys.burn_in, 0..=MOST_STEPS);
        check.range("ema", keys.ema, 0.0..=1.0);
        keys.lambda.check(check);
        check.range(
            "supervised-weight",
            keys.supervised_weight,
            0.0..=MOST_WEIGHT as f32,
        );
        check.range("top-pairs", keys.top_pairs, 1..=MOST_PAIRS);
        check.range("min-area", keys.min_area, 0..=LARGEST_SIDE * LARGEST_SIDE);
        check.range(
            "mask-threshold",
            keys.mask_threshold,
            LEAST_THRESHOLD..=1.0 - LEAST_THRESHOLD,
        );
        check.range("duplicate-iou", keys.duplicate_iou, 0.0..=1.0);
        let filter = check.keep("filter", registry::build(FILTERS, keys.filter));
        let correction = registry::build(CORRECTIONS, keys.correction);
        let correction = check.keep("correction", correction);
        let weighting = registry::build(WEIGHTINGS, keys.weighting);
        let weighting = check.keep("weighting", weighting);
        Some(Self {
            burn_in: keys.burn_in,
            ema: keys.ema,
            ema_ramp: keys.ema_ramp,
            lambda: keys.lambda,
            supervised_weight: keys.supervised_weight,
            score: keys.score,
            candidates: keys.candidates,
            top_pairs: keys.top_pairs,
            mask_quality: keys.mask_quality,
            min_area: keys.min_area,
            area: keys.area,
            mask_threshold: keys.mask_threshold,
            mask_target: keys.mask_target,
            pseudo_box: keys.pseudo_box,
            duplicate_iou: keys.duplicate_iou,
            empty_image: keys.empty_image,
            filter: filter?,
            correction: correction?,
            weighting: weighting?,
        })
    }
}

/// The phase of `config` in which the teacher is the student's moving average: the steps `steps`, from `start` on.
/// `labelled_steps`: all steps of the training in which a teacher labels.
pub fn distill(
    config: &TeacherStudentConfig,
    steps: Range<usize>,
    start: Start,
    labelled_steps: Range<usize>,
) -> Phase {
    let config = config.clone();
    let follows = Follows::Student(Average {
        keep: config.ema,
        ramp: config.ema_ramp,
        from: steps.start,
    });
    Phase {
        name: "distill",
        curve: steps.end,
        steps,
        start,
        passes: Passes::ALL,
        labels: true,
        alone: false,
        average: true,
        goes_on: false,
        shared: false,
        reads: MethodKeys::AllBut(Vec::new()),
        build: Build::Learner(Box::new(move |parts| {
            Box::new(TeacherStudent::new(
                &config,
                follows,
                labelled_steps.clone(),
                parts,
            ))
        })),
    }
}

impl Method for TeacherStudentConfig {
    fn phases(&self, steps: usize) -> Vec<Phase> {
        let burn_in = self.burn_in;
        let mut phases = Vec::new();
        let mut start = Start::Fresh;
        if burn_in > 0 {
            phases.push(supervised::phase(self.empty_image, burn_in, steps));
            start = Start::GoOn(0);
        }
        phases.push(distill(self, burn_in..steps, start, burn_in..steps));
        phases
    }

    fn check_steps(&self, steps: usize, check: &mut Check) {
        let allowed = format!("less than `train.steps` = {steps}");
        check.require(self.burn_in < steps, "burn-in", self.burn_in, allowed);
    }

    fn has_teacher(&self) -> bool {
        true
    }

    fn takes_pieces(&self) -> bool {
        true
    }

    fn demands(&self) -> Option<Demands> {
        Some(Demands {
            choice: self.choice(),
            mask_loss: self.weighting.mask_loss(),
            negative: self.weighting.negative(),
            area: self.area,
            mask_target: self.mask_target,
            pseudo_box: self.pseudo_box,
            lambda: self.lambda.named(),
        })
    }

    fn normalise(&self, table: &mut Table) {
        lambda::normalise(table);
    }

    fn vlm(&self) -> Option<&VisionLanguageConfig> {
        self.correction.vlm()
    }
}

#[cfg(test)]
mod tests {
    use crate::method::METHODS;
    use crate::method::config::tests::table;

    #[test]
    fn an_error_in_a_slot_names_slot_and_key() {
        let mut method = table("method");
        method["filter"]["alpha"] = 1.5.into();
        let error = crate::registry::build(METHODS, method).err().unwrap();
        assert_eq!(error[0].key, "filter.alpha");
        assert!(
            error[0].message.contains("1.5") && error[0].message.contains("0 to 1"),
            "{error}"
        );
    }

    #[test]
    fn mistakes_of_the_method_and_of_its_slots_are_reported_together() {
        let mut method = table("method");
        method.insert("burnin".into(), 3.into());
        method["ema"] = 1.5.into();
        method["filter"]["alpha"] = 1.5.into();
        method["filter"]["accept"] = (-0.5).into();
        method["correction"]["weight"] = 2.0.into();
        method["correction"]["vlm"]["batch"] = 0.into();
        let errors = crate::registry::build(METHODS, method).err().unwrap();
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        let expected = [
            "ema",
            "filter.alpha",
            "filter.accept",
            "correction.weight",
            "correction.vlm.batch",
        ];
        assert!(errors[0].message.contains("`burnin`"), "{errors}");
        assert_eq!(keys[1..], expected);
    }

    #[test]
    fn unknown_and_missing_keys_are_refused() {
        let mut method = table("method");
        method.insert("burnin".into(), 3.into());
        assert!(
            crate::registry::build(METHODS, method).err().unwrap()[0]
                .message
                .contains("burnin")
        );
        let mut method = table("method");
        method.remove("lambda");
        let error = crate::registry::build(METHODS, method).err().unwrap();
        assert_eq!(error[0].key, "lambda");
        assert_eq!(
            error[0].message,
            "missing; needed: a number, 0 to 1000000, or a table"
        );
        let mut method = table("method");
        method["correction"] = toml::Value::Table(toml::Table::from_iter([(
            "name".to_string(),
            toml::Value::from("dcc"),
        )]));
        let error = crate::registry::build(METHODS, method).err().unwrap();
        assert_eq!(error[0].key, "correction.name");
        assert!(error[0].message.contains("`dicc`"), "{error}");
    }
}
