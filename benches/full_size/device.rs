//! Where the benchmark runs, and how time is taken there.
//!
//! A GPU works behind the program's back. So a whole is timed from an idle GPU to an idle GPU with nothing in between, and its parts in
//! runs of their own, in which every part waits until the GPU has ended: parts add up to more than the whole. On the CPU one run tells both.

use crate::measure::{Clock, listed, median, rounded};
use anyhow::{Context, Result, anyhow};
use harness::tensor::{Place, Precision, Wish};
use serde_json::{Value, json};
use std::iter;
use std::time::Instant;

/// A place, and whether parts are timed where that costs runs of their own.
pub struct Device {
    pub place: Place,
    parts: bool,
}

/// Runs that are timed: those before that are not counted, and the counted ones.
#[derive(Clone, Copy)]
pub struct Repeats {
    pub warm_up: usize,
    pub counted: usize,
}

impl Device {
    /// Opens the device that is wished for.
    pub fn open(wish: Wish, precision: Precision, parts: bool) -> Result<Self> {
        let (place, why) = wish.place().map_err(|why| anyhow!(why))?;
        if let Some(why) = why {
            eprintln!("{why}");
        }
        let place = place
            .computing_with(precision)
            .with_context(|| format!("--precision, --device {wish}"))?;
        Ok(Self { place, parts })
    }

    /// Whether ops run on the CPU.
    pub fn is_host(&self) -> bool {
        matches!(self.place, Place::Host)
    }

    /// Name, precision and versions for the report; nothing on the CPU, which is as it always was.
    pub fn described(&self) -> Value {
        match &self.place {
            Place::Host => Value::Null,
            Place::Gpu(gpu) => json!({
                "name": gpu.name(),
                "precision": gpu.precision(),
                "driver": std::fs::read_to_string("/sys/module/nvidia/version").ok().map(|text| text.trim().to_string()),
                "cuda": gpu.cuda_version(),
            }),
        }
    }

    /// Waits until the device has nothing left to do.
    fn wait(&self) {
        match &self.place {
            Place::Host => {}
            Place::Gpu(gpu) => gpu.synchronize(),
        }
    }

    /// Begins to look for the peak of memory.
    fn forget_peak(&self) {
        match &self.place {
            Place::Host => {}
            Place::Gpu(gpu) => gpu.forget_peak_memory(),
        }
    }

    /// Most bytes of the GPU's memory since; none on the CPU.
    fn peak(&self) -> Option<u64> {
        match &self.place {
            Place::Host => None,
            Place::Gpu(gpu) => Some(gpu.peak_memory()),
        }
    }

    /// A watch that runs, from a device that is idle. `parts`: whether its marks wait for the device.
    pub fn watch(&self, parts: bool) -> Watch<'_> {
        self.wait();
        Watch {
            device: self,
            parts,
            began: Instant::now(),
            clock: Clock::start(),
        }
    }

    /// Times `work`, which is told the number of the run and whether its parts are asked for, on `images` images a run.
    pub fn time(
        &self,
        images: usize,
        repeats: Repeats,
        mut work: impl FnMut(usize, bool) -> Run,
    ) -> Measured {
        let mut runs = 0..;
        let mut times = |count: usize, parts: bool| -> Vec<Run> {
            let numbers = runs.by_ref().take(count);
            numbers.map(|run| work(run, parts)).collect()
        };
        times(repeats.warm_up, false);
        self.forget_peak();
        let whole = times(repeats.counted, self.is_host());
        let peak = self.peak();
        let apart = match (self.is_host(), self.parts) {
            (true, _) => None,
            (false, true) => Some(times(repeats.counted, true)),
            (false, false) => Some(Vec::new()),
        };
        Measured {
            images,
            parts: parts_of(apart.as_ref().unwrap_or(&whole)),
            whole: whole.into_iter().map(|run| run.ms).collect(),
            peak,
        }
    }
}

/// Takes the time of one run.
pub struct Watch<'d> {
    device: &'d Device,
    parts: bool,
    began: Instant,
    clock: Clock,
}

impl Watch<'_> {
    /// Counts the time since the last mark to `part`.
    pub fn mark(&mut self, part: &'static str) {
        if self.parts {
            self.device.wait();
        }
        self.clock.mark(part);
    }

    /// The times, once the device has ended.
    pub fn stop(self) -> Run {
        self.device.wait();
        Run {
            ms: 1e3 * self.began.elapsed().as_secs_f64(),
            parts: self.clock.stop(),
        }
    }
}

/// What one run took.
pub struct Run {
    ms: f64,
    parts: Vec<(&'static str, f64)>,
}

/// The median of every part.
fn parts_of(runs: &[Run]) -> Vec<(&'static str, f64)> {
    let names = runs.first().into_iter().flat_map(|run| &run.parts);
    names
        .enumerate()
        .map(|(at, (name, _))| {
            let times = runs.iter().map(|run| run.parts[at].1).collect();
            (*name, median(times))
        })
        .collect()
}

/// What the counted runs took.
pub struct Measured {
    images: usize,
    whole: Vec<f64>,
    parts: Vec<(&'static str, f64)>,
    peak: Option<u64>,
}

impl Measured {
    /// Median ms of the whole.
    pub fn all(&self) -> f64 {
        median(self.whole.clone())
    }

    /// Median ms of the parts.
    pub fn parts(&self) -> Value {
        listed(&self.parts, |ms| ms).into()
    }

    /// Median ms of the whole, then of the parts.
    pub fn medians(&self) -> Value {
        let all: Vec<_> = iter::once(("all", self.all()))
            .chain(self.parts.iter().copied())
            .collect();
        listed(&all, |ms| ms).into()
    }

    /// Images a second, the fastest and the slowest run, and the peak of the GPU's memory over the runs of the whole.
    pub fn rate(&self) -> Value {
        let (fastest, slowest) = (
            self.whole.iter().copied().fold(f64::INFINITY, f64::min),
            self.whole.iter().copied().fold(0.0, f64::max),
        );
        json!({
            "images": self.images,
            "images_per_second": rounded(1e3 * self.images as f64 / self.all()),
            "ms_spread": [rounded(fastest), rounded(slowest)],
            "peak_gpu_mb": self.peak.map(|bytes| bytes >> 20),
        })
    }
}
