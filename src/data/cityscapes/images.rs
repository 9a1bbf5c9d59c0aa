//! The images of a split, decoded on demand.

use crate::cityscapes::{Frame, IdImage, class_of_id, is_void};
use crate::data::picture_cache::PictureReader;
use crate::data::{Sample, Source, Truth};
use crate::structures::{Instance, InstanceSource, Mask};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};

/// A picture with annotations.
pub struct Record {
    /// Its name.
    pub frame: Frame,
    /// The file of the picture.
    pub picture: PathBuf,
    /// The file of its image of ids.
    pub ids: PathBuf,
    /// The values of its objects and groups, ascending.
    pub objects: Vec<u16>,
    /// Its rows and columns.
    pub size: (usize, usize),
}

/// The id of the image at a place: the place, counted from 1.
fn id_of(index: usize) -> u64 {
    index as u64 + 1
}

/// The annotated pictures of a split, in the order of their names. The id of an image is its place, counted from 1.
pub struct Annotated {
    records: Vec<Record>,
    reader: PictureReader,
}

impl Annotated {
    /// The source of these records, whose pictures `reader` reads.
    pub fn new(records: Vec<Record>, reader: &PictureReader) -> Self {
        let reader = reader.clone();
        Self { records, reader }
    }

    fn classes(&self, index: usize, groups: bool) -> Vec<usize> {
        let objects = self.records[index].objects.iter();
        let known = objects.filter_map(|id| class_of_id(*id));
        let wanted = known.filter(|(_, is_group)| groups || !is_group);
        wanted.map(|(class, _)| class).collect()
    }
}

impl Source for Annotated {
    fn len(&self) -> usize {
        self.records.len()
    }

    fn classes_of(&self, index: usize) -> Vec<usize> {
        self.classes(index, true)
    }

    fn objects_of(&self, index: usize) -> Vec<usize> {
        self.classes(index, false)
    }

    fn id(&self, index: usize) -> u64 {
        id_of(index)
    }

    fn file(&self, index: usize) -> Option<&Path> {
        Some(&self.records[index].picture)
    }

    fn size_of(&self, index: usize) -> Option<(usize, usize)> {
        Some(self.records[index].size)
    }

    fn frame(&self, index: usize) -> Option<Frame> {
        Some(self.records[index].frame.clone())
    }

    fn load(&self, index: usize) -> Result<Sample> {
        let record = &self.records[index];
        let picture = self.reader.read(&record.picture)?;
        let ids = IdImage::read(&record.ids)?;
        ensure!(
            (picture.height, picture.width) == (ids.height, ids.width),
            "{}: another size than its picture",
            record.ids.display()
        );
        Ok(Sample {
            image_id: id_of(index),
            picture,
            instances: instances(&ids),
        })
    }

    fn truth(&self, index: usize) -> Result<Truth> {
        let ids = IdImage::read(&self.records[index].ids)?;
        let instances = instances(&ids);
        let void = ids.ids.iter().map(|id| u8::from(is_void(*id))).collect();
        let areas = instances.iter().map(|instance| instance.mask.area() as f64);
        Ok(Truth {
            image_id: id_of(index),
            height: ids.height,
            width: ids.width,
            areas: areas.collect(),
            instances,
            void: Some(Mask::new(ids.height, ids.width, void)),
        })
    }
}

/// The objects and groups of an image of ids, in the order of their values.
fn instances(image: &IdImage) -> Vec<Instance> {
    let pixels = image.ids.len();
    let mut instances = Vec::new();
    let mut places = vec![None; usize::from(u16::MAX) + 1];
    for (id, _) in image.counts() {
        let Some((class, is_group)) = class_of_id(id) else {
            continue;
        };
        places[usize::from(id)] = Some(instances.len());
        instances.push(Instance {
            class,
            mask: Mask::new(image.height, image.width, vec![0; pixels]),
            source: match is_group {
                true => InstanceSource::Crowd,
                false => InstanceSource::Annotation,
            },
        });
    }
    for (pixel, id) in image.ids.iter().enumerate() {
        if let Some(place) = places[usize::from(*id)] {
            instances[place].mask.bits[pixel] = 1;
        }
    }
    instances
}

/// Pictures without annotations.
pub struct Unannotated {
    pictures: Vec<PathBuf>,
    reader: PictureReader,
}

impl Unannotated {
    /// The source of these files, which `reader` reads.
    pub fn new(pictures: Vec<PathBuf>, reader: &PictureReader) -> Self {
        let reader = reader.clone();
        Self { pictures, reader }
    }
}

impl Source for Unannotated {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn classes_of(&self, _: usize) -> Vec<usize> {
        Vec::new()
    }

    fn id(&self, index: usize) -> u64 {
        id_of(index)
    }

    fn file(&self, index: usize) -> Option<&Path> {
        Some(&self.pictures[index])
    }

    fn load(&self, index: usize) -> Result<Sample> {
        Ok(Sample {
            image_id: id_of(index),
            picture: self.reader.read(&self.pictures[index])?,
            instances: Vec::new(),
        })
    }
}
