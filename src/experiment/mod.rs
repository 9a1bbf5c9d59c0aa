//! Experiments: settings become objects, trials become stages, stages run and leave records and tables.

mod progress;
mod scheduler;
mod store;
