//! The device of the benchmark, and the way to measure time on it.
//!
//! A GPU works asynchronously. So a whole run is timed from an idle GPU to an idle GPU with nothing in
//! between. Its parts are timed in separate runs, in which every part waits for the GPU, so the parts add up
//! to more than the whole. On the CPU, one run gives both.

use crate::measure::{Clock, listed, median, rounded};
use anyhow::{Context, Result, anyhow};
use harness::tensor::{DeviceChoice, Place, Precision};
use serde_json::{Value, json};
use std::iter;
use std::time::Instant;

/// A place, and true if parts are timed even if that needs separate runs.
pub struct Device {
    pub place: Place,
    parts: bool,
}

/// The number of runs: those before the measurement, which are not counted, and the counted ones.
#[derive(Clone, Copy)]
pub struct Repeats {
    pub warm_up: usize,
    pub counted: usize,
}

impl Device {
    /// Opens the chosen device.
    pub fn open(choice: DeviceChoice, precision: Precision, parts: bool) -> Result<Self> {
        let (place, why) = choice.place().map_err(|why| anyhow!(why))?;
        if let Some(why) = why {
            eprintln!("{why}");
        }
        let place = place
            .computing_with(precision)
            .with_context(|| format!("--precision, --device {choice}"))?;
        Ok(Self { place, parts })
    }

    /// Returns true if ops run on the CPU.
    pub fn is_host(&self) -> bool {
        matches!(self.place, Place::Host)
    }

    /// Name, precision and versions for the report; empty on the CPU, to keep the format of old reports.
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

    /// Waits until the device is idle.
    fn wait(&self) {
        match &self.place {
            Place::Host => {}
            Place::Gpu(gpu) => gpu.synchronize(),
        }
    }

    /// Starts a new measurement of the memory peak.
    fn forget_peak(&self) {
        match &self.place {
            Place::Host => {}
            Place::Gpu(gpu) => gpu.forget_peak_memory(),
        }
    }

    /// The peak of the GPU's memory since then in bytes; none on the CPU.
    fn peak(&self) -> Option<u64> {
        match &self.place {
            Place::Host => None,
            Place::Gpu(gpu) => Some(gpu.peak_memory()),
        }
    }

    /// A running stopwatch, started when the device is idle. If `parts`, its marks wait for the device.
    pub fn watch(&self, parts: bool) -> Watch<'_> {
        self.wait();
        Watch {
            device: self,
            parts,
            began: Instant::now(),
            clock: Clock::start(),
        }
    }

    /// Times `work` on `images` images per run. `work` receives the number of the run, and true if its parts
    /// are needed.
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

/// Measures the time of one run.
pub struct Watch<'d> {
    device: &'d Device,
    parts: bool,
    began: Instant,
    clock: Clock,
}

impl Watch<'_> {
    /// Adds the time since the last mark to `part`.
    pub fn mark(&mut self, part: &'static str) {
        if self.parts {
            self.device.wait();
        }
        self.clock.mark(part);
    }

    /// The times, after the device has finished.
    pub fn stop(self) -> Run {
        self.device.wait();
        Run {
            ms: 1e3 * self.began.elapsed().as_secs_f64(),
            parts: self.clock.stop(),
        }
    }
}

/// The times of one run.
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

/// The times of the counted runs.
pub struct Measured {
    images: usize,
    whole: Vec<f64>,
    parts: Vec<(&'static str, f64)>,
    peak: Option<u64>,
}

impl Measured {
    /// The median of the whole in ms.
    pub fn all(&self) -> f64 {
        median(self.whole.clone())
    }

    /// The medians of the parts in ms.
    pub fn parts(&self) -> Value {
        listed(&self.parts, |ms| ms).into()
    }

    /// The medians of the whole, then of the parts, in ms.
    pub fn medians(&self) -> Value {
        let all: Vec<_> = iter::once(("all", self.all()))
            .chain(self.parts.iter().copied())
            .collect();
        listed(&all, |ms| ms).into()
    }

    /// Images per second, the fastest and the slowest run, and the peak of the GPU's memory over the runs of
    /// the whole.
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
