//! Measures the engine's own cost per trial with sweeps of mock trials, which compute almost nothing.
//!
//! `cargo bench --bench engine`: the time of a sweep of 100 and of 1,000 trials, and of the same sweep when
//! all of them are finished, which is the cost of reading a store. The time per trial must not grow with the
//! number of trials.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::experiment::{
    DeviceRequest, EXECUTORS, Interrupt, Link, RecipeRequest, SweepOptions, Verbosity, sweep,
};
use std::path::Path;
use tempfile::TempDir;

/// The number of trials that run at the same time.
const WORKERS: usize = 2;
/// The number of variants of `sweeps/mock-effects.toml`.
const VARIANTS: usize = 5;

/// The recipe `mock` with `trials` trials of a few steps.
fn ask(trials: usize) -> RecipeRequest {
    let seeds: Vec<usize> = (0..trials / VARIANTS).collect();
    let set = [
        format!("seeds={seeds:?}"),
        "sweeps=[\"mock-effects\"]".to_string(),
        "method.burn-in=0".to_string(),
        "train.steps=10".to_string(),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    RecipeRequest {
        recipe: root.join("recipes/mock.toml"),
        set: set.to_vec(),
    }
}

fn run(ask: &RecipeRequest, out: &TempDir) {
    let options = SweepOptions {
        out: Some(out.path().to_path_buf()),
        workers: WORKERS,
        devices: DeviceRequest::default(),
        executor: &EXECUTORS[0],
        retries: 0,
        fail_fast: false,
        renew: false,
        reuse: Vec::new(),
        report: false,
        replace: false,
        verbosity: Verbosity::Quiet,
        interrupt: Interrupt::default(),
        link: Link::default(),
    };
    let outcome = sweep(ask, &options).expect("a sweep");
    assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
}

fn sweeps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sweep");
    group.sample_size(10);
    for trials in [100, 1000] {
        let ask = ask(trials);
        let folder = || tempfile::tempdir().expect("a folder");
        group.throughput(Throughput::Elements(trials as u64));
        group.bench_function(BenchmarkId::new("new", trials), |bencher| {
            bencher.iter_batched(folder, |out| run(&ask, &out), BatchSize::PerIteration);
        });
        let finished = folder();
        run(&ask, &finished);
        group.bench_function(BenchmarkId::new("finished", trials), |bencher| {
            bencher.iter(|| run(&ask, &finished));
        });
    }
    group.finish();
}

criterion_group!(benches, sweeps);
criterion_main!(benches);
