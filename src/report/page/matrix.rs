//! The frame of a confusion matrix: the names of its sides.

use super::scale::place;
use maud::{Markup, html};

/// The side of a cell.
pub const SIDE: f64 = 16.0;
/// The room of the names at the left and at the top.
pub const START: f64 = 120.0;
/// The characters of a name that has room.
const NAME: usize = 17;

/// The size of the drawing of a matrix with so many sides.
pub fn view_box(sides: usize) -> String {
    format!("0 0 {0} {0}", place(START + SIDE * sides as f64 + 2.0))
}

/// The names, and the line around the cells.
pub fn frame(sides: &[String]) -> Markup {
    let text = |at: usize| place(START + SIDE * (at as f64 + 0.75));
    let (start, whole) = (place(START), place(SIDE * sides.len() as f64));
    html! {
        @for (at, name) in sides.iter().enumerate() {
            text class="tick" x=(place(START - 4.0)) y=(text(at)) text-anchor="end" { (cut(name)) }
            text class="tick" x="0" y="0" transform=(format!("translate({} {}) rotate(-90)", text(at), place(START - 4.0))) { (cut(name)) }
        }
        rect class="frame" x=(start) y=(start) width=(whole) height=(whole) {}
    }
}

/// The name, or as much of it as has room.
fn cut(name: &str) -> String {
    match name.chars().count() > NAME {
        true => name.chars().take(NAME - 1).chain(['…']).collect(),
        false => name.to_string(),
    }
}
