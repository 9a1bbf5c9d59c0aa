//! Experiments: settings become objects, trials become stages, stages run and leave records and tables.

mod clip;
mod evaluate;
mod perform;
mod predict;
mod progress;
mod provenance;
mod results;
mod scheduler;
mod schema;
mod settings;
mod stage;
mod store;
mod sweep;
mod trial;
mod unread;
mod weights;

pub use clip::clip;
pub use evaluate::{Scores, evaluate};
pub use predict::{PredictAsk, predict};
pub use schema::schema;
pub use settings::{EvalConfig, EvalModel, Settings};
pub use sweep::{Ask, Outcome, Stop, explain, export_data, plan, sweep};
pub use unread::normalise;
pub use weights::{Inspection, export_weights, inspect_weights};
