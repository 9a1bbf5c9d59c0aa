//! The recipe engine as a user meets it: the recipes of this repository, layers and folding, and what is said of mistakes.

mod house;
mod layers;
mod mistakes;
mod shipped;
