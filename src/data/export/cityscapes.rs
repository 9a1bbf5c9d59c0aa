//! The layout of Cityscapes: `leftImg8bit/{train,val}/CITY/*_leftImg8bit.png` and, below `gtFine`, the images of ids
//! and of labels. A picture without a name of Cityscapes is in the city `train` or `val`.
//!
//! Classes that have the name of one of Cityscapes' eight get its label. In a dataset without such a name the first
//! eight classes get the eight labels, in order. Objects of all other classes become void. A pixel without an object
//! is `road`, which is judged, unless the dataset says that it is void.

use super::{Exported, make_folder_of, write_picture};
use crate::cityscapes::{
    CLASSES, FIRST_INSTANCE, Frame, INSTANCES, LABEL_IDS, MOST_INSTANCES, PICTURES, ROAD,
    UNLABELLED,
};
use crate::data::{Dataset, Source, Truth};
use crate::structures::{Instance, InstanceSource};
use anyhow::{Context, Result, ensure};
use image::{GrayImage, ImageBuffer, Luma};
use rayon::prelude::*;
use std::path::Path;

/// The label of each class of the dataset; none for a class that becomes void.
struct Labels(Vec<Option<u16>>);

impl Labels {
    fn of(classes: &[String]) -> Self {
        let named = |name: &String| CLASSES.iter().find(|class| class.name == name);
        let has_names = classes.iter().any(|name| named(name).is_some());
        let labels = classes.iter().enumerate().map(|(class, name)| {
            let label = match has_names {
                true => named(name),
                false => CLASSES.get(class),
            };
            label.map(|label| label.id)
        });
        Self(labels.collect())
    }

    /// A line for the classes that have another name in the files, and one for those that are void.
    fn notes(&self, classes: &[String]) -> Vec<String> {
        let (mut renamed, mut void) = (Vec::new(), Vec::new());
        for (name, label) in classes.iter().zip(&self.0) {
            let label = CLASSES.iter().find(|class| Some(class.id) == *label);
            match label {
                None => void.push(name.clone()),
                Some(label) if label.name != name => {
                    renamed.push(format!("{name} is {}", label.name));
                }
                Some(_) => {}
            }
        }
        let line = |text: &str, names: Vec<String>| match names.is_empty() {
            true => None,
            false => Some(format!("{text}: {}", names.join(", "))),
        };
        let lines = [
            line("classes in Cityscapes' labels", renamed),
            line("classes that are void", void),
        ];
        lines.into_iter().flatten().collect()
    }
}

/// Writes `dataset` to `folder`, which is new.
///
/// # Errors
/// A file cannot be read or written, or an image has more objects of a class than the format can count.
pub fn write(dataset: &Dataset, folder: &Path) -> Result<Exported> {
    let labels = Labels::of(&dataset.classes);
    let (mut images, mut written, mut hidden) = (0, 0, 0);
    for (part, source) in [("train", &dataset.train), ("val", &dataset.val)] {
        let counts = (0..source.len())
            .into_par_iter()
            .map(|index| write_image(&**source, index, part, &labels, folder))
            .collect::<Result<Vec<_>>>()?;
        images += counts.len();
        for count in counts {
            written += count.written;
            hidden += count.hidden;
        }
    }
    let mut notes = labels.notes(&dataset.classes);
    if hidden > 0 {
        notes.push(format!(
            "objects left out, because others cover them wholly: {hidden}"
        ));
    }
    Ok(Exported {
        images,
        annotations: written,
        notes,
    })
}

/// The objects and groups of an image that its files show, and those that others cover.
struct Count {
    written: usize,
    hidden: usize,
}

fn write_image(
    source: &dyn Source,
    index: usize,
    part: &str,
    labels: &Labels,
    folder: &Path,
) -> Result<Count> {
    let picture = source.load(index)?.picture;
    let truth = source.truth(index)?;
    let frame = source.frame(index);
    let frame = frame.unwrap_or_else(|| Frame::numbered(part, truth.image_id));
    let path = |(kind, ending): (&str, &str)| {
        let city = folder.join(kind).join(part).join(&frame.city);
        city.join(format!("{frame}{ending}"))
    };
    write_picture(&picture, &path(PICTURES))?;
    let (ids, count) = ids(&truth, labels).with_context(|| frame.to_string())?;
    let (width, height) = (truth.width as u32, truth.height as u32);
    let label = |id: &u16| {
        if *id < FIRST_INSTANCE {
            *id
        } else {
            id / FIRST_INSTANCE
        }
    };
    let label_ids: Vec<u8> = ids.iter().map(|id| label(id) as u8).collect();
    let ids: ImageBuffer<Luma<u16>, _> =
        ImageBuffer::from_raw(width, height, ids).expect("one id for each pixel");
    let label_ids =
        GrayImage::from_raw(width, height, label_ids).expect("one label for each pixel");
    let file = path(INSTANCES);
    make_folder_of(&file)?;
    let cannot = || format!("{}: cannot be written", file.display());
    ids.save(&file).with_context(cannot)?;
    let file = path((INSTANCES.0, LABEL_IDS));
    let cannot = || format!("{}: cannot be written", file.display());
    label_ids.save(&file).with_context(cannot)?;
    Ok(count)
}

/// The image of ids of an image, and its objects. A later object covers an earlier one, and every object covers groups
/// and void.
fn ids(truth: &Truth, labels: &Labels) -> Result<(Vec<u16>, Count)> {
    let mut ids = vec![ROAD; truth.height * truth.width];
    let mut paint = |pixels: &[u8], id: u16| {
        for (pixel, bit) in ids.iter_mut().zip(pixels) {
            if *bit == 1 {
                *pixel = id;
            }
        }
    };
    if let Some(void) = &truth.void {
        paint(&void.bits, UNLABELLED);
    }
    let label = |instance: &Instance| labels.0[instance.class];
    let is_group = |instance: &&Instance| instance.source == InstanceSource::Crowd;
    let groups = truth.instances.iter().filter(is_group);
    let objects = truth.instances.iter().filter(|one| !is_group(one));
    let void = truth.instances.iter().filter(|one| label(one).is_none());
    for instance in void {
        paint(&instance.mask.bits, UNLABELLED);
    }
    let mut painted = Vec::new();
    for instance in groups {
        if let Some(label) = label(instance) {
            paint(&instance.mask.bits, label);
            painted.push(label);
        }
    }
    // Groups of one class share a value.
    painted.sort_unstable();
    painted.dedup();
    let mut numbers = [0u16; 64];
    for instance in objects {
        let Some(label) = label(instance) else {
            continue;
        };
        let number = &mut numbers[usize::from(label)];
        ensure!(
            *number < MOST_INSTANCES,
            "more than {MOST_INSTANCES} objects of the label {label}, which an image of ids cannot count"
        );
        let id = label * FIRST_INSTANCE + *number;
        *number += 1;
        paint(&instance.mask.bits, id);
        painted.push(id);
    }
    let mut seen = vec![false; usize::from(u16::MAX) + 1];
    for id in &ids {
        seen[usize::from(*id)] = true;
    }
    let total = painted.len();
    let written = painted.iter().filter(|id| seen[usize::from(**id)]).count();
    Ok((
        ids,
        Count {
            written,
            hidden: total - written,
        },
    ))
}
