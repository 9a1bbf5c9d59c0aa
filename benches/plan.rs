//! How long planning takes: ten thousand variants with all checks of their settings, and a thousand with the listing.
//!
//! A trial trains for minutes, so a plan may take seconds; what it must not do is grow faster than its variants.

use criterion::{Criterion, criterion_group, criterion_main};
use harness::experiment::{Settings, normalise};
use harness::recipe::{Hooks, Plan, Request};
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use toml::Table;

/// A recipe whose one sweep is a grid of `side`^4 variants, some of whose axes exist under a condition.
fn recipe(folder: &Path, side: usize) -> PathBuf {
    for name in ["recipes", "sweeps"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let values = |factor: f64| {
        let values: Vec<String> = (1..=side)
            .map(|i| format!("{:?}", i as f64 * factor))
            .collect();
        values.join(", ")
    };
    let sweep = format!(
        "question = 'How long does it take?'\n[grid]\n\"method.lambda\" = [{}]\n\"method.ema\" = [{}]\n\
         \"method.filter.alpha\" = {{ values = [{}], when = {{ \"method.filter.name\" = \"adaptive\" }} }}\n\"train.rate\" = [{}]\n",
        values(1.0),
        values(0.01),
        values(0.05),
        values(0.001)
    );
    fs::write(folder.join("sweeps/large.toml"), sweep).unwrap();
    fs::write(folder.join("recipes/pl-dc.toml"), harness::recipe::DEFAULTS).unwrap();
    let recipe = folder.join("recipes/large.toml");
    fs::write(&recipe, "extends = 'pl-dc.toml'\nsweeps = ['large']\n").unwrap();
    recipe
}

fn planned(recipe: &Path) -> Plan {
    let check = |table: &Table| Settings::read(table).err().unwrap_or_default();
    let hooks = Hooks {
        check: &check,
        normalise: &normalise,
    };
    let request = Request {
        recipe,
        environment: &[],
        set: &[],
    };
    Plan::new(request, hooks).expect("a plan")
}

fn plans(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    let large = recipe(&folder.path().join("large"), 10);
    assert_eq!(planned(&large).trials.len(), 10_000);
    group.bench_function("10,000 variants", |bench| {
        bench.iter(|| black_box(planned(&large)))
    });
    let small = recipe(&folder.path().join("small"), 6);
    group.bench_function("1,296 variants and their listing", |bench| {
        bench.iter(|| black_box(planned(&small).to_string()));
    });
    group.finish();
}

criterion_group!(benches, plans);
criterion_main!(benches);
