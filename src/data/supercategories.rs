//! The supercategories of classes that are known by their names: those of the drawn scenes and of Cityscapes.

use super::scenes::classes::{COUNT, NAMES};
use crate::cityscapes::ids_of_classes;

/// The classes of Cityscapes that are people, by name; the others are vehicles. As in its own list of labels.
const HUMANS: [&str; 2] = ["person", "rider"];

/// The supercategory of each of `classes`, if they are those of the scenes or of Cityscapes, in their order.
pub fn known(classes: &[String]) -> Option<Vec<String>> {
    if classes.iter().eq(NAMES.iter()) {
        // Classes 2i and 2i + 1 are easily confused.
        let pair = |class: usize| format!("{}/{}", NAMES[class / 2 * 2], NAMES[class / 2 * 2 + 1]);
        return Some((0..COUNT).map(pair).collect());
    }
    ids_of_classes(classes)?;
    let group = |class: &String| match HUMANS.contains(&class.as_str()) {
        true => "human".to_string(),
        false => "vehicle".to_string(),
    };
    Some(classes.iter().map(group).collect())
}

/// A number for each of `classes` classes: classes with the same number are similar. Supercategories count if there are
/// two or more.
pub fn groups(supercategories: Option<&[String]>, classes: usize) -> Vec<usize> {
    let names = supercategories.unwrap_or_default();
    let first = |name: &String| names.iter().position(|other| other == name);
    let groups: Vec<usize> = names.iter().filter_map(first).collect();
    match groups.iter().any(|group| *group != groups[0]) {
        true => groups,
        // A class alone is similar to itself.
        false => (0..classes).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cityscapes::CLASSES;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn scenes_have_pairs_and_cityscapes_has_humans_and_vehicles() {
        let scenes = known(&names(&NAMES)).unwrap();
        assert_eq!(
            (scenes[0].as_str(), scenes[1].as_str()),
            ("disc/rect", "disc/rect")
        );
        assert_eq!(groups(Some(&scenes), 10), [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]);
        let classes = CLASSES.map(|class| class.name.to_string());
        let of_streets = known(&classes).unwrap();
        assert_eq!(groups(Some(&of_streets), 8), [0, 0, 2, 2, 2, 2, 2, 2]);
        assert_eq!(known(&names(&["cat", "dog"])), None);
    }

    #[test]
    fn one_supercategory_for_all_tells_nothing() {
        assert_eq!(groups(Some(&names(&["x"; 4])), 4), [0, 1, 2, 3]);
        assert_eq!(groups(Some(&names(&["x", "y", "x", "y"])), 4), [0, 1, 0, 1]);
        assert_eq!(groups(None, 2), [0, 1]);
    }
}
