//! Reads annotations of the shape of COCO's `instances_train2017.json`. This is our side of
//! `benches/coco_json/compare.sh`.
//!
//! ```text
//! # write a file of that shape: 118,287 images, 860,001 objects, about 450 MB
//! cargo bench --bench coco_json -- --write annotations.json
//! # read it once
//! cargo bench --bench coco_json -- --read annotations.json
//! # load it as a training does: outlines are checked, image files are looked for
//! cargo bench --bench coco_json -- --load annotations.json
//! ```
//!
//! `--read` and `--load` print one line of JSON: the seconds, and the peak memory of the process in MiB. The file names
//! of the images are links to ten pictures, in the folder `images` beside the file.

#[path = "../measure/numbers.rs"]
mod numbers;
mod shape;

use anyhow::{Context, Result, bail};
use clap::Parser;
use harness::coco::read_annotations;
use harness::data::load;
use numbers::{peak_memory, rounded};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Options {
    /// Write a file and its images.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Read a file.
    #[arg(long)]
    read: Option<PathBuf>,
    /// Load a file and its images as a dataset.
    #[arg(long)]
    load: Option<PathBuf>,
    /// Number of images to write.
    #[arg(long, default_value_t = shape::IMAGES)]
    images: usize,
    /// Number of objects to write.
    #[arg(long, default_value_t = shape::OBJECTS)]
    objects: usize,
    /// Given by `cargo bench`.
    #[arg(long)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if let Some(file) = &options.write {
        return shape::write(file, options.images, options.objects);
    }
    let start = Instant::now();
    let (images, objects) = match (&options.read, &options.load) {
        (Some(file), _) => {
            let read = read_annotations(file)?;
            let count = |list: Option<usize>| list.unwrap_or(0);
            (
                count(read.images.as_ref().map(Vec::len)),
                count(read.annotations.as_ref().map(Vec::len)),
            )
        }
        (None, Some(file)) => loaded(file)?,
        // `cargo bench` runs every bench without arguments.
        (None, None) => {
            println!("coco_json: give --write, --read or --load FILE");
            return Ok(());
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let result = json!({
        "images": images,
        "objects": objects,
        "seconds": rounded(seconds),
        "peak_mib": peak_memory(),
    });
    println!("{result}");
    Ok(())
}

/// The numbers of images and objects of `file`, loaded as the training part of a dataset. The validation part is a
/// small file.
fn loaded(file: &Path) -> Result<(usize, usize)> {
    let folder = file.parent().context("a file in a folder")?;
    let small = folder.join("small.json");
    shape::write(&small, shape::PICTURES, shape::PICTURES)?;
    let table = format!(
        "name = 'coco'\nroot = '{}'\ntrain-annotations = '{}'\ntrain-images = 'images'\n\
         val-annotations = 'small.json'\nval-images = 'images'\nunlabelled-images = ''\nclasses = 'all'\n\
         on-bad-annotation = 'skip'\nskip-in-truth = false\nexif = true\ncheck = 'never'\ncache = 0\narea-bounds = [1024.0, 9216.0]",
        folder.canonicalize()?.display(),
        file.file_name()
            .context("the name of a file")?
            .to_string_lossy(),
    );
    let dataset = match load(table.parse()?) {
        Ok(dataset) => dataset,
        Err(error) => bail!("{error}"),
    };
    let objects = (0..dataset.train.len()).map(|index| dataset.train.classes_of(index).len());
    Ok((dataset.train.len(), objects.sum()))
}
