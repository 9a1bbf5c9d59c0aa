//! The keys that a recipe lacks, over all its variants, in one message.
//!
//! ```text
//! recipes/mine.toml: 2 keys are missing
//!   recipes/mine.toml:7:8: `method.filter.class`: a number, 0 to 1; for example 0.7
//!   recipes/mine.toml:7:8: `method.filter.mask`: a number, 0 to 1; for example 0.8
//! `extends = "pl-dc.toml"` gives a recipe the defaults of every table
//! ```

use super::error::Problem;
use super::origin::Location;

/// The keys that were found missing so far.
#[derive(Debug, Default)]
pub struct Lacking(Vec<Lack>);

/// A missing key.
#[derive(Debug)]
struct Lack {
    key: String,
    /// What is needed, in words.
    needed: String,
    /// The table or component that lacks it; none if the recipe has no such table.
    place: Option<Location>,
}

impl Lacking {
    /// Adds the key `key`. The other seeds and variants of a recipe lack the same keys: each is kept once.
    pub fn add(&mut self, key: &str, needed: &str, place: Option<Location>) {
        if !self
            .0
            .iter()
            .any(|lack| lack.key == key && lack.needed == needed)
        {
            self.0.push(Lack {
                key: key.to_string(),
                needed: needed.to_string(),
                place,
            });
        }
    }

    /// The message about all of them; none if nothing is missing. `recipe`: the place of the recipe. `extends`: true if
    /// the recipe extends another one.
    pub fn problem(self, recipe: &Location, extends: bool) -> Option<Problem> {
        let Self(mut lacks) = self;
        if lacks.len() == 1 {
            let Lack { key, needed, place } = lacks.remove(0);
            let place = place.unwrap_or_else(|| recipe.clone());
            return Some(Problem::at(place, format!("`{key}`: missing; {needed}")));
        }
        if lacks.is_empty() {
            return None;
        }
        let mut text = format!("{} keys are missing", lacks.len());
        for Lack { key, needed, place } in lacks {
            let place = place.map_or(String::new(), |place| format!("{}: ", place.position));
            let needed = needed.strip_prefix("needed: ").unwrap_or(&needed);
            text += &format!("\n  {place}`{key}`: {needed}");
        }
        if !extends {
            text += "\n`extends = \"pl-dc.toml\"` gives a recipe the defaults of every table";
        }
        Some(Problem::at(recipe.clone(), text))
    }
}
