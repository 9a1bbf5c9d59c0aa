//! The stage in which a trained teacher labels all unlabelled images once, at the size of the evaluation.
//!
//! It looks at some images at a time and adds what it has found to a file, line by line; an attempt that is interrupted
//! goes on behind the last whole part of it. When all images have been looked at, the filter chooses, and the
//! pseudo-labels and the line of the journal are written. Nothing depends on where an attempt was interrupted.

use super::attempt::Attempt;
use super::beacon::Beacon;
use super::perform::Workshop;
use super::progress::StageNumbers;
use super::scores::EVALUATED_AT_ONCE;
use crate::atomic::write_durably;
use crate::data::Dataset;
use crate::data::pool_labels::{PoolImage, PoolLabels, source_of};
use crate::detector::Detector;
use crate::experiment::settings::sections::Settings;
use crate::experiment::settings::trial_settings::TrialSettings;
use crate::experiment::store::folder::Unit;
use crate::experiment::trial::draws::draw;
use crate::experiment::trial::parts as trial;
use crate::experiment::trial::stage::Stage;
use crate::method::{Build, Found, PoolLabeller, PoolReport};
use crate::nn::params::move_to;
use crate::structures::Picture;
use crate::train::{Journal, STUDENT, Window, pool_readings};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

/// An image that the teacher has looked at: a line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    /// The number of the image among the training images followed by the further ones.
    image: usize,
    /// Identifier in the dataset.
    id: u64,
    /// Rows and columns.
    size: (usize, usize),
    found: Vec<Found>,
}

impl Workshop<'_> {
    /// Labels all unlabelled images with the teacher that the stage starts under.
    ///
    /// # Errors
    /// An image cannot be read, the result cannot be written, or a stop was requested.
    pub(super) fn label(&self, stage: &Stage, phase: usize, attempt: &Attempt) -> Result<()> {
        let TrialSettings::Networks(settings) = &*stage.settings else {
            bail!("the stage {} has no network", stage.key);
        };
        let phase = settings.phases().swap_remove(phase);
        let Build::Pool(build) = &phase.build else {
            bail!("the phase `{}` labels no images", phase.name);
        };
        let dataset = self.datasets.get(&settings.data)?;
        let split = draw(settings, &dataset)?;
        let mut rules = build(&split.counts);
        let images = &split.unlabelled;
        let seen = match phase.start.source() {
            Some(teacher) => {
                let settings = settings.of_phase(settings.phases()[teacher].name);
                self.look(stage, &settings, attempt, (&dataset, images), &rules)?
            }
            None => bail!("the phase `{}` has no teacher", phase.name),
        };

        let found: Vec<Vec<Found>> = seen.iter().map(|one| one.found.clone()).collect();
        rules.survey(&found);
        drop(found);
        let mut labels = PoolLabels::default();
        let mut report = PoolReport::new(dataset.classes.len());
        for (number, one) in seen.iter().enumerate() {
            let last = number + 1 == seen.len();
            let (of_image, objects) = rules.label(&one.found, one.size, last)?;
            let (source, index) = source(&dataset, one.image)?;
            // As of a teacher that labels in a training: the hidden truth is for the journal alone.
            let truth = source.truth(index)?;
            report.add(&of_image, &truth.instances);
            let image = PoolImage {
                id: one.id,
                size: one.size,
                objects,
            };
            labels.insert(one.image, image);
        }
        let text = labels.to_json(&dataset)?;
        let folder = &attempt.folder;
        attempt.lease.check()?;
        remove(&folder.journal())?;
        let mut journal = Journal::open(&folder.journal(), 0, Window::default())?;
        journal.show(self.log);
        let readings = pool_readings(report.ended(rules.readings()))?;
        journal.add(0, readings)?;
        attempt.sync(&journal)?;
        attempt.put(&stage.key, |path| {
            write_durably(path, &text, attempt.durability())
        })?;
        remove(&folder.found())
    }

    /// What the teacher finds in `images` of `dataset`, as far as it was not found before.
    fn look(
        &self,
        stage: &Stage,
        settings: &Settings,
        attempt: &Attempt,
        (dataset, images): (&Dataset, &[usize]),
        rules: &PoolLabeller,
    ) -> Result<Vec<Seen>> {
        let path = attempt.folder.found();
        let mut seen = earlier(&path, images)?;
        let progress = self
            .progress
            .stage(&stage.title, stage.cost, 0, seen.len(), images.len());
        let beacon = Beacon::new(&attempt.folder, seen.len(), images.len(), Unit::Images);
        if seen.len() == images.len() {
            return Ok(seen);
        }
        let device = self.devices.take(settings)?;
        let mut teacher = trial::model(settings, dataset.classes.len())?;
        move_to(&mut *teacher, &device.place);
        self.source(stage)?.take_model(STUDENT, &mut *teacher)?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let named = || format!("cannot write {}", path.display());
        let mut file = file.with_context(named)?;
        for part in images[seen.len()..].chunks(EVALUATED_AT_ONCE) {
            let mut samples = Vec::with_capacity(part.len());
            for image in part {
                let (source, index) = source(dataset, *image)?;
                samples.push(source.load(index)?);
            }
            let pictures: Vec<&Picture> = samples.iter().map(|one| &one.picture).collect();
            let sizes: Vec<(usize, usize)> = pictures
                .iter()
                .map(|picture| (picture.height, picture.width))
                .collect();
            let found = look(settings, rules, &*teacher, &pictures, &sizes);
            let all = part.iter().zip(&samples).zip(&sizes).zip(found);
            let mut lines = String::new();
            for (((image, sample), size), found) in all {
                let one = Seen {
                    image: *image,
                    id: sample.image_id,
                    size: *size,
                    found,
                };
                lines += &serde_json::to_string(&one)?;
                lines.push('\n');
                seen.push(one);
            }
            attempt.lease.check()?;
            file.write_all(lines.as_bytes()).with_context(named)?;
            progress.at(seen.len(), StageNumbers::default());
            beacon.at(seen.len());
            self.interrupt.check()?;
        }
        Ok(seen)
    }

    /// The pseudo-labels of the stage that a training starts from.
    pub(super) fn pool_labels(&self, stage: &Stage, settings: &Settings) -> Result<PoolLabels> {
        let key = stage.source.as_ref();
        let key = key.context("the stage of the pseudo-labels is missing")?;
        let dataset = self.datasets.get(&settings.data)?;
        PoolLabels::read(&self.store.stage(key).labels(), &dataset.classes)
    }
}

/// The candidates in `pictures` of `sizes` rows and columns: at the size of the evaluation, or in the views of the
/// recipe.
fn look(
    settings: &Settings,
    rules: &PoolLabeller,
    teacher: &dyn Detector,
    pictures: &[&Picture],
    sizes: &[(usize, usize)],
) -> Vec<Vec<Found>> {
    let views = &rules.views;
    if views.short_sides.is_empty() && !views.flip {
        return rules.look(teacher, &settings.eval.input(teacher, pictures), sizes);
    }
    let of_picture = |(picture, size): (&&Picture, &(usize, usize))| {
        let seen = settings.eval.test_views(picture, views);
        match &seen[..] {
            [one] => rules
                .look(teacher, &teacher.images(&[&one.picture]), &[*size])
                .remove(0),
            several => rules.look_at_views(teacher, several, *size),
        }
    };
    pictures.iter().zip(sizes).map(of_picture).collect()
}

/// The images that an earlier attempt has looked at, and cuts the file at `path` behind them. Parts of
/// [`EVALUATED_AT_ONCE`] images count as a whole, so that every image is looked at beside the same others.
fn earlier(path: &Path, images: &[usize]) -> Result<Vec<Seen>> {
    let named = || format!("cannot read {}", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        file => file.with_context(named)?,
    };
    let mut lines = BufReader::new(file);
    let (mut seen, mut part) = (Vec::new(), Vec::new());
    let (mut end, mut line) = (0, Vec::new());
    let mut position = 0;
    for image in images {
        line.clear();
        position += lines.read_until(b'\n', &mut line).with_context(named)?;
        let one = line.strip_suffix(b"\n");
        let one = one.and_then(|text| serde_json::from_slice::<Seen>(text).ok());
        let Some(one) = one.filter(|one| one.image == *image) else {
            break;
        };
        part.push(one);
        if part.len() == EVALUATED_AT_ONCE || seen.len() + part.len() == images.len() {
            seen.append(&mut part);
            end = position as u64;
        }
    }
    let file = OpenOptions::new().write(true).open(path);
    let cut = file.and_then(|file| file.set_len(end));
    cut.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(seen)
}

/// Image `index` of the pool, as a source and the index in it.
fn source(dataset: &Dataset, index: usize) -> Result<(&dyn crate::data::Source, usize)> {
    source_of(dataset, index).context("an unlabelled image that the dataset does not have")
}

/// Removes a file that may not exist.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(image: usize) -> Seen {
        Seen {
            image,
            id: 7 + image as u64,
            size: (2, 3),
            found: Vec::new(),
        }
    }

    fn written(path: &Path, images: &[usize], more: &str) {
        let line = |image: &usize| serde_json::to_string(&seen(*image)).unwrap() + "\n";
        let text: String = images.iter().map(line).collect();
        fs::write(path, text + more).unwrap();
    }

    #[test]
    fn an_attempt_goes_on_behind_the_last_whole_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("found.jsonl");
        let images = [3, 4, 5, 9, 10, 11];
        let known = |so_far: &[usize], more: &str| {
            written(&path, so_far, more);
            let found = earlier(&path, &images).unwrap();
            let left = fs::read_to_string(&path).unwrap();
            assert_eq!(left.lines().count(), found.len());
            found.iter().map(|one| one.image).collect::<Vec<_>>()
        };
        assert_eq!(known(&[3, 4, 5], ""), [0; 0], "a part is four images");
        assert_eq!(known(&[3, 4, 5, 9], "{\"image\":10,"), images[..4]);
        assert_eq!(known(&[3, 4, 5, 9, 10], ""), images[..4]);
        assert_eq!(known(&images, ""), images, "the last part is shorter");
        assert_eq!(known(&[3, 4, 5, 10], ""), [0; 0], "another split");
        assert_eq!(known(&[3, 4, 5, 9], "\0\0\0\n"), images[..4]);
        fs::remove_file(&path).unwrap();
        assert!(earlier(&path, &images).unwrap().is_empty());
    }
}
