//! Losses, and the costs of a matching.

mod cross_entropy;
mod match_costs;
mod point_losses;

pub use cross_entropy::cross_entropy;
pub use match_costs::{Compared, MaskCosts, MatchCosts, mask_costs, match_costs};
pub use point_losses::{bce_points, dice_points};
