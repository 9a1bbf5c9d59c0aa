//! The official script's text format: one file `CITY_SEQUENCE_FRAME*.txt` for each picture, anywhere below the folder
//! of the results, with lines `MASK LABEL CONFIDENCE`. `MASK` is the path of an image from the text file on, whose
//! pixels that are not black make the mask.
//!
//! As in the script, a mask that is named twice keeps its first place and its last label and confidence, labels that
//! are not evaluated are passed over, and an empty mask does not count.

use super::guess::{Order, Results};
use crate::cityscapes::{Frame, class_of, files_below, is_label};
use crate::eval::cityscapes::matching::Guess;
use crate::eval::cityscapes::pixels::Pixels;
use anyhow::{Context, Result, anyhow, bail, ensure};
use image::{DynamicImage, ImageReader};
use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

/// The id of the label `license plate`, which no image of ids holds.
const LICENSE_PLATE: f64 = -1.0;

/// The text file of each picture.
pub struct TextFiles {
    root: PathBuf,
    files: BTreeMap<Frame, PathBuf>,
}

impl TextFiles {
    /// The text files below `root` of these pictures.
    ///
    /// # Errors
    /// A picture has no file, or more than one.
    pub fn list<'a>(root: &Path, frames: impl Iterator<Item = &'a Frame>) -> Result<Self> {
        let all = files_below(root)?;
        let named = all.iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            name.ends_with(".txt").then_some((name, path))
        });
        let named: Vec<(&str, &PathBuf)> = named.collect();
        let mut files = BTreeMap::new();
        for frame in frames {
            let begin = frame.to_string();
            let mut found = named.iter().filter(|(name, _)| name.starts_with(&begin));
            let Some((_, path)) = found.next() else {
                bail!(
                    "{}: no predictions of {frame}; needed: one file {frame}*.txt, empty where nothing was found",
                    root.display()
                );
            };
            if let Some((_, other)) = found.next() {
                bail!(
                    "{} and {}: two files of predictions of {frame}; needed: one",
                    path.display(),
                    other.display()
                );
            }
            files.insert(frame.clone(), path.to_path_buf());
        }
        Ok(Self {
            root: plain(root),
            files,
        })
    }
}

impl Results for TextFiles {
    fn order(&self) -> Order {
        Order::Rows
    }

    fn of(&self, frame: &Frame, size: [usize; 2]) -> Result<Vec<Guess>> {
        let file = &self.files[frame];
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("{}: cannot be read", file.display()))?;
        let mut guesses = Vec::new();
        for (mask, line) in self.lines(&text, file)? {
            let Some(class) = line.class else {
                continue;
            };
            guesses.push(Guess {
                class,
                score: line.score,
                pixels: pixels(&mask, size)?,
            });
        }
        Ok(guesses)
    }
}

/// What a line says of its mask.
struct Line {
    /// None for a label that is not evaluated.
    class: Option<usize>,
    score: f64,
}

impl TextFiles {
    /// The lines of a file, by the places of the masks, each once.
    fn lines(&self, text: &str, file: &Path) -> Result<Vec<(PathBuf, Line)>> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut lines: Vec<(PathBuf, Line)> = Vec::new();
        let mut places: HashMap<PathBuf, usize> = HashMap::new();
        for (index, text) in text.lines().enumerate() {
            let place = || format!("{}: line {}", file.display(), index + 1);
            let (mask, line) = parsed(text).with_context(place)?;
            let mask = plain(&folder.join(mask));
            ensure!(
                mask.starts_with(&self.root),
                "{}: {} lies outside of {}",
                place(),
                mask.display(),
                self.root.display()
            );
            match places.get(&mask) {
                Some(known) => lines[*known].1 = line,
                None => {
                    places.insert(mask.clone(), lines.len());
                    lines.push((mask, line));
                }
            }
        }
        Ok(lines)
    }
}

/// The path of the mask in a line, and what it says of it.
fn parsed(text: &str) -> Result<(&str, Line)> {
    let parts: Vec<&str> = text.split(' ').collect();
    let [mask, label, score] = parts[..] else {
        bail!("`{text}`; needed: MASK LABEL CONFIDENCE, with single spaces between them");
    };
    ensure!(
        Path::new(mask).is_relative(),
        "`{mask}`; needed: a relative path"
    );
    let number = |text: &str, name: &str| -> Result<f64> {
        let value = text.trim().parse::<f64>().ok();
        let value = value.filter(|value| value.is_finite());
        value.with_context(|| format!("{name} `{text}`; needed: a number"))
    };
    let found = number(label, "label")?.trunc();
    let is_id = (0.0..=f64::from(u16::MAX)).contains(&found);
    let id = Some(found as u16).filter(|id| is_id && is_label(*id));
    ensure!(
        id.is_some() || found == LICENSE_PLATE,
        "label `{label}`; allowed: -1 to 33"
    );
    let line = Line {
        class: id.and_then(class_of),
        score: number(score, "confidence")?,
    };
    Ok((mask, line))
}

/// `path` from the root of the file system on, without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// The pixels of the mask in the image `path`, which must have `size`.
fn pixels(path: &Path, size: [usize; 2]) -> Result<Pixels> {
    let name = || format!("{}: cannot be read as a mask", path.display());
    let reader = ImageReader::open(path).with_context(name)?;
    let image = reader.with_guessed_format().with_context(name)?.decode();
    let image = image.with_context(name)?;
    let [height, width] = size;
    ensure!(
        (image.height() as usize, image.width() as usize) == (height, width),
        "{}: {} x {} pixels (width x height); its ground truth has {width} x {height}",
        path.display(),
        image.width(),
        image.height()
    );
    if u32::try_from(height * width).is_err() {
        return Err(anyhow!("{}: too many pixels", path.display()));
    }
    Ok(match image {
        DynamicImage::ImageLuma8(pixels) => Pixels::of_values(pixels.as_raw(), |grey| grey != 0),
        DynamicImage::ImageLuma16(pixels) => Pixels::of_values(pixels.as_raw(), |grey| grey != 0),
        DynamicImage::ImageLumaA8(_) | DynamicImage::ImageLumaA16(_) => {
            Pixels::of_values(image.to_luma16().as_raw(), |grey| grey != 0)
        }
        colours => {
            let colours = colours.into_rgb8().into_raw();
            Pixels::of_values(colours.as_chunks::<3>().0, is_set)
        }
    })
}

/// Returns true if Pillow's grey of a colour is not 0: ITU-R 601, rounded.
fn is_set([red, green, blue]: [u8; 3]) -> bool {
    let weighted = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
    (weighted + 0x8000) >> 16 > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, Luma};
    use std::fs;

    /// A folder with a mask of 3 x 1 pixels and the text `lines` of the picture `a_1_1`.
    fn results(lines: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("masks")).unwrap();
        let mask: ImageBuffer<Luma<u8>, _> =
            ImageBuffer::from_raw(3, 1, vec![0u8, 1, 255]).unwrap();
        mask.save(path("masks/m.png")).unwrap();
        mask.save(path("masks/n.png")).unwrap();
        fs::write(path("a_1_1_any.txt"), lines).unwrap();
        folder
    }

    fn read(folder: &Path) -> Result<Vec<Guess>> {
        let frame = Frame::of("a_1_1").unwrap();
        TextFiles::list(folder, [&frame].into_iter())?.of(&frame, [1, 3])
    }

    #[test]
    fn the_lines_are_read_as_by_the_script() {
        let folder = results(
            "masks/m.png 26 0.25\nmasks/n.png 24.9 1e-1\nmasks/absent.png 7 0.5\nmasks/../masks/m.png 33 0.75\n",
        );
        let guesses = read(folder.path()).unwrap();
        let told: Vec<_> = guesses
            .iter()
            .map(|g| (g.class, g.score, g.pixels.count()))
            .collect();
        assert_eq!(told, [(7, 0.75, 2), (0, 0.1, 2)]);
    }

    #[test]
    fn lines_and_masks_that_the_script_refuses_are_refused() {
        for (lines, part) in [
            ("masks/m.png 26\n", "line 1: `masks/m.png 26`"),
            ("masks/m.png  26 0.5\n", "single spaces"),
            ("masks/m.png 26 0.5\n\n", "line 2"),
            ("masks/m.png 34 0.5\n", "label `34`; allowed: -1 to 33"),
            ("masks/m.png car 0.5\n", "label `car`"),
            ("masks/m.png 26 nan\n", "confidence `nan`"),
            ("/m.png 26 0.5\n", "relative path"),
            ("../m.png 26 0.5\n", "lies outside of"),
            ("masks/absent.png 26 0.5\n", "absent.png: cannot be read"),
        ] {
            let message = format!("{:#}", read(results(lines).path()).err().unwrap());
            assert!(message.contains(part), "{lines:?}: {message}");
        }
        let folder = results("");
        assert!(read(folder.path()).unwrap().is_empty());
        let other = ImageBuffer::<Luma<u8>, _>::from_raw(2, 1, vec![1u8, 1]).unwrap();
        other.save(folder.path().join("masks/m.png")).unwrap();
        fs::write(folder.path().join("a_1_1_any.txt"), "masks/m.png 26 0.5\n").unwrap();
        let message = format!("{:#}", read(folder.path()).err().unwrap());
        assert!(message.contains("2 x 1 pixels (width x height); its ground truth has 3 x 1"));
        fs::write(folder.path().join("masks/a_1_1.txt"), "").unwrap();
        let message = format!("{:#}", read(folder.path()).err().unwrap());
        assert!(
            message.contains("two files of predictions of a_1_1"),
            "{message}"
        );
        fs::remove_file(folder.path().join("masks/a_1_1.txt")).unwrap();
        fs::remove_file(folder.path().join("a_1_1_any.txt")).unwrap();
        let message = format!("{:#}", read(folder.path()).err().unwrap());
        assert!(message.contains("no predictions of a_1_1"), "{message}");
    }

    #[test]
    fn colours_are_as_bright_as_in_pillow() {
        assert!(!is_set([0, 0, 4]) && is_set([0, 0, 5]));
        assert!(!is_set([1, 0, 0]) && is_set([2, 0, 0]) && is_set([0, 1, 0]));
    }
}
