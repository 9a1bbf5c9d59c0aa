//! Losses, and the costs of a matching.

mod by_row;
mod cross_entropy;
mod focal;
mod giou;
mod match_costs;
mod point_losses;
mod sigmoid_squares;
mod smooth_l1;
mod softmax_distance;
mod softmax_focal;

pub use cross_entropy::cross_entropy;
pub use focal::{Focal, sigmoid_focal};
pub use giou::generalized_iou;
pub use match_costs::{Compared, MaskCosts, MatchCosts, mask_costs, match_costs};
pub use point_losses::{bce_points, dice_points};
pub use sigmoid_squares::sigmoid_squares;
pub use smooth_l1::smooth_l1;
pub use softmax_distance::{Distance, softmax_distance};
pub use softmax_focal::softmax_focal;
