//! The rows of an array that has some for every class, where the file counts background as class 0.
//!
//! With n rows of a class, the file has n (K + 1): those of background come first. Here the rows of background are the
//! last, or left out if nothing reads them. A network for COCO may have rows for 91 classes in the file and for 80
//! here: the categories of COCO have ids up to 90, of which ten are not used, and class k of the file is the category
//! with id k. Source: torchvision's `maskrcnn_resnet50_fpn` with its weights `COCO_V1`.

/// The ids up to [`LAST_ID`] that no category of COCO has.
const UNUSED_IDS: [usize; 10] = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83];
/// The largest id of a category of COCO.
const LAST_ID: usize = 90;
/// The categories of COCO.
const CATEGORIES: usize = LAST_ID - UNUSED_IDS.len();

/// The rows of the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassRows {
    /// The rows of a class.
    pub each: usize,
    /// True if background has rows here, too, behind all others.
    pub background: bool,
    /// True if the file has the classes of COCO at their ids.
    pub by_id: bool,
}

impl ClassRows {
    /// The number of rows in the file of an array that has `rows` here.
    pub fn in_file(self, rows: usize) -> usize {
        self.each * (1 + self.ids(rows).last().copied().unwrap_or(0))
    }

    /// The values of the file, put into our order. `rows`: those of the array here; every row has as many values.
    pub fn from_file(self, values: &[f32], rows: usize) -> Vec<f32> {
        let class = self.class(values.len(), rows);
        let background = if self.background {
            &values[..class]
        } else {
            &[]
        };
        let ids = self.ids(rows).into_iter();
        let mut ours: Vec<f32> = ids
            .flat_map(|id| &values[id * class..][..class])
            .copied()
            .collect();
        ours.extend(background);
        ours
    }

    /// Our values, put into the order of the file. Rows that nothing here has are 0.
    pub fn to_file(self, values: &[f32], rows: usize) -> Vec<f32> {
        let class = self.each * values.len() / rows.max(1);
        let mut theirs = vec![0.0; self.in_file(rows) * values.len() / rows.max(1)];
        let ids = self.ids(rows);
        for (id, from) in ids.iter().zip(values.chunks_exact(class.max(1))) {
            theirs[id * class..][..class].copy_from_slice(from);
        }
        if self.background {
            theirs[..class].copy_from_slice(&values[ids.len() * class..]);
        }
        theirs
    }

    /// The number of values of a class, of an array with `count` values in the file.
    fn class(self, count: usize, rows: usize) -> usize {
        self.each * count / self.in_file(rows).max(1)
    }

    /// The class in the file of every class here.
    fn ids(self, rows: usize) -> Vec<usize> {
        let classes = rows / self.each - usize::from(self.background);
        match self.by_id && classes == CATEGORIES {
            true => (1..=LAST_ID)
                .filter(|id| !UNUSED_IDS.contains(id))
                .collect(),
            false => (1..=classes).collect(),
        }
    }
}

/// True if a class head with `outputs` may have the classes of COCO at their ids.
pub fn may_be_by_id(outputs: usize) -> bool {
    outputs == 1 + LAST_ID
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: ClassRows = ClassRows {
        each: 1,
        background: true,
        by_id: false,
    };
    const BOXES: ClassRows = ClassRows {
        each: 4,
        background: false,
        by_id: false,
    };

    #[test]
    fn background_goes_behind_all_others_or_away() {
        // Three classes with background, rows of two values.
        let file = [0., 1., 10., 11., 20., 21.];
        let ours = [10., 11., 20., 21., 0., 1.];
        assert_eq!(CLASSES.in_file(3), 3);
        assert_eq!(CLASSES.from_file(&file, 3), ours);
        assert_eq!(CLASSES.to_file(&ours, 3), file);
        let file: Vec<f32> = (0..12).map(|i| i as f32).collect();
        assert_eq!(BOXES.in_file(8), 12);
        assert_eq!(BOXES.from_file(&file, 8), file[4..]);
        let unread = [[0.0; 4].as_slice(), &file[4..]].concat();
        assert_eq!(BOXES.to_file(&file[4..], 8), unread);
    }

    #[test]
    fn the_categories_of_coco_stand_at_their_ids() {
        let by_id = |rows: ClassRows| ClassRows {
            by_id: true,
            ..rows
        };
        // Values are their own class in the file.
        let file: Vec<f32> = (0..91).map(|id| id as f32).collect();
        let ours = by_id(CLASSES).from_file(&file, 81);
        // No category has the id 12; the last seven, from book to toothbrush, have 84 to 90.
        assert_eq!(
            ours[..13],
            [1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 13., 14.]
        );
        assert_eq!(ours[73..], [84., 85., 86., 87., 88., 89., 90., 0.]);
        let back = by_id(CLASSES).to_file(&ours, 81);
        for (id, value) in back.iter().enumerate() {
            let expected = if UNUSED_IDS.contains(&id) {
                0.0
            } else {
                id as f32
            };
            assert_eq!(*value, expected);
        }
        assert_eq!(
            (by_id(CLASSES).in_file(81), by_id(BOXES).in_file(4 * 80)),
            (91, 4 * 91)
        );
        // A network with 90 classes has all of them, and one with 79 is not for COCO.
        assert_eq!(
            (by_id(CLASSES).in_file(91), by_id(CLASSES).in_file(80)),
            (91, 80)
        );
        assert!(may_be_by_id(91) && !may_be_by_id(81));
    }
}
