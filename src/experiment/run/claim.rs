//! Two recipes, or two commands, with one results folder. The tables of the second recipe would take the place of those
//! of the first, so this is refused unless the user asks for it.
//!
//! A recipe is known by its name and its file. It stays the same recipe when it is edited, and when its file
//! moves: then the file no longer exists at its earlier place, or the results folder has moved with it.

use super::results::frozen;
use crate::experiment::store::frozen::FrozenPlan;
use crate::experiment::store::root::Store;
use crate::experiment::trial::key::StageKey;
use crate::recipe::Plan;
use crate::report::{RowLayout, TableLayout, layout};
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Checks that the tables of `plan`, whose recipe is the file `recipe`, take no other recipe's place in the
/// results folder `folder`. A table with the same trials takes nothing.
///
/// # Errors
/// The folder has results of another recipe. The error names that recipe and says how to go on.
pub fn refuse_foreign(folder: &Path, plan: &Plan, recipe: &Path) -> Result<()> {
    // What is damaged is told by those who read it for its content.
    let kept = layout::read(folder).ok().flatten().unwrap_or_default();
    let store = Store::look(folder);
    let begun = |name: &str| FrozenPlan::read(&store.as_ref()?.plan(name)).ok();
    let namesake = begun(&plan.recipe).is_some_and(|plan| is_another(&plan, recipe, folder));
    for table in frozen(plan, &[]) {
        let earlier = kept.iter().find(|other| other.name == table.name);
        if earlier.is_some_and(|earlier| is_same(earlier, &table)) {
            continue;
        }
        let owner = match earlier {
            Some(earlier) if earlier.recipe != plan.recipe => &earlier.recipe,
            _ if namesake => &plan.recipe,
            _ => continue,
        };
        let file = begun(owner).and_then(|plan| plan.source);
        let file = file.map_or(String::new(), |file| format!(" ({})", file.display()));
        let what = match earlier {
            Some(_) => format!("the table `{}`", table.name),
            None => "results".to_string(),
        };
        bail!(
            "{}: it holds {what} of another recipe, `{owner}`{file}, than {}. Nothing was changed. Choose another \
             folder (--out DIR, or the key `results` in the recipe), or let this recipe replace the tables \
             (--replace); the finished trials of both stay",
            folder.display(),
            recipe.display()
        );
    }
    Ok(())
}

/// Returns true if the table `earlier` has the trials of `planned`, a table with the trials of all seeds. One of seeds
/// until decided has the first of them.
fn is_same(earlier: &TableLayout, planned: &TableLayout) -> bool {
    let grows = planned.until.is_some() && earlier.until == planned.until;
    let is_same_row = |(row, planned): (&RowLayout, &RowLayout)| {
        let whole = match grows && planned.trials.starts_with(&row.trials) {
            true => RowLayout {
                trials: planned.trials.clone(),
                ..row.clone()
            },
            false => row.clone(),
        };
        whole == *planned
    };
    earlier.seeds == planned.seeds
        && earlier.rows.len() == planned.rows.len()
        && earlier.rows.iter().zip(&planned.rows).all(is_same_row)
}

/// A warning if another process works in `store` on trials of this recipe that `plan` does not have, such as those of
/// other overrides. Call it before `plan` is saved.
pub fn other_work(store: &Store, plan: &FrozenPlan) -> Option<String> {
    let earlier = FrozenPlan::read(&store.plan(&plan.recipe)).ok()?;
    let known: BTreeSet<&StageKey> = plan.stages.iter().map(|stage| &stage.key).collect();
    let other = earlier
        .stages
        .iter()
        .find(|stage| !known.contains(&stage.key) && store.stage(&stage.key).is_held())?;
    Some(format!(
        "another process works in this folder on `{}`, which is none of these trials. From now on `harness status` shows \
         these trials alone, and the tables will be those of the process that ends last; --out DIR keeps the two apart",
        other.title
    ))
}

/// Returns true if the plan `earlier` in `folder` is that of another recipe file than `recipe`.
fn is_another(earlier: &FrozenPlan, recipe: &Path, folder: &Path) -> bool {
    let source = earlier.source.as_ref().map(|source| source.canonicalize());
    let (Some(Ok(source)), Ok(recipe)) = (source, recipe.canonicalize()) else {
        return false;
    };
    let has_moved = || {
        let folders = earlier.folder.as_ref().zip(folder.canonicalize().ok());
        folders.is_some_and(|(then, now)| seen_from(then, &source) == seen_from(&now, &recipe))
    };
    source != recipe && !has_moved()
}

/// The way from `folder` to `path`, both absolute: the number of steps up, and the path from there.
fn seen_from(folder: &Path, path: &Path) -> (usize, PathBuf) {
    let both = folder.components().zip(path.components());
    let common = both.take_while(|(one, other)| one == other).count();
    let up = folder.components().count() - common;
    (up, path.components().skip(common).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::UntilDecided;

    fn table(trials: &[&str], until: Option<UntilDecided>) -> TableLayout {
        let row = |label: &str, trials: &[&str]| RowLayout {
            label: label.into(),
            paper: None,
            trials: trials.iter().map(|hash| format!("{label}{hash}")).collect(),
            group: None,
            place: None,
        };
        TableLayout {
            name: "t".into(),
            recipe: "r".into(),
            question: "?".into(),
            reference: Some("a".into()),
            paper: None,
            columns: Vec::new(),
            provenance: Vec::new(),
            seeds: vec![0, 1, 2],
            until,
            decisions: Vec::new(),
            rows: vec![row("a", &["0", "1", "2"]), row("b", trials)],
        }
    }

    #[test]
    fn a_table_that_has_the_first_trials_of_its_rows_is_the_same() {
        let rule = UntilDecided {
            at_least: 2,
            at_most: 3,
            effect_scale: 1.0,
            negligible: None,
        };
        let planned = table(&["0", "1", "2"], Some(rule));
        assert!(is_same(&planned, &planned));
        assert!(is_same(&table(&["0", "1"], Some(rule)), &planned));
        assert!(!is_same(&table(&["0", "x"], Some(rule)), &planned));
        assert!(!is_same(&table(&["1"], Some(rule)), &planned));
        // Of another rule, or of a fixed list, fewer trials are another table.
        let other = UntilDecided {
            effect_scale: 2.0,
            ..rule
        };
        assert!(!is_same(&table(&["0", "1"], Some(other)), &planned));
        assert!(!is_same(
            &table(&["0"], None),
            &table(&["0", "1", "2"], None)
        ));
        let mut fewer = planned.clone();
        fewer.rows.pop();
        assert!(!is_same(&fewer, &planned) && !is_same(&planned, &fewer));
    }

    #[test]
    fn a_recipe_that_moves_with_its_results_is_the_same() {
        let way = |folder: &str, path: &str| seen_from(Path::new(folder), Path::new(path));
        let there = way("/home/me/repo/results/a", "/home/me/repo/recipes/a.toml");
        assert_eq!(there, (2, "recipes/a.toml".into()));
        assert_eq!(there, way("/data/results/a", "/data/recipes/a.toml"));
        assert_ne!(there, way("/data/results/a", "/data/other/a.toml"));
        assert_ne!(there, way("/data/a", "/data/recipes/a.toml"));
    }
}
