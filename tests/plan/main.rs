//! The recipe engine as a user meets it: the recipes of this repository, layers and folding, and what is said of mistakes.

mod expect;
mod explain;
mod extends;
mod fuzz;
mod house;
mod layers;
mod mistakes;
mod moved;
mod new_keys;
mod schema;
mod shipped;
