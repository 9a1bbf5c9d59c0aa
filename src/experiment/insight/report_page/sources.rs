//! What the recipes of a results folder were made of: the texts of their files and the origins of their settings.

use super::super::choice::Results;
use super::runs;
use crate::experiment::store::sources;
use crate::recipe::{FileRole, SweepOrigins, Written, WrittenFile};
use crate::report::TableLayout;
use crate::report::page::Run;
use std::collections::BTreeMap;

/// The sources of all recipes of a folder.
#[derive(Default)]
pub struct RecipeSources {
    /// By the name of the recipe.
    found: BTreeMap<String, Written>,
    /// The recipes without any.
    absent: Vec<String>,
    /// The files that cannot be read, each with the reason.
    pub damaged: Vec<String>,
}

impl RecipeSources {
    /// Reads those of the recipes of the tables.
    pub fn read(results: &Results) -> Self {
        let mut all = Self::default();
        for TableLayout { recipe, .. } in &results.tables {
            let is_known = all.found.contains_key(recipe) || all.absent.contains(recipe);
            if is_known {
                continue;
            }
            match sources::read(&results.path, recipe) {
                Ok(Some(written)) => drop(all.found.insert(recipe.clone(), written)),
                Ok(None) => all.absent.push(recipe.clone()),
                Err(error) => {
                    all.absent.push(recipe.clone());
                    all.damaged.push(format!("left out {error:#}"));
                }
            }
        }
        all
    }

    /// The origins of the settings of a table; none if the folder does not have them.
    pub fn origins(&self, layout: &TableLayout) -> Option<&SweepOrigins> {
        let written = self.found.get(&layout.recipe)?;
        written
            .sweeps
            .iter()
            .find(|sweep| sweep.sweep == layout.name)
    }

    /// A sentence about the recipes without any; none if all have them.
    pub fn missing(&self) -> Option<String> {
        let named = |name: &dyn Fn(&String) -> String| {
            let names: Vec<String> = self.absent.iter().map(name).collect();
            names.join(", ")
        };
        let (recipes, its) = match self.absent.len() {
            0 => return None,
            1 => ("recipe", "its"),
            _ => ("recipes", "their"),
        };
        Some(format!(
            "The texts of the {recipes} {} and of {its} sweeps, and the origins of their settings: the folder has no whole \
             {}, which `harness sweep` writes. Sweeps of earlier programs did not.",
            named(&|recipe| format!("`{recipe}`")),
            named(&|recipe| format!("`sources-{recipe}.json`"))
        ))
    }

    /// Adds the texts to the runs of their recipes.
    pub fn add_to(&self, runs: &mut Vec<Run>) {
        for (recipe, written) in &self.found {
            let known = runs.iter().position(|run| run.recipe == *recipe);
            let place = known.unwrap_or_else(|| {
                runs.push(runs::of(recipe));
                runs.len() - 1
            });
            let texts = written.files.iter().map(text).collect::<Vec<_>>();
            runs[place].files.splice(0..0, texts);
        }
    }
}

/// The title of a file and its text.
fn text(file: &WrittenFile) -> (String, String) {
    let WrittenFile { role, name, text } = file;
    let title = match role {
        FileRole::Recipe => format!("The recipe: {name}"),
        FileRole::Extended => format!("The recipe extends {name}"),
        FileRole::Sweep => format!("A sweep of it: {name}"),
    };
    (title, text.clone())
}
