//! Experiments: turns settings into objects and trials into stages, runs the stages, and writes records and
//! tables.
//!
//! A trial fails alone. An error, a panic or a loss that is not finite ends its stage (`run::scheduler`). If
//! it ends the whole process, a supervisor finds the responsible stage and continues without it
//! (`run::supervise`).

mod cluster;
mod command;
mod insight;
mod outlook;
mod run;
mod settings;
mod store;
mod trial;

pub use crate::data::export::Layout;
pub use crate::eval::metric_names;
pub use crate::tensor::DeviceChoice;
pub use cluster::ends::NOT_READY;
pub use command::ahead::{explain, plan, power, status};
pub use command::cancel::{CancelRequest, cancel};
pub use command::check::check_data;
pub use command::clip::clip;
pub use command::curves::curves;
pub use command::evaluate::{EvalTruth, Scores, evaluate};
pub use command::first::{NetworkRequest, export_data};
pub use command::init::{InitRequest, NewFolder, OwnData, init};
pub use command::last_job::last_job;
pub use command::logs::{LogFormat, logs};
pub use command::look::look_at_data;
pub use command::predict::{PredictRequest, predict};
pub use command::publish::publish;
pub use command::report::{ReportRequest, report};
pub use command::show::{Shown, journal_keys, show};
pub use command::split_data::split_data;
pub use command::stage::{StageEnd, StageOutcome, StageRequest, stage};
pub use command::submit::{SubmitEnd, SubmitRequest, submit, would_submit};
pub use command::sweep::{Outcome, SweepOptions, sweep};
pub use command::tables::{Rendered, TableRequest, compare, table};
pub use command::tensorboard::tensorboard;
pub use command::weights::{Inspection, export_weights, inspect_weights};
pub use command::work::{WorkEnd, WorkRequest, retries_of, work};
pub use insight::choice::RowRequest;
pub use outlook::{Outlook, PowerOutlook, PowerRequest, Status};
pub use run::devices::{DeviceRequest, GpuList};
pub use run::executor::{EXECUTORS, ExecutorEntry};
pub use run::interrupt::{EXIT_CODE, Interrupt, Request, YIELD_CODE};
pub use run::progress::Verbosity;
pub use run::supervise::{Link, Role, role};
pub use settings::evaluation::{EvalConfig, EvalModel};
pub use settings::identity::identity;
pub use settings::new_keys::NEW_KEYS;
pub use settings::normalise::normalise;
pub use settings::reference::reference;
pub use settings::schema::schema;
pub use settings::sections::Settings;
pub use settings::trial_settings::{NumberSettings, NumberTrain, TrialSettings};
pub use store::program::VERSION;
pub use trial::inputs::{CommandError, RecipeRequest};
