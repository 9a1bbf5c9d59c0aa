//! The training loop: a learner, its optimizer, the student's average, from one step to another, with
//! checkpoints on the way.
//!
//! A run that is interrupted and continued from its checkpoint takes the same steps as one that is not, to
//! the last bit: step t draws from streams that t names, and everything else is in the checkpoint.

use super::checkpoint::Checkpoint;
use super::journal::{BARREN_STEPS, Reading};
use super::optimizer::Optimizer;
use super::schedule::Schedule;
use super::{Advance, TrainConfig, Training};
use crate::data::loader::Loader;
use crate::detector::Detector;
use crate::method::{
    DeviceBatch, GradientSum, ImageSnapshot, Learner, PartLosses, PoolReport, PseudoReport,
    StepOutput, StepReport, follow,
    ranks::{Alone, Reduce},
};
use crate::ops;
use crate::structures::Picture;
use crate::tensor::{Grads, Later, Tape};
use anyhow::{Context, Result, ensure};
use std::sync::Arc;

/// Owner of the student's weights in a checkpoint.
pub const STUDENT: &str = "student";
/// Owner of the teacher's weights.
pub const TEACHER: &str = "teacher";
/// Owner of the weights of the student's average.
pub const AVERAGE: &str = "average";

/// A training run between two steps.
pub struct Trainer {
    learner: Box<dyn Learner>,
    optimizer: Optimizer,
    schedule: Schedule,
    average: Option<Box<dyn Detector>>,
    rate_of_average: f32,
    loader: Loader,
    step: usize,
    /// The batch of a step to come, on its way to a GPU.
    ahead: Option<(usize, Result<DeviceBatch>)>,
    /// The processes that share the batches.
    ranks: Arc<dyn Reduce>,
}

impl Trainer {
    /// A run at step 0, without an average of the student. Its learning-rate curve begins at the step `first`.
    pub fn new(
        mut learner: Box<dyn Learner>,
        config: &TrainConfig,
        first: usize,
        loader: Loader,
    ) -> Self {
        Self {
            optimizer: Optimizer::new(config.optimizer(), learner.student()),
            schedule: Schedule::new(config).from_step(first),
            average: None,
            rate_of_average: config.average as f32,
            learner,
            loader,
            step: 0,
            ahead: None,
            ranks: Arc::new(Alone),
        }
    }

    /// The same as one of several processes that share the batches, before its first step. The loader is that of its
    /// [share](crate::data::loader::Share), and `loader.replicas` is the number of processes or a multiple of it.
    /// Counts in the readings are of its own images. Losses by name are its summands of those of all; the loss is that
    /// of the whole batch.
    ///
    /// Panics if the replicas cannot be shared out.
    pub fn share_with(mut self, ranks: Arc<dyn Reduce>) -> Self {
        let replicas = self.loader.pieces().map_or(1, |pieces| pieces.replicas);
        assert!(
            replicas.is_multiple_of(ranks.of()),
            "{replicas} replicas of {} processes",
            ranks.of()
        );
        self.learner.share_with(&ranks);
        self.ranks = ranks;
        self
    }

    /// Takes the batch of `step` and sends it to where the networks are.
    fn send(&mut self, step: usize) -> Result<DeviceBatch> {
        let batch = self.loader.batch(step, self.learner.needs_unlabelled())?;
        Ok(self.learner.send(batch))
    }

    /// The learner's output of `step`, its loss, and the gradients of the student.
    fn forward_and_backward(
        &mut self,
        sent: &DeviceBatch,
        step: usize,
    ) -> (StepOutput, Later<Vec<f32>>, Grads) {
        let Some(pieces) = self.loader.pieces() else {
            let mut tape = Tape::recording();
            let output = self.learner.step(&mut tape, sent, step);
            let loss = ops::scalars(&[&output.loss]);
            let grads = tape.backward(&output.loss);
            return (output, loss, grads);
        };
        let mut sum = GradientSum::new();
        let output = self.learner.step_in_pieces(&mut sum, sent, step, pieces);
        let (mut loss, mut grads) = (ops::scalars(&[&output.loss]), sum.into_grads());
        if self.ranks.of() > 1 {
            loss = Later::ready(self.over_all(loss.wait(), &mut grads));
        }
        (output, loss, grads)
    }

    /// The loss of all processes, and the gradients of all in the place of those of this one.
    fn over_all(&mut self, mut loss: Vec<f32>, grads: &mut Grads) -> Vec<f32> {
        self.ranks.all_reduce_sum(&mut loss);
        let student = self.learner.student();
        let mut flat = Vec::new();
        student.parameters("", &mut |_, param| {
            if param.value.requires_grad() {
                flat.extend(param.value.gradient(grads));
            }
        });
        self.ranks.all_reduce_sum(&mut flat);
        let mut rest = &flat[..];
        student.parameters("", &mut |_, param| {
            if param.value.requires_grad() {
                let (own, behind) = rest.split_at(param.value.len());
                param.value.set_gradient(grads, own.to_vec());
                rest = behind;
            }
        });
        loss
    }

    /// The batch of `step`, which may have been sent before.
    fn batch(&mut self, step: usize) -> Result<DeviceBatch> {
        match self.ahead.take() {
            Some((ahead, sent)) if ahead == step => sent,
            _ => self.send(step),
        }
    }
}

impl Training for Trainer {
    fn start_average(&mut self) {
        let wanted = self.rate_of_average > 0.0;
        self.average = wanted.then(|| self.learner.student().copy());
    }

    fn go_on(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.take_model(STUDENT, self.learner.student())?;
        self.optimizer
            .restore(checkpoint.optimizer(self.learner.student())?)?;
        self.step = checkpoint.step();
        Ok(())
    }

    fn take_teacher(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        checkpoint.take_model(STUDENT, self.learner.add_teacher()?)
    }

    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.go_on(checkpoint)?;
        restore(&mut *self.learner, checkpoint)?;
        self.average = None;
        if checkpoint.holds(AVERAGE) {
            let average = self.average.insert(self.learner.student().copy());
            checkpoint.take_model(AVERAGE, &mut **average)?;
        }
        Ok(())
    }

    fn checkpoint(&mut self, key: &str, continued: bool) -> Checkpoint {
        let mut checkpoint = Checkpoint::new(key, self.step, self.learner.state());
        let student = self.learner.student();
        checkpoint.put_model(STUDENT, student);
        if continued {
            checkpoint.put_optimizer(&self.optimizer.state(), student);
        }
        if let Some(teacher) = self.learner.teacher() {
            checkpoint.put_model(TEACHER, teacher);
        }
        if let Some(average) = &mut self.average {
            checkpoint.put_model(AVERAGE, &mut **average);
        }
        checkpoint
    }

    fn step(&self) -> usize {
        self.step
    }

    fn snapshot(&self, picture: &Picture) -> Option<ImageSnapshot> {
        self.learner.snapshot(picture, self.step)
    }

    fn network(&mut self, owner: &str) -> Option<&mut dyn Detector> {
        match owner {
            STUDENT => Some(self.learner.student()),
            TEACHER => self.learner.teacher().map(|teacher| teacher as _),
            AVERAGE => self.average.as_mut().map(|average| &mut **average as _),
            _ => None,
        }
    }

    fn advance(&mut self) -> Result<Advance> {
        let step = self.step;
        let sent = self.batch(step)?;
        let (output, loss, mut grads) = self.forward_and_backward(&sent, step);
        let rate = self.schedule.rate(step);
        let norm = self
            .optimizer
            .step(self.learner.student(), &mut grads, rate);
        if let Some(average) = &mut self.average {
            follow(&mut **average, self.learner.student(), self.rate_of_average);
        }
        // While a GPU has work, it is sent the next batch; what it has found is asked for last.
        if self.learner.student().place().is_asynchronous() {
            self.ahead = Some((step + 1, self.send(step + 1)));
        }
        let (loss, norm) = (loss.wait()[0], norm.value());
        ensure!(loss.is_finite(), "the loss is {loss} at step {}", step + 1);
        ensure!(
            norm.is_finite(),
            "the gradient's norm is {norm} at step {}",
            step + 1
        );
        self.step += 1;
        let mut readings = vec![
            ("loss".to_string(), Reading::Mean(loss.into())),
            ("gradient-norm".to_string(), Reading::Mean(norm)),
            ("rate".to_string(), Reading::Last(rate.into())),
        ];
        let report = output.report.wait();
        readings.extend(readings_of(&report)?);
        let pseudo = report.pseudo.as_ref();
        let images = sent.batch.unlabelled.len().max(1) as f64;
        let kept = pseudo.map(|pseudo| pseudo.counts.kept as f64 / images);
        readings.extend(kept.map(|kept| ("kept-per-image".to_string(), Reading::Mean(kept))));
        Ok(Advance {
            loss,
            kept,
            readings,
        })
    }
}

/// Sets the networks of `learner` and its own state to those of a checkpoint.
///
/// # Errors
/// The checkpoint is of another model or method.
pub fn restore(learner: &mut dyn Learner, checkpoint: &Checkpoint) -> Result<()> {
    checkpoint.take_model(STUDENT, learner.student())?;
    learner.restore(checkpoint.method())?;
    match learner.teacher() {
        Some(teacher) => checkpoint.take_model(TEACHER, teacher),
        None => Ok(()),
    }
}

/// The readings of a step for the journal.
fn readings_of(report: &StepReport) -> Result<Vec<(String, Reading)>> {
    let mut readings = Vec::new();
    let mut losses = |part: &str, losses: &PartLosses| {
        for (name, value) in &losses.terms {
            readings.push((format!("{part}-{name}"), Reading::Mean((*value).into())));
        }
    };
    losses("supervised", &report.supervised);
    if let Some(unsupervised) = &report.unsupervised {
        losses("unsupervised", unsupervised);
    }
    if let Some(consistency) = &report.consistency {
        losses("consistency", &consistency.losses);
        readings.push((
            "consistency-weight".to_string(),
            Reading::Last(consistency.ramp.into()),
        ));
        let regions = consistency.regions as u64;
        readings.push(("consistency-regions".to_string(), Reading::Sum(regions)));
    }
    let Some(pseudo) = &report.pseudo else {
        return Ok(readings);
    };
    readings.extend(readings_of_labels(pseudo)?);
    Ok(readings)
}

/// The readings of pseudo-labels for the journal.
fn readings_of_labels(pseudo: &PseudoReport) -> Result<Vec<(String, Reading)>> {
    let mut readings = Vec::new();
    for counts in [
        serde_json::to_value(pseudo.counts)?,
        serde_json::to_value(pseudo.diagnosis)?,
    ] {
        for (name, count) in counts.as_object().context("counts by name")? {
            let count = count.as_u64().context("a count")?;
            readings.push((name.replace('_', "-"), Reading::Sum(count)));
        }
    }
    let by_class = &pseudo.by_class;
    for (name, counts) in [
        ("kept-by-class", &by_class.kept),
        ("right-by-class", &by_class.right),
        ("objects-by-class", &by_class.objects),
    ] {
        readings.push((name.to_string(), Reading::SumByClass(counts.clone())));
    }
    readings.push((
        BARREN_STEPS.to_string(),
        Reading::Max(pseudo.barren_steps as u64),
    ));
    let of_filter = pseudo.readings.iter();
    readings
        .extend(of_filter.map(|(name, value)| (name.to_string(), Reading::Last(value.clone()))));
    Ok(readings)
}

/// The readings of the pseudo-labels of all unlabelled images, for the one line that they have in the journal.
///
/// # Errors
/// A count is no number; this does not happen.
pub fn pool_readings((pool, pseudo): (PoolReport, PseudoReport)) -> Result<Vec<(String, Reading)>> {
    let mut readings = readings_of_labels(&pseudo)?;
    let per_image = pseudo.counts.kept as f64 / pool.images.max(1) as f64;
    readings.extend([
        ("kept-per-image".into(), Reading::Mean(per_image)),
        ("pool-images".into(), Reading::Sum(pool.images as u64)),
        ("pool-labelled".into(), Reading::Sum(pool.labelled as u64)),
    ]);
    Ok(readings)
}

#[cfg(test)]
mod tests;
