//! Compares the statistics with the numbers of SciPy and statsmodels, and tests them on distributions with a
//! known answer and by their symmetries.

use super::holm::holm;
use super::paired::student;
use super::*;
use crate::rng::Stream;
use proptest::prelude::*;
use serde::Deserialize;

/// The content of the file that `tests/golden/paired_statistics.py` writes.
#[derive(Deserialize)]
struct Golden {
    paired: Vec<Paired>,
    kendall: Vec<Ranks>,
    holm: Vec<Family>,
}

#[derive(Deserialize)]
struct Paired {
    differences: Vec<f64>,
    mean: f64,
    interval: (f64, f64),
    p: f64,
    bootstrap: Option<(f64, f64)>,
}

#[derive(Deserialize)]
struct Ranks {
    x: Vec<f64>,
    y: Vec<f64>,
    tau: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Family {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/golden/paired_statistics.json")).unwrap()
}

#[track_caller]
fn near(found: f64, expected: f64, bound: f64) {
    assert!(
        (found - expected).abs() <= bound,
        "{found} is not {expected}"
    );
}

#[track_caller]
fn near_interval(found: Option<(f64, f64)>, expected: (f64, f64), bound: f64) {
    let (low, high) = found.expect("an interval");
    near(low, expected.0, bound);
    near(high, expected.1, bound);
}

#[test]
fn parity_of_paired_differences_with_scipy() {
    let mut bootstrap = Bootstrap::default();
    for case in golden().paired {
        let found = paired_difference(&case.differences, &mut bootstrap).unwrap();
        near(found.mean, case.mean, 1e-12);
        near_interval(found.interval, case.interval, 1e-7);
        near(found.p.unwrap(), case.p, 1e-9);
        if let Some(expected) = case.bootstrap {
            near_interval(found.bootstrap, expected, 1e-12);
        }
    }
}

#[test]
fn parity_of_orders_with_scipy() {
    for case in golden().kendall {
        let pairs: Vec<(f64, f64)> = case.x.iter().copied().zip(case.y).collect();
        let found = kendall(&pairs).unwrap();
        near(found.tau, case.tau, 1e-12);
        near(found.p, case.p, 1e-9);
    }
}

#[test]
fn parity_of_corrections_with_statsmodels() {
    for case in golden().holm {
        for (found, expected) in holm(&case.p).into_iter().zip(case.adjusted) {
            near(found, expected, 1e-12);
        }
    }
}

/// Number of rows drawn for a calibration. The standard error of a share of 5 % is then 0.22 %.
const ROWS: usize = 10_000;

/// Number of these rows whose bootstrap is computed. The standard error of a share of 75 % is then 1.4 %, of
/// 90 % it is 1.0 %.
const BOOTSTRAPPED: usize = 1_000;

fn normals(stream: &mut Stream, count: usize) -> Vec<f64> {
    (0..count).map(|_| stream.normal()).collect()
}

/// Student's interval misses the true mean in 5 % of the cases and p is uniform. The bootstrap misses it as
/// often as the documentation of `bootstrap` says.
#[test]
fn without_an_effect_p_is_uniform_and_the_intervals_hold_0_as_often_as_they_say() {
    let mut bootstrap = Bootstrap::default();
    let holds = |(low, high): (f64, f64)| usize::from(low <= 0.0 && 0.0 <= high);
    for (count, held_by_bootstrap) in [(3, 0.75), (5, 0.85), (10, 0.90)] {
        let mut stream = Stream::at(0, "calibration", count as u64);
        let mut p = Vec::new();
        let (mut held, mut bootstrap_held) = (0, 0);
        for row in 0..ROWS {
            let differences = normals(&mut stream, count);
            let (interval, of_row) = student(&differences).unwrap();
            held += holds(interval);
            p.push(of_row);
            if row < BOOTSTRAPPED {
                bootstrap_held += holds(bootstrap.interval(&differences));
            }
        }
        near(held as f64 / ROWS as f64, 0.95, 0.01);
        near(
            bootstrap_held as f64 / BOOTSTRAPPED as f64,
            held_by_bootstrap,
            0.04,
        );
        // Kolmogorov's distance to the uniform distribution exceeds 1.95 / sqrt(rows) once in a thousand
        // cases.
        p.sort_by(f64::total_cmp);
        let ranks = (1..).map(|rank| rank as f64 / ROWS as f64);
        let distance = ranks.zip(&p).map(|(rank, p)| (rank - p).abs());
        let farthest = distance.fold(0.0, f64::max);
        assert!(
            farthest < 1.95 / (ROWS as f64).sqrt(),
            "{count}: {farthest}"
        );
    }
}

/// Rows that share their reference, as in a table. At most 5 % of the tables contain a false verdict;
/// uncorrected tests would produce one in more than twice as many.
#[test]
fn holm_keeps_the_chance_of_any_false_verdict() {
    const TABLES: usize = 4_000;
    for count in [3, 5, 10] {
        let mut stream = Stream::at(0, "family", count as u64);
        let (mut wrong, mut uncorrected) = (0, 0);
        for _ in 0..TABLES {
            let reference = normals(&mut stream, count);
            let row = |_| {
                let others = normals(&mut stream, count).into_iter().zip(&reference);
                let differences: Vec<f64> = others.map(|(x, y)| x - y).collect();
                student(&differences).unwrap().1
            };
            let p: Vec<f64> = (0..6).map(row).collect();
            uncorrected += usize::from(p.iter().any(|p| *p < 0.05));
            wrong += usize::from(holm(&p).iter().any(|p| *p < 0.05));
        }
        let share = |count: usize| count as f64 / TABLES as f64;
        // Three standard errors above 5 %.
        assert!(share(wrong) < 0.06, "{count} pairs: {}", share(wrong));
        assert!(share(uncorrected) > 0.12, "{}", share(uncorrected));
    }
}

#[test]
fn a_large_effect_is_seen_and_named_for_what_the_row_does() {
    let mut bootstrap = Bootstrap::default();
    let mut of = |values: &[f64]| paired_difference(values, &mut bootstrap).unwrap();
    let rows = [
        of(&[2.0, 2.1, 1.9]),
        of(&[-2.0, -2.1, -1.9]),
        of(&[0.3, -0.2, 0.1]),
        of(&[9.0]),
    ];
    let judged = judge(&rows);
    let verdicts: Vec<Verdict> = judged.iter().map(|row| row.verdict).collect();
    let known = [
        Verdict::Helps,
        Verdict::Hurts,
        Verdict::Inconclusive,
        Verdict::Inconclusive,
    ];
    assert_eq!(verdicts, known);
    assert_eq!(judged[3].adjusted, None, "one pair is in no family");
    let three_times = 3.0 * rows[0].p.unwrap();
    assert_eq!(
        judged[0].adjusted,
        Some(three_times),
        "three rows, not four"
    );
}

/// The known tau of normal columns with correlation r is 2 / pi asin(r).
#[test]
fn tau_of_correlated_normals() {
    let mut stream = Stream::new(0, "tau");
    let r: f64 = 0.6;
    let pairs: Vec<(f64, f64)> = (0..2000)
        .map(|_| {
            let x = stream.normal();
            (x, r * x + (1.0 - r * r).sqrt() * stream.normal())
        })
        .collect();
    let found = kendall(&pairs).unwrap();
    near(found.tau, std::f64::consts::FRAC_2_PI * r.asin(), 0.03);
    assert!(found.p < 1e-12);
}

fn differences() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-50.0..50.0f64, 2..14)
}

proptest! {
    /// If the metric changes its unit, zero or direction, the intervals change with it and the tests do not.
    #[test]
    fn intervals_follow_shift_scale_and_sign(values in differences(), shift in -20.0..20.0f64, scale in 0.1..9.0f64) {
        let mut bootstrap = Bootstrap::default();
        let plain = paired_difference(&values, &mut bootstrap).unwrap();
        let moved: Vec<f64> = values.iter().map(|value| scale * value + shift).collect();
        let moved = paired_difference(&moved, &mut bootstrap).unwrap();
        let to = |bound: f64| scale * bound + shift;
        for (plain, moved) in [(plain.interval, moved.interval), (plain.bootstrap, moved.bootstrap)] {
            let (low, high) = plain.unwrap();
            near_interval(moved, (to(low), to(high)), 1e-6);
        }
        let scaled: Vec<f64> = values.iter().map(|value| scale * value).collect();
        near(paired_difference(&scaled, &mut bootstrap).unwrap().p.unwrap(), plain.p.unwrap(), 1e-9);

        let reversed: Vec<f64> = values.iter().map(|value| -value).collect();
        let reversed = paired_difference(&reversed, &mut bootstrap).unwrap();
        near(reversed.p.unwrap(), plain.p.unwrap(), 1e-12);
        let (low, high) = plain.interval.unwrap();
        near_interval(reversed.interval, (-high, -low), 1e-9);
        let (low, high) = plain.bootstrap.unwrap();
        near_interval(reversed.bootstrap, (-high, -low), 1e-9);
    }

    /// The order of the seeds does not matter as long as all resamples are counted.
    #[test]
    fn the_order_of_few_seeds_is_of_no_matter(values in prop::collection::vec(-50.0..50.0f64, 2..=EXACT_UP_TO)) {
        let mut bootstrap = Bootstrap::default();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = bootstrap.interval(&values);
        near_interval(Some(bootstrap.interval(&sorted)), (low, high), 1e-9);
        let mean = mean(&values).unwrap();
        prop_assert!(sorted[0] - 1e-9 <= low && low <= mean + 1e-9);
        prop_assert!(mean - 1e-9 <= high && high <= sorted[sorted.len() - 1] + 1e-9);
    }

    /// p < 0.05 and an interval without 0 are equivalent.
    #[test]
    fn the_test_and_the_interval_agree(values in differences()) {
        let found = paired_difference(&values, &mut Bootstrap::default()).unwrap();
        let (low, high) = found.interval.unwrap();
        let p = found.p.unwrap();
        prop_assume!((p - 0.05).abs() > 1e-6);
        prop_assert_eq!(p < 0.05, low > 0.0 || high < 0.0);
    }

    #[test]
    fn holm_only_raises_and_keeps_the_order(p in prop::collection::vec(0.0..=1.0f64, 1..20)) {
        let adjusted = holm(&p);
        let factor = p.len() as f64;
        for (one, raised) in p.iter().zip(&adjusted) {
            prop_assert!(one <= raised && *raised <= (factor * one).min(1.0), "between no correction and Bonferroni's");
            for (other, other_raised) in p.iter().zip(&adjusted) {
                prop_assert!(one > other || raised <= other_raised);
            }
        }
        let smallest = p.iter().copied().fold(1.0, f64::min);
        prop_assert!(adjusted.iter().any(|raised| *raised == (factor * smallest).min(1.0)), "the smallest is Bonferroni's");
    }

    #[test]
    fn tau_is_symmetric_and_reverses(pairs in prop::collection::vec((-3..3i32, -3..3i32), 0..12)) {
        let columns: Vec<(f64, f64)> = pairs.iter().map(|&(x, y)| (f64::from(x), f64::from(y))).collect();
        let found = kendall(&columns);
        let swapped: Vec<(f64, f64)> = columns.iter().map(|&(x, y)| (y, x)).collect();
        prop_assert_eq!(kendall(&swapped).map(|k| k.tau), found.map(|k| k.tau));
        let reversed: Vec<(f64, f64)> = columns.iter().map(|&(x, y)| (x, 1.0 - y)).collect();
        prop_assert_eq!(kendall(&reversed).map(|k| k.tau), found.map(|k| -k.tau));
        if let Some(found) = found {
            prop_assert!((-1.0..=1.0).contains(&found.tau) && (0.0..=1.0).contains(&found.p));
        }
    }
}
