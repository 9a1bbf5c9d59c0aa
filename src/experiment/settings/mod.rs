//! The settings of a trial: the tables of its recipe as types, checked before anything runs.

pub mod catalogue;
mod defaults;
pub mod evaluation;
pub mod identity;
pub mod new_keys;
pub mod normalise;
mod phase_keys;
pub mod reference;
pub mod report;
pub mod schema;
pub mod sections;
pub mod stored;
pub mod trial_settings;
mod unread;
