//! The labels of Cityscapes by their ids (`helpers/labels.py`).

/// A label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The id in files.
    pub id: u16,
    /// The name.
    pub name: &'static str,
}

const fn label(id: u16, name: &'static str) -> Label {
    Label { id, name }
}

/// The labels whose single objects are evaluated. Their order is that of the classes of a dataset.
pub const CLASSES: [Label; 8] = [
    label(24, "person"),
    label(25, "rider"),
    label(26, "car"),
    label(27, "truck"),
    label(28, "bus"),
    label(31, "train"),
    label(32, "motorcycle"),
    label(33, "bicycle"),
];

/// The labels that no evaluation judges: void. Caravans (29) and trailers (30) are among them.
const VOID: [u16; 15] = [0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30];

/// The label of a pixel that nobody has labelled; it is void.
pub const UNLABELLED: u16 = 0;
/// The label `road`: judged, and not countable.
pub const ROAD: u16 = 7;
/// The largest label.
const LAST: u16 = 33;

/// The value of the first single object of label 1: `FIRST_INSTANCE * label + number` is an object, and a smaller
/// value is a label alone: stuff, or a group of objects.
pub const FIRST_INSTANCE: u16 = 1000;
/// The number of objects of one label that an image can hold.
pub const MOST_INSTANCES: u16 = 1000;

/// The place of `label` in [`CLASSES`].
pub fn class_of(label: u16) -> Option<usize> {
    CLASSES.iter().position(|class| class.id == label)
}

/// The place in [`CLASSES`] of the object or group with the value `id`, and true for a group.
pub fn class_of_id(id: u16) -> Option<(usize, bool)> {
    let is_group = id < FIRST_INSTANCE;
    let label = if is_group { id } else { id / FIRST_INSTANCE };
    class_of(label).map(|class| (class, is_group))
}

/// Returns true if `label` is a label of Cityscapes that images of ids can hold.
pub fn is_label(label: u16) -> bool {
    label <= LAST
}

/// Returns true if a pixel of the value `id` is void. As in the official script, the value itself is compared, so
/// that a single caravan or trailer is not void.
pub fn is_void(id: u16) -> bool {
    VOID.contains(&id)
}

/// The ids of the labels of `classes`; none unless they are [`CLASSES`] by name and order.
pub fn ids_of_classes<S: AsRef<str>>(classes: &[S]) -> Option<[u16; 8]> {
    let names = classes.iter().map(AsRef::as_ref);
    let fits = names.eq(CLASSES.iter().map(|class| class.name));
    fits.then(|| CLASSES.map(|class| class.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_tell_classes_groups_and_void() {
        assert_eq!(class_of_id(24), Some((0, true)));
        assert_eq!(class_of_id(24_000), Some((0, false)));
        assert_eq!(class_of_id(33_999), Some((7, false)));
        assert_eq!(class_of_id(29_003), None);
        assert!(is_void(29) && !is_void(29_003), "the script's comparison");
        assert!(is_void(UNLABELLED) && !is_void(ROAD));
        assert!(is_label(33) && !is_label(34));
    }

    #[test]
    fn only_the_eight_classes_have_the_ids_of_cityscapes() {
        let names = CLASSES.map(|class| class.name);
        let ids = Some([24, 25, 26, 27, 28, 31, 32, 33]);
        assert_eq!(ids_of_classes(&names), ids);
        assert_eq!(ids_of_classes(&names[..7]), None);
        assert_eq!(ids_of_classes(&["cup"]), None);
    }
}
