//! Experiments: settings become objects, trials become stages, stages run and leave records and tables.

mod clip;
mod perform;
mod progress;
mod provenance;
mod results;
mod scheduler;
mod settings;
mod stage;
mod store;
mod sweep;
mod trial;

pub use clip::clip;
pub use settings::{EvalConfig, EvalModel, Settings, normalise};
pub use sweep::{Ask, Outcome, Stop, export_data, plan, sweep};
