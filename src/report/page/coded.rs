//! Text of one line, as it stands in messages.

use maud::{Markup, html};

/// The text with what stands between backticks as code.
pub fn coded(text: &str) -> Markup {
    let balanced = text.matches('`').count().is_multiple_of(2);
    html! {
        @if balanced {
            @for (place, part) in text.split('`').enumerate() {
                @if place % 2 == 1 { code { (part) } } @else { (part) }
            }
        } @else {
            (text)
        }
    }
}
