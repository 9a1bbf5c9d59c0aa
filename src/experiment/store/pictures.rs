//! The pictures of galleries: `image-<id>.json` in a folder of a dataset's own beside those of the stages.

use super::folder::StageFolder;
use super::root::Store;
use crate::atomic::{Durability, write_durably};
use crate::draw;
use crate::eval::analysis::{packed, unpacked};
use crate::experiment::trial::key::StageKey;
use crate::recipe::content_hash;
use crate::structures::{Instance, InstanceSource, Mask, Picture, thumbnail};
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::{Table, Value};

/// The kind of the folders.
const KIND: &str = "pictures";
/// The version of the files: another one is made anew.
const VERSION: u32 = 1;
/// The quality of the JPEG files, of 100.
const QUALITY: u8 = 80;
/// The number of hexadecimal digits in the name of a folder.
const DIGITS: usize = 20;

/// The small copy of an image with its annotations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPicture {
    version: u32,
    /// Rows and columns of the small copy.
    pub size: (usize, usize),
    /// A JPEG file in base64.
    jpeg: String,
    objects: Vec<KeptObject>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptObject {
    class: usize,
    is_crowd: bool,
    mask: String,
}

impl KeptPicture {
    /// The picture with the JPEG file `jpeg`, whose rows and columns are `size`, and the annotations of its image.
    pub fn new(size: (usize, usize), jpeg: &[u8], instances: &[Instance]) -> Self {
        let object = |one: &Instance| KeptObject {
            class: one.class,
            is_crowd: one.source == InstanceSource::Crowd,
            mask: packed(&one.mask),
        };
        Self {
            version: VERSION,
            size,
            jpeg: STANDARD.encode(jpeg),
            objects: instances.iter().map(object).collect(),
        }
    }

    /// The small copy of `picture` with the annotations of its image.
    ///
    /// # Errors
    /// The picture has no pixel.
    pub fn of(picture: &Picture, instances: &[Instance]) -> Result<Self> {
        let small = thumbnail(picture);
        let jpeg = draw::jpeg(&small, QUALITY)?;
        Ok(Self::new((small.height, small.width), &jpeg, instances))
    }

    /// Reads the file `path`; none if there is none, or if it is damaged.
    pub fn read(path: &Path) -> Option<Self> {
        let text = std::fs::read(path).ok()?;
        let read: Self = serde_json::from_slice(&text).ok()?;
        let is_whole = read.version == VERSION && read.jpeg().is_some();
        (is_whole && read.objects().is_ok()).then_some(read)
    }

    /// Writes the file `path`.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn write(&self, path: &Path, durability: Durability) -> Result<()> {
        write_durably(path, &serde_json::to_vec(self)?, durability)
    }

    /// The JPEG file.
    pub fn jpeg(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.jpeg).ok()
    }

    /// The annotations, in the order of the dataset: class, whether it is a group, and small mask.
    ///
    /// # Errors
    /// A mask is damaged.
    pub fn objects(&self) -> Result<Vec<(usize, bool, Mask)>> {
        let objects = self.objects.iter();
        objects
            .map(|one| Ok((one.class, one.is_crowd, unpacked(&one.mask, self.size)?)))
            .collect()
    }
}

/// The place of the pictures of one dataset.
#[derive(Debug)]
pub struct PicturesPlace(StageFolder);

impl PicturesPlace {
    /// The place of the pictures of the dataset with the table `[data]`, which may not exist.
    pub fn new(store: &Store, data: &Table) -> Self {
        let reads = [("data".to_string(), Value::from(data.clone()))];
        let hash = content_hash(&Table::from_iter(reads));
        Self(store.stage(&StageKey::new(KIND, &hash[..DIGITS])))
    }

    /// The picture of the image `id`; none if there is none, or if it is damaged.
    pub fn read(&self, id: u64) -> Option<KeptPicture> {
        KeptPicture::read(&self.0.picture(id))
    }

    /// Writes the picture of the image `id`.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn write(&self, id: u64, picture: &KeptPicture) -> Result<()> {
        self.0.make()?;
        picture.write(&self.0.picture(id), Durability::Synced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_read_again_and_a_damaged_one_is_none() {
        let out = tempfile::tempdir().unwrap();
        let store = Store::open(out.path()).unwrap();
        let data: Table = "name = 'scenes'\nsize = 64".parse().unwrap();
        let place = PicturesPlace::new(&store, &data);
        assert_eq!(place.read(7), None);
        let instance = Instance {
            class: 3,
            mask: Mask::new(2, 2, vec![0, 1, 0, 1]),
            source: InstanceSource::Crowd,
        };
        let picture = KeptPicture::new((2, 2), &[1, 2, 3], std::slice::from_ref(&instance));
        place.write(7, &picture).unwrap();
        let read = place.read(7).unwrap();
        assert_eq!(read, picture);
        assert_eq!(read.jpeg().unwrap(), [1, 2, 3]);
        assert_eq!(read.objects().unwrap(), [(3, true, instance.mask)]);
        let text = std::fs::read_to_string(place.0.picture(7)).unwrap();
        for (from, to) in [
            ("\"version\":1", "\"version\":0"),
            ("\"size\":[2,2]", "\"size\":[2,3]"),
            ("\"AQID\"", "\"AQI\""),
        ] {
            assert!(text.contains(from), "{from}");
            std::fs::write(place.0.picture(7), text.replace(from, to)).unwrap();
            assert_eq!(place.read(7), None, "{to}");
        }
        let other = PicturesPlace::new(&store, &"name = 'scenes'\nsize = 65".parse().unwrap());
        assert_ne!(other.0.picture(7), place.0.picture(7));
    }
}
