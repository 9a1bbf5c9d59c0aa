//! `harness clip`: compares pictures with texts, using a released CLIP.
//!
//! `$$ \ell_{it} = e^s \cos(v_i, t_t), \qquad p_{it} = \mathrm{softmax}_t(\ell_{it}) $$`
//!
//! The numbers are `logits_per_image` and `probs` of `transformers` and of `open_clip`.

use crate::data::image_file::{Exif, decode};
use crate::experiment::trial::inputs::CommandError;
use crate::graph::clip::folder::{self, Released};
use crate::ops;
use crate::tensor::{Tape, Tensor2};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The similarities of every image with every text, as a table for people: one block per image, one line per
/// text.
///
/// # Errors
/// The folder, an image or a text is wrong. The error names it.
pub fn clip(folder: &Path, images: &[PathBuf], texts: &[String]) -> Result<String, CommandError> {
    // Files that are not images are reported before the weights are read.
    let pictures = images.iter().map(|path| decode(path, Exif::Applied));
    let pictures: Result<Vec<_>> = pictures.collect();
    let pictures = pictures.map_err(CommandError::Input)?;
    let Released {
        model,
        tokenizer,
        preprocess,
    } = folder::open(folder).map_err(CommandError::Input)?;
    let rows: Result<Vec<Tensor2>> = texts
        .iter()
        .map(|text| Ok(model.text(&tokenizer.encode(text)?)))
        .collect();
    let rows = rows.map_err(CommandError::Input)?;
    let width = rows.first().map_or(0, Tensor2::columns);
    let values = rows.iter().flat_map(|row| row.values()).copied().collect();
    let described = Tensor2::constant(values, rows.len(), width);
    let mut report = String::new();
    for (path, picture) in images.iter().zip(&pictures) {
        let pixels = preprocess
            .apply(picture)
            .with_context(|| path.display().to_string())
            .map_err(CommandError::Input)?;
        let image = model.image(&pixels);
        let cosines = ops::linear(&mut Tape::off(), &image, &described, None, false);
        let scale = model.logit_scale();
        let logits: Vec<f32> = cosines
            .values()
            .iter()
            .map(|cosine| scale * cosine)
            .collect();
        block(&mut report, path, texts, &logits);
    }
    Ok(report.trim_end().to_string())
}

/// Appends the lines of one image.
fn block(report: &mut String, path: &Path, texts: &[String], logits: &[f32]) {
    let mut probabilities = logits.to_vec();
    ops::softmax_rows(&mut probabilities, logits.len());
    // Writing to a string cannot fail.
    let _ = writeln!(report, "{}", path.display());
    let _ = writeln!(report, "{:>12}  {:>11}  text", "logit", "probability");
    for ((logit, probability), text) in logits.iter().zip(&probabilities).zip(texts) {
        let _ = writeln!(report, "{logit:>12.5}  {probability:>11.6}  {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_names_the_image_and_every_text() {
        let mut report = String::new();
        let texts = ["a dog".to_string(), "a cat".to_string()];
        block(&mut report, Path::new("x.png"), &texts, &[3f32.ln(), 0.0]);
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(lines[0], "x.png");
        let words: Vec<&str> = lines[2].split_whitespace().collect();
        assert_eq!(words, ["1.09861", "0.750000", "a", "dog"]);
        assert!(lines[3].ends_with("0.250000  a cat"), "{report}");
    }
}
