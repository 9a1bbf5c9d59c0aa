//! The detections of a network beyond one number: how well scores tell good masks (Fig. 2 of PL-DC), which classes are
//! confused (Fig. 3), the kinds of errors (Fig. I, and TIDE, <https://arxiv.org/abs/2008.08115>), and the images of a
//! gallery.
//!
//! An [`Analyst`] compares detections with annotations, and leaves an [`Analysis`]: one line for each detection,
//! and two tables. The other files of this folder compute the figures from it.

mod analyst;
mod choice;
mod confusion;
mod correlation;
mod drawn;
mod kept;
mod kinds;
mod overlaps;
mod reliability;

pub use analyst::{Analyst, Qualities};
pub use choice::{Why, chosen};
pub use confusion::{Confusion, shown, sides};
pub use correlation::{Correlation, Estimate, correlation};
pub use drawn::{Drawn, DrawnDetection, packed, unpacked};
pub use kept::{Analysis, Columns, MIN_SCORE, Prediction, Tide};
pub use kinds::{KINDS, Kind, Kinds, kinds};
pub use reliability::{Bin, Reliability, reliability};
