//! Images through the whole chain.

use super::*;
use crate::detector::Targets;
use crate::detector::mask2former::examples::{example, predictions, proposed, two_examples_at};
use crate::method::config::tests::table;
use crate::method::filter::FILTERS;
use crate::method::teacher_student::TeacherStudentConfig;
use crate::ops::check::on_every_place;
use crate::registry;

/// Says class 1 with a given probability to everything.
#[derive(Clone, Debug)]
struct Says(f32);

impl Correction for Says {
    fn correct(
        &self,
        _: &Picture,
        _: &Tensor2,
        regions: &[Region],
        _: TrainingProgress,
    ) -> Later<Vec<Option<Corrected>>> {
        let answer = Corrected {
            class: 1,
            probability: self.0,
        };
        Later::ready(vec![Some(answer); regions.len()])
    }
}

/// The labeller of a recipe with wide tiers: the first query is high, the second medium, the third low.
fn labeller(correction: Box<dyn Correction>) -> Labeller {
    let mut keys = table("method");
    keys.remove("name");
    keys["filter"]["class-margin"] = 0.4.into();
    keys["filter"]["mask-margin"] = 0.3.into();
    let mut config = TeacherStudentConfig::read(keys).unwrap();
    config.correction = correction;
    let mut labeller = Labeller::new(config);
    labeller.filter.start(&crate::data::split::ClassCounts {
        images: 1,
        annotations: vec![1, 1],
        objects: vec![1, 1],
    });
    labeller
}

fn run(correction: Box<dyn Correction>) -> (Vec<(usize, Tier)>, TierCounts, Targets<'static>) {
    let mut labeller = labeller(correction);
    let picture = Picture::new(8, 8, vec![0; 192]);
    let image = labelled(&mut labeller, example(), &[&picture]).remove(0);
    let targets = Targets {
        masks: Vec::new(),
        ..image.targets()
    };
    (
        image.labels.iter().map(|l| (l.class, l.tier)).collect(),
        image.counts,
        targets,
    )
}

/// One image of a batch.
fn only(mut proposals: Proposals, image: usize) -> Proposals {
    proposals.images = vec![proposals.images.swap_remove(image)];
    proposals
}

fn labelled(
    labeller: &mut Labeller,
    proposals: Proposals,
    pictures: &[&Picture],
) -> Vec<ImageLabels> {
    let begun = labeller.begin(proposals, false);
    labeller.finish(begun, pictures, TrainingProgress::default())
}

#[test]
fn a_medium_candidate_needs_the_correction() {
    let keep = registry::build(
        crate::method::correction::CORRECTIONS,
        "name = \"keep\"".parse().unwrap(),
    );
    let (labels, counts, targets) = run(keep.unwrap());
    assert_eq!(labels, [(0, Tier::High)]);
    assert_eq!((counts.high, counts.medium, counts.low), (1, 1, 1));
    assert_eq!((counts.accepted, counts.kept), (0, 1));
    assert_eq!(targets.classes, [0]);
    let discounts = targets.discounts.unwrap().values();
    assert_eq!((discounts.rows(), discounts.columns()), (1, 64));
    assert!(discounts.values().iter().all(|u| (0.0..=1.0).contains(u)));

    let (labels, counts, _) = run(Box::new(Says(0.6)));
    assert_eq!(
        labels,
        [(1, Tier::High), (1, Tier::Medium)],
        "both are corrected"
    );
    assert_eq!((counts.accepted, counts.kept), (1, 2));
    let (labels, ..) = run(Box::new(Says(0.4)));
    assert_eq!(labels, [(1, Tier::High)], "0.4 is below `accept`");
}

#[test]
fn small_masks_are_low_whatever_their_scores() {
    let mut labeller = labeller(Box::new(Says(0.9)));
    labeller.config.min_area = 32;
    let picture = Picture::new(8, 8, vec![0; 192]);
    let image = labelled(&mut labeller, example(), &[&picture]).remove(0);
    assert_eq!((image.counts.low, image.counts.kept), (3, 0));
}

on_every_place! {
    /// Two images that differ, and a labeller for both of them or a new one for each.
    fn images_labelled_together_are_labelled_as_each_alone(place) {
        let picture = Picture::new(8, 8, vec![0; 192]);
        let images = || two_examples_at(place);
        let rule = |labeller: &mut Labeller| labeller.config.duplicate_iou = 1.0;
        let mut together = labeller(Box::new(Says(0.6)));
        rule(&mut together);
        let found = labelled(&mut together, images(), &[&picture, &picture]);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|image| image.labels.len() >= 2));
        for (number, found) in found.iter().enumerate() {
            let mut alone = labeller(Box::new(Says(0.6)));
            rule(&mut alone);
            let expected = labelled(&mut alone, only(images(), number), &[&picture]).remove(0);
            let told = |image: &ImageLabels| {
                let labels = image.labels.iter().map(|l| (l.class, l.teacher_class, l.tier, l.score.to_bits(), l.mask.clone()));
                let discounts = image.discounts.as_ref().unwrap().values();
                let discounts = discounts.host_values().iter().map(|u| u.to_bits()).collect::<Vec<_>>();
                (labels.collect::<Vec<_>>(), discounts, image.counts)
            };
            assert_eq!(told(found), told(&expected));
        }
    }
}

on_every_place! {
    /// Thresholds that become the mean of what is kept, image by image: beside the first image the second is
    /// less sure, alone it is sure.
    fn the_tiers_of_an_image_follow_the_labels_of_the_one_before(place) {
        let picture = Picture::new(8, 8, vec![0; 192]);
        let mut rule = table("method")["filter"].as_table().unwrap().clone();
        for (key, value) in [("statistic", "kept"), ("period", "image")] {
            rule[key] = value.into();
        }
        rule["alpha"] = 0.0.into();
        rule["clamp"] = toml::Value::Array(vec![0.0.into(), 1.0.into()]);
        let high = |images: Proposals| -> Vec<usize> {
            let mut labeller = labeller(Box::new(Says(0.0)));
            labeller.filter = registry::build(FILTERS, rule.clone()).unwrap();
            labeller.filter.start(&crate::data::split::ClassCounts { images: 1, annotations: vec![1, 1], objects: vec![1, 1] });
            assert!(labeller.filter.follows_labels());
            let pictures = vec![&picture; images.images.len()];
            labelled(&mut labeller, images, &pictures).iter().map(|image| image.counts.high).collect()
        };
        let second = || only(two_examples_at(place), 1);
        assert_eq!(high(second()), [1]);
        assert_eq!(high(two_examples_at(place)), [1, 0]);
    }
}

/// The labels of the example with the keys `more`, of a filter that keeps everything.
fn with_keys(proposals: Proposals, more: &str) -> ImageLabels {
    let mut keys = table("method");
    keys.remove("name");
    let rules = "filter = { name = 'coupled', threshold = 0.0 }\ncorrection = { name = 'keep' }";
    keys.extend(rules.parse::<toml::Table>().unwrap());
    keys.extend(more.parse::<toml::Table>().unwrap());
    let mut labeller = Labeller::new(TeacherStudentConfig::read(keys).unwrap());
    let picture = Picture::new(8, 8, vec![0; 192]);
    labelled(&mut labeller, proposals, &[&picture]).remove(0)
}

/// One query with `cells` cells of a grid of 4 x 4 at the logit `size`, and the others at its opposite.
fn cells(cells: usize, size: f32) -> Proposals {
    let mut predictions = predictions();
    let layer = predictions.layers.last_mut().unwrap();
    let logits = (0..16).map(|cell| if cell < cells { size } else { -size });
    layer.masks = Tensor2::constant(logits.collect(), 1, 16);
    layer.classes = Tensor2::constant(vec![5.0, 0.0, 0.0], 1, 3);
    predictions.queries = 1;
    proposed(&predictions, (16, 16))
}

#[test]
fn the_area_of_guided_distillation_is_a_sum_of_probabilities_on_the_grid() {
    let kept = |count, least: usize, area: &str| {
        let more = format!("min-area = {least}\narea = '{area}'");
        with_keys(cells(count, 60.0), &more).counts.kept
    };
    assert_eq!(kept(6, 5, "probability"), 1);
    assert_eq!(kept(5, 5, "probability"), 0, "5 is not more than 5");
    // In the view, a row of four cells has four rows of 16 pixels.
    assert_eq!((kept(4, 63, "pixels"), kept(4, 64, "pixels")), (1, 0));
}

#[test]
fn the_area_and_the_pixels_of_a_mask_follow_its_threshold() {
    let area = |image: &ImageLabels| -> usize {
        let bits = image.labels.iter().flat_map(|label| &label.mask.bits);
        bits.filter(|bit| **bit == 1).count()
    };
    let mut last = usize::MAX;
    for threshold in [0.2, 0.5, 0.8] {
        let image = with_keys(
            cells(6, 2.0),
            &format!("min-area = 0\nmask-threshold = {threshold}"),
        );
        let found = area(&image);
        assert!(found < last, "{found} pixels at {threshold}");
        let more = |least| format!("min-area = {least}\nmask-threshold = {threshold}");
        assert_eq!(
            with_keys(cells(6, 2.0), &more(found)).counts.kept,
            0,
            "at {threshold}"
        );
        assert_eq!(
            with_keys(cells(6, 2.0), &more(found - 1)).counts.kept,
            1,
            "at {threshold}"
        );
        last = found;
    }
}

#[test]
fn coarse_targets_are_the_masks_on_the_grid_with_weights_of_their_size() {
    let more = "min-area = 0\nmask-target = 'quarter'";
    let image = with_keys(cells(6, 60.0), more);
    let targets = image.targets();
    let expected: Vec<u8> = (0..16).map(|cell| u8::from(cell < 6)).collect();
    assert_eq!(targets.masks[0].pixels().bits, expected);
    assert_eq!(targets.masks[0].size(), (4, 4));
    assert_eq!(image.labels[0].mask.height, 16);
    let discounts = targets.discounts.expect("of uncertainty").values();
    assert_eq!((discounts.rows(), discounts.columns()), (1, 16));
    let full = with_keys(cells(6, 60.0), "min-area = 0");
    assert_eq!(full.targets().masks[0].size(), (16, 16));
}
