//! Predicts the remaining time of a run from its speed so far.
//!
//! `$$ t_{left} = t \cdot \frac{W - w}{w} $$`
//!
//! w is the work done in the time t, and W is the whole work, both in the scheduler's units of cost.

use std::time::{Duration, Instant};

/// The share of the work that must be done before a forecast is meaningful.
const ENOUGH: f64 = 0.01;

/// The work of a run and its start.
#[derive(Clone, Copy, Debug)]
pub struct Forecast {
    all: f64,
    done: f64,
    start: Instant,
}

impl Forecast {
    /// A run with `all` work that starts at `start`.
    pub fn new(all: f64, start: Instant) -> Self {
        Self {
            all,
            done: 0.0,
            start,
        }
    }

    /// Adds `work` to the finished work.
    pub fn add(&mut self, work: f64) {
        self.done += work;
    }

    /// Removes `work` that need not be done.
    pub fn forget(&mut self, work: f64) {
        self.all -= work;
    }

    /// The share of the work that is done, 0 to 1.
    pub fn fraction(&self) -> f64 {
        if self.all > 0.0 {
            (self.done / self.all).min(1.0)
        } else {
            1.0
        }
    }

    /// The remaining time; none before enough work is done.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        let fraction = self.fraction();
        let elapsed = now.saturating_duration_since(self.start).as_secs_f64();
        (fraction >= ENOUGH).then(|| Duration::from_secs_f64(elapsed * (1.0 - fraction) / fraction))
    }
}

/// A duration for people: `40 s`, `12 min`, `3 h 05 min`.
pub fn readable(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    let minutes = (duration.as_secs_f64() / 60.0).round() as u64;
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6000 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_goes_as_fast_as_the_beginning() {
        let start = Instant::now();
        let mut forecast = Forecast::new(200.0, start);
        assert_eq!(forecast.left(start + Duration::from_secs(60)), None);
        forecast.add(50.0);
        let left = forecast.left(start + Duration::from_secs(60));
        assert_eq!(left, Some(Duration::from_secs(180)));
        forecast.add(150.0);
        assert_eq!(forecast.left(start), Some(Duration::ZERO));
        assert_eq!(Forecast::new(0.0, start).fraction(), 1.0);
    }

    #[test]
    fn durations_are_written_in_the_unit_that_fits() {
        let text = |seconds| readable(Duration::from_secs(seconds));
        assert_eq!(text(99), "99 s");
        assert_eq!(text(100), "2 min");
        assert_eq!(text(5999), "100 min");
        assert_eq!(text(6000), "1 h 40 min");
        assert_eq!(text(11_100), "3 h 05 min");
    }
}
