//! The name that a picture has in all of its files.

use std::fmt::{Display, Formatter};
use std::path::Path;

/// The cities of Cityscapes' own `val`, in which it has [`VAL_FRAMES`] pictures.
const VAL_CITIES: [&str; 3] = ["frankfurt", "lindau", "munster"];
const VAL_FRAMES: usize = 500;

/// The number of pictures that `frames` lack to be the whole of Cityscapes' own `val`; 0 if they are of other cities.
/// Without the pictures that have no object, false detections in them are not counted, and the numbers are too high.
pub fn missing_of_val<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> usize {
    let (mut seen, mut count) = ([false; VAL_CITIES.len()], 0);
    for frame in frames {
        let Some(city) = VAL_CITIES.iter().position(|city| *city == frame.city) else {
            return 0;
        };
        seen[city] = true;
        count += 1;
    }
    match seen.contains(&false) {
        true => 0,
        false => VAL_FRAMES.saturating_sub(count),
    }
}

/// `CITY_SEQUENCE_FRAME`, such as `aachen_000000_000019`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// The city, which is also the folder of the files.
    pub city: String,
    sequence: String,
    number: String,
}

impl Frame {
    /// The frame that a file, a line of a list or an image id names. Folders before the name, and everything after its
    /// first three parts, do not count. None if there are fewer parts.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.trim().rsplit(['/', '\\']).next()?;
        let mut parts = name.splitn(4, '_');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (city, sequence, number) = (part()?, part()?, part()?);
        // A bare name may still have the ending of a file.
        let number = number.split('.').next()?;
        (!number.is_empty()).then(|| Self {
            city: city.to_string(),
            sequence: sequence.to_string(),
            number: number.to_string(),
        })
    }

    /// The frame that the name of the file `path` begins with.
    pub fn of_file(path: &Path) -> Option<Self> {
        Self::of(path.file_name()?.to_str()?)
    }

    /// The frame of `city` with the number `id`, which may have twelve digits.
    pub fn numbered(city: &str, id: u64) -> Self {
        Self {
            city: city.to_string(),
            sequence: format!("{:06}", id / 1_000_000),
            number: format!("{:06}", id % 1_000_000),
        }
    }
}

impl Display for Frame {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        write!(f, "{}_{}_{}", self.city, self.sequence, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_the_same_frame() {
        for name in [
            "aachen_000000_000019",
            "aachen_000000_000019.png",
            "aachen_000000_000019_gtFine_instanceIds.png",
            "aachen_000000_000019_leftImg8bit.png\n",
            "/data/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png",
            r"aachen\aachen_000000_000019_gtFine_polygons.json",
        ] {
            let frame = Frame::of(name).unwrap();
            assert_eq!(frame.to_string(), "aachen_000000_000019", "{name}");
            assert_eq!(frame.city, "aachen");
        }
        for name in [
            "",
            "aachen",
            "aachen_000000",
            "_000000_000019",
            "a__1",
            "a_b_.png",
        ] {
            assert_eq!(Frame::of(name), None, "{name}");
        }
        let val = |cities: &[&str]| -> Vec<Frame> {
            let frames = cities.iter().zip(1..);
            frames.map(|(city, id)| Frame::numbered(city, id)).collect()
        };
        assert_eq!(
            missing_of_val(&val(&["lindau", "munster", "frankfurt"])),
            497
        );
        assert_eq!(
            missing_of_val(&val(&["lindau", "munster"])),
            0,
            "another choice"
        );
        assert_eq!(
            missing_of_val(&val(&["lindau", "munster", "frankfurt", "ulm"])),
            0
        );
        assert_eq!(
            Frame::numbered("train", 12).to_string(),
            "train_000000_000012"
        );
        assert_eq!(
            Frame::numbered("val", 7_000_001).to_string(),
            "val_000007_000001"
        );
    }
}
