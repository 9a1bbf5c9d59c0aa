//! Experiments: settings become objects, trials become stages, stages run and leave records and tables.

mod clip;
mod evaluate;
mod normalise;
mod perform;
mod predict;
mod progress;
mod provenance;
mod results;
mod scheduler;
mod settings;
mod stage;
mod store;
mod sweep;
mod trial;
mod weights;

pub use clip::clip;
pub use evaluate::{Scores, evaluate};
pub use normalise::normalise;
pub use predict::{PredictAsk, predict};
pub use settings::{EvalConfig, EvalModel, Settings};
pub use sweep::{Ask, Outcome, Stop, export_data, plan, sweep};
pub use weights::{Inspection, export_weights, inspect_weights};
