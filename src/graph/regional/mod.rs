//! What networks with a feature pyramid and with heads for regions share.

mod channels;
mod flat;
mod iou_predictions;
mod pyramid;
mod region;
mod scoring_head;

pub(in crate::graph) use channels::joined_channels;
pub(in crate::graph) use flat::{as_rows, over_pixels};
pub use iou_predictions::IouPredictions;
pub(in crate::graph) use pyramid::{Pyramid, PyramidStart};
pub use region::{DOUBLING, Region, of_own_class};
pub(in crate::graph) use scoring_head::{ScoringHead, ScoringSizes};
