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

/// A number for each class: classes with the same number are similar. `supercategories` count if there are two or more.
/// `pairs`: the names of groups of classes that are similar whatever their supercategories; the classes in them are
/// similar to nothing else.
///
/// # Errors
/// A name is no class, or stands in two groups. The error names it.
pub fn groups(
    classes: &[String],
    supercategories: Option<&[String]>,
    pairs: &[Vec<String>],
) -> Result<Vec<usize>, String> {
    // A class alone is similar to itself.
    let mut groups: Vec<usize> = (0..classes.len()).collect();
    if let Some(names) = supercategories {
        let first = |name: &String| names.iter().position(|other| other == name);
        let found: Vec<usize> = names.iter().filter_map(first).collect();
        if found.iter().any(|group| *group != found[0]) {
            groups = found;
        }
    }
    let mut named: Vec<usize> = Vec::new();
    for (group, pair) in (classes.len()..).zip(pairs) {
        for name in pair {
            let class = classes.iter().position(|class| class == name);
            let class = class.ok_or_else(|| format!("`{name}` is no class of the dataset"))?;
            if named.contains(&class) {
                return Err(format!("`{name}` is there twice"));
            }
            named.push(class);
            groups[class] = group;
        }
    }
    Ok(groups)
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
        assert_eq!(
            groups(&names(&NAMES), Some(&scenes), &[]).unwrap(),
            [0, 0, 2, 2, 4, 4, 6, 6, 8, 8]
        );
        let classes = CLASSES.map(|class| class.name.to_string());
        let of_streets = known(&classes).unwrap();
        assert_eq!(
            groups(&classes, Some(&of_streets), &[]).unwrap(),
            [0, 0, 2, 2, 2, 2, 2, 2]
        );
        assert_eq!(known(&names(&["cat", "dog"])), None);
    }

    #[test]
    fn one_supercategory_for_all_tells_nothing_and_given_groups_win() {
        let classes = names(&["a", "b", "c", "d"]);
        let all = names(&["x"; 4]);
        assert_eq!(groups(&classes, Some(&all), &[]).unwrap(), [0, 1, 2, 3]);
        let two = names(&["x", "x", "y", "y"]);
        let given = [names(&["b", "c"])];
        assert_eq!(groups(&classes, Some(&two), &given).unwrap(), [0, 4, 4, 2]);
        let wrong = |pairs: &[Vec<String>]| groups(&classes, None, pairs).unwrap_err();
        assert!(wrong(&[names(&["a", "e"])]).contains("`e` is no class"));
        assert!(wrong(&[names(&["a", "b"]), names(&["b", "c"])]).contains("`b` is there twice"));
    }
}
