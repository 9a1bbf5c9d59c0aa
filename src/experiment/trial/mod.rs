//! A trial: what the command line asks for, the objects that its settings make, the stages that it consists of.

pub mod inputs;
pub mod key;
pub mod parts;
pub mod planned;
pub mod stage;
