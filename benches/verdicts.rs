//! Simulates tables of known effects: how often one who looks after every seed finds an effect where there is none,
//! with a t test and with the rule of seeds until decided, and how many seeds that rule spends.
//!
//! `cargo bench --bench verdicts` draws 20,000 tables of each kind; `-- --tables N` draws N. The same number of tables
//! gives the same figures on every machine.

use harness::metrics::{UntilDecided, Verdict};
use harness::report::statistics::{Compared, LEVEL, Paired, Seed, Standing, State, holm};
use harness::rng::Stream;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The number of tables of each kind.
const TABLES: u64 = 20_000;
/// A look after every seed from the third to the 24th.
const RULE: UntilDecided = UntilDecided {
    at_least: 3,
    at_most: 24,
    effect_scale: 1.0,
    negligible: None,
};

/// Draws one result.
type Noise = fn(&mut Stream) -> f64;

fn normal(stream: &mut Stream) -> f64 {
    stream.normal()
}

/// Student's t distribution with 4 degrees of freedom.
fn heavy(stream: &mut Stream) -> f64 {
    let squares: f64 = (0..4).map(|_| stream.normal().powi(2)).sum();
    stream.normal() / (squares / 4.0).sqrt()
}

/// The differences of `rows` rows without an effect. Several rows share the results of their reference.
fn without_effect(stream: &mut Stream, rows: usize, noise: Noise) -> Vec<Vec<f64>> {
    let reference: Vec<f64> = (0..RULE.at_most).map(|_| noise(stream)).collect();
    let row = |_| -> Vec<f64> {
        let differences = reference.iter().map(|other| noise(stream) - other);
        differences.collect()
    };
    (0..rows).map(row).collect()
}

fn standings(differences: &[Vec<f64>]) -> Vec<Standing> {
    let rows = differences.iter().map(|row| Compared {
        seeds: row.iter().copied().map(Seed::Difference).collect(),
        kept: None,
    });
    RULE.standings(&rows.collect::<Vec<_>>())
}

/// Returns true if the paired t test, adjusted by Holm, finds an effect at any look.
fn naive(differences: &[Vec<f64>], tests: &[StudentsT]) -> bool {
    let mut grown = vec![Paired::default(); differences.len()];
    (1..=RULE.at_most).any(|count| {
        for (paired, row) in grown.iter_mut().zip(differences) {
            paired.push(row[count - 1]);
        }
        if count < RULE.at_least {
            return false;
        }
        let p = grown.iter().map(|paired| {
            let deviation = paired.deviation().expect("two differences");
            let t = paired.mean / (deviation / (count as f64).sqrt());
            2.0 * tests[count - 2].sf(t.abs())
        });
        holm(&p.collect::<Vec<_>>()).into_iter().any(|p| p < LEVEL)
    })
}

fn main() {
    let tables = tables();
    let tests: Vec<StudentsT> = (1..RULE.at_most)
        .map(|freedom| StudentsT::new(0.0, 1.0, freedom as f64).expect("a distribution"))
        .collect();
    let percent = |count: u64| format!("{:.1} %", 100.0 * count as f64 / tables as f64);
    println!(
        "{tables} tables of each kind, a look after every seed from {} to {}\n",
        RULE.at_least, RULE.at_most
    );
    println!(
        "| without an effect | false verdicts, t test | false verdicts, seeds until decided |"
    );
    println!("|---|---:|---:|");
    let kinds: [(&str, usize, Noise); 4] = [
        ("one row, normal", 1, normal),
        ("four rows, normal", 4, normal),
        ("one row, t with 4 degrees of freedom", 1, heavy),
        ("four rows, t with 4 degrees of freedom", 4, heavy),
    ];
    for (name, rows, noise) in kinds {
        let (mut by_t, mut by_rule) = (0, 0);
        for index in 0..tables {
            let differences = without_effect(&mut Stream::at(0, name, index), rows, noise);
            let is_false = |one: &Standing| matches!(one.state, State::Decided(_));
            by_t += u64::from(naive(&differences, &tests));
            by_rule += u64::from(standings(&differences).iter().any(is_false));
        }
        println!("| {name} | {} | {} |", percent(by_t), percent(by_rule));
    }
    println!("\n| effect in deviations, one row | decided | seeds, mean |");
    println!("|---:|---:|---:|");
    for effect in [0.5, 0.8, 1.0, 1.5, 2.0] {
        let (mut decided, mut seeds) = (0, 0);
        for index in 0..tables {
            let mut stream = Stream::at(0, "effect", index);
            let row = (0..RULE.at_most)
                .map(|_| effect + stream.normal())
                .collect();
            let standing = standings(&[row])[0];
            decided += u64::from(standing.state == State::Decided(Verdict::Helps));
            seeds += standing.seeds;
        }
        let mean = seeds as f64 / tables as f64;
        println!("| {effect} | {} | {mean:.1} |", percent(decided));
    }
}

/// The number of tables that the command line asks for.
fn tables() -> u64 {
    let words: Vec<String> = std::env::args().collect();
    let asked = words.iter().position(|word| word == "--tables");
    match asked.map(|at| words.get(at + 1).and_then(|word| word.parse().ok())) {
        None => TABLES,
        Some(Some(count)) if count > 0 => count,
        Some(_) => {
            eprintln!("error: --tables: expected a whole number above 0");
            std::process::exit(2);
        }
    }
}
