use super::*;
use crate::rng::Stream;
use proptest::prelude::*;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Number of simulated tables. The standard error of a share of 5 % is then 0.5 %.
const TABLES: u64 = 2_000;
/// Number of compared rows of a table.
const ROWS: usize = 4;

const RULE: UntilDecided = UntilDecided {
    at_least: 2,
    at_most: 24,
    effect_scale: 1.0,
    negligible: None,
};

fn rows(differences: &[Vec<f64>]) -> Vec<Compared> {
    let row = |row: &Vec<f64>| Compared {
        seeds: row.iter().copied().map(Seed::Difference).collect(),
        kept: None,
    };
    differences.iter().map(row).collect()
}

/// Differences without an effect of rows that share their reference; `noise` draws a result.
fn table(stream: &mut Stream, noise: &dyn Fn(&mut Stream) -> f64) -> Vec<Vec<f64>> {
    let reference: Vec<f64> = (0..RULE.at_most).map(|_| noise(stream)).collect();
    let row = |_| {
        reference
            .iter()
            .map(|other| noise(stream) - other)
            .collect()
    };
    (0..ROWS).map(row).collect()
}

/// A result of Student's t distribution with 4 degrees of freedom: tails that are heavier than the normal ones.
fn heavy(stream: &mut Stream) -> f64 {
    let squares: f64 = (0..4).map(|_| stream.normal().powi(2)).sum();
    stream.normal() / (squares / 4.0).sqrt()
}

/// Returns true if the paired t test, adjusted by Holm, finds an effect at any number of seeds: what everybody does who
/// adds seeds until a star appears.
fn naive(differences: &[Vec<f64>]) -> bool {
    let looks = RULE.at_least..=RULE.at_most;
    let mut grown = vec![Paired::default(); differences.len()];
    let mut found = looks.map(|count| {
        let student = StudentsT::new(0.0, 1.0, (count - 1) as f64).unwrap();
        let p = grown.iter_mut().zip(differences).map(|(paired, row)| {
            row[paired.count..count]
                .iter()
                .for_each(|one| paired.push(*one));
            let error = paired.deviation().unwrap() / (count as f64).sqrt();
            2.0 * student.sf((paired.mean / error).abs())
        });
        let p: Vec<f64> = p.collect();
        holm(&p).into_iter().any(|one| one < LEVEL)
    });
    found.any(|one| one)
}

/// The shares of tables without an effect in which the rule and the naive t test find one.
fn false_verdicts(name: &str, noise: &dyn Fn(&mut Stream) -> f64) -> [f64; 2] {
    let mut found = [0u32; 2];
    for index in 0..TABLES {
        let differences = table(&mut Stream::at(0, name, index), noise);
        let standings = RULE.standings(&rows(&differences));
        let is_false = |one: &Standing| matches!(one.state, State::Decided(_));
        found[0] += u32::from(standings.iter().any(is_false));
        found[1] += u32::from(naive(&differences));
    }
    found.map(|count| f64::from(count) / TABLES as f64)
}

#[test]
fn who_looks_after_every_seed_is_wrong_in_few_tables_and_with_a_t_test_in_many() {
    let [ours, naive] = false_verdicts("normal", &Stream::normal);
    println!("false verdicts, normal noise: {ours} by the rule, {naive} by a t test at every look");
    // Three standard errors above the promised 5 %.
    let bound = LEVEL + 3.0 * (LEVEL * (1.0 - LEVEL) / TABLES as f64).sqrt();
    assert!(ours <= bound, "{ours}");
    assert!(naive > 0.15, "{naive}");
    let [ours, naive] = false_verdicts("heavy", &heavy);
    println!("false verdicts, heavy tails: {ours} by the rule, {naive} by a t test at every look");
    assert!(ours <= bound, "{ours}");
}

#[test]
fn a_row_stops_at_the_first_look_at_which_its_adjusted_p_is_small_enough() {
    // Differences of 1 with a deviation of 0.1: E is 1.7 at two seeds, about 4 at three, 11 at four, 36 at five.
    let clear = |sign: f64| -> Vec<f64> {
        let noise = [0.1, -0.1, 0.05, -0.05, 0.1, -0.1, 0.05, -0.05, 0.0, 0.0];
        noise.iter().map(|one| sign * (1.0 + one)).collect()
    };
    let none = vec![1.0, -1.0, 0.9, -1.1, 1.0, -0.9, 1.1, -1.0, 0.9, -1.0];
    let of = |rows: &[Compared]| RULE.standings(rows);
    let state = |seeds, state| Standing { seeds, state };
    let alone = of(&rows(&[clear(-1.0)]));
    assert_eq!(alone, [state(5, State::Decided(Verdict::Hurts))]);
    // With two rows the first needs E of 40, which is beyond five seeds; then the second needs 20 alone.
    let both = of(&rows(&[clear(1.0), clear(-1.0)]));
    let decided = |verdict| state(6, State::Decided(verdict));
    assert_eq!(both, [decided(Verdict::Helps), decided(Verdict::Hurts)]);
    let mixed = of(&rows(&[clear(1.0), none.clone()]));
    // The row that is open waits for its eleventh seed.
    assert_eq!(mixed, [decided(Verdict::Helps), state(11, State::Open)]);
    let rule = UntilDecided {
        at_most: 10,
        ..RULE
    };
    assert_eq!(
        rule.standings(&rows(&[none]))[0],
        state(10, State::Undecided)
    );
    let late = UntilDecided {
        at_least: 8,
        ..RULE
    };
    assert_eq!(late.standings(&rows(&[clear(1.0)]))[0].seeds, 8);
}

#[test]
fn a_difference_that_does_not_matter_is_the_same_if_one_asks() {
    let small: Vec<f64> = (0..24)
        .map(|at| [0.12, -0.1, 0.03, -0.02][at % 4])
        .collect();
    let of = |negligible| {
        UntilDecided { negligible, ..RULE }.standings(&rows(std::slice::from_ref(&small)))[0]
    };
    assert_eq!(of(None).state, State::Undecided);
    let same = of(Some(0.5));
    assert_eq!(same.state, State::Decided(Verdict::Same));
    // At fewer than five seeds the sequence is the whole line.
    assert!((5..12).contains(&same.seeds), "{same:?}");
    assert!(of(Some(0.2)).seeds > same.seeds);
    assert_eq!(of(Some(0.01)).state, State::Undecided);
}

#[test]
fn a_setting_that_never_acts_is_identical_at_the_first_look() {
    let row = |seeds: &[Seed]| Compared {
        seeds: seeds.to_vec(),
        kept: None,
    };
    let standings = RULE.standings(&[
        row(&[Seed::Identical, Seed::Identical]),
        row(&[Seed::Identical, Seed::Difference(0.0)]),
    ]);
    assert_eq!(standings[0].state, State::Decided(Verdict::Identical));
    assert_eq!((standings[1].state, standings[1].seeds), (State::Open, 3));
}

#[test]
fn a_failed_trial_stops_its_row_alone() {
    let mut table = rows(&[vec![0.3, -0.2, 0.1, 0.2], vec![0.1, -0.3, 0.2, 0.1]]);
    table[0].seeds[2] = Seed::Failed;
    let standings = RULE.standings(&table);
    assert_eq!((standings[0].state, standings[0].seeds), (State::Stuck, 3));
    assert_eq!((standings[1].state, standings[1].seeds), (State::Open, 5));
    // When it has to be done again, all wait for it: a round ends for all rows.
    table[0].seeds[2] = Seed::Pending;
    let standings = RULE.standings(&table);
    assert!(
        standings
            .iter()
            .all(|one| *one == standings[0] && one.seeds == 3)
    );
}

/// The last look is at all rows: who has its last seed before another row has no verdict yet, and may get one.
#[test]
fn a_row_with_its_last_seed_waits_for_the_last_look() {
    let rule = UntilDecided { at_most: 5, ..RULE };
    // At five seeds E is about 36: enough alone, not for the first of two rows.
    let clear = vec![1.1, 0.9, 1.05, 0.95, 1.1];
    let clearer = vec![1.0, 1.0, 1.0, 1.0, 1.001];
    let mut table = rows(&[clear, vec![1.0, -1.0, 0.9, -1.1, 1.0]]);
    table[1].seeds.pop();
    let waiting = rule.standings(&table);
    assert!(
        waiting
            .iter()
            .all(|one| (one.state, one.seeds) == (State::Open, 5)),
        "{waiting:?}"
    );
    table[1].seeds.push(Seed::Difference(1.0));
    let over = rule.standings(&table);
    assert!(
        over.iter().all(|one| one.state == State::Undecided),
        "{over:?}"
    );
    table[1] = rows(&[clearer]).remove(0);
    let scale = UntilDecided {
        effect_scale: 2.0,
        ..rule
    };
    let decided = scale.standings(&table);
    let helps = State::Decided(Verdict::Helps);
    assert!(decided.iter().all(|one| one.state == helps), "{decided:?}");
}

/// Differences of 1 with a deviation of about 0.1: whoever expects larger effects has more evidence of them.
#[test]
fn the_scale_of_the_effect_is_that_of_the_rule() {
    let clear: Vec<f64> = (0..12)
        .map(|at| 1.0 + [0.1, -0.1, 0.05, -0.05][at % 4])
        .collect();
    let first = |effect_scale: f64| {
        let rule = UntilDecided {
            effect_scale,
            ..RULE
        };
        let paired = Paired::of(&clear[..4]).unwrap();
        assert_eq!(
            rule.p(Some(paired)),
            p_of(paired.e_value(0.0, effect_scale))
        );
        rule.standings(&rows(std::slice::from_ref(&clear)))[0].seeds
    };
    let seeds = [0.1, 1.0, 4.0].map(first);
    assert!(seeds[0] > seeds[1] && seeds[1] > seeds[2], "{seeds:?}");
    let sequence = |effect_scale| {
        UntilDecided {
            effect_scale,
            ..RULE
        }
        .first_sequence()
    };
    // (1 + n g)^((n - 1)/2) is above 20 first at n = 5 for g = 1: 36, and 11 at n = 4.
    assert_eq!(sequence(1.0), Some(5));
    assert_eq!((sequence(4.0), sequence(1000.0)), (Some(4), Some(2)));
    assert_eq!(sequence(1e-6), None);
}

/// The mean number of seeds of rows of known effect, and how many are decided, simulated with NumPy over 20,000 runs;
/// the bounds are four standard errors of both simulations.
#[test]
fn rows_of_known_effect_spend_the_known_number_of_seeds() {
    for (effect, share, seeds) in [(0.5, 0.32, 21.2), (1.0, 0.94, 13.1), (2.0, 1.0, 6.9)] {
        let mut spent = Vec::new();
        let mut decided = 0;
        for index in 0..TABLES {
            let mut stream = Stream::at(0, "spending", index);
            let row = (0..RULE.at_most)
                .map(|_| effect + stream.normal())
                .collect();
            let standing = RULE.standings(&rows(&[row]))[0];
            spent.push(standing.seeds as f64);
            decided += usize::from(standing.state == State::Decided(Verdict::Helps));
        }
        let mean = super::super::mean(&spent).unwrap();
        let error = super::super::sample_deviation(&spent).unwrap() / (TABLES as f64).sqrt();
        assert!(
            (mean - seeds).abs() < 4.4 * error + 0.05,
            "{effect}: {mean} ± {error}"
        );
        let found = decided as f64 / TABLES as f64;
        let error = (share * (1.0 - share) / TABLES as f64).sqrt();
        assert!(
            (found - share).abs() < 4.4 * error + 0.005,
            "{effect}: {found}"
        );
    }
}

/// Four rows of two deviations: the first to stop needs E of 80, the last of 20 alone. Their mean lies between what
/// rows alone spend at these levels, and near neither.
#[test]
fn rows_of_one_table_spend_what_holm_asks_for() {
    let alone = |level: f64| {
        let mut spent = Vec::new();
        for index in 0..TABLES {
            let mut stream = Stream::at(0, "alone", index);
            let mut paired = Paired::default();
            while RULE.p(Some(paired)) > level && paired.count < RULE.at_most {
                paired.push(2.0 + stream.normal());
            }
            spent.push(paired.count as f64);
        }
        super::super::mean(&spent).unwrap()
    };
    let mut spent = Vec::new();
    for index in 0..TABLES {
        let mut stream = Stream::at(0, "together", index);
        let mut row = |_| (0..RULE.at_most).map(|_| 2.0 + stream.normal()).collect();
        let differences: Vec<Vec<f64>> = (0..ROWS).map(&mut row).collect();
        let standings = RULE.standings(&rows(&differences));
        spent.extend(standings.iter().map(|one| one.seeds as f64));
    }
    let mean = super::super::mean(&spent).unwrap();
    let [easy, hard] = [LEVEL, LEVEL / ROWS as f64].map(alone);
    assert!(
        easy + 0.2 < mean && mean < hard - 0.2,
        "{easy} {mean} {hard}"
    );
}

/// Effects, in deviations of the differences, and the seed of the noise.
fn tables() -> impl Strategy<Value = (Vec<f64>, u64)> {
    (prop::collection::vec(-2.5f64..2.5, 1..6), any::<u64>())
}

fn drawn((effects, seed): &(Vec<f64>, u64), seeds: usize) -> Vec<Vec<f64>> {
    let mut stream = Stream::new(*seed, "rows");
    let mut row = |effect: &f64| (0..seeds).map(|_| effect + stream.normal()).collect();
    effects.iter().map(&mut row).collect()
}

fn decision(standing: &Standing) -> Option<Decision> {
    match standing.state {
        State::Decided(verdict) => Some(Decision {
            seeds: standing.seeds,
            verdict,
        }),
        _ => None,
    }
}

proptest! {
    /// A verdict is that of Holm's step at its own seed count, and no later seed of another row undoes it: at the end,
    /// all rows with `helps` or `hurts` are below the level when each has the p of its own last seed.
    #[test]
    fn later_seeds_of_other_rows_undo_no_verdict(table in tables()) {
        let differences = drawn(&table, RULE.at_most);
        let mut decided: Vec<Option<Decision>> = vec![None; differences.len()];
        for seeds in 1..=RULE.at_most {
            let now: Vec<Vec<f64>> = differences.iter().map(|row| row[..seeds].to_vec()).collect();
            for (standing, earlier) in RULE.standings(&rows(&now)).iter().zip(&mut decided) {
                if earlier.is_some() {
                    prop_assert_eq!(decision(standing), *earlier);
                }
                *earlier = decision(standing);
            }
        }
        let own = differences.iter().zip(&decided).map(|(row, decided)| {
            let seeds = decided.map_or(RULE.at_most, |one| one.seeds);
            RULE.p(Paired::of(&row[..seeds]))
        });
        let own: Vec<f64> = own.collect();
        for (adjusted, decided) in holm(&own).into_iter().zip(&decided) {
            prop_assert_eq!(adjusted <= LEVEL, decided.is_some());
        }
    }

    /// Decisions that are kept change nothing in a table that is gone through again, whatever seeds have come since.
    #[test]
    fn kept_decisions_stand_and_change_no_other_row(table in tables(), seeds in 2usize..24) {
        let differences = drawn(&table, RULE.at_most);
        let now: Vec<Vec<f64>> = differences.iter().map(|row| row[..seeds].to_vec()).collect();
        let kept: Vec<Option<Decision>> = RULE.standings(&rows(&now)).iter().map(decision).collect();
        let mut whole = rows(&differences);
        let again = RULE.standings(&whole);
        for (row, kept) in whole.iter_mut().zip(&kept) {
            row.kept = *kept;
        }
        prop_assert_eq!(RULE.standings(&whole), again);
        // Even if the results of a decided row change.
        for row in whole.iter_mut().filter(|row| row.kept.is_some()) {
            row.seeds.iter_mut().for_each(|seed| *seed = Seed::Difference(0.0));
            let standing = RULE.standings(std::slice::from_ref(row))[0];
            prop_assert_eq!(decision(&standing), row.kept);
        }
    }

    /// The order of the rows means nothing, and neither does the unit of the metric.
    #[test]
    fn order_and_unit_change_no_decision(table in tables(), factor in 0.1f64..10.0) {
        let mut differences = drawn(&table, RULE.at_most);
        let before = RULE.standings(&rows(&differences));
        for one in differences.iter_mut().flatten() {
            *one *= factor;
        }
        differences.reverse();
        let mut after = RULE.standings(&rows(&differences));
        after.reverse();
        prop_assert_eq!(after, before);
    }
}
