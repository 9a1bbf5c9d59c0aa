//! Tests the recipe engine as a user meets it: the recipes of this repository, layers and merging, and error
//! messages.

mod explain;
mod fuzz;
mod house;
mod layers;
mod mistakes;
mod schema;
mod shipped;
