//! Method `offline`: a trained teacher labels all unlabelled images once, and a new student learns from them, in three
//! phases. Data distillation, STAC and Noisy Boundaries are recipes of it.
//!
//! | phase | what happens | steps |
//! |---|---|---|
//! | `teacher` | first weights, supervised | `teacher-steps`, a learning-rate curve of its own |
//! | `label` | the student of phase `teacher` labels every unlabelled image at the evaluation's size | none |
//! | `student` | first weights again, on labels and pseudo-labels | `train.steps` |
//!
//! `$$ L = w_s L_{sup} + \lambda L_{pseudo} $$`
//!
//! The pseudo-labels stay as they are, and follow into the student's views as annotations do. Sources: data
//! distillation (<https://arxiv.org/abs/1712.04440>) as zhenyuw16/noisyboundaries 0c83823 has it; STAC
//! (<https://arxiv.org/abs/2005.04757>), google-research/ssl_detection 00d5227.

mod student;
#[cfg(test)]
mod tests;

use super::Method;
use super::correction::{CORRECTIONS, Correction};
use super::filter::FILTERS;
use super::lambda::{self, Lambda};
use super::phase::{Build, MethodKeys, Passes, Phase, Start};
use super::pool_labeller::PoolLabeller;
use super::supervised;
use super::teacher_student::{LEAST_THRESHOLD, MOST_PAIRS};
use super::weighting::{WEIGHTINGS, Weighting};
use crate::detector::{
    AreaMeasure, CandidateChoice, Demands, EmptyImage, MaskQuality, MaskTarget, Merge, Negative,
    PseudoBox, Score, Selection, TestViews,
};
use crate::registry::{self, Check, ComponentErrors, MOST_STEPS, MOST_WEIGHT};
use crate::structures::LARGEST_SIDE;
use schemars::JsonSchema;
use serde::Deserialize;
use student::OfflineStudent;
use toml::Table;

/// The keys of `[method]` that the phase `label` reads.
const OF_LABELS: [&str; 9] = [
    "score",
    "candidates",
    "top-pairs",
    "min-area",
    "mask-threshold",
    "test-views",
    "duplicate-iou",
    "filter",
    "correction",
];

/// The keys of `[method]` that the phase `teacher` reads.
const OF_TEACHER: [&str; 2] = ["teacher-steps", "empty-image"];

/// The place of the teacher in the list of phases.
const TEACHER: usize = 0;
/// That of its labels.
const LABEL: usize = 1;

/// Table `[method]` with `name = "offline"`. A recipe has to give `teacher-steps` and `filter`; all others have
/// defaults.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Keys {
    /// Steps of the supervised training of the teacher, which has a learning-rate curve of its own.
    teacher_steps: usize,
    /// Weight of the unlabelled loss, or a table of weights by term of the loss; `default` is that of all others, or 1.
    lambda: Lambda,
    /// Weight of the labelled loss in the phase `student`.
    supervised_weight: f32,
    /// The classes that the softmax of eq. 3 runs over.
    score: Score,
    /// The pairs of query and class that are candidates.
    candidates: Selection,
    /// Number of pairs of an image with `candidates = "top-pairs"`.
    top_pairs: usize,
    /// The area of a pseudo-mask in its image is larger than this.
    min_area: usize,
    /// A pixel belongs to a pseudo-mask if the teacher's probability is above this.
    mask_threshold: f32,
    /// The views in which the teacher looks at an unlabelled image: its shorter sides (none: the size of the
    /// evaluation), also mirrored or not, and how their detections become one list. Of several views, the candidates of
    /// a network without proposals are the `top-pairs` best of the union.
    test_views: TestViews,
    /// The rectangle of a pseudo-label, for a detector of boxes.
    pseudo_box: PseudoBox,
    /// A pseudo-mask that overlaps a better one by more than this is dropped; 1 drops none.
    duplicate_iou: f64,
    /// The class loss of images without a target; `drop` takes unlabelled images without a pseudo-label out of the
    /// phase `student`.
    empty_image: EmptyImage,
    /// The rule that chooses pseudo-labels among the candidates.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    filter: Table,
    /// The correction of the classes of pseudo-labels.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    correction: Table,
    /// The weights of pseudo-labels and of the pixels in their mask loss.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    weighting: Table,
}

/// The same with its slots made.
#[derive(Clone, Debug)]
struct Offline {
    teacher_steps: usize,
    lambda: Lambda,
    supervised_weight: f32,
    labels: PoolLabeller,
    pseudo_box: PseudoBox,
    empty_image: EmptyImage,
    weighting: Box<dyn Weighting>,
}

pub(super) fn build(table: Table) -> Result<Box<dyn Method>, ComponentErrors> {
    registry::make(table, |keys: Keys, check| {
        Some(Box::new(Offline::new(keys, check)?) as Box<dyn Method>)
    })
}

impl Offline {
    /// Checks the keys and makes the slots; none if `check` refuses a slot.
    fn new(keys: Keys, check: &mut Check) -> Option<Self> {
        check.range("teacher-steps", keys.teacher_steps, 1..=MOST_STEPS);
        keys.lambda.check(check);
        let most = MOST_WEIGHT as f32;
        check.range("supervised-weight", keys.supervised_weight, 0.0..=most);
        check.range("top-pairs", keys.top_pairs, 1..=MOST_PAIRS);
        check.range("min-area", keys.min_area, 0..=LARGEST_SIDE * LARGEST_SIDE);
        let thresholds = LEAST_THRESHOLD..=1.0 - LEAST_THRESHOLD;
        check.range("mask-threshold", keys.mask_threshold, thresholds);
        let views = &keys.test_views;
        if views.are_several() && views.merge == Merge::UnionNms {
            let allowed = "0.5 with `test-views.merge = \"union-nms\"`, which joins finished masks";
            let is_half = keys.mask_threshold == 0.5;
            check.require(is_half, "mask-threshold", keys.mask_threshold, allowed);
        }
        check.range("duplicate-iou", keys.duplicate_iou, 0.0..=1.0);
        let filter = check.keep("filter", registry::build(FILTERS, keys.filter));
        let correction = registry::build(CORRECTIONS, keys.correction);
        let correction: Option<Box<dyn Correction>> = check.keep("correction", correction);
        if correction.is_some_and(|correction| correction.vlm().is_some()) {
            let message = "this correction does not fit; allowed: one without a vision-language model, such as `keep`: the \
                           labels are chosen when all images have been looked at, without their pictures";
            check.refuse("correction.name", message);
        }
        let weighting = registry::build(WEIGHTINGS, keys.weighting);
        let weighting: Option<Box<dyn Weighting>> = check.keep("weighting", weighting);
        if let Some(weighting) = &weighting {
            let why = "no teacher looks at the images while the student learns";
            if weighting.needs_logits() {
                let message = format!(
                    "this weighting does not fit; allowed: one that needs no logits of the teacher: {why}"
                );
                check.refuse("weighting.name", message);
            }
            if weighting.negative() == Negative::Teacher {
                let message =
                    format!("`teacher-background` does not fit; allowed: a number: {why}");
                check.refuse("weighting.negative", message);
            }
        }
        Some(Self {
            teacher_steps: keys.teacher_steps,
            lambda: keys.lambda,
            supervised_weight: keys.supervised_weight,
            labels: PoolLabeller {
                choice: CandidateChoice {
                    score: keys.score,
                    selection: keys.candidates,
                    top: keys.top_pairs,
                    quality: MaskQuality::MeanForeground,
                },
                min_area: keys.min_area,
                mask_threshold: keys.mask_threshold,
                views: keys.test_views,
                duplicate_iou: keys.duplicate_iou,
                filter: filter?,
            },
            pseudo_box: keys.pseudo_box,
            empty_image: keys.empty_image,
            weighting: weighting?,
        })
    }
}

impl Method for Offline {
    fn phases(&self, steps: usize) -> Vec<Phase> {
        let of_teacher =
            supervised::phase(self.empty_image, self.teacher_steps, self.teacher_steps);
        let teacher = Phase {
            name: "teacher",
            goes_on: false,
            alone: true,
            reads: MethodKeys::Only(OF_TEACHER.to_vec()),
            ..of_teacher
        };
        let labels = self.labels.clone();
        let label = Phase {
            name: "label",
            steps: 0..0,
            curve: 0,
            start: Start::Under(TEACHER),
            passes: Passes::NONE,
            labels: false,
            average: false,
            goes_on: false,
            shared: false,
            alone: true,
            reads: MethodKeys::Only(OF_LABELS.to_vec()),
            build: Build::Pool(Box::new(move |counts| labels.started(counts))),
        };
        let rules = self.clone();
        let student = Phase {
            name: "student",
            steps: 0..steps,
            curve: steps,
            start: Start::Labelled {
                by: LABEL,
                drops_empty: self.empty_image == EmptyImage::Drop,
            },
            passes: Passes::ALL,
            labels: false,
            average: true,
            goes_on: false,
            shared: false,
            alone: true,
            // What the two phases before it read stands in their keys.
            reads: MethodKeys::AllBut([&["teacher-steps"][..], &OF_LABELS].concat()),
            build: Build::Learner(Box::new(move |parts| {
                Box::new(OfflineStudent::new(&rules, parts))
            })),
        };
        vec![teacher, label, student]
    }

    fn reads_unlabelled(&self) -> bool {
        true
    }

    fn takes_pieces(&self) -> bool {
        true
    }

    fn demands(&self) -> Option<Demands> {
        Some(Demands {
            choice: self.labels.choice,
            mask_loss: self.weighting.mask_loss(),
            negative: self.weighting.negative(),
            area: AreaMeasure::Pixels,
            mask_target: MaskTarget::Full,
            pseudo_box: self.pseudo_box,
            lambda: self.lambda.named(),
        })
    }

    fn test_views(&self) -> Option<&TestViews> {
        Some(&self.labels.views)
    }

    fn normalise(&self, table: &mut Table) {
        lambda::normalise(table);
    }
}
