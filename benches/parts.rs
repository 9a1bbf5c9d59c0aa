//! Times the parts of a step that are not ops: drawing a picture, the two views, the matching.
//!
//! `cargo bench --bench parts -- [filter]`. Everything runs on one thread.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use harness::data::Sample;
use harness::data::augment::{AugmentConfig, strong, weak};
use harness::data::scenes;
use harness::detector::Targets;
use harness::detector::mask2former::LossConfig;
use harness::detector::mask2former::matcher::{Prediction, assign};
use harness::ops::random_points;
use harness::rng::Stream;
use harness::tensor::{Place, Tensor2};
use serde::de::DeserializeOwned;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZE: usize = 64;
const QUERIES: usize = 16;
const CLASSES: usize = 10;
/// The side of the mask logits.
const SIDE: usize = 32;

/// A table of the recipe that holds every default.
fn settings<T: DeserializeOwned>(table: &str) -> T {
    let recipe: toml::Table = include_str!("../recipes/pl-dc.toml")
        .parse()
        .expect("a recipe");
    recipe[table]
        .clone()
        .try_into()
        .expect("the recipe's settings")
}

fn samples() -> Vec<Sample> {
    scenes::draw_many(SIZE, 1, 32, false)
}

fn drawing(bench: &mut Criterion) {
    let mut index = 0;
    bench.bench_function("draw a picture", |b| {
        b.iter(|| {
            index += 1;
            black_box(scenes::draw(SIZE, 1, index, false))
        })
    });
}

fn augmentation(bench: &mut Criterion) {
    let (samples, config): (_, AugmentConfig) = (samples(), settings("augment"));
    let (mut stream, mut next) = (Stream::new(1, "bench"), 0);
    bench.bench_function("weak view", |b| {
        b.iter(|| {
            next = (next + 1) % samples.len();
            black_box(weak(&samples[next], &config, &mut stream))
        })
    });
    let view = weak(&samples[0], &config, &mut stream);
    bench.bench_function("strong view", |b| {
        b.iter(|| black_box(strong(&view, &config, &mut stream)))
    });
}

fn matching(bench: &mut Criterion) {
    let config: LossConfig = settings("loss");
    let augment: AugmentConfig = settings("augment");
    let mut stream = Stream::new(1, "bench");
    let views: Vec<_> = samples()
        .iter()
        .map(|sample| weak(sample, &augment, &mut stream))
        .collect();
    let targets: Vec<Targets> = views
        .iter()
        .map(|view| Targets::of_objects(&view.view.instances, SIZE, SIZE))
        .collect();
    let mut random =
        |count: usize| -> Vec<f32> { (0..count).map(|_| stream.normal() as f32).collect() };
    let mut random =
        |columns: usize| Tensor2::constant(random(QUERIES * columns), QUERIES, columns);
    let (classes, masks) = (random(CLASSES + 1), random(SIDE * SIDE));
    let prediction = Prediction {
        classes: &classes,
        masks: &masks,
        size: (SIDE, SIDE),
    };
    let mut next = 0;
    bench.bench_function("match one layer of one image", |b| {
        b.iter_batched(
            || {
                next = (next + 1) % targets.len();
                (&targets[next], Stream::at(2, "bench", next as u64))
            },
            |(targets, stream)| {
                let points = random_points(&Place::Host, &[stream.seed()], 0, config.points);
                black_box(assign(&prediction, targets, &config, &points))
            },
            BatchSize::SmallInput,
        )
    });
}

criterion_group!(benches, drawing, augmentation, matching);
criterion_main!(benches);
