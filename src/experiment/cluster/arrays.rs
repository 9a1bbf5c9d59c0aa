//! Arrays of jobs: elements of one level, one kind and the same needs, so that one call of `sbatch` hands over many.

use super::elements::{Before, Placed};
use std::collections::BTreeMap;

/// Elements that follow each other and become one array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// The level of its elements.
    pub level: usize,
    /// Its number among the arrays of that level.
    pub chunk: usize,
    /// The kind of its elements.
    pub kind: String,
    /// The number of its first element.
    pub first: usize,
    /// The number of its elements.
    pub count: usize,
    /// What has to be done before each of its elements.
    pub before: Vec<Before>,
}

/// Cuts `elements` into arrays, each of at most `most` elements of its kind.
pub fn arrays(elements: &[Placed], most: impl Fn(&str) -> usize) -> Vec<Array> {
    let mut arrays: Vec<Array> = Vec::new();
    let mut chunks: BTreeMap<usize, usize> = BTreeMap::new();
    for (number, placed) in elements.iter().enumerate() {
        let Placed {
            element,
            level,
            before,
        } = placed;
        if let Some(last) = arrays.last_mut()
            && (last.level, &last.kind, &last.before) == (*level, &element.kind, before)
            && last.count < most(&element.kind)
        {
            last.count += 1;
            continue;
        }
        let chunk = chunks.entry(*level).or_default();
        arrays.push(Array {
            level: *level,
            chunk: *chunk,
            kind: element.kind.clone(),
            first: number,
            count: 1,
            before: before.clone(),
        });
        *chunk += 1;
    }
    arrays
}

#[cfg(test)]
mod tests {
    use super::super::elements::Element;
    use super::*;

    fn placed(level: usize, kind: &str, before: &[usize]) -> Placed {
        Placed {
            element: Element {
                title: String::new(),
                kind: kind.into(),
                trials: Vec::new(),
                stages: Vec::new(),
                needs: Vec::new(),
            },
            level,
            before: before.iter().map(|number| Before::Own(*number)).collect(),
        }
    }

    #[test]
    fn equal_neighbours_are_one_array_up_to_the_limit() {
        let elements = [
            placed(0, "burn-in", &[]),
            placed(0, "burn-in", &[]),
            placed(0, "vlm", &[]),
            placed(1, "distill", &[0]),
            placed(1, "distill", &[0]),
            placed(1, "distill", &[0]),
            placed(1, "distill", &[1]),
        ];
        let cut = |most: usize| -> Vec<(usize, usize, usize, usize)> {
            let arrays = arrays(&elements, |_| most);
            arrays
                .iter()
                .map(|it| (it.level, it.chunk, it.first, it.count))
                .collect()
        };
        assert_eq!(
            cut(9),
            [(0, 0, 0, 2), (0, 1, 2, 1), (1, 0, 3, 3), (1, 1, 6, 1)]
        );
        let in_twos = [
            (0, 0, 0, 2),
            (0, 1, 2, 1),
            (1, 0, 3, 2),
            (1, 1, 5, 1),
            (1, 2, 6, 1),
        ];
        assert_eq!(cut(2), in_twos);
        assert_eq!(arrays(&[], |_| 1), []);
    }
}
