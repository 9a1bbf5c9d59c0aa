//! Why a row is as it is: finds the trials that a label and a seed mean, and reads what they left in the store.
//!
//! Nothing here changes a store, and a store that is incomplete or of an earlier program is read as far as it goes.

pub mod aligned;
pub mod analysed;
pub mod analysis;
pub mod choice;
pub mod classes;
pub mod curve;
pub mod differing;
pub mod evidence;
pub mod gallery;
pub mod journal;
pub mod label_classes;
pub mod labels;
pub mod overview;
pub mod portrait;
pub mod reason;
pub mod report_page;
pub mod sections;
pub mod sentence;
pub mod signs;
pub mod supervised;
pub mod thresholds;
pub mod trial;
pub mod twin;
