//! From numbers to places in a figure.

/// The fewest ticks of an axis that a step has to give.
const TICKS: f64 = 4.0;

/// A linear scale: values from `low` to `high` lie between the places `from` and `to`.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    /// True if values between two whole numbers mean nothing.
    is_whole: bool,
}

impl Scale {
    /// The scale of `values` between two places; values that are not finite are left out. A range of no size gets one.
    pub fn of(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let range = finite.fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| {
                (low.min(value), high.max(value))
            }))
        });
        let (low, high) = range.unwrap_or((0.0, 1.0));
        let (low, high) = match high > low {
            true => (low, high),
            false => (
                low - 0.5 * low.abs().max(1.0),
                high + 0.5 * high.abs().max(1.0),
            ),
        };
        Self {
            low,
            high,
            from,
            to,
            is_whole: false,
        }
    }

    /// The scale of training steps between two places: its ticks are whole steps, and a single step is in the middle.
    pub fn of_steps(steps: impl IntoIterator<Item = u64>, from: f64, to: f64) -> Self {
        let steps = steps.into_iter();
        let range = steps.fold(None, |range: Option<(u64, u64)>, step| {
            Some(range.map_or((step, step), |(low, high)| (low.min(step), high.max(step))))
        });
        let bounds = match range.unwrap_or((0, 0)) {
            (low, high) if low == high => [low as f64 - 0.5, low as f64 + 0.5],
            (low, high) => [low as f64, high as f64],
        };
        Self {
            is_whole: true,
            ..Self::of(bounds, from, to)
        }
    }

    /// The place of a value.
    pub fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Returns true if the value lies in the range.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The range.
    pub fn range(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Round values in the range with their texts.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / TICKS;
        let power = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
        let fits = steps.into_iter().rev().find(|step| *step <= rough);
        let step = fits.unwrap_or(power);
        let step = if self.is_whole { step.max(1.0) } else { step };
        let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        let text = |value: f64| match value.abs() {
            size if size >= 1e6 || (size > 0.0 && size < 1e-4) => format!("{value:.1e}"),
            _ => crate::report::cell::rounded(Some(value), digits),
        };
        (first..=last)
            .map(|count| count as f64 * step)
            .map(|value| (value, text(value)))
            .collect()
    }
}

/// A place with one decimal, without a zero behind the point.
pub fn place(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_string(),
        Some(whole) => whole.to_string(),
        None => text,
    }
}

/// A reading in few characters, for texts beside a figure.
pub fn reading(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        size if !(0.001..1_000_000.0).contains(&size) => format!("{value:.2e}"),
        size if size < 10.0 => format!("{value:.3}"),
        size if size < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let texts = |low, high| -> Vec<String> {
            let scale = Scale::of([low, high], 0.0, 100.0);
            scale.ticks().into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(texts(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(
            texts(-3.2, 4.1),
            ["-3", "-2", "-1", "0", "1", "2", "3", "4"]
        );
        assert_eq!(texts(0.0, 80.0), ["0", "20", "40", "60", "80"]);
        assert!(texts(2.0, 2.0).len() > 1, "a constant has an axis");
        assert!(texts(f64::NAN, f64::INFINITY).len() > 1);
    }

    #[test]
    fn ticks_of_steps_are_whole_and_a_single_step_has_its_own() {
        let ticks = |steps: &[u64]| -> Vec<String> {
            let scale = Scale::of_steps(steps.iter().copied(), 0.0, 100.0);
            scale.ticks().into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(ticks(&[0]), ["0"]);
        assert_eq!(ticks(&[1400]), ["1400"]);
        assert_eq!(ticks(&[1, 3]), ["1", "2", "3"]);
        assert_eq!(ticks(&[20, 100]), ["20", "40", "60", "80", "100"]);
        let one = Scale::of_steps([7], 0.0, 100.0);
        assert_eq!(one.at(7.0), 50.0);
    }

    #[test]
    fn places_are_short() {
        let found = [1.0, -0.04, 2.25, 10.06].map(place);
        assert_eq!(found, ["1", "0", "2.2", "10.1"]);
    }
}
