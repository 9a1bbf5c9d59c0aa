//! Experiments: settings become objects, trials become stages, stages run and leave records and tables.

mod clip;
mod environment;
mod evaluate;
mod forecast;
mod lease;
mod normalise;
mod perform;
mod predict;
mod progress;
mod provenance;
mod results;
mod run;
mod scheduler;
mod schema;
mod settings;
mod stage;
mod store;
mod sweep;
mod tables;
mod trial;
mod trial_settings;
mod unread;
mod weights;

pub use clip::clip;
pub use evaluate::{Scores, evaluate};
pub use normalise::normalise;
pub use predict::{PredictAsk, predict};
pub use progress::Verbosity;
pub use schema::schema;
pub use settings::{EvalConfig, EvalModel, Settings};
pub use sweep::{Ask, Outcome, Stop, explain, export_data, plan, sweep};
pub use tables::{TableAsk, Told, compare, table};
pub use trial_settings::{MockSettings, MockTrain, TrialSettings};
pub use weights::{Inspection, export_weights, inspect_weights};
