//! The content of a gallery as plain data. All shapes are data of SVG paths in half pixels of their picture.

/// Images with what the rows of a sweep find in them.
#[derive(Clone, Debug, Default)]
pub struct Gallery {
    /// The pictures, each once.
    pub pictures: Vec<GalleryPicture>,
    /// The rows beside their references.
    pub comparisons: Vec<GalleryComparison>,
    /// The number of chosen images that the store does not have.
    pub missing: usize,
    /// The labels of rows that have no room.
    pub left_out: Vec<String>,
}

/// An evaluated image.
#[derive(Clone, Debug)]
pub struct GalleryPicture {
    /// Its id in the dataset.
    pub id: u64,
    /// Rows and columns of the picture.
    pub size: (usize, usize),
    /// The picture as a JPEG file.
    pub jpeg: Vec<u8>,
    /// Its annotations.
    pub objects: Vec<Shape>,
}

/// The shape of an object.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The name of its class.
    pub class: String,
    /// The colour of its class: red, green, blue.
    pub colour: [u8; 3],
    /// Its outline.
    pub outline: String,
    /// True if it is a group of objects, which nothing has to find.
    pub is_group: bool,
}

/// A row beside its reference.
#[derive(Clone, Debug)]
pub struct GalleryComparison {
    /// The label of the row.
    pub label: String,
    /// The label of the reference.
    pub reference: String,
    /// The seed of the trials that are drawn.
    pub seed: u64,
    /// The number of seeds of the means.
    pub seeds: usize,
    /// The images.
    pub strips: Vec<Strip>,
}

/// An image with what both rows find in it.
#[derive(Clone, Debug)]
pub struct Strip {
    /// The place of its picture in [`Gallery::pictures`].
    pub picture: usize,
    /// The reason why it is shown, in words.
    pub why: &'static str,
    /// The mean F1 of the reference and of the row.
    pub f1: [f64; 2],
    /// What the reference finds, and what the row finds.
    pub sides: [Side; 2],
}

/// What a trial finds in an image.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// The detections.
    pub found: Vec<Found>,
    /// The places of the annotations that it misses.
    pub missed: Vec<usize>,
}

/// A detection.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its shape.
    pub shape: Shape,
    /// Its score.
    pub score: f64,
    /// The lines across a wrong detection; empty for a right one.
    pub hatch: String,
}

impl Gallery {
    /// The number of bytes that the page needs for it, without its text.
    pub fn size(&self) -> usize {
        let pictures = self.pictures.iter().map(GalleryPicture::bytes);
        let rows = self.comparisons.iter().map(GalleryComparison::bytes);
        pictures.sum::<usize>() + rows.sum::<usize>()
    }

    /// Leaves out rows, the last ones first, until it needs no more than `most` bytes, and the pictures that no row
    /// needs any more.
    pub fn shrink(&mut self, most: usize) {
        while self.size() > most {
            let Some(last) = self.comparisons.pop() else {
                return;
            };
            self.left_out.insert(0, last.label);
            let strips = self.comparisons.iter_mut().flat_map(|one| &mut one.strips);
            drop_unused(&mut self.pictures, strips.map(|strip| &mut strip.picture));
        }
    }
}

/// Drops the pictures that none of `places` names, and corrects the places.
pub(super) fn drop_unused<'a>(
    pictures: &mut Vec<GalleryPicture>,
    places: impl Iterator<Item = &'a mut usize>,
) {
    let places: Vec<&mut usize> = places.collect();
    let used: Vec<bool> = (0..pictures.len())
        .map(|at| places.iter().any(|place| **place == at))
        .collect();
    for place in places {
        *place = used[..*place].iter().filter(|one| **one).count();
    }
    let mut used = used.iter();
    pictures.retain(|_| used.next() == Some(&true));
}

impl GalleryPicture {
    /// The number of bytes that the page needs for it.
    pub(super) fn bytes(&self) -> usize {
        // Base64 has four letters for three bytes; the outlines stand on the truth, and dashed on what misses them.
        self.jpeg.len() * 4 / 3
            + self
                .objects
                .iter()
                .map(|one| one.outline.len())
                .sum::<usize>()
    }
}

impl GalleryComparison {
    fn bytes(&self) -> usize {
        let found = self
            .strips
            .iter()
            .flat_map(|one| &one.sides)
            .flat_map(|side| &side.found);
        found
            .map(|one| one.shape.outline.len() + one.hatch.len())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_room_go_with_their_pictures_and_the_others_keep_theirs() {
        let picture = |id| GalleryPicture {
            id,
            size: (8, 8),
            jpeg: vec![0; 300],
            objects: Vec::new(),
        };
        let row = |label: &str, pictures: &[usize]| GalleryComparison {
            label: label.into(),
            reference: "whole".into(),
            seed: 0,
            seeds: 1,
            strips: pictures
                .iter()
                .map(|picture| Strip {
                    picture: *picture,
                    why: "gain",
                    f1: [0.0; 2],
                    sides: [Side::default(), Side::default()],
                })
                .collect(),
        };
        let mut gallery = Gallery {
            pictures: [7, 8, 9].map(picture).to_vec(),
            comparisons: vec![row("a", &[1, 2]), row("b", &[2, 1]), row("c", &[0])],
            ..Gallery::default()
        };
        assert_eq!(gallery.size(), 1200);
        gallery.shrink(1200);
        assert!(gallery.left_out.is_empty());
        gallery.shrink(1199);
        assert_eq!(
            (gallery.left_out.as_slice(), gallery.size()),
            (&["c".to_string()][..], 800)
        );
        let ids: Vec<u64> = gallery.comparisons[1]
            .strips
            .iter()
            .map(|strip| gallery.pictures[strip.picture].id)
            .collect();
        assert_eq!(ids, [9, 8]);
        gallery.shrink(0);
        assert_eq!((gallery.left_out.len(), gallery.pictures.len()), (3, 0));
    }
}
