//! Compares the detections of a network with the annotations of the evaluated images.

use super::drawn::{Drawn, DrawnDetection};
use super::kept::{Analysis, MIN_SCORE, Prediction, Tide, VERSION};
use super::overlaps::Objects;
use crate::data::Dataset;
use crate::eval::coco::Coco;
use crate::eval::{Evaluator, Found};
use crate::structures::{Detection, rle};
use anyhow::Result;
use hotcoco::Rle;
use std::collections::BTreeSet;

/// The least score of a detection that is kept for its score.
const KEPT: f64 = 0.05;

/// The qualities of a detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Qualities {
    /// The probability of its class.
    pub class: f32,
    /// The mean probability of its pixels.
    pub mask: f32,
    /// True if no other class, and not the background either, is more likely for the same mask.
    pub is_first: bool,
}

/// An analysis that is being made, image by image.
pub struct Analyst {
    coco: Coco,
    found: Found,
    predictions: Vec<Prediction>,
    analysis: Analysis,
}

impl Analyst {
    /// An analysis of the network `model`. `groups` has a number for each class, the same one for similar classes.
    pub fn new(dataset: &Dataset, groups: Vec<usize>, model: &str) -> Self {
        Self {
            coco: Coco::new(dataset),
            found: Found::default(),
            predictions: Vec::new(),
            analysis: Analysis {
                version: VERSION,
                model: model.to_string(),
                classes: dataset.classes.clone(),
                groups,
                ..Analysis::default()
            },
        }
    }

    /// Adds the image with the place `index` among the evaluated ones, and what was found in it.
    ///
    /// # Errors
    /// The annotations of the image cannot be read.
    pub fn add(
        &mut self,
        dataset: &Dataset,
        index: usize,
        detections: &[(Detection, Qualities)],
    ) -> Result<()> {
        let truth = dataset.val.truth(index)?;
        self.coco.annotate(&truth);
        let objects = Objects::new(&truth, self.analysis.objects);
        self.analysis.objects += objects.len();
        let image = self.analysis.images.len();
        self.analysis.images.push(truth.image_id);
        let prediction = |(detection, qualities): &(Detection, Qualities)| Prediction {
            image,
            class: detection.class,
            score: f64::from(detection.score),
            class_quality: f64::from(qualities.class),
            mask_quality: f64::from(qualities.mask),
            is_first: qualities.is_first,
            ..Prediction::default()
        };
        let mut found: Vec<Prediction> = detections.iter().map(prediction).collect();
        let runs = detections
            .iter()
            .map(|(detection, _)| rle::encode(&detection.mask));
        let runs = runs.collect::<Vec<_>>();
        objects.overlap(&mut found, &runs);
        self.analysis
            .drawn
            .push(drawn(&objects, &found, &runs, detections));
        self.confuse(image, &objects, &found, &runs);
        self.predictions.extend(found);
        let plain: Vec<Detection> = detections
            .iter()
            .map(|(detection, _)| detection.clone())
            .collect();
        self.found.add(truth.image_id, &plain);
        Ok(())
    }

    /// Notes the confused classes of an image: what its detections `found` with the masks `runs` are taken for.
    fn confuse(&mut self, image: usize, objects: &Objects, found: &[Prediction], runs: &[Rle]) {
        let order = ranked(found, |one| one.score >= MIN_SCORE);
        let predictions: Vec<&Prediction> = order.iter().map(|at| &found[*at]).collect();
        let runs: Vec<Rle> = order.iter().map(|at| runs[*at].clone()).collect();
        let background = self.analysis.classes.len();
        let pairs = objects.confusion(&predictions, &runs, background);
        let wrong = pairs.into_iter().filter(|[truth, found]| truth != found);
        let wrong: BTreeSet<[usize; 2]> = wrong.collect();
        let cells = wrong
            .into_iter()
            .map(|[truth, found]| [image, truth, found]);
        self.analysis.confused.get_or_insert_default().extend(cells);
    }

    /// The analysis, and the detections for the evaluators.
    ///
    /// # Errors
    /// A metric fails.
    pub fn finish(mut self) -> Result<(Analysis, Found)> {
        let errors = self.coco.errors(self.found.clone(), MIN_SCORE)?;
        self.analysis.confusion = errors.confusion;
        self.analysis.tide = Tide {
            ap: errors.ap,
            deltas: errors.deltas,
        };
        let kept = kept(&self.predictions, self.analysis.objects);
        self.analysis.keep(&kept);
        Ok((self.analysis, self.found))
    }
}

/// What is drawn of an image.
fn drawn(
    objects: &Objects,
    found: &[Prediction],
    runs: &[Rle],
    detections: &[(Detection, Qualities)],
) -> Drawn {
    let order = ranked(found, |one| one.score >= MIN_SCORE && !one.is_ignored());
    let predictions: Vec<&Prediction> = order.iter().map(|at| &found[*at]).collect();
    let runs: Vec<Rle> = order.iter().map(|at| runs[*at].clone()).collect();
    let matched = objects.matched(&predictions, &runs);
    let detection = |(at, object): (&usize, Option<usize>)| {
        let one = &detections[*at].0;
        DrawnDetection::new(one.class, found[*at].score, object, &one.mask)
    };
    Drawn {
        objects: objects.len(),
        found: order.iter().zip(matched).map(detection).collect(),
    }
}

/// The places of the detections for which `is_shown`, the best score first.
fn ranked(found: &[Prediction], is_shown: impl Fn(&Prediction) -> bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..found.len())
        .filter(|at| is_shown(&found[*at]))
        .collect();
    order.sort_by(|one, other| found[*other].score.total_cmp(&found[*one].score));
    order
}

/// The detections that some figure needs: those with a score, those whose class is the most likely of their mask,
/// and the `objects` best-scored ones that are not ignored.
fn kept(predictions: &[Prediction], objects: usize) -> Vec<Prediction> {
    let mut order: Vec<usize> = (0..predictions.len()).collect();
    order.retain(|at| !predictions[*at].is_ignored());
    order.sort_by(|one, other| {
        predictions[*other]
            .score
            .total_cmp(&predictions[*one].score)
    });
    let best: BTreeSet<usize> = order.into_iter().take(objects).collect();
    let is_kept =
        |(at, one): &(usize, &Prediction)| one.score >= KEPT || one.is_first || best.contains(at);
    let kept = predictions.iter().enumerate().filter(is_kept);
    kept.map(|(_, one)| one.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::load;
    use crate::eval::Evaluators;
    use crate::eval::analysis::{Confusion, kinds};
    use crate::structures::Mask;
    use std::cell::Cell;

    fn dataset() -> Dataset {
        let table = "name = 'scenes'\nsize = 48\ntrain-images = 1\ntrain-seed = 1\nval-images = 6\nval-seed = 2\n\
                     area-bounds = [25.0, 81.0]";
        load(table.parse().unwrap()).unwrap()
    }

    /// The analysis of detections that `change` makes of the annotations: their class and mask.
    fn analysed(change: impl Fn(usize, &Mask) -> (usize, Mask)) -> (Analysis, Found) {
        let dataset = dataset();
        let groups = (0..10).map(|class| class / 2).collect();
        let mut analyst = Analyst::new(&dataset, groups, "teacher");
        for index in 0..dataset.val.len() {
            let sample = dataset.val.load(index).unwrap();
            let found = sample.instances.iter().map(|one| {
                let (class, mask) = change(one.class, &one.mask);
                let qualities = Qualities {
                    class: 0.9,
                    mask: 1.0,
                    is_first: true,
                };
                (
                    Detection {
                        class,
                        score: 0.9,
                        bounds: None,
                        mask,
                    },
                    qualities,
                )
            });
            analyst
                .add(&dataset, index, &found.collect::<Vec<_>>())
                .unwrap();
        }
        analyst.finish().unwrap()
    }

    #[test]
    fn perfect_detections_have_no_error() {
        let (analysis, found) = analysed(|class, mask| (class, mask.clone()));
        assert!(analysis.is_whole() && analysis.objects > 6);
        let counts = kinds(
            &analysis.predictions(),
            analysis.objects,
            &analysis.groups,
            0.0,
        );
        assert_eq!(counts.counts, [analysis.objects, 0, 0, 0, 0]);
        assert!(analysis.tide.ap > 99.9, "{:?}", analysis.tide);
        assert!(analysis.drawn.iter().all(|image| image.f1() == 1.0));
        assert!(
            analysis
                .tide
                .deltas
                .values()
                .all(|delta| delta.abs() < 1e-9),
            "{:?}",
            analysis.tide
        );
        let confusion = Confusion::of(10, [&analysis]);
        let diagonal: usize = (0..10).map(|class| confusion.at(class, class)).sum();
        assert_eq!(diagonal, analysis.objects);
        let dataset = dataset();
        let evaluators = Evaluators::new(&["coco".into()], &dataset).unwrap();
        let scores = evaluators.evaluate(found).unwrap();
        assert!(scores.metrics.get("mAP").unwrap() > 99.9);
    }

    #[test]
    fn the_class_beside_the_right_one_is_similar_and_two_further_it_is_not() {
        let of = |analysis: &Analysis| {
            kinds(
                &analysis.predictions(),
                analysis.objects,
                &analysis.groups,
                0.0,
            )
            .counts
        };
        // Masks of drawn scenes do not overlap, so a wrong class fits the object of the right one alone, or a
        // neighbour.
        let (analysis, _) = analysed(|class, mask| (class ^ 1, mask.clone()));
        let [_, _, similar, other, background] = of(&analysis);
        assert!(
            similar > 0 && other == 0 && background == 0,
            "{:?}",
            of(&analysis)
        );
        assert!(analysis.tide.deltas["Cls"] > 50.0, "{:?}", analysis.tide);
        let found = analysis.drawn.iter().flat_map(|image| &image.found);
        assert!(
            found.clone().count() == analysis.objects
                && found.clone().all(|one| one.object.is_none())
        );
        let (analysis, _) = analysed(|class, mask| ((class + 2) % 10, mask.clone()));
        let [_, _, similar, other, _] = of(&analysis);
        assert!(similar == 0 && other > 0, "{:?}", of(&analysis));
        let (analysis, _) = analysed(|class, mask| {
            let none = vec![0; mask.bits.len()];
            (class, Mask::new(mask.height, mask.width, none))
        });
        assert_eq!(
            of(&analysis)[4],
            analysis.objects,
            "empty masks are on no object"
        );
    }

    #[test]
    fn the_images_of_a_confusion_are_those_of_its_cell() {
        // Every third object is taken for the next class, every third is half as large and so missed.
        let count = Cell::new(0);
        let (analysis, _) = analysed(|class, mask| {
            count.set(count.get() + 1);
            match count.get() % 3 {
                0 => ((class + 1) % 10, mask.clone()),
                1 => (class, mask.clone()),
                _ => {
                    let bits = mask.bits.iter().enumerate();
                    let bits = bits.map(|(at, bit)| bit * u8::from(at % 3 == 0)).collect();
                    (class, Mask::new(mask.height, mask.width, bits))
                }
            }
        });
        let images = analysis.confused.clone().unwrap();
        let cells: BTreeSet<[usize; 2]> = images
            .iter()
            .map(|[_, truth, found]| [*truth, *found])
            .collect();
        let of_matrix = analysis
            .confusion
            .iter()
            .filter(|[truth, found, _]| truth != found);
        let of_matrix: BTreeSet<[usize; 2]> = of_matrix
            .map(|[truth, found, _]| [*truth, *found])
            .collect();
        assert_eq!(
            cells, of_matrix,
            "the same cells as those of the metric's own matrix"
        );
        for [truth, found, count] in &analysis.confusion {
            let own = images.iter().filter(|one| one[1..] == [*truth, *found]);
            assert!(own.count() <= *count, "no more images than confusions");
        }
        let missed = images.iter().any(|[_, _, found]| *found == 10);
        assert!(missed && images.iter().any(|[_, truth, _]| *truth == 10));
    }

    #[test]
    fn the_best_the_first_and_the_likely_are_kept() {
        let one = |score, is_first, crowd| Prediction {
            score,
            is_first,
            crowd,
            ..Prediction::default()
        };
        let all = [
            one(0.04, false, 0.0),
            one(0.03, false, 0.9),
            one(0.02, false, 0.0),
            one(0.01, true, 0.0),
            one(0.06, false, 0.0),
            one(0.001, false, 0.0),
        ];
        let scores: Vec<f64> = kept(&all, 2).iter().map(|one| one.score).collect();
        assert_eq!(scores, [0.04, 0.01, 0.06]);
    }
}
