//! The images in which classes are confused: places in the gallery, and a table of the most frequent confusions.

use super::content::AnalysedRow;
use super::gallery::anchor;
use super::gallery_content::Gallery;
use maud::{Markup, html};
use std::cmp::Reverse;

/// The most confusions in a table.
const CONFUSIONS: usize = 20;
/// The most images that a line names.
const NAMED: usize = 6;

/// The images of the confusions of a row.
pub struct Examples<'a> {
    /// The beginning of the ids of the sweep.
    pub id: &'a str,
    /// The gallery of the sweep, if it has one.
    pub gallery: Option<&'a Gallery>,
    /// The row.
    pub row: &'a AnalysedRow,
}

/// An image in the gallery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The link to it.
    pub address: String,
    /// Its id in the dataset.
    pub image: u64,
}

impl Examples<'_> {
    /// The images of the gallery that show the row with a confusion of the sides `cell` (object, detection), each once.
    /// A strip shows a row in one seed, and this seed has to be the one that confuses the two.
    pub fn shown(&self, cell: (usize, usize)) -> Vec<Example> {
        let mut found: Vec<Example> = Vec::new();
        let Some(gallery) = self.gallery.filter(|_| cell.0 != cell.1) else {
            return found;
        };
        for (place, comparison) in gallery.comparisons.iter().enumerate() {
            if ![&comparison.label, &comparison.reference].contains(&&self.row.label) {
                continue;
            }
            let images = self.images(Some(comparison.seed), cell);
            for (at, strip) in comparison.strips.iter().enumerate() {
                let image = gallery.pictures[strip.picture].id;
                if images.contains(&image) && found.iter().all(|one| one.image != image) {
                    let address = format!("#{}", anchor(self.id, place, at));
                    found.push(Example { address, image });
                }
            }
        }
        found
    }

    /// Returns true if some cell has an image in the gallery.
    pub fn any(&self) -> bool {
        let seeds = self.row.confused.iter();
        let mut cells = seeds.flat_map(|seed| seed.cells.keys());
        cells.any(|cell| !self.shown(*cell).is_empty())
    }

    /// The ids of the images in which `cell` happens, in the dataset's order: of the seed, or of the first one.
    fn images(&self, seed: Option<u64>, cell: (usize, usize)) -> &[u64] {
        let mut seeds = self.row.confused.iter();
        let own = seeds.find(|own| seed.is_none_or(|seed| own.seed == seed));
        own.and_then(|own| own.cells.get(&cell))
            .map_or(&[], Vec::as_slice)
    }
}

/// The most frequent confusions of a row with their images; missed and invented objects are among them.
pub fn table(examples: &Examples, sides: &[String]) -> Markup {
    let row = examples.row;
    let mut cells: Vec<(usize, usize)> = (0..sides.len())
        .flat_map(|truth| (0..sides.len()).map(move |found| (truth, found)))
        .filter(|(truth, found)| truth != found && row.confusion[*truth][*found] > 0)
        .collect();
    cells.sort_by_key(|(truth, found)| (Reverse(row.confusion[*truth][*found]), *truth, *found));
    let all = cells.len();
    cells.truncate(CONFUSIONS);
    let region = format!("Confusions of {}", row.label);
    html! {
        @if row.confused.is_empty() && !cells.is_empty() {
            p class="note" {
                "The analysis is of an earlier program and does not tell the images; " code { "harness report --analyse" }
                " makes it again."
            }
        }
        div class="wide" tabindex="0" role="region" aria-label=(region) {
            table {
                thead {
                    tr {
                        th scope="col" { "object" }
                        th scope="col" { "detected as" }
                        th scope="col" class="number" { "count" }
                        th scope="col" { "images" }
                    }
                }
                tbody {
                    @for (truth, found) in cells {
                        tr {
                            th scope="row" { (sides[truth]) }
                            td { (sides[found]) }
                            td class="number" { (row.confusion[truth][found]) }
                            td { (images(examples, (truth, found))) }
                        }
                    }
                }
            }
        }
        @if all > CONFUSIONS {
            p class="note" { "The " (CONFUSIONS) " most frequent ones of " (all) "." }
        }
    }
}

/// Some images of a cell: those of the gallery as links, then others of the first seed by their ids.
fn images(examples: &Examples, cell: (usize, usize)) -> Markup {
    let shown = examples.shown(cell);
    let all = examples.images(None, cell);
    let is_other = |id: &&u64| shown.iter().all(|one| one.image != **id);
    let others: Vec<&u64> = all.iter().filter(is_other).collect();
    let room = NAMED.saturating_sub(shown.len());
    html! {
        @for one in shown.iter().take(NAMED) { a href=(one.address) { (one.image) } " " }
        @for id in others.iter().take(room) { (id) " " }
        @if others.len() > room { "and " (others.len() - room) " more" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::{GalleryComparison, GalleryPicture, SeedConfusions, Side, Strip};

    fn gallery() -> Gallery {
        let picture = |id| GalleryPicture {
            id,
            size: (1, 1),
            jpeg: Vec::new(),
            objects: Vec::new(),
        };
        let comparison = |label: &str, seed, pictures: &[usize]| GalleryComparison {
            label: label.into(),
            reference: "whole".into(),
            seed,
            seeds: 1,
            strips: pictures
                .iter()
                .map(|picture| Strip {
                    picture: *picture,
                    why: "fixed",
                    f1: [1.0; 2],
                    sides: [Side::default(), Side::default()],
                })
                .collect(),
        };
        Gallery {
            pictures: [70, 80, 90].map(picture).to_vec(),
            comparisons: vec![comparison("a", 3, &[2, 0]), comparison("b", 4, &[1])],
            ..Gallery::default()
        }
    }

    fn row(label: &str) -> AnalysedRow {
        let seed = |seed, images: &[u64]| SeedConfusions {
            seed,
            cells: [((0, 1), images.to_vec())].into(),
        };
        AnalysedRow {
            label: label.into(),
            reference: None,
            scatters: Vec::new(),
            bins: Vec::new(),
            calibration: None,
            confusion: vec![vec![0, 4, 1], vec![0; 3], vec![0; 3]],
            confused: vec![seed(3, &[10, 70, 80]), seed(4, &[80, 90])],
            kinds: Vec::new(),
            tide: (0.0, Vec::new()),
        }
    }

    fn shown(label: &str, cell: (usize, usize)) -> Vec<(String, u64)> {
        let (gallery, row) = (gallery(), row(label));
        let examples = Examples {
            id: "s",
            gallery: Some(&gallery),
            row: &row,
        };
        assert_eq!(examples.any(), ["a", "b", "whole"].contains(&label));
        let found = examples.shown(cell).into_iter();
        found.map(|one| (one.address, one.image)).collect()
    }

    #[test]
    fn a_cell_leads_to_the_strips_that_show_it_in_their_own_seed() {
        let link = |address: &str, image| (address.to_string(), image);
        // Image 90 is drawn with seed 3, which does not confuse the two in it.
        assert_eq!(shown("a", (0, 1)), [link("#s-gallery-0-1", 70)]);
        assert_eq!(shown("b", (0, 1)), [link("#s-gallery-1-0", 80)]);
        let both = [link("#s-gallery-0-1", 70), link("#s-gallery-1-0", 80)];
        assert_eq!(
            shown("whole", (0, 1)),
            both,
            "a reference is in every strip"
        );
        assert_eq!(shown("c", (0, 1)), []);
        assert_eq!(shown("a", (1, 0)), [], "the other direction");
    }

    #[test]
    fn the_table_has_links_then_other_images_and_what_is_missed() {
        let (gallery, row) = (gallery(), row("a"));
        let examples = Examples {
            id: "s",
            gallery: Some(&gallery),
            row: &row,
        };
        let sides = ["<i>cat", "dog", "background"].map(String::from);
        let page = table(&examples, &sides).into_string();
        let line = "<th scope=\"row\">&lt;i&gt;cat</th><td>dog</td><td class=\"number\">4</td>\
                    <td><a href=\"#s-gallery-0-1\">70</a> 10 80 </td>";
        assert!(page.contains(line), "{page}");
        assert!(
            page.contains("<td>background</td><td class=\"number\">1</td><td></td>"),
            "{page}"
        );
        let old = AnalysedRow {
            confused: Vec::new(),
            ..row.clone()
        };
        let examples = Examples {
            row: &old,
            ..examples
        };
        assert!(
            table(&examples, &sides)
                .into_string()
                .contains("of an earlier program")
        );
    }
}
