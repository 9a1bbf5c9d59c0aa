//! Recipes: TOML text to a checked [`Plan`] of trials. Text only: this floor knows no component and no tensor.
//!
//! Layers, lowest first; an upper one overrides a lower one key by key:
//! the root of the `extends` chain (which holds every key) <- ... <- the recipe <- a sweep's own `set` <- `HARNESS_*` environment <- `--set`
//! <- the variant of the sweep. A table with a `name` is a component: naming another one replaces the whole table.
//!
//! Everything that can be wrong is collected in one [`RecipeError`], each problem with the place it comes from.

mod check;
mod error;
mod file;
mod hash;
mod keys;
mod listing;
mod overlay;
mod overrides;
mod plan;
mod provenance;
mod sources;
mod suggest;
mod sweep;

pub use error::{Problem, RecipeError};
pub use hash::content_hash;
pub use plan::{Hooks, Plan, Request, Row, SweepPlan, Trial};
pub use provenance::Origin;
pub use suggest::hint;
pub use sweep::Paper;

/// Keys of a recipe that are no settings of a trial.
pub(crate) const RECIPE_KEYS: [&str; 4] = ["extends", "results", "seeds", "sweeps"];
