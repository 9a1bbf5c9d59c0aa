//! Lists of image names: one a line, or the `file_name`s of COCO's annotations.
//!
//! A name is looked for in five ways, each only if the one before finds nothing: as the end of an image's path; as that
//! without the ending; by its last part; by that without its ending; and, in the manner of Cityscapes, by its first
//! three parts between underscores, `city_sequence_frame`. So a list may name pictures, label files or polygons of the
//! same frames. An ending is one of a picture: the `.v2` of `z.v2` belongs to the name.

use crate::coco::{self, Field};
use crate::data::image_list::without_ending;
use crate::data::{Source, export};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::path::Path;

/// The number of names that a message shows.
const SHOWN: usize = 3;

/// The number of digits of a Cityscapes sequence and of a frame.
const DIGITS: usize = 6;

/// The images of a list with one name a line; empty lines are passed over.
///
/// # Errors
/// The text is not UTF-8, or a name is that of no image or of several.
pub fn of_lines(file: &Path, text: &[u8], train: &dyn Source) -> Result<Vec<usize>> {
    let text = std::str::from_utf8(text);
    let text = text.with_context(|| format!("split.list: {}: not text", file.display()))?;
    let lines = text.lines().zip(1..);
    let lines = lines.map(|(line, number)| (format!("line {number}"), line.trim()));
    let wanted: Vec<_> = lines.filter(|(_, name)| !name.is_empty()).collect();
    find_all(file, &wanted, train)
}

/// The images that a file of COCO annotations lists. Its annotations are not read.
///
/// # Errors
/// As for [`of_lines`], or the file is not COCO's.
pub fn of_coco_images(file: &Path, train: &dyn Source) -> Result<Vec<usize>> {
    let images = coco::read_images(file)?;
    let mut wanted = Vec::with_capacity(images.len());
    for (index, image) in images.iter().enumerate() {
        match &image.file_name {
            Field::Is(name) => wanted.push((format!("images[{index}]"), name.as_str())),
            other => {
                let error = other.need("file_name").unwrap_err();
                bail!("split.list: {}: images[{index}]: {error}", file.display());
            }
        }
    }
    find_all(file, &wanted, train)
}

/// The images with the names `wanted`, each with its place in `file`.
fn find_all(file: &Path, wanted: &[(String, &str)], train: &dyn Source) -> Result<Vec<usize>> {
    let names = Names::new(train);
    let (mut images, mut missing) = (Vec::new(), Vec::new());
    for (place, name) in wanted {
        match names.find(name)[..] {
            [] => missing.push(format!("{place} `{name}`")),
            [image] => images.push(image),
            [first, second, ..] => bail!(
                "split.list: {}: {place}: `{name}` fits several training images, such as {} and {}; needed: more of the path",
                file.display(),
                names.paths[first],
                names.paths[second]
            ),
        }
    }
    if !missing.is_empty() {
        let more = if missing.len() > SHOWN { ", ..." } else { "" };
        let cities = names.other_cities(wanted.iter().map(|(_, name)| *name));
        bail!(
            "split.list: {}: {} of {} names are of no training image: {}{more}{cities}",
            file.display(),
            missing.len(),
            wanted.len(),
            missing[..missing.len().min(SHOWN)].join(", ")
        );
    }
    Ok(images)
}

/// The images of a dataset by their names.
struct Names {
    /// The path of each image.
    paths: Vec<String>,
    by_name: HashMap<String, Vec<usize>>,
    by_stem: HashMap<String, Vec<usize>>,
    by_frame: HashMap<String, Vec<usize>>,
}

impl Names {
    fn new(train: &dyn Source) -> Self {
        let path = |image| match train.file(image) {
            Some(path) => path.to_string_lossy().replace('\\', "/"),
            None => export::drawn_name("train", train.id(image)),
        };
        let paths: Vec<String> = (0..train.len()).map(path).collect();
        let [mut by_name, mut by_stem, mut by_frame] =
            [HashMap::new(), HashMap::new(), HashMap::new()];
        let add = |map: &mut HashMap<String, Vec<usize>>, key: &str, image| {
            map.entry(key.to_string()).or_default().push(image);
        };
        for (image, path) in paths.iter().enumerate() {
            let name = last_part(path);
            add(&mut by_name, name, image);
            add(&mut by_stem, without_ending(name), image);
            if let Some(frame) = frame(name) {
                add(&mut by_frame, &frame, image);
            }
        }
        Self {
            paths,
            by_name,
            by_stem,
            by_frame,
        }
    }

    /// The images that `wanted` may be.
    fn find(&self, wanted: &str) -> Vec<usize> {
        let wanted = wanted.replace('\\', "/");
        let name = last_part(&wanted);
        let found = |images: Option<&Vec<usize>>| images.cloned().unwrap_or_default();
        let named = found(self.by_name.get(name));
        let stemmed = found(self.by_stem.get(without_ending(name)));
        let frame = found(frame(name).and_then(|frame| self.by_frame.get(&frame)));
        let wanted = wanted.trim_start_matches("./");
        let is_end = |path: &str, end: &str| {
            let before = path.strip_suffix(end);
            before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        let exact = |image: &usize| is_end(&self.paths[*image], wanted);
        let almost =
            |image: &usize| is_end(without_ending(&self.paths[*image]), without_ending(wanted));
        let exact = named.iter().copied().filter(exact).collect();
        let almost = stemmed.iter().copied().filter(almost).collect();
        let ways: [Vec<usize>; 5] = [exact, almost, named, stemmed, frame];
        let mut ways = ways.into_iter();
        ways.find(|images| !images.is_empty()).unwrap_or_default()
    }

    /// The end of a message: the cities of `wanted` that no image of the dataset is from, if the names are Cityscapes'.
    fn other_cities<'a>(&self, wanted: impl Iterator<Item = &'a str>) -> String {
        let city = |frame: String| frame.split('_').next().unwrap_or_default().to_string();
        let known: std::collections::BTreeSet<String> = self
            .paths
            .iter()
            .filter_map(|path| frame(last_part(path)))
            .map(city)
            .collect();
        let named: std::collections::BTreeSet<String> = wanted
            .filter_map(|name| frame(last_part(name)))
            .map(city)
            .collect();
        let others: Vec<&str> = named.difference(&known).map(String::as_str).collect();
        match known.is_empty() || others.is_empty() {
            true => String::new(),
            false => format!(
                "; the training images have none of the cities {}",
                others.join(", ")
            ),
        }
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `city_sequence_frame` of a name in the manner of Cityscapes; none for another name.
fn frame(name: &str) -> Option<String> {
    let mut parts = name.split('_');
    let (city, sequence, frame) = (parts.next()?, parts.next()?, parts.next()?);
    // A bare name may still have the ending of a file.
    let frame = frame.split('.').next()?;
    let is_number =
        |text: &str| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = !city.is_empty() && is_number(sequence) && is_number(frame);
    fits.then(|| format!("{city}_{sequence}_{frame}"))
}
