//! One vocabulary for wrong values.
//!
//! Every component declares with a [`Check`] which values its keys may have. All refusals have the same form:
//! the value, the reason, and the allowed values. `NaN` and infinities are in no range.

use super::describe::{declare_range, declare_rule, declare_words};
use super::errors::{ComponentError, ComponentErrors, joined};
use std::fmt::Display;
use std::ops::{Bound, RangeBounds};

/// The bound of weights and factors without a natural bound. Larger ones are typing mistakes.
pub const MOST_WEIGHT: f64 = 1e6;

/// The bound of numbers of steps. Larger ones are typing mistakes.
pub const MOST_STEPS: usize = 1_000_000_000;

/// Collects the refused values of a component, in the order in which they are checked.
#[derive(Debug, Default)]
pub struct Check {
    /// The path of the table that is being checked, inside the component's table.
    path: String,
    errors: Vec<ComponentError>,
}

impl Check {
    /// A check without refusals.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses a `value` outside `allowed`: "1.5 is out of range; allowed: 0 to 1".
    ///
    /// [`above`] makes a range without its lower end. A list is checked value by value under the same key.
    pub fn range<T: Number>(&mut self, key: &str, value: T, allowed: impl RangeBounds<T>) {
        declare_range(|| joined(&self.path, key), &allowed);
        if !(value.is_finite() && allowed.contains(&value)) {
            let allowed = in_words(&allowed);
            self.refuse(key, format!("{value} is out of range; allowed: {allowed}"));
        }
    }

    /// Refuses a `[minimum, maximum]` with an end outside `allowed` or with its ends in the wrong order:
    /// "[0.9, 0.7] is out of order; allowed: [minimum, maximum]".
    pub fn interval<T: Number>(
        &mut self,
        key: &str,
        [low, high]: [T; 2],
        allowed: impl RangeBounds<T> + Clone,
    ) {
        let before = self.refusals();
        self.range(key, low, allowed.clone());
        self.range(key, high, allowed);
        if self.refusals() == before && low > high {
            let message = "is out of order; allowed: [minimum, maximum]";
            self.refuse(key, format!("[{low}, {high}] {message}"));
        }
    }

    /// Refuses a `value` that is not a multiple of `divisor`, which `because` names: "66 does not fit;
    /// allowed: multiples of 4 (`heads`)". A `divisor` of 0 is left to the check of its own range.
    pub fn divides(&mut self, key: &str, value: usize, divisor: usize, because: &str) {
        self.require(
            divisor == 0 || value.is_multiple_of(divisor),
            key,
            value,
            format!("multiples of {divisor} ({because})"),
        );
    }

    /// Refuses `found` unless `holds`, for rules between keys: "9 does not fit; allowed: 1 to `images` = 8".
    pub fn require(&mut self, holds: bool, key: &str, found: impl Display, allowed: impl Display) {
        declare_rule(|| (joined(&self.path, key), allowed.to_string()));
        if !holds {
            self.refuse(key, format!("{found} does not fit; allowed: {allowed}"));
        }
    }

    /// Refuses the word `found`, which is not one of the `known` ones: "unknown `x`; known: `y`, `z`".
    pub fn unknown<'a>(
        &mut self,
        key: &str,
        found: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let error = ComponentError::one_of(key, found, known);
        self.errors.push(error.within(&self.path));
    }

    /// Refuses `key` with a message of its own.
    pub fn refuse(&mut self, key: &str, message: impl Into<String>) {
        let key = joined(&self.path, key);
        self.errors.push(ComponentError::new(key, message));
    }

    /// The number of refusals so far. A rule between keys may be left out if one of them is refused itself.
    pub fn refusals(&self) -> usize {
        self.errors.len()
    }

    /// Refuses the table because `key` is missing; `needed` says what it has to be.
    pub(super) fn lack(&mut self, key: &str, needed: impl Display) {
        let key = joined(&self.path, key);
        self.errors.push(ComponentError::lacking(key, needed));
    }

    /// Checks the table at `key` with `inner`. The keys in `inner` are those of that table.
    pub fn within<R>(&mut self, key: &str, inner: impl FnOnce(&mut Self) -> R) -> R {
        let path = joined(&self.path, key);
        let outer = std::mem::replace(&mut self.path, path);
        let result = inner(self);
        self.path = outer;
        result
    }

    /// The value that was made from the table at `key`. Its errors are collected.
    pub fn keep<T>(&mut self, key: &str, made: Result<T, impl Into<ComponentErrors>>) -> Option<T> {
        match made {
            Ok(made) => Some(made),
            Err(errors) => {
                let path = joined(&self.path, key);
                self.errors.extend(errors.into().within(&path));
                None
            }
        }
    }

    /// Declares that the value of `key` is one of the `known` words.
    pub fn known<'a>(&self, key: &str, known: impl IntoIterator<Item = &'a str>) {
        declare_words(|| {
            let known = known.into_iter().map(str::to_string).collect();
            (joined(&self.path, key), known)
        });
    }

    /// The path of the table that is being checked, inside the component's table.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// A check of the same table whose refusals are kept apart.
    pub(super) fn beside(&self) -> Self {
        Self {
            path: self.path.clone(),
            errors: Vec::new(),
        }
    }

    /// Adds the keys `more` to the known ones that the refusals of unknown keys list.
    pub(super) fn add_known(&mut self, more: &[String]) {
        let quoted: String = more.iter().map(|key| format!(", `{key}`")).collect();
        let unknown = self.errors.iter_mut();
        let unknown = unknown.filter(|error| error.message.starts_with("unknown field `"));
        unknown.for_each(|error| error.message += &quoted);
    }

    /// Adds the refusals of `other` for which `counts` holds.
    pub(super) fn take(&mut self, other: Self, counts: impl Fn(&ComponentError) -> bool) {
        self.errors.extend(other.errors.into_iter().filter(counts));
    }

    /// Ends the check.
    ///
    /// # Errors
    /// All refusals.
    pub fn finish(self) -> Result<(), ComponentErrors> {
        ComponentErrors::of(self.errors).map_or(Ok(()), Err)
    }
}

/// The numbers above `low`, up to `high`: a range for [`Check::range`].
pub fn above<T>(low: T, high: T) -> (Bound<T>, Bound<T>) {
    (Bound::Excluded(low), Bound::Included(high))
}

/// A number of a recipe.
pub trait Number: PartialOrd + Copy + Display {
    /// Returns true if the number is neither `NaN` nor infinite.
    fn is_finite(self) -> bool;
}

macro_rules! whole {
    ($($number:ty),*) => {$(
        impl Number for $number {
            fn is_finite(self) -> bool {
                true
            }
        }
    )*};
}
whole!(u8, u32, u64, usize, i32, i64);

impl Number for f32 {
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

impl Number for f64 {
    fn is_finite(self) -> bool {
        self.is_finite()
    }
}

/// A range as text for a message.
fn in_words<T: Display>(allowed: &impl RangeBounds<T>) -> String {
    use Bound::{Excluded, Included, Unbounded};
    let low = match allowed.start_bound() {
        Included(low) => format!("at least {low}"),
        Excluded(low) => format!("above {low}"),
        Unbounded => String::new(),
    };
    let high = match allowed.end_bound() {
        Included(high) => format!("at most {high}"),
        Excluded(high) => format!("below {high}"),
        Unbounded => String::new(),
    };
    match (allowed.start_bound(), allowed.end_bound()) {
        (Included(low), Included(high)) => format!("{low} to {high}"),
        (Included(low), Unbounded) => format!("{low} or more"),
        (Unbounded, Unbounded) => "any finite number".into(),
        (Unbounded, _) => high,
        (_, Unbounded) => low,
        _ => format!("{low}, {high}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The refusals of `check`, each as "key: message".
    fn refused(check: impl FnOnce(&mut Check)) -> Vec<String> {
        let mut collected = Check::new();
        check(&mut collected);
        let errors = collected.finish().err().map(Vec::from_iter);
        let told = |error: ComponentError| format!("{}: {error}", error.key);
        errors.into_iter().flatten().map(told).collect()
    }

    #[test]
    fn every_kind_of_range_has_its_words() {
        for (allowed, words) in [
            ((Bound::Included(0.0), Bound::Included(1.0)), "0 to 1"),
            (
                (Bound::Included(0.0), Bound::Excluded(1.0)),
                "at least 0, below 1",
            ),
            ((Bound::Included(2.0), Bound::Unbounded), "2 or more"),
            (above(0.0, 0.5), "above 0, at most 0.5"),
            ((Bound::Excluded(0.0), Bound::Unbounded), "above 0"),
            ((Bound::Unbounded, Bound::Included(1.0)), "at most 1"),
            ((Bound::Unbounded, Bound::Unbounded), "any finite number"),
        ] {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let found = refused(|check| check.range("key", value, allowed));
                assert_eq!(
                    found,
                    [format!("key: {value} is out of range; allowed: {words}")]
                );
            }
        }
    }

    #[test]
    fn the_ends_of_a_range_belong_to_it_as_it_says() {
        let found = refused(|check| {
            for value in [0, 1, 8, 9, usize::MAX] {
                check.range("closed", value, 1..=8);
            }
            for value in [-0.5, 0.0, 0.999, 1.0] {
                check.range("open", value, 0.0..1.0);
            }
            for value in [0.0f32, 1e-9, 2.0] {
                check.range("above", value, above(0.0, 1.0));
            }
        });
        let expected = [
            "closed: 0 is out of range; allowed: 1 to 8",
            "closed: 9 is out of range; allowed: 1 to 8",
            "closed: 18446744073709551615 is out of range; allowed: 1 to 8",
            "open: -0.5 is out of range; allowed: at least 0, below 1",
            "open: 1 is out of range; allowed: at least 0, below 1",
            "above: 0 is out of range; allowed: above 0, at most 1",
            "above: 2 is out of range; allowed: above 0, at most 1",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_interval_has_its_ends_in_range_and_in_order() {
        let found = refused(|check| {
            check.interval("good", [0.5, 0.5], 0.0..=1.0);
            check.interval("turned", [0.9, 0.7], 0.0..=1.0);
            check.interval("outside", [0.5, 1.5], 0.0..=1.0);
        });
        let expected = [
            "turned: [0.9, 0.7] is out of order; allowed: [minimum, maximum]",
            "outside: 1.5 is out of range; allowed: 0 to 1",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn all_refusals_come_together_each_with_its_path() {
        let found = refused(|check| {
            check.divides("width", 66, 4, "`heads`");
            check.divides("width", 64, 4, "`heads`");
            check.within("backbone", |check| {
                check.require(false, "depths", "[0]", "4 numbers");
                check.within("stem", |check| check.range("kernel", 0, 1..));
            });
            let made = ComponentError::one_of("name", "x", ["y"]);
            assert_eq!(check.keep("filter", Err::<(), _>(made)), None);
            assert_eq!(check.keep("filter", Ok::<_, ComponentError>(3)), Some(3));
        });
        let expected = [
            "width: 66 does not fit; allowed: multiples of 4 (`heads`)",
            "backbone.depths: [0] does not fit; allowed: 4 numbers",
            "backbone.stem.kernel: 0 is out of range; allowed: 1 or more",
            "filter.name: unknown `x`; known: `y`",
        ];
        assert_eq!(found, expected);
    }
}
