//! Experiments: settings become objects, trials become stages, stages run and leave records and tables.
//!
//! A trial fails alone: an error, a panic and a loss that is no number end its stage (`scheduler`), and where it ends the process, a
//! supervisor finds out who it was and goes on without it (`supervise`).

mod ahead;
mod attempt;
mod cadence;
mod clip;
mod commits;
mod devices;
mod environment;
mod evaluate;
mod evaluation;
mod first;
mod folder;
mod forecast;
mod inputs;
mod interrupt;
mod lease;
mod normalise;
mod outlook;
mod perform;
mod predict;
mod progress;
mod provenance;
mod renew;
mod results;
mod run;
mod scheduler;
mod schema;
mod settings;
mod stage;
mod store;
mod supervise;
mod sweep;
mod tables;
mod training;
mod trial;
mod trial_settings;
mod unread;
mod weights;

pub use crate::tensor::Wish;
pub use ahead::{explain, plan, status};
pub use clip::clip;
pub use devices::{DeviceAsk, GpuList};
pub use evaluate::{Scores, evaluate};
pub use first::export_data;
pub use inputs::{Ask, Stop};
pub use interrupt::{EXIT_CODE, Interrupt};
pub use normalise::normalise;
pub use outlook::{Outlook, Status};
pub use predict::{PredictAsk, predict};
pub use progress::Verbosity;
pub use schema::schema;
pub use settings::{EvalConfig, EvalModel, Settings};
pub use supervise::{Duty, Link, duty};
pub use sweep::{Outcome, SweepOptions, sweep};
pub use tables::{TableAsk, Told, compare, table};
pub use trial_settings::{MockSettings, MockTrain, TrialSettings};
pub use weights::{Inspection, export_weights, inspect_weights};
