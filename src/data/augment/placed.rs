//! A view and its place: the map from the image to the view. Two views of one image are compared by their maps.

use super::colour_choice::ColourChoice;
use super::content::Content;
use crate::data::View;
use crate::rng::Stream;
use crate::structures::{AffineMap, Area, Picture, Resampling};

/// A view with the map from its image.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The view.
    pub view: View,
    /// From the image to the view, in pixels.
    pub map: AffineMap,
    /// The part of the view that is not padding.
    pub content: Content,
}

impl Placed {
    /// What takes masks of this view to `other`, a view of the same image; none if both have the same geometry, so that
    /// masks stay as they are.
    pub fn to(&self, other: &Self) -> Option<Resampling> {
        if (self.map, self.content) == (other.map, other.content) {
            return None;
        }
        let area = |content: Content| Area {
            rows: 0..content.rows,
            columns: 0..content.columns,
        };
        let map = self.map.inverse().then(other.map);
        Some(Resampling::new(
            map,
            area(self.content),
            area(other.content),
        ))
    }

    /// Changes the colours of the content.
    pub(super) fn recolour(&mut self, choice: &ColourChoice, rng: &mut Stream) {
        let picture = &mut self.view.picture;
        let taken = std::mem::replace(picture, Picture::new(0, 0, Vec::new()));
        *picture = choice.apply(taken, self.content, rng);
    }
}
