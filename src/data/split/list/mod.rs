//! Files that list the labelled images of a training set, as other projects publish them.
//!
//! | format | content | the images |
//! |---|---|---|
//! | `indices-json` | `{"1.0": {"0": [index, ...], ...}, ...}`: percentage, seed, indices | those with an object, sorted by id |
//! | `names` | one name a line | found by name |
//! | `coco-json` | COCO's annotations, of which only `images` is read | found by `file_name` |
//!
//! A list says nothing of the images that it leaves out: they are the unlabelled ones, whatever a second file holds.

mod indices;
mod names;

use super::config::{ListFormat, PLACEHOLDER, Percent, SplitConfig, percent_text};
use crate::coco;
use crate::data::Source;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// The share of a list may differ from the one that is asked for by this part of it. Published lists are rounded down,
/// or drawn with replacement: STAC's 10 % are 9.5 %.
const SAME_SHARE: f64 = 0.1;

/// The labelled images of a list.
#[derive(Debug)]
pub struct Listed {
    /// Their indices in ascending order, each once.
    pub images: Vec<usize>,
    /// The percentage that the file tells of them, if it tells one.
    pub percent: Option<f64>,
    /// What the list's reader should know, one line each.
    pub notes: Vec<String>,
}

/// Reads the list of `config` for the images of `train`. `seed` is the seed of the split.
///
/// # Errors
/// The file cannot be read, has another format, or does not fit the images. The error names the file and the place.
pub fn read(train: &dyn Source, config: &SplitConfig, seed: u64) -> Result<Listed> {
    let file = &config.list_file();
    let place = || format!("split.list: {}", file.display());
    refuse_unlabelled(file)?;
    let bytes = std::fs::read(file).with_context(place)?;
    let text = coco::in_utf8(bytes).with_context(place)?;
    let found = match config.format {
        ListFormat::Auto => guess(&text),
        format => format,
    };
    let percent = config.percent.of(config.labelled);
    let told = (found == ListFormat::IndicesJson).then_some(percent);
    let (mut images, mut notes) = match found {
        ListFormat::IndicesJson => {
            let wanted = indices::Wanted { percent, seed };
            (indices::images(file, train, wanted)?, Vec::new())
        }
        ListFormat::CocoJson => {
            let images = names::of_coco_images(file, train)?;
            let notes = name_note(file, images.len(), train.len());
            (images, Vec::from_iter(notes))
        }
        ListFormat::Names | ListFormat::Auto => (names::of_lines(file, &text, train)?, Vec::new()),
    };
    let listed = images.len();
    images.sort_unstable();
    images.dedup();
    if images.is_empty() {
        bail!("{}: no image; needed: at least one", place());
    }
    if told.is_none() {
        let share = Share {
            listed: images.len(),
            all: train.len(),
            config,
        };
        share.refuse_the_rest(file)?;
        notes.extend(share.note(file));
    }
    if images.len() < listed {
        notes.push(format!(
            "{}: {} of {listed} entries repeat an image and count once",
            place(),
            listed - images.len()
        ));
    }
    Ok(Listed {
        images,
        percent: told,
        notes,
    })
}

/// The format of a file with this text.
fn guess(text: &[u8]) -> ListFormat {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'{') if has_key(text, b"\"images\"") => ListFormat::CocoJson,
        Some(b'{' | b'[') => ListFormat::IndicesJson,
        _ => ListFormat::Names,
    }
}

/// Returns true if `text` has `key` somewhere. The two JSON formats have no key in common.
fn has_key(text: &[u8], key: &[u8]) -> bool {
    text.windows(key.len()).any(|window| window == key)
}

/// Refuses the second file of a pair, which lists the unlabelled images.
fn refuse_unlabelled(file: &Path) -> Result<()> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.to_lowercase();
    let ends = ["unlabeled", "unlabelled"].map(|word| stem.strip_suffix(word));
    // `-unlabeled`, `_unlabeled`, or the whole name.
    let is_word = |before: &str| !before.ends_with(char::is_alphanumeric);
    if ends.into_iter().flatten().any(is_word) {
        bail!(
            "split.list: {}: by its name, this file lists the unlabelled images; needed: the file of the labelled ones. \
             All others are unlabelled",
            file.display()
        );
    }
    Ok(())
}

/// The size of a list that tells no percentage itself.
struct Share<'a> {
    listed: usize,
    /// The number of training images.
    all: usize,
    config: &'a SplitConfig,
}

impl Share<'_> {
    /// The percentage that is asked for.
    fn wanted(&self) -> f64 {
        self.config.percent.of(self.config.labelled)
    }

    /// Returns true if `images` of the training images are about what is asked for, or what it is rounded to.
    fn is_wanted(&self, images: usize) -> bool {
        let wanted = self.wanted() / 100.0 * self.all as f64;
        let difference = (images as f64 - wanted).abs();
        difference <= SAME_SHARE * wanted || difference < 1.0
    }

    /// Refuses a list of all images but as many as are asked for: the second file of a pair under another name.
    fn refuse_the_rest(&self, file: &Path) -> Result<()> {
        let Self { listed, all, .. } = *self;
        let rest = all - listed;
        if rest == 0 || self.is_wanted(listed) || !self.is_wanted(rest) {
            return Ok(());
        }
        bail!(
            "split.list: {}: the file lists {listed} of {all} training images, and the {} % of {} are those that it leaves \
             out ({rest}): it seems to list the unlabelled images; needed: the file of the labelled ones. All others are \
             unlabelled. If these are the labelled ones, {} tells it",
            file.display(),
            percent_text(self.wanted()),
            self.key(),
            match self.config.percent {
                Percent::OfLabelled => format!("split.labelled = {:.4}", self.share() / 100.0),
                Percent::Number(_) => format!("split.percent = {:.2}", self.share()),
            }
        );
    }

    /// A note if the file lists another share than the recipe tells. The file decides.
    fn note(&self, file: &Path) -> Option<String> {
        if self.is_wanted(self.listed) {
            return None;
        }
        let Self { listed, all, .. } = *self;
        let has_placeholder = self.config.list.to_string_lossy().contains(PLACEHOLDER);
        let advice = match has_placeholder {
            true => String::new(),
            false => format!("; `{PLACEHOLDER}` in the path takes the list of each share"),
        };
        Some(format!(
            "split.list: {}: the file lists {listed} of {all} training images ({:.2} %), not the {} % of {}; the file \
             decides{advice}",
            file.file_name().unwrap_or(file.as_os_str()).display(),
            self.share(),
            percent_text(self.wanted()),
            self.key()
        ))
    }

    /// The listed percentage.
    fn share(&self) -> f64 {
        100.0 * self.listed as f64 / self.all.max(1) as f64
    }

    /// The key that asks for a percentage.
    fn key(&self) -> &'static str {
        match self.config.percent {
            Percent::OfLabelled => "split.labelled",
            Percent::Number(_) => "split.percent",
        }
    }
}

/// A note if the name of a file, such as `x.1@10.json`, tells another percentage than it holds: STAC draws with
/// replacement, so its 10 % are 9.5 %, and a percentage below 1 may have been written as 0.
fn name_note(file: &Path, labelled: usize, all: usize) -> Option<String> {
    let name = file.file_name()?.to_string_lossy();
    let told = name.rsplit_once('@')?.1;
    let told = told.strip_suffix(".json").unwrap_or(told);
    let percent: f64 = told.parse().ok()?;
    let expected = (percent / 100.0 * all as f64) as usize;
    let share = 100.0 * labelled as f64 / all.max(1) as f64;
    (expected != labelled).then(|| {
        format!(
            "split.list: {name}: the name tells {told} %, which is {expected} of {all} images; the file lists {labelled} \
             ({share:.2} %)"
        )
    })
}
