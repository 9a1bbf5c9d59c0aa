//! The speed of this machine's processor at a training, measured in a fraction of a second: how long a sweep
//! takes is told by it before any stage of a folder has been timed.
//!
//! As many threads as a sweep has workers train the network of `recipes/pl-dc.toml` on drawn pictures, each its
//! own, at the same time. So the speed is that of a worker beside the others, and counts everything that a step
//! does.

use crate::data::scenes::draw;
use crate::detector::{DETECTORS, Detector, EmptyImage, MaskLoss, Origin, Part, Targets};
use crate::experiment::settings::catalogue::DEFAULT_SETTINGS;
use crate::registry;
use crate::rng::Stream;
use crate::structures::Picture;
use crate::tensor::Tape;
use std::time::{Duration, Instant};

/// The least time of the measurement, after a first step that fills the caches.
const DURATION: Duration = Duration::from_millis(250);
/// Pictures in a step.
const PICTURES: u64 = 2;
/// Their side in pixels.
const SIDE: usize = 64;

/// The operations per second of one of `workers` that work at the same time: the mean over them. None if a
/// thread cannot start.
pub fn measured(workers: usize) -> Option<f64> {
    let speeds: Vec<Option<f64>> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..workers.max(1))
            .map(|worker| scope.spawn(move || of_one_worker(worker as u64)))
            .collect();
        let ended = started.into_iter().map(|thread| thread.join().ok()?);
        ended.collect()
    });
    let count = speeds.len() as f64;
    let sum: Option<f64> = speeds.into_iter().sum();
    sum.map(|sum| sum / count)
}

/// The speed of one worker with one thread.
fn of_one_worker(seed: u64) -> Option<f64> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.ok()?.install(|| {
        let table = DEFAULT_SETTINGS["model"].as_table()?.clone();
        let config = registry::build(DETECTORS, table).ok()?;
        let classes = crate::data::scenes::COUNT;
        let detector = config
            .build(classes, &mut Stream::new(seed, "speed"))
            .ok()?;
        let operations = PICTURES as f64 * config.operations(SIDE, SIDE).training();
        let first = Instant::now();
        step(&*detector, seed);
        let first = first.elapsed();
        if first >= DURATION {
            // A program that is not optimised: one step is enough.
            return Some(operations / first.as_secs_f64());
        }
        let start = Instant::now();
        let mut steps = 0.0;
        while start.elapsed() < DURATION {
            step(&*detector, seed);
            steps += 1.0;
        }
        Some(steps * operations / start.elapsed().as_secs_f64())
    })
}

/// A forward and a backward pass, without the optimizer.
fn step(detector: &dyn Detector, seed: u64) {
    let samples: Vec<_> = (0..PICTURES)
        .map(|index| draw(SIDE, seed, index, true))
        .collect();
    let pictures: Vec<&Picture> = samples.iter().map(|sample| &sample.picture).collect();
    let images = detector.images(&pictures);
    let (height, width) = images.padded();
    let targets: Vec<Targets> = samples
        .iter()
        .map(|sample| Targets::of_objects(&sample.instances, height, width))
        .collect();
    let part = Part {
        images: 0..targets.len(),
        targets: &targets,
        origin: Origin::Labelled,
        mask_loss: MaskLoss::default(),
        empty_image: EmptyImage::Background,
        background: Default::default(),
    };
    let mut tape = Tape::recording();
    let output = detector.forward(&mut tape, &images);
    let draws = Stream::new(seed, "speed/points");
    let losses = output.begin(&part, draws).losses(&mut tape);
    std::hint::black_box(tape.backward(&losses.total));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_does_some_work_in_a_fraction_of_a_second() {
        let start = Instant::now();
        let speed = measured(2).unwrap();
        assert!(speed > 1e6, "{speed}");
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
