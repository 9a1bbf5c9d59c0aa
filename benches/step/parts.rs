//! The teacher-student step put together from the method's pieces, with a clock between them.

use super::measure::{Clock, listed};
use super::{Recipe, SEED};
use anyhow::Result;
use harness::data::Batch;
use harness::data::loader::Loader;
use harness::data::split::ClassCounts;
use harness::detector::{Detector, EmptyImage, Part, Targets};
use harness::graph::clip::ClipTiny;
use harness::method::correction::TrainingProgress;
use harness::method::follow;
use harness::method::labeller::Labeller;
use harness::method::pseudo_labels::ImageLabels;
use harness::ops;
use harness::rng::Stream;
use harness::structures::Picture;
use harness::tensor::Tape;
use harness::train::{Optimizer, Schedule, TrainConfig};
use serde_json::Value;

/// The networks, rules and optimizer of a step.
pub struct Pieces {
    student: Box<dyn Detector>,
    teacher: Box<dyn Detector>,
    average: Box<dyn Detector>,
    labeller: Labeller,
    empty_image: EmptyImage,
    optimizer: Optimizer,
    schedule: Schedule,
    ema: f32,
    rate_of_average: f32,
}

impl Pieces {
    /// Starts from copies of `student`, with fresh moments.
    pub fn new(recipe: &Recipe, vlm: &ClipTiny, student: &dyn Detector) -> Result<Self> {
        let (config, train) = (
            recipe.teacher_student()?,
            recipe.table::<TrainConfig>("train")?,
        );
        let (empty_image, ema) = (config.empty_image, config.ema);
        let mut labeller = Labeller::new(config);
        labeller.filter.start(&ClassCounts {
            images: 2,
            annotations: vec![1; student.classes()],
            objects: vec![1; student.classes()],
        });
        labeller.correction.attach(Box::new(vlm.clone()));
        let mut student = student.copy();
        Ok(Self {
            teacher: student.copy(),
            average: student.copy(),
            empty_image,
            optimizer: Optimizer::new(train.optimizer(), &mut *student),
            schedule: Schedule::new(&train),
            ema,
            rate_of_average: train.average as f32,
            labeller,
            student,
        })
    }

    /// The mean milliseconds of the parts over `count` steps from step `first` on.
    pub fn time(
        &mut self,
        loader: &mut Loader,
        first: usize,
        count: usize,
        teacher: bool,
    ) -> Result<Value> {
        let mut clock = Clock::start();
        for step in first..first + count {
            let batch = loader.batch(step, teacher)?;
            clock.mark("data");
            self.step(&batch, step, &mut clock);
        }
        let mean = |total| total / count as f64;
        Ok(listed(&clock.stop(), mean).into())
    }

    fn step(&mut self, batch: &Batch, step: usize, clock: &mut Clock) {
        let labelled: Vec<&Picture> = batch.labelled.iter().map(|view| &view.picture).collect();
        let weak: Vec<&Picture> = batch.unlabelled.iter().map(|views| &views.weak).collect();
        let strong: Vec<&Picture> = batch.unlabelled.iter().map(|views| &views.strong).collect();
        let mut labels = Vec::new();
        if !weak.is_empty() {
            follow(&mut *self.teacher, &mut *self.student, self.ema);
            let (teacher, progress) = (&*self.teacher, TrainingProgress::default());
            let images = teacher.images(&weak);
            let proposals = self.labeller.propose(teacher, &images).1.wait();
            let begun = self.labeller.begin(proposals, false);
            labels = self.labeller.finish(begun, &weak, progress);
        }
        let targets: Vec<Targets> = labels.iter().map(ImageLabels::targets).collect();
        if !weak.is_empty() {
            clock.mark("teacher+pseudo-labels");
        }

        let tape = &mut Tape::recording();
        let images = self
            .student
            .images(&[labelled.as_slice(), &strong].concat());
        let output = self.student.forward(tape, &images);
        clock.mark("forward");

        let (height, width) = images.padded();
        let truth: Vec<Targets> = batch
            .labelled
            .iter()
            .map(|view| Targets::of_objects(&view.instances, height, width))
            .collect();
        let split = truth.len();
        let losses = |tape: &mut Tape, images, targets: &[Targets], name| {
            let part = Part {
                images,
                targets,
                origin: Default::default(),
                mask_loss: Default::default(),
                empty_image: self.empty_image,
                background: Default::default(),
            };
            let draws = Stream::at(SEED, name, step as u64);
            output.begin(&part, draws).losses(tape).total
        };
        let mut loss = losses(tape, 0..split, &truth, "labelled");
        if !targets.is_empty() {
            let unlabelled = losses(tape, split..split + targets.len(), &targets, "unlabelled");
            loss = ops::weighted_sum(tape, &[(&loss, 1.0), (&unlabelled, 1.0)]);
        }
        clock.mark("match+loss");

        let tape = std::mem::replace(tape, Tape::off());
        let mut grads = tape.backward(&loss);
        clock.mark("backward");

        self.optimizer
            .step(&mut *self.student, &mut grads, self.schedule.rate(step));
        if !weak.is_empty() {
            follow(&mut *self.average, &mut *self.student, self.rate_of_average);
        }
        clock.mark("optimizer");
    }
}
