//! Tests the recipe engine as a user meets it: the recipes of this repository, layers and merging, and error
//! messages.

mod expect;
mod explain;
mod extends;
mod fuzz;
mod house;
mod lacking;
mod layers;
mod matrix;
mod mistakes;
mod moved;
mod new_keys;
mod paths;
mod phases;
mod reference;
mod schema;
mod shipped;
mod sizes;
