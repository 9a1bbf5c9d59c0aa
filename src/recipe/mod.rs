//! Recipes: turns TOML text into a checked [`Plan`] of trials. This module handles text only and knows
//! neither components nor tensors.
//!
//! Layers, from lowest to highest; a higher one overrides a lower one key by key: the lowest of the files
//! that the recipe `extends` (which holds every key) <- ... <- the recipe <- a sweep's own `set` <-
//! `HARNESS_*` environment <- `--set` <- the variant of the sweep. A table with a `name` is a component.
//! Naming another component replaces the whole table.
//!
//! A key that was added later than the first results may be left out ([`NewKeys`]): it then has its built-in
//! default.
//!
//! Everything that can be wrong is collected in one [`RecipeError`], each problem with the place it comes
//! from.

mod check;
mod either;
mod error;
mod explain;
mod extends;
mod file;
mod hash;
mod keys;
mod lacking;
mod listing;
mod moved;
mod narrowed;
mod new_keys;
mod origin;
mod overlay;
mod overrides;
mod paths;
mod phases;
mod plan;
mod schema;
mod schema_writer;
mod seeds;
mod sources;
mod suggest;
mod sweep;
mod typed;
mod written;

#[cfg(test)]
pub use either::keys_of_two_types;
pub use error::{Problem, RecipeError};
pub use explain::{Explanation, KeyChange};
pub(crate) use file::{Node, ParsedFile, Tree};
pub use hash::content_hash;
pub use moved::{to_earlier_places, to_todays_places};
pub use new_keys::{NewKey, NewKeys};
pub use origin::Origin;
pub use overlay::{lay, value_at};
pub use paths::{Places, at_home, with_places};
pub use phases::{PHASE, TABLES as PHASE_TABLES};
#[cfg(test)]
pub use plan::made_up;
pub use plan::{Hooks, Plan, RowPlan, SweepPlan, Trial};
pub use schema::{recipe_schema, sweep_schema};
pub use schema_writer::{ComponentChoice, ComponentSlot};
pub use seeds::SeedRange;
pub use sources::Request;
pub use suggest::{hint, nearest, similar};
pub use written::{FileRole, Origins, SweepOrigins, Written, WrittenFile};

/// `recipes/pl-dc.toml`: every key with its default and a comment that explains it.
pub const DEFAULTS: &str = include_str!("../../recipes/pl-dc.toml");

/// The keys of a recipe that are not settings of a trial.
pub(crate) const RECIPE_KEYS: [&str; 4] = ["extends", "results", "seeds", "sweeps"];

/// The keys of a sweep file.
const SWEEP_KEYS: [&str; 14] = [
    "question",
    "reference",
    "negligible",
    "effect-scale",
    "paper",
    "columns",
    "set",
    "each",
    "walk",
    "grid",
    "zip",
    "leave-one-out",
    "add-one-in",
    "cumulative",
];
