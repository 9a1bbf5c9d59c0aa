//! Readings by class over the steps, such as the thresholds of an adaptive filter, as heat maps.

use super::content::HeatMap;
use super::heat_map::{LINES, figure, legend, shades};
use super::scale::Scale;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The most heat maps of a sweep.
const MAPS: usize = 16;

/// The maps, and the `fixed` filters of the other rows; none if no row has a filter. `id` begins all ids in it.
pub fn body(id: &str, maps: &[HeatMap], fixed: &[(String, String)]) -> Option<Markup> {
    if maps.is_empty() && fixed.is_empty() {
        return None;
    }
    let names: BTreeSet<&str> = maps.iter().map(|map| map.name.as_str()).collect();
    let scales: Vec<(&str, Scale)> = names
        .into_iter()
        .map(|name| (name, scale(maps, name)))
        .collect();
    let of = |map: &HeatMap| {
        scales
            .iter()
            .find(|(name, _)| *name == map.name)
            .map(|(_, scale)| scale)
    };
    Some(html! {
        @if !maps.is_empty() { p class="note" {
            "Each line of a map is a class, the one with the most labelled objects first, or in the order of the dataset if no \
             record tells these; from left to right the steps of the training. A gap is a class without a value yet. Below it are the lines of up to " (LINES) " classes; dashed: the range in \
             which the thresholds begin, and the bounds within which they move."
        } }
        @for (name, scale) in &scales {
            (legend(name, scale))
        }
        @if !fixed.is_empty() {
            p class="note" { "Fixed thresholds, the same at every step:" }
            ul { @for (label, words) in fixed { li { (label) ": " (words) } } }
        }
        div class="panels" {
            @for (place, map) in maps.iter().take(MAPS).enumerate() {
                @if let Some(scale) = of(map) { (figure(&format!("{id}-map-{place}"), map, scale)) }
            }
        }
        @if maps.len() > MAPS {
            p class="note" { "The first " (MAPS) " of " (maps.len()) " readings." }
        }
    })
}

/// The shades of all maps of the reading `name`: readings of another kind have others.
fn scale(maps: &[HeatMap], name: &str) -> Scale {
    let own = maps.iter().filter(|map| map.name == name);
    let values = own.flat_map(|map| map.values.iter().flatten());
    shades(values.copied().flatten())
}
