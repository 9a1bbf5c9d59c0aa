//! Times every op, forward and backward, at the sizes of `recipes/pl-dc.toml`: eight 64-pixel views per step
//! (teacher-student phase).
//!
//! `cargo bench --bench ops -- [filter]`; `BENCH_THREADS=2` for two threads (default 1). The group `gemm` is
//! the reference: it gives the rate of a large matrix product in Gelem/s, which are GFLOP/s of
//! multiplications and additions together. The rates of other groups can be compared with it.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use harness::ops::{self, Epilogue, Window};
use harness::rng::Stream;
use harness::tensor::{Map, Tape, Tensor2};
use std::hint::black_box;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of views in a student's batch.
const BATCH: usize = 8;
const WIDTH: usize = 64;
const HEADS: usize = 4;
const QUERIES: usize = 16;
const FFN: usize = 128;
const MASK_WIDTH: usize = 32;
const POINTS: usize = 256;
/// The sides of res5, res4 and res3.
const LEVELS: [usize; 3] = [4, 8, 16];
/// The number of tokens of the three levels of one image.
const TOKENS: usize = 336;
/// The side of the mask logits.
const SIDE: usize = 32;
/// The number of matched pairs of a step: 8 images, 4 layers, about 3.4 objects.
const PAIRS: usize = 110;
const EPSILON: f32 = 1e-5;

/// Values approximately in [-1, 1].
fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, "bench");
    (0..count).map(|_| stream.range(-1.0, 1.0) as f32).collect()
}

fn parameter(rows: usize, columns: usize, seed: u64) -> Tensor2 {
    Tensor2::parameter(random(rows * columns, seed), rows, columns)
}

fn map(side: usize, channels: usize, seed: u64) -> Map {
    Map::new(
        parameter(BATCH * side * side, channels, seed),
        BATCH,
        side,
        side,
    )
}

/// Runs `op` on a new tape, and its backward pass with a gradient of ones.
fn forward_backward(op: impl Fn(&mut Tape) -> Tensor2) {
    let mut tape = Tape::recording();
    let out = op(&mut tape);
    let loss = tape.output(vec![0.0], 1, 1, &[&out]);
    let source = out.clone();
    tape.record(&loss, move |grads| source.gradient_mut(grads).fill(1.0));
    black_box(tape.backward(&loss));
}

/// Times `op` forward and backward. `flops` of one forward pass give the rate (a backward pass costs twice as
/// much); with 0, no rate is reported.
fn time(
    bench: &mut Criterion,
    group: &str,
    name: &str,
    flops: usize,
    op: impl Fn(&mut Tape) -> Tensor2 + Sync,
) {
    let threads =
        std::env::var("BENCH_THREADS").map_or(1, |n| n.parse().expect("a number of threads"));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a thread pool");
    let mut group = bench.benchmark_group(group);
    if flops > 0 {
        group.throughput(Throughput::Elements(3 * flops as u64));
    }
    group.bench_function(name, |b| b.iter(|| pool.install(|| forward_backward(&op))));
    group.finish();
}

fn gemm(bench: &mut Criterion) {
    const SIDES: [usize; 3] = [256, 512, 1024];
    for side in SIDES {
        let (x, w) = (parameter(side, side, 1), parameter(side, side, 2));
        time(bench, "gemm", &format!("{side}"), 2 * side.pow(3), |tape| {
            ops::linear(tape, &x, &w, None, false)
        });
    }
}

fn convolution(bench: &mut Criterion) {
    // (name, side of the input, channels, outputs, kernel, stride)
    const LAYERS: [(&str, usize, usize, usize, usize, usize); 9] = [
        ("stem", 64, 3, 16, 3, 2),
        ("res2", 32, 16, 16, 3, 1),
        ("res3 down", 32, 16, 32, 3, 2),
        ("res3", 16, 32, 32, 3, 1),
        ("res4", 8, 64, 64, 3, 1),
        ("res5", 4, 96, 96, 3, 1),
        ("lateral", 32, 16, 64, 1, 1),
        ("merge", 32, 64, 32, 3, 1),
        ("mask features", 32, 32, 32, 1, 1),
    ];
    for (name, side, channels, outputs, kernel, stride) in LAYERS {
        let (x, weight) = (
            map(side, channels, 1),
            parameter(outputs, kernel * kernel * channels, 2),
        );
        let window = Window {
            kernel,
            stride,
            padding: kernel / 2,
        };
        let flops = 2 * BATCH * (side / stride).pow(2) * outputs * kernel * kernel * channels;
        time(bench, "conv2d", name, flops, |tape| {
            ops::conv2d(tape, &x, &weight, window, 1, Epilogue::default()).data
        });
    }
}

fn linear(bench: &mut Criterion) {
    for (name, rows, inputs, outputs) in [
        ("encoder value", BATCH * TOKENS, WIDTH, WIDTH),
        ("encoder ffn", BATCH * TOKENS, WIDTH, FFN),
        ("decoder ffn", BATCH * QUERIES, WIDTH, FFN),
    ] {
        let (x, weight, bias) = (
            parameter(rows, inputs, 1),
            parameter(outputs, inputs, 2),
            parameter(1, outputs, 3),
        );
        time(bench, "linear", name, 2 * rows * inputs * outputs, |tape| {
            ops::linear(tape, &x, &weight, Some(&bias), true)
        });
    }
}

fn norms(bench: &mut Criterion) {
    for (name, side, channels) in [
        ("res2", SIDE, 16),
        ("lateral", SIDE, WIDTH),
        ("res5", 4, 96),
    ] {
        let (x, gamma, beta) = (
            map(side, channels, 1),
            parameter(1, channels, 2),
            parameter(1, channels, 3),
        );
        time(bench, "group_norm", name, 0, |tape| {
            let norm = ops::GroupNorm {
                gamma: &gamma,
                beta: &beta,
                groups: 8,
                eps: EPSILON,
                residual: None,
                relu: true,
            };
            ops::group_norm(tape, &x, norm).data
        });
    }
    let (x, residual) = (
        parameter(BATCH * TOKENS, WIDTH, 1),
        parameter(BATCH * TOKENS, WIDTH, 4),
    );
    let (gamma, beta) = (parameter(1, WIDTH, 2), parameter(1, WIDTH, 3));
    time(bench, "layer_norm", "encoder", 0, |tape| {
        ops::layer_norm(tape, &x, Some(&residual), &gamma, &beta, EPSILON)
    });
}

fn attention(bench: &mut Criterion) {
    let queries = parameter(BATCH * QUERIES, WIDTH, 1);
    for (name, length) in [
        ("self", QUERIES),
        ("cross res5", 16),
        ("cross res4", 64),
        ("cross res3", 256),
    ] {
        let (keys, values) = (
            parameter(BATCH * length, WIDTH, 2),
            parameter(BATCH * length, WIDTH, 3),
        );
        let blocked: Vec<u8> = random(BATCH * QUERIES * length, 4)
            .iter()
            .map(|v| u8::from(*v > 0.0))
            .collect();
        let blocked = (name != "self").then(|| ops::Blocked::from(blocked));
        time(
            bench,
            "attention",
            name,
            4 * BATCH * QUERIES * length * WIDTH,
            |tape| {
                ops::attention(
                    tape,
                    &queries,
                    &keys,
                    &values,
                    blocked.clone(),
                    BATCH,
                    HEADS,
                )
            },
        );
    }
    const SAMPLES: usize = 2;
    let value = parameter(BATCH * TOKENS, WIDTH, 1);
    let slots = HEADS * LEVELS.len() * SAMPLES;
    let (offsets, weights) = (
        parameter(BATCH * TOKENS, 2 * slots, 2),
        parameter(BATCH * TOKENS, slots, 3),
    );
    let levels = LEVELS.map(|side| (side, side));
    let centres = LEVELS.iter().flat_map(|side| {
        let centre = |i: usize| (i as f32 + 0.5) / *side as f32;
        (0..side * side).flat_map(move |i| [centre(i % side), centre(i / side)])
    });
    let reference: Arc<Vec<f32>> = Arc::new(centres.collect());
    time(bench, "deform_attention", "encoder", 0, |tape| {
        let inputs = ops::DeformInputs {
            value: &value,
            offsets: &offsets,
            weights: &weights,
            reference: &reference,
            levels: &levels,
            batch: BATCH,
            heads: HEADS,
            points: SAMPLES,
        };
        ops::deform_attention(tape, inputs)
    });
}

fn masks(bench: &mut Criterion) {
    let (top, lateral) = (map(16, WIDTH, 1), map(SIDE, WIDTH, 2));
    time(bench, "resize_bilinear", "to res2", 0, |tape| {
        ops::resize_bilinear(tape, &top, SIDE, SIDE, Some(&lateral)).data
    });
    let (embeddings, pixels) = (
        parameter(BATCH * QUERIES, MASK_WIDTH, 1),
        map(SIDE, MASK_WIDTH, 2),
    );
    let flops = 2 * BATCH * QUERIES * MASK_WIDTH * SIDE * SIDE;
    time(bench, "mask_product", "one layer", flops, |tape| {
        ops::mask_product(tape, &embeddings, &pixels)
    });
    let planes = parameter(4 * BATCH * QUERIES, SIDE * SIDE, 1);
    let rows: Vec<usize> = (0..PAIRS).map(|i| i * 37 % planes.rows()).collect();
    let points = random(PAIRS * POINTS * 2, 2);
    let points = points.iter().map(|v| 0.5 * v + 0.5).collect();
    let points = Tensor2::constant(points, PAIRS, 2 * POINTS);
    time(bench, "point_sample", "pairs", 0, |tape| {
        ops::point_sample(tape, &planes, &rows, (SIDE, SIDE), &points)
    });
    let features = map(16, 128, 1);
    let images: Vec<usize> = (0..41).map(|i| i % BATCH).collect();
    let shares: Vec<f32> = random(images.len() * 256, 2)
        .iter()
        .map(|v| v.max(0.0))
        .collect();
    let shares = Arc::new(shares);
    time(bench, "mask_pool", "clip-tiny", 0, |tape| {
        ops::mask_pool(tape, &features, &images, shares.clone())
    });
}

fn losses(bench: &mut Criterion) {
    let logits = parameter(BATCH * QUERIES, 11, 1);
    let targets: Vec<usize> = (0..BATCH * QUERIES)
        .map(|i| if i % 5 == 0 { i % 10 } else { 10 })
        .collect();
    let weights: Vec<f32> = targets
        .iter()
        .map(|class| if *class == 10 { 0.1 } else { 1.0 })
        .collect();
    time(bench, "cross_entropy", "one layer", 0, |tape| {
        ops::cross_entropy(tape, &logits, &targets, &weights, weights.iter().sum())
    });
    let logits = parameter(PAIRS, POINTS, 1);
    let of_points = |seed, value: fn(&f32) -> f32| {
        let values = random(PAIRS * POINTS, seed).iter().map(value).collect();
        Tensor2::constant(values, PAIRS, POINTS)
    };
    let targets = of_points(2, |v| f32::from(*v > 0.0));
    let weights = of_points(3, |v| v.abs());
    time(bench, "bce_points", "pairs", 0, |tape| {
        ops::bce_points(tape, &logits, &targets, Some(&weights), 27.0)
    });
    time(bench, "dice_points", "pairs", 0, |tape| {
        ops::dice_points(tape, &logits, &targets, None, 27.0)
    });
}

/// The heads of Mask R-CNN: 64 regions of two levels.
fn regions(bench: &mut Criterion) {
    const REGIONS: usize = 64;
    let (fine, coarse) = (map(SIDE, WIDTH, 1), map(SIDE / 2, WIDTH, 2));
    let rois: Vec<ops::Roi> = (0..REGIONS)
        .map(|i| {
            let (x, side) = ((i * 7 % 32) as f32, (8 + i % 24) as f32);
            ops::Roi {
                map: i % 2,
                image: i % BATCH,
                bounds: ops::Bounds::new([x, x / 2.0, x + side, x / 2.0 + side]),
            }
        })
        .collect();
    for (name, sampling) in [("adaptive", 0), ("2 x 2", 2)] {
        let pool = ops::RoiPool {
            side: 7,
            sampling,
            aligned: true,
        };
        time(bench, "roi_align", name, 0, |tape| {
            ops::roi_align(tape, &[&fine, &coarse], &[0.5, 0.25], &rois, pool).data
        });
    }
    let x = Map::new(parameter(REGIONS * 14 * 14, WIDTH, 1), REGIONS, 14, 14);
    let (weight, bias) = (parameter(WIDTH, 4 * WIDTH, 2), parameter(1, WIDTH, 3));
    let flops = 2 * REGIONS * 14 * 14 * WIDTH * 4 * WIDTH;
    time(bench, "conv_transpose2d", "mask head", flops, |tape| {
        ops::conv_transpose2d(tape, &x, &weight, &bias, 2, true).data
    });
    time(bench, "resize_nearest", "fpn", 0, |tape| {
        ops::resize_nearest(tape, &coarse, SIDE, SIDE, Some(&fine)).data
    });
    let logits = parameter(BATCH * SIDE * SIDE * 3, 4, 1);
    let rows: Vec<usize> = (0..256).map(|i| i * 61).collect();
    let targets = Tensor2::constant(random(4 * rows.len(), 2), rows.len(), 4);
    time(bench, "pick and smooth_l1", "anchors", 0, |tape| {
        let picked = ops::pick(tape, &logits, &rows, &vec![0; rows.len()], 4);
        ops::smooth_l1(tape, &picked, &targets, 0.1, 256.0)
    });
    time(bench, "generalized_iou", "regions", 0, |tape| {
        let picked = ops::pick(tape, &logits, &rows, &vec![0; rows.len()], 4);
        ops::generalized_iou(tape, &picked, &targets, None, 0.0, 256.0)
    });
    let focal = ops::Focal {
        alpha: Some(0.25),
        gamma: 2.0,
    };
    let classes = Tensor2::constant(vec![0.0; logits.len()], logits.rows(), 4);
    time(bench, "sigmoid_focal", "anchors", 0, |tape| {
        ops::sigmoid_focal(tape, &logits, &classes, None, focal, 256.0)
    });
    time(bench, "mean_and_largest", "pixels", 0, |tape| {
        ops::mean_and_largest(tape, &fine.data)
    });
}

criterion_group!(
    benches,
    gemm,
    convolution,
    linear,
    norms,
    attention,
    masks,
    losses,
    regions
);
criterion_main!(benches);
