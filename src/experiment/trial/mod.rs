//! A trial: the request of the command line, the objects made from its settings, and its stages.

pub mod datasets;
pub mod draws;
mod epochs;
pub mod inputs;
pub mod key;
pub mod parts;
pub mod planned;
pub mod stage;
pub mod work;
