//! Recipes: TOML text to a checked [`Plan`] of trials. Text only: this floor knows no component and no tensor.
//!
//! Layers, lowest first; an upper one overrides a lower one key by key:
//! the first of the files that it `extends` (which holds every key) <- ... <- the recipe <- a sweep's own `set` <- `HARNESS_*` environment
//! <- `--set` <- the variant of the sweep. A table with a `name` is a component: naming another one replaces the whole table.
//!
//! A key that was added later than the first results may be left out ([`NewKeys`]): it then has its built-in default.
//!
//! Everything that can be wrong is collected in one [`RecipeError`], each problem with the place it comes from.

mod check;
mod error;
mod explain;
mod extends;
mod file;
mod hash;
mod keys;
mod listing;
mod new_keys;
mod overlay;
mod overrides;
mod plan;
mod provenance;
mod schema;
mod sources;
mod suggest;
mod sweep;

pub use error::{Problem, RecipeError};
pub use explain::{Explanation, Setting};
pub use hash::content_hash;
pub use new_keys::{NewKey, NewKeys};
pub use overlay::value_at;
pub use plan::{Hooks, Plan, Row, SweepPlan, Trial};
pub use provenance::Origin;
pub use schema::{Choice, Slot, recipe_schema, sweep_schema};
pub use sources::Request;
pub use suggest::hint;

/// `recipes/pl-dc.toml`: every key, its default, and in its comment what it means.
pub const DEFAULTS: &str = include_str!("../../recipes/pl-dc.toml");

/// Keys of a recipe that are no settings of a trial.
pub(crate) const RECIPE_KEYS: [&str; 4] = ["extends", "results", "seeds", "sweeps"];

/// The keys of a sweep file.
const SWEEP_KEYS: [&str; 11] = [
    "question",
    "reference",
    "paper",
    "set",
    "each",
    "walk",
    "grid",
    "zip",
    "leave-one-out",
    "add-one-in",
    "cumulative",
];
