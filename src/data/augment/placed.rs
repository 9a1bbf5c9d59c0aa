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

    /// The smallest upright rectangle (x1, y1, x2, y2) around a rectangle of the image in this view, cut to its
    /// content. One that lies outside has no width or no height.
    pub fn around(&self, sides: [f32; 4]) -> [f32; 4] {
        let area = Area {
            rows: 0..self.content.rows,
            columns: 0..self.content.columns,
        };
        Resampling::new(self.map, area.clone(), area).around(sides)
    }

    /// Changes the colours of the content.
    pub(super) fn recolour(&mut self, choice: &ColourChoice, rng: &mut Stream) {
        let picture = &mut self.view.picture;
        let taken = std::mem::replace(picture, Picture::new(0, 0, Vec::new()));
        *picture = choice.apply(taken, self.content, rng);
    }
}
