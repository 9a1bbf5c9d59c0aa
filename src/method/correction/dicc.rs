//! Correction `dicc`: Dynamic Instance Category Correction of PL-DC. A vision-language model looks at the
//! image once; its dense features are pooled over every mask and compared with the embedded descriptions of
//! the classes (eq. 7 to 9), and the answer is fused with the teacher's (eq. 10 to 12, formulas in
//! [`super::fusion`]).

use super::fusion::{
    aggregate_embeddings, aggregate_logits, corrected_class, fuse, schedule, similarities,
};
use super::pooling::Pooling;
use super::{Corrected, Correction, Region, TrainingProgress};
use crate::detector::quality::softmax;
use crate::graph::clip::{VISION_LANGUAGE_MODELS, VisionLanguage, VisionLanguageConfig};
use crate::method::filter::Tier;
use crate::ops;
use crate::registry::{self, ComponentErrors};
use crate::structures::Picture;
use crate::tensor::{Later, Tape, Tensor2};
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;

#[derive(Deserialize, Clone, Copy, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Scope {
    /// The medium tier.
    Medium,
    /// The high tier.
    High,
    /// Both tiers.
    Both,
}

#[derive(Deserialize, Clone, Copy, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Aggregation {
    /// On the logits of every region.
    Logits,
    /// On the text embeddings, once.
    Embeddings,
}

/// The progress along which the weight of eq. 10 falls.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Along {
    /// The steps since the end of the burn-in.
    Distillation,
    /// All steps.
    Training,
}

/// The factor on the cosine of eq. 9.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum LogitScale {
    /// The model's own.
    Model,
    /// None, as eq. 9 is printed.
    One,
}

#[derive(Deserialize, Clone, Debug, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Options {
    /// The tiers whose classes are corrected.
    scope: Scope,
    /// w of eq. 10 at its start: the weight of the vision-language model's answer.
    weight: f32,
    /// The steps along which the weight of eq. 10 falls.
    along: Along,
    /// The place where eq. 8 aggregates the descriptions of a class.
    aggregation: Aggregation,
    /// The factor on the cosine of eq. 9.
    logit_scale: LogitScale,
    /// The way in which a mask is brought to the grid of the image's features.
    pooling: Pooling,
    /// The vision-language model.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    vlm: toml::Table,
}

#[derive(Clone, Debug)]
struct Dicc {
    options: Options,
    vlm: VisionLanguageConfig,
    attached: Option<Arc<Attached>>,
}

/// The model, and the text that regions are compared with.
struct Attached {
    vlm: Box<dyn VisionLanguage>,
    /// `[K * descriptions, E]`, rows normalised.
    text: Arc<Vec<f32>>,
    /// Rows of `text` per class: 1 if eq. 8 has already been applied to the embeddings.
    descriptions: usize,
    /// The factor on the cosine.
    scale: f32,
}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Correction>, ComponentErrors> {
    registry::make(table, |options: Options, check| {
        check.range("weight", options.weight, 0.0..=1.0);
        let vlm = registry::build(VISION_LANGUAGE_MODELS, options.vlm.clone());
        Some(Box::new(Dicc {
            vlm: check.keep("vlm", vlm)?,
            options,
            attached: None,
        }) as Box<dyn Correction>)
    })
}

impl Correction for Dicc {
    fn vlm(&self) -> Option<&VisionLanguageConfig> {
        Some(&self.vlm)
    }

    fn attach(&mut self, vlm: Box<dyn VisionLanguage>) {
        let text = vlm.text();
        let (values, k) = (text.values.host_values(), text.descriptions);
        let (text, descriptions) = match self.options.aggregation {
            Aggregation::Logits => (values.to_vec(), k),
            Aggregation::Embeddings => (aggregate_embeddings(&values, k, text.values.columns()), 1),
        };
        let scale = match self.options.logit_scale {
            LogitScale::Model => vlm.logit_scale(),
            LogitScale::One => 1.0,
        };
        self.attached = Some(Arc::new(Attached {
            vlm,
            text: Arc::new(text),
            descriptions,
            scale,
        }));
    }

    fn correct(
        &self,
        picture: &Picture,
        logits: &Tensor2,
        regions: &[Region],
        progress: TrainingProgress,
    ) -> Later<Vec<Option<Corrected>>> {
        let asked: Vec<usize> = (0..regions.len())
            .filter(|i| match self.options.scope {
                Scope::Medium => regions[*i].tier == Tier::Medium,
                Scope::High => regions[*i].tier == Tier::High,
                Scope::Both => true,
            })
            .collect();
        let mut answers = vec![None; regions.len()];
        if asked.is_empty() {
            return Later::ready(answers);
        }
        let attached = self
            .attached
            .as_ref()
            .expect("the model is attached before training");
        let progress = match self.options.along {
            Along::Distillation => progress.distillation,
            Along::Training => progress.training,
        };
        let weight = schedule(self.options.weight, progress);
        let asked_regions: Vec<&Region> = asked.iter().map(|i| &regions[*i]).collect();
        let teacher = asked_regions
            .iter()
            .map(|region| region.probabilities.to_vec());
        let teacher: Vec<Vec<f32>> = teacher.collect();
        let answered =
            attached.probabilities(picture, logits, &asked_regions, self.options.pooling);
        answered.map(move |vlm| {
            for ((i, vlm), teacher) in asked.iter().zip(vlm).zip(teacher) {
                let (class, probability) = corrected_class(&fuse(&vlm, &teacher, weight));
                answers[*i] = Some(Corrected { class, probability });
            }
            answers
        })
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            descriptions,
            scale,
            ..
        } = self;
        write!(
            f,
            "a model with {descriptions} descriptions per class and logit scale {scale}"
        )
    }
}

impl Attached {
    /// Eq. 9 for every region: its class distribution.
    fn probabilities(
        &self,
        picture: &Picture,
        logits: &Tensor2,
        regions: &[&Region],
        pooling: Pooling,
    ) -> Later<Vec<Vec<f32>>> {
        let features = self.vlm.dense(picture);
        let grid = (features.height, features.width);
        let size = (picture.height, picture.width);
        let weights = pooling.weights(regions, logits, size, grid);
        let tape = &mut Tape::off();
        let pooled = ops::mask_pool(tape, &features, &vec![0; regions.len()], Arc::new(weights));
        let regions = ops::normalize_rows(tape, &self.vlm.embed(&pooled));
        let (text, scale, descriptions) = (Arc::clone(&self.text), self.scale, self.descriptions);
        let columns = regions.columns();
        let distribution = move |region: &[f32]| {
            let logits = similarities(region, &text, scale);
            softmax(&aggregate_logits(&logits, descriptions))
        };
        let regions = regions.later();
        regions.map(move |values| values.chunks_exact(columns).map(distribution).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::clip::TextEmbeddings;
    use crate::structures::Mask;
    use crate::tensor::Map;

    /// Sees two classes: the left half of the picture is class 0, the right half class 1.
    struct Halves {
        text: TextEmbeddings,
    }

    impl VisionLanguage for Halves {
        fn dense(&self, _: &Picture) -> Map {
            let cells = [[1.0, 0.0], [0.0, 1.0]].repeat(2).concat();
            Map::new(Tensor2::constant(cells, 4, 2), 1, 2, 2)
        }
        fn embed(&self, pooled: &Tensor2) -> Tensor2 {
            pooled.clone()
        }
        fn text(&self) -> &TextEmbeddings {
            &self.text
        }
        fn logit_scale(&self) -> f32 {
            20.0
        }
    }

    fn dicc(changes: &[(&str, &str)]) -> Box<dyn Correction> {
        let method = crate::method::config::tests::table("method");
        let mut table = method["correction"].as_table().unwrap().clone();
        table.remove("name");
        for (key, value) in changes {
            table.insert((*key).into(), (*value).into());
        }
        let mut dicc = build(table).unwrap_or_else(|error| panic!("{error}"));
        assert!(dicc.vlm().is_some());
        // Two classes, two descriptions each; the rows of a class agree.
        let rows = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]].concat();
        let values = Tensor2::constant(rows, 4, 2);
        dicc.attach(Box::new(Halves {
            text: TextEmbeddings {
                classes: 2,
                descriptions: 2,
                values,
            },
        }));
        dicc
    }

    fn answers(dicc: &dyn Correction, tier: Tier, progress: f32) -> Option<Corrected> {
        let picture = Picture::new(4, 4, vec![0; 48]);
        let mut bits = vec![0; 16];
        bits[7] = 1; // one pixel of the right half
        let logits = bits.iter().map(|bit| 2.0 * f32::from(*bit) - 1.0);
        let logits = Tensor2::constant(logits.collect(), 1, 16);
        let mask = Mask::new(4, 4, bits);
        let region = Region {
            tier,
            probabilities: &[0.6, 0.4],
            mask: &mask,
            row: 0,
        };
        let progress = TrainingProgress {
            distillation: progress,
            training: 0.5,
        };
        dicc.correct(&picture, &logits, &[region], progress).wait()[0]
    }

    #[test]
    fn the_model_flips_a_class_early_and_not_at_the_end() {
        for aggregation in ["logits", "embeddings"] {
            let dicc = dicc(&[("aggregation", aggregation)]);
            let early = answers(&*dicc, Tier::Medium, 0.0).unwrap();
            assert_eq!(early.class, 1, "{aggregation}");
            assert!((early.probability - (0.5 + 0.5 * 0.4)).abs() < 1e-5);
            let late = answers(&*dicc, Tier::Medium, 1.0).unwrap();
            assert_eq!(
                late,
                Corrected {
                    class: 0,
                    probability: 0.6
                }
            );
        }
    }

    #[test]
    fn the_weight_may_fall_along_the_whole_training() {
        let dicc = dicc(&[("along", "training")]);
        let (early, late) = (
            answers(&*dicc, Tier::High, 0.0),
            answers(&*dicc, Tier::High, 1.0),
        );
        assert_eq!(early, late, "the training is half over in both");
        let early = early.unwrap();
        assert!(early.class == 1 && (early.probability - (0.25 + 0.75 * 0.4)).abs() < 1e-5);
    }

    #[test]
    fn without_the_logit_scale_the_model_is_hardly_sure() {
        let dicc = dicc(&[("logit-scale", "one")]);
        let answer = answers(&*dicc, Tier::High, 0.0).unwrap();
        let sigmoid = 1.0 / (1.0 + (-1.0f32).exp());
        assert!(
            (answer.probability - (0.5 * sigmoid + 0.5 * 0.4)).abs() < 1e-5,
            "{answer:?}"
        );
    }

    #[test]
    fn a_region_without_a_cell_is_no_one_s() {
        // Thresholded on the grid nothing of one pixel is left: the model has no preference.
        let dicc = dicc(&[("pooling", "threshold")]);
        let answer = answers(&*dicc, Tier::High, 0.0).unwrap();
        assert_eq!(answer.class, 0, "the teacher's");
        assert!((answer.probability - (0.5 * 0.5 + 0.5 * 0.6)).abs() < 1e-6);
    }

    #[test]
    fn the_scope_decides_who_is_asked() {
        for (scope, medium, high) in [
            ("medium", true, false),
            ("high", false, true),
            ("both", true, true),
        ] {
            let dicc = dicc(&[("scope", scope)]);
            assert_eq!(answers(&*dicc, Tier::Medium, 0.0).is_some(), medium);
            assert_eq!(answers(&*dicc, Tier::High, 0.0).is_some(), high);
        }
    }
}
