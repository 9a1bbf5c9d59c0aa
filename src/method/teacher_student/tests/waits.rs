//! How often a training step waits for the GPU: only for what the CPU decides.

use super::*;
use crate::ops::check::gpu;
use crate::tensor::cuda::Gpu;

/// The number of waits of the second step with `batch`, with all that belongs to it but its loss.
fn waits(learner: Box<dyn Learner>, batch: &Batch) -> usize {
    let mut training = Training::of(learner, &gpu(Default::default()));
    training.step_with(batch.clone(), BURN_IN).wait();
    let before = Gpu::waits();
    let loss = training.step_with(batch.clone(), BURN_IN + 1);
    let found = Gpu::waits() - before;
    assert!(loss.wait()[0].is_finite());
    found
}

/// The network of the body Mask R-CNN of the embedded dataset.
fn two_stage_student() -> Box<dyn Detector> {
    let body = include_str!("../../../../recipes/bodies/mask-rcnn-scenes.toml");
    let body: toml::Table = body.parse().unwrap();
    student_of(body["model"].as_table().unwrap().clone())
}

/// The network of the body CenterMask of the embedded dataset, which finds every class in boxes of two strides a side.
fn location_student() -> Box<dyn Detector> {
    let body = include_str!("../../../../recipes/bodies/centermask-scenes.toml");
    let body: toml::Table = body.parse().unwrap();
    let mut student = student_of(body["model"].as_table().unwrap().clone());
    student.parameters("", &mut |name, param| {
        let value = match name {
            "proposal_generator.fcos_head.cls_logits.bias" => 0.0,
            "proposal_generator.fcos_head.bbox_pred.bias" => 1.0,
            _ => return,
        };
        param.value.values_mut().fill(value);
    });
    student
}

/// [`batch`] with `count` unlabelled images.
fn batch_of(count: usize) -> Batch {
    let one = batch(SIDE);
    Batch {
        unlabelled: vec![one.unlabelled[0].clone(); count],
        ..one
    }
}

/// The CPU decides which candidates are labels and which query answers for which object.
#[test]
#[ignore = "needs a GPU"]
fn a_step_waits_for_what_the_cpu_decides_cuda() {
    let decoder = table("model")["decoder-layers"].as_integer().unwrap();
    let layers = decoder as usize + 1;
    // Classes and masks of all candidates, the masks of the labels, and the costs of every layer for both kinds of
    // images.
    let expected = 2 + 1 + 2 * layers;
    assert_eq!(waits(learner(0.0), &batch(SIDE)), expected);
    assert_eq!(waits(supervised(), &batch(SIDE)), layers);
}

/// The CPU decides which anchors become proposals, which proposals become detections, and which anchors and regions
/// have to find an object.
#[test]
#[ignore = "needs a GPU"]
fn a_step_with_proposals_waits_for_what_the_cpu_decides_cuda() {
    // Logits and deltas of the anchors, from which the proposals come.
    const ANCHORS: usize = 2;
    // Classes and deltas of the teacher's proposals, and the masks of what it finds there with their areas in the
    // image.
    const DETECTIONS: usize = 2 + 2;
    // The masks of the labels in the image.
    const LABELS: usize = 1;
    let supervised = phase_of(supervised_table(), None, two_stage_student());
    assert_eq!(waits(supervised, &batch_of(1)), ANCHORS);
    for count in [1, 3] {
        let learner = || phase_of(table_with(0.0), None, two_stage_student());
        let (_, report) = step(&mut *learner(), &batch_of(count), BURN_IN);
        let kept = report.pseudo.unwrap().counts.kept;
        assert!(kept >= count, "{kept} labels of {count} images");
        // The teacher's anchors and the student's, which both kinds of images share. In every image with labels, the
        // discounts of uncertain pixels are read in the sampled regions.
        let expected = ANCHORS + DETECTIONS + LABELS + ANCHORS + count;
        assert_eq!(
            waits(learner(), &batch_of(count)),
            expected,
            "{count} images"
        );
    }
}

/// The CPU decides which locations become boxes, and counts the pixels of the student's masks and of their objects.
#[test]
#[ignore = "needs a GPU"]
fn a_step_with_locations_waits_for_what_the_cpu_decides_cuda() {
    // Classes, sides and centreness of the locations, from which the boxes come.
    const LOCATIONS: usize = 3;
    // The masks of what the teacher finds, their predicted IoU, and their areas in the image.
    const DETECTIONS: usize = 3;
    // The masks of the labels in the image.
    const LABELS: usize = 1;
    // The student's masks in the regions of a kind of images, whose IoU with their objects is a target.
    const MASKS: usize = 1;
    let supervised = phase_of(supervised_table(), None, location_student());
    assert_eq!(waits(supervised, &batch_of(1)), LOCATIONS + MASKS);
    for count in [1, 3] {
        let learner = || phase_of(table_with(0.0), None, location_student());
        let (_, report) = step(&mut *learner(), &batch_of(count), BURN_IN);
        let kept = report.pseudo.unwrap().counts.kept;
        assert!(kept >= count, "{kept} labels of {count} images");
        // In every image with labels, the discounts of uncertain pixels are read in the sampled regions.
        let student = LOCATIONS + 2 * MASKS + count;
        let expected = LOCATIONS + DETECTIONS + LABELS + student;
        assert_eq!(
            waits(learner(), &batch_of(count)),
            expected,
            "{count} images"
        );
    }
}
