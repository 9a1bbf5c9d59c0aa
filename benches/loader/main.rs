//! Times the loader at COCO's size: batches of 8 labelled and 8 unlabelled images with the geometry and the colours of
//! `recipes/mask2former-r50.toml`, both views of each. This is our side of `benches/peer/loader.sh`.
//!
//! ```text
//! cargo bench --bench loader -- --annotations instances.json --images FOLDER --threads 2 --batches 8
//! ```
//!
//! It prints one line of JSON: the images per second, the processor time of an image, the peak memory of the process in
//! MiB. With `--parts` it
//! prints the mean ms of the parts of an image in place of that, on one thread.

#[path = "../measure/numbers.rs"]
mod numbers;

use anyhow::{Context, Result, bail};
use clap::Parser;
use harness::data::augment::{AugmentConfig, strong, weak};
use harness::data::image_file::{Exif, decode};
use harness::data::loader::{Loader, LoaderConfig};
use harness::data::split::{Split, SplitConfig};
use harness::data::{Dataset, load};
use harness::rng::Stream;
use numbers::{peak_memory, rounded};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;
use toml::{Table, Value};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of first batches that are not counted.
const DISCARD: usize = 2;
const SEED: u64 = 0;

#[derive(Parser)]
struct Options {
    /// A COCO file of annotations.
    #[arg(long)]
    annotations: Option<PathBuf>,
    /// The folder of its images.
    #[arg(long)]
    images: Option<PathBuf>,
    /// Number of threads that make batches.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Number of timed batches.
    #[arg(long, default_value_t = 8)]
    batches: usize,
    /// Time the parts of an image.
    #[arg(long)]
    parts: bool,
    /// Passed by `cargo bench`; ignored.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let (Some(annotations), Some(images)) = (&options.annotations, &options.images) else {
        // `cargo bench` runs every bench without arguments.
        println!("loader: give --annotations FILE and --images FOLDER");
        return Ok(());
    };
    let dataset = dataset(annotations, images)?;
    let augment: AugmentConfig = table("augment")?.try_into()?;
    if options.parts {
        return parts(&dataset, &augment, options.batches);
    }
    let mut split = table("split")?;
    split.insert("labelled".into(), 0.1.into());
    let split: SplitConfig = split.try_into()?;
    let split = Split::new(&dataset, &split, SEED)?;
    let mut config: LoaderConfig = table("loader")?.try_into()?;
    config.threads = options.threads;
    let per_batch = config.labelled + config.unlabelled;
    let mut loader = Loader::new(&dataset, &split, &augment, &config, SEED);
    let mut start = Instant::now();
    let cpu_before = cpu_ms();
    for step in 0..DISCARD + options.batches {
        if step == DISCARD {
            start = Instant::now();
        }
        let batch = loader.batch(step, true)?;
        let images = batch.labelled.len() / 2 + batch.unlabelled.len();
        if images != per_batch {
            bail!("a batch of {images} images; expected {per_batch}");
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let images = ((DISCARD + options.batches) * per_batch) as f64;
    let result = json!({
        "program": "harness",
        "cores": options.threads,
        "images_per_second": rounded((options.batches * per_batch) as f64 / seconds),
        "cpu_ms_per_image": rounded((cpu_ms() - cpu_before) / images),
        "peak_mib": peak_memory(),
    });
    println!("{result}");
    Ok(())
}

/// The processor time of this process so far, in ms; 0 if the system does not report it.
fn cpu_ms() -> f64 {
    // The times follow the name of the program, which ends with the last bracket. Linux counts them in hundredths.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let (_, fields) = stat.rsplit_once(") ").unwrap_or_default();
    let times = fields.split(' ').skip(11).take(2);
    times
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .map(|ticks| 10.0 * ticks)
        .sum()
}

/// The images of `annotations`, for training and for evaluation.
fn dataset(annotations: &Path, images: &Path) -> Result<Dataset> {
    let absolute = |path: &Path| {
        let path = path
            .canonicalize()
            .with_context(|| path.display().to_string())?;
        Ok::<_, anyhow::Error>(Value::from(path.display().to_string()))
    };
    let mut data = table("data")?;
    data.insert("root".into(), "/".into());
    for part in ["train", "val"] {
        data.insert(format!("{part}-annotations"), absolute(annotations)?);
        data.insert(format!("{part}-images"), absolute(images)?);
    }
    for (key, value) in [("exif", true), ("skip-in-truth", false)] {
        data.insert(key.into(), value.into());
    }
    data.insert("check".into(), "never".into());
    data.insert("cache".into(), 0.into());
    match load(data) {
        Ok(dataset) => Ok(dataset),
        Err(error) => bail!("{error}"),
    }
}

/// A table of `recipes/mask2former-r50.toml` over that of `recipes/pl-dc.toml`, which it extends.
fn table(name: &str) -> Result<Table> {
    let read = |text: &str| -> Result<Table> {
        let mut recipe: Table = text.parse()?;
        match recipe.remove(name) {
            Some(Value::Table(table)) => Ok(table),
            _ => Ok(Table::new()),
        }
    };
    let over = read(include_str!("../../recipes/mask2former-r50.toml"))?;
    let mut under = match over.contains_key("name") {
        // Another component replaces the whole table.
        true => Table::new(),
        false => read(include_str!("../../recipes/pl-dc.toml"))?,
    };
    under.extend(over);
    Ok(under)
}

/// Prints the mean ms of the parts of an image, over `batches` times 16 images.
fn parts(dataset: &Dataset, augment: &AugmentConfig, batches: usize) -> Result<()> {
    let (mut decoded, mut loaded, mut weakened, mut strengthened) = (0.0, 0.0, 0.0, 0.0);
    let images = 16 * batches;
    let ms = |start: Instant| 1e3 * start.elapsed().as_secs_f64() / images as f64;
    let mut copied = 0.0;
    for index in 0..images {
        let mut rng = Stream::at(SEED, "bench", index as u64);
        let index = index % dataset.train.len();
        let file = dataset.train.file(index).context("an image has a file")?;
        let start = Instant::now();
        decode(file, Exif::Applied)?;
        decoded += ms(start);
        let start = Instant::now();
        let sample = dataset.train.load(index)?;
        loaded += ms(start);
        let start = Instant::now();
        let view = weak(&sample, augment, &mut rng);
        weakened += ms(start);
        let start = Instant::now();
        let other = strong(&view, augment, &mut rng);
        strengthened += ms(start);
        let start = Instant::now();
        let instances = view.view.instances.clone();
        copied += ms(start);
        drop((other, instances));
    }
    let result = json!({
        "decoding": rounded(decoded),
        "drawing of masks": rounded(loaded - decoded),
        "weak view": rounded(weakened),
        "strong view": rounded(strengthened),
        "copy of the masks": rounded(copied),
    });
    println!("{result}");
    Ok(())
}
