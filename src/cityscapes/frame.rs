//! The name that a picture has in all of its files.

use std::fmt::{Display, Formatter};
use std::path::Path;

/// The cities of Cityscapes' own `val`, with their numbers of pictures: 500 in all.
const VAL: [(&str, usize); 3] = [("frankfurt", 267), ("lindau", 59), ("munster", 174)];

/// A city of Cityscapes' own `val` of which pictures are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The city.
    pub city: &'static str,
    /// The number of missing pictures.
    pub missing: usize,
    /// The number of pictures that Cityscapes has of the city.
    pub all: usize,
}

/// What `frames` lack to be the whole of Cityscapes' own `val`; nothing if some are of other cities, because then they
/// are other data. Without the pictures that have no object, false detections in them are not counted, and the numbers
/// are too high.
pub fn missing_of_val<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Vec<Gap> {
    let mut counts = [0usize; VAL.len()];
    for frame in frames {
        let Some(city) = VAL.iter().position(|(city, _)| *city == frame.city) else {
            return Vec::new();
        };
        counts[city] += 1;
    }
    let gaps = VAL.iter().zip(counts).map(|((city, all), count)| Gap {
        city,
        missing: all.saturating_sub(count),
        all: *all,
    });
    gaps.filter(|gap| gap.missing > 0).collect()
}

impl Display for Gap {
    fn fmt(&self, f: &mut Formatter) -> std::fmt::Result {
        let Self { city, missing, all } = self;
        match missing == all {
            true => write!(f, "{city} lacks all {all}"),
            false => write!(f, "{city} lacks {missing} of {all}"),
        }
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
        let missing = |cities: &[&str]| -> Vec<String> {
            let gaps = missing_of_val(&val(cities)).into_iter();
            gaps.map(|gap| gap.to_string()).collect()
        };
        let all = [
            vec!["frankfurt"; 267],
            vec!["lindau"; 59],
            vec!["munster"; 174],
        ]
        .concat();
        assert!(missing(&all).is_empty());
        assert_eq!(
            missing(&["lindau", "munster", "lindau"]),
            [
                "frankfurt lacks all 267",
                "lindau lacks 57 of 59",
                "munster lacks 173 of 174"
            ]
        );
        assert_eq!(missing(&all[..326]), ["munster lacks all 174"]);
        let other = missing(&["lindau", "munster", "frankfurt", "ulm"]);
        assert!(other.is_empty(), "own data");
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
