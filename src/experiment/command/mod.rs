//! The program's commands, each by one function.

pub mod ahead;
pub mod clip;
pub mod evaluate;
pub mod first;
pub mod predict;
pub mod publish;
pub mod sweep;
pub mod tables;
pub mod weights;
