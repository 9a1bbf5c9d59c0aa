//! Times `harness plan` for a recipe without any results: all checks and stages, and the listing of ten
//! thousand and of one thousand variants.
//!
//! A trial trains for minutes, so a plan may take seconds. But its time must not grow faster than the number
//! of variants.

use criterion::{Criterion, criterion_group, criterion_main};
use harness::experiment::{RecipeRequest, plan};
use harness::screen::Screen;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};

/// A recipe with one sweep, a grid of `side`^4 variants. Some of its axes exist only under a condition.
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

fn plans(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("no results");
    let mut group = criterion.benchmark_group("plan");
    group.sample_size(10);
    for (name, side) in [("10,000 variants", 10), ("1,296 variants", 6)] {
        let ask = RecipeRequest {
            recipe: recipe(&folder.path().join(name), side),
            set: Vec::new(),
        };
        group.bench_function(name, |bench| {
            bench.iter(|| {
                let (outlook, _) = plan(&ask, Some(&nothing), &[]).expect("a plan");
                black_box(outlook.text(Screen::FILE))
            })
        });
    }
    group.finish();
}

criterion_group!(benches, plans);
criterion_main!(benches);
