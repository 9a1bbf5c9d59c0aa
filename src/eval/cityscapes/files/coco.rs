//! Detections of Cityscapes in COCO's results format.
//!
//! With a file of COCO annotations, ids of images and categories are those of that file: the picture is known by its
//! file name, and the class by its name. Without one, an image id is the name of a picture, as Detectron2 writes it,
//! and a category id is a label of Cityscapes.

use super::guess::{Order, Results};
use crate::cityscapes::{CLASSES, Frame, class_of};
use crate::coco::{Detection, Id, draw, read_annotations, read_results};
use crate::eval::cityscapes::matching::Guess;
use crate::eval::cityscapes::pixels::Pixels;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The detections by their pictures, in the order of the file.
pub struct CocoResults {
    file: PathBuf,
    /// Each with its place in the file, from 1, and its class.
    found: BTreeMap<Frame, Vec<(usize, usize, Detection)>>,
}

/// The meaning of the ids in a file of results.
enum Ids {
    /// That of a file of annotations.
    Listed {
        images: BTreeMap<Id, Frame>,
        /// None for a category that is not evaluated.
        categories: BTreeMap<Id, Option<usize>>,
    },
    /// Names and labels of Cityscapes.
    Names,
}

impl CocoResults {
    /// Reads the detections in `file`, whose ids are those of `annotations` or else names, of the pictures `frames`.
    ///
    /// # Errors
    /// A file is not in COCO's format, or an id means nothing.
    pub fn read(
        file: &Path,
        annotations: Option<&Path>,
        frames: &BTreeMap<Frame, PathBuf>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let records = read_results(file)?;
        let ids = annotations.map_or(Ok(Ids::Names), Ids::read)?;
        let name = file.display();
        let (count, mut foreign, mut elsewhere) = (records.len(), 0, 0);
        let mut found: BTreeMap<Frame, Vec<_>> = BTreeMap::new();
        for (place, record) in (1..).zip(records) {
            let of_place = || format!("{name}: detection {place}");
            let frame = ids.frame(record.image_id.need("image_id").with_context(of_place)?);
            let frame = frame.with_context(of_place)?;
            let class = ids.class(
                record
                    .category_id
                    .need("category_id")
                    .with_context(of_place)?,
            );
            let class = class.with_context(of_place)?;
            match class {
                None => foreign += 1,
                Some(_) if !frames.contains_key(&frame) => elsewhere += 1,
                Some(class) => found.entry(frame).or_default().push((place, class, record)),
            }
        }
        if foreign > 0 {
            warnings.push(format!(
                "{name}: {foreign} of {count} detections are of classes that are not evaluated; they are left out"
            ));
        }
        ensure!(
            foreign + elsewhere < count.max(1),
            "{name}: no detection is of a picture of the ground truth and of a class of Cityscapes"
        );
        if elsewhere > 0 {
            warnings.push(format!(
                "{name}: {elsewhere} of {count} detections are of pictures without ground truth; they are left out"
            ));
        }
        Ok(Self {
            file: file.to_path_buf(),
            found,
        })
    }
}

impl Results for CocoResults {
    fn order(&self) -> Order {
        Order::Columns
    }

    fn of(&self, frame: &Frame, size: [usize; 2]) -> Result<Vec<Guess>> {
        let found = self.found.get(frame).map_or(&[][..], Vec::as_slice);
        let size = size.map(|side| side as u32);
        let guess = |(place, class, record): &(usize, usize, Detection)| {
            let guess = guess(*class, record, size);
            guess.with_context(|| format!("{}: detection {place}", self.file.display()))
        };
        found.iter().map(guess).collect()
    }
}

fn guess(class: usize, record: &Detection, size: [u32; 2]) -> Result<Guess> {
    let score = *record.score.need("score")?;
    ensure!(score.is_finite(), "`score` {score}; needed: a number");
    let runs = draw(&record.segmentation, Some(size))?;
    ensure!(
        [runs.h, runs.w] == size,
        "a mask of {} x {} pixels (width x height); its ground truth has {} x {}",
        runs.w,
        runs.h,
        size[1],
        size[0]
    );
    Ok(Guess {
        class,
        score,
        pixels: Pixels::of_runs(&runs),
    })
}

impl Ids {
    /// Those of a file of annotations.
    fn read(file: &Path) -> Result<Self> {
        let mut content = read_annotations(file)?;
        let mut images = BTreeMap::new();
        for (index, image) in content.take_images(file)?.into_iter().enumerate() {
            let place = || format!("{}: images[{index}]", file.display());
            let id = image.id.need("id").with_context(place)?;
            let name = image.file_name.need("file_name").with_context(place)?;
            let frame = Frame::of(name).with_context(|| {
                format!(
                    "{}: `file_name` {name:?}; needed: CITY_SEQUENCE_FRAME and more",
                    place()
                )
            })?;
            images.insert(id.clone(), frame);
        }
        let mut categories = BTreeMap::new();
        for (index, category) in content.take_categories(file)?.into_iter().enumerate() {
            let id = category.id.need("id");
            let id = id.with_context(|| format!("{}: categories[{index}]", file.display()))?;
            let name = category.name.get();
            let class = CLASSES
                .iter()
                .position(|class| name.is_some_and(|name| name == class.name));
            categories.insert(id.clone(), class);
        }
        ensure!(
            categories.values().any(Option::is_some),
            "{}: no category is a class of Cityscapes: {}",
            file.display(),
            CLASSES.map(|class| class.name).join(", ")
        );
        Ok(Self::Listed { images, categories })
    }

    /// The picture that the id of an image means.
    fn frame(&self, id: &Id) -> Result<Frame> {
        match (self, id) {
            (Self::Listed { images, .. }, id) => {
                let frame = images.get(id).cloned();
                frame.with_context(|| format!("image {id} is not in the annotations of --gt"))
            }
            (Self::Names, Id::Text(name)) => Frame::of(name)
                .with_context(|| format!("`image_id` {id}; needed: CITY_SEQUENCE_FRAME and more")),
            (Self::Names, id) => bail!(
                "`image_id` {id} names no picture; give the COCO annotations that it is of with --gt"
            ),
        }
    }

    /// The class that the id of a category means; none for one that is not evaluated.
    fn class(&self, id: &Id) -> Result<Option<usize>> {
        match self {
            Self::Listed { categories, .. } => Ok(categories.get(id).copied().flatten()),
            Self::Names => {
                let label = id.unsigned().and_then(|label| u16::try_from(label).ok());
                let needed =
                    || anyhow!("`category_id` {id}; needed: a label of Cityscapes, such as 26");
                label.map(class_of).ok_or_else(needed)
            }
        }
    }
}
