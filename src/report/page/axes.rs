//! Parts that several figures have: the axes over the steps of a training, and the heading of a table of first and last
//! values.

use super::scale::{Scale, place};
use maud::{Markup, html};

/// The room of the axes around a figure over the steps, in units of its drawing: left, right, top, bottom.
pub const ROOM: [f64; 4] = [54.0, 18.0, 8.0, 34.0];

/// The lines and numbers of the values, the numbers of the steps and the name of their axis, in a drawing of `width` x
/// `height` units.
pub fn axes([x, y]: [&Scale; 2], [width, height]: [f64; 2]) -> Markup {
    let (left, right, bottom) = (ROOM[0], width - ROOM[1], height - ROOM[3]);
    html! {
        @for (value, text) in y.ticks() {
            @let at = place(y.at(value));
            line class="grid" x1=(place(left)) x2=(place(right)) y1=(at) y2=(at) {}
            text class="tick" x=(place(left - 5.0)) y=(place(y.at(value) + 3.5)) text-anchor="end" { (text) }
        }
        @for (value, text) in x.ticks() {
            text class="tick" x=(place(x.at(value))) y=(place(bottom + 14.0)) text-anchor="middle" { (text) }
        }
        text class="axis" x=(place((left + right) / 2.0)) y=(place(bottom + 30.0)) text-anchor="middle" { "step" }
    }
}

/// The heading of a table of the first and the last value of each `thing`.
pub fn ends_heading(thing: &str) -> Markup {
    html! {
        thead {
            tr {
                th scope="col" { (thing) }
                th scope="col" class="number" { "first" }
                th scope="col" class="number" { "last" }
            }
        }
    }
}
