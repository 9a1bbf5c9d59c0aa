//! A file of the shape of `instances_train2017.json`: as many images, objects, crowds, corners and fields, with the
//! same number of digits. The outlines are ellipses.

use anyhow::{Context, Result};
use harness::rng::Stream;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Images of train2017.
pub const IMAGES: usize = 118_287;
/// Objects of train2017.
pub const OBJECTS: usize = 860_001;
/// Different pictures. All file names are links to them.
pub const PICTURES: usize = 10;

const HEIGHT: u32 = 427;
const WIDTH: u32 = 640;
const CATEGORIES: u64 = 80;
/// One object in so many is a crowd (10,400 of them in train2017).
const CROWD_OF: usize = 83;
/// One object in so many has a second polygon.
const SECOND_OF: usize = 8;

/// Writes `file` and the folder `images` beside it.
pub fn write(file: &Path, images: usize, objects: usize) -> Result<()> {
    let folder = file.parent().context("a file in a folder")?.join("images");
    pictures(&folder, images)?;
    let mut rng = Stream::new(2017, "annotations");
    let mut out = BufWriter::new(File::create(file)?);
    out.write_all(
        b"{\"info\": {\"description\": \"drawn\", \"year\": 2017}, \"licenses\": [{\"url\": \"\", \"id\": 1, \"name\": \"\"}], \
          \"images\": [",
    )?;
    for index in 0..images {
        let comma = if index > 0 { ", " } else { "" };
        let id = image_id(index);
        write!(
            out,
            "{comma}{{\"license\": 3, \"file_name\": \"{id:012}.jpg\", \"coco_url\": \
             \"http://images.example.org/train2017/{id:012}.jpg\", \"height\": {HEIGHT}, \"width\": {WIDTH}, \
             \"date_captured\": \"2013-11-14 11:18:45\", \"flickr_url\": \
             \"http://farm9.example.org/8186/8119368305_4e622c8349_z.jpg\", \"id\": {id}}}"
        )?;
    }
    out.write_all(b"], \"annotations\": [")?;
    for index in 0..objects {
        let comma = if index > 0 { ", " } else { "" };
        let image = image_id(index * images / objects);
        write!(out, "{comma}{}", object(index, image, &mut rng))?;
    }
    out.write_all(b"], \"categories\": [")?;
    for id in 1..=CATEGORIES {
        let comma = if id > 1 { ", " } else { "" };
        write!(
            out,
            "{comma}{{\"supercategory\": \"thing\", \"id\": {id}, \"name\": \"class {id}\"}}"
        )?;
    }
    out.write_all(b"]}")?;
    Ok(out.flush()?)
}

/// Ids rise with gaps, as COCO's do.
fn image_id(index: usize) -> usize {
    9 + index * 4
}

fn object(index: usize, image: usize, rng: &mut Stream) -> String {
    let side = |rng: &mut Stream, length: u32| 4.0 + rng.uniform() * f64::from(length) * 0.3;
    let (rx, ry) = (side(rng, WIDTH), side(rng, HEIGHT));
    let x = rx + rng.uniform() * (f64::from(WIDTH) - 2.0 * rx);
    let y = ry + rng.uniform() * (f64::from(HEIGHT) - 2.0 * ry);
    let is_crowd = index % CROWD_OF == CROWD_OF - 1;
    let outline = if is_crowd {
        runs(x, y, rx, ry)
    } else {
        let first = polygon(x, y, rx, ry, 6 + (rng.uniform() * 28.0) as usize);
        match index % SECOND_OF {
            0 => format!("[{first}, {}]", polygon(x, y, rx / 2.0, ry / 2.0, 12)),
            _ => format!("[{first}]"),
        }
    };
    let area = std::f64::consts::PI * rx * ry;
    format!(
        "{{\"segmentation\": {outline}, \"area\": {area:.4}, \"iscrowd\": {}, \"image_id\": {image}, \"bbox\": \
         [{:.2}, {:.2}, {:.2}, {:.2}], \"category_id\": {}, \"id\": {}}}",
        u8::from(is_crowd),
        x - rx,
        y - ry,
        2.0 * rx,
        2.0 * ry,
        1 + (rng.uniform() * CATEGORIES as f64) as u64,
        156 + index
    )
}

fn polygon(x: f64, y: f64, rx: f64, ry: f64, corners: usize) -> String {
    let mut text = "[".to_string();
    for corner in 0..corners {
        let angle = std::f64::consts::TAU * corner as f64 / corners as f64;
        let comma = if corner > 0 { ", " } else { "" };
        let _ = write!(
            text,
            "{comma}{:.2}, {:.2}",
            x + rx * angle.cos(),
            y + ry * angle.sin()
        );
    }
    text.push(']');
    text
}

/// A box of runs, column by column.
fn runs(x: f64, y: f64, rx: f64, ry: f64) -> String {
    let (left, right) = ((x - rx) as u32, (x + rx) as u32);
    let (top, rows) = ((y - ry) as u32, (2.0 * ry) as u32);
    let mut counts = vec![left * HEIGHT + top];
    for _ in left..right {
        counts.extend([rows, HEIGHT - rows]);
    }
    // The last run of background goes on to the end.
    let told: u32 = counts.iter().sum();
    *counts.last_mut().expect("the first run") += HEIGHT * WIDTH - told;
    let counts: Vec<String> = counts.iter().map(u32::to_string).collect();
    format!(
        "{{\"counts\": [{}], \"size\": [{HEIGHT}, {WIDTH}]}}",
        counts.join(", ")
    )
}

/// Ten pictures, and a link for every image.
fn pictures(folder: &Path, images: usize) -> Result<()> {
    fs::create_dir_all(folder)?;
    let picture = |number: usize| folder.join(format!("picture{number}.png"));
    for number in 0..PICTURES {
        let colour = image::Rgb([25 * number as u8; 3]);
        image::RgbImage::from_pixel(WIDTH, HEIGHT, colour).save(picture(number))?;
    }
    for index in 0..images {
        let link = folder.join(format!("{:012}.jpg", image_id(index)));
        if !link.exists() {
            fs::hard_link(picture(index % PICTURES), &link)
                .with_context(|| link.display().to_string())?;
        }
    }
    Ok(())
}
