//! Readings by class over the steps, such as the thresholds of an adaptive filter, as heat maps.

use super::axes::ends_heading;
use super::content::HeatMap;
use super::download::{csv, csv_link};
use super::scale::{Scale, place, reading};
use maud::{Markup, html};

/// The most heat maps of a sweep.
const MAPS: usize = 16;
/// The most steps of a map; more are thinned evenly, with the last one kept.
const STEPS: usize = 60;
/// The number of shades.
const SHADES: usize = 16;
/// Width of a map, room of the names, height of a class, room of the steps.
const SIZE: [f64; 4] = [520.0, 110.0, 12.0, 30.0];
/// The characters of a name that has room.
const NAME: usize = 16;

/// The maps; none if no row has readings by class. `id` begins all ids in it.
pub fn body(id: &str, maps: &[HeatMap]) -> Option<Markup> {
    if maps.is_empty() {
        return None;
    }
    let values = maps.iter().flat_map(|map| map.values.iter().flatten());
    let scale = Scale::of(values.copied().flatten(), 0.0, SHADES as f64);
    let (low, high) = scale.range();
    Some(html! {
        p class="note" {
            "Each line is a class, in the order of the dataset; from left to right the steps of the training. \
             A gap is a class without a value yet. " (reading(low)) " "
            span class="shades" aria-hidden="true" {
                svg viewBox=(format!("0 0 {} 10", SHADES * 10)) {
                    @for shade in 0..SHADES {
                        rect class=(format!("q{shade}")) x=(shade * 10) y="0" width="10" height="10" {}
                    }
                }
            }
            " " (reading(high))
        }
        div class="panels" {
            @for (place, map) in maps.iter().take(MAPS).enumerate() {
                (figure(&format!("{id}-map-{place}"), map, &scale))
            }
        }
        @if maps.len() > MAPS {
            p class="note" { "The first " (MAPS) " of " (maps.len()) " readings." }
        }
    })
}

/// The columns of a map: at most [`STEPS`], evenly, the last one among them.
fn columns(count: usize) -> Vec<usize> {
    match count {
        0 => Vec::new(),
        count if count <= STEPS => (0..count).collect(),
        count => (1..=STEPS).map(|place| place * count / STEPS - 1).collect(),
    }
}

fn figure(id: &str, map: &HeatMap, scale: &Scale) -> Markup {
    let columns = columns(map.steps.len());
    let wide = (SIZE[0] - SIZE[1]) / columns.len().max(1) as f64;
    let height = SIZE[2] * map.classes.len() as f64;
    let at = |step: usize, class: usize| map.values[step].get(class).copied().flatten();
    let last = map.steps.len().saturating_sub(1);
    let number =
        |value: Option<f64>| value.map_or("–".to_string(), |value| format!("{value:.3}"));
    html! {
        figure class="panel map" {
            figcaption id=(id) {
                strong { (map.label) } " " code { (map.name) } ", seed " (map.seed) ". " (csv_link(id, &text(map)))
            }
            svg viewBox=(format!("0 0 {} {}", SIZE[0], place(height + SIZE[3]))) role="img" aria-labelledby=(id) {
                @for (class, name) in map.classes.iter().enumerate() {
                    text class="tick" x=(place(SIZE[1] - 5.0)) y=(place(SIZE[2] * (class as f64 + 0.8))) text-anchor="end" {
                        title { (name) } (cut(name))
                    }
                }
                @for shade in 0..SHADES {
                    @let cells = cells(map, &columns, wide, &|value| shade_of(scale, value) == shade);
                    @if !cells.is_empty() { path class=(format!("q{shade}")) d=(cells) {} }
                }
                @if let (Some(first), Some(end)) = (columns.first(), columns.last()) {
                    text class="tick" x=(place(SIZE[1])) y=(place(height + 14.0)) { (map.steps[*first]) }
                    text class="tick" x=(place(SIZE[0])) y=(place(height + 14.0)) text-anchor="end" { "step " (map.steps[*end]) }
                }
            }
            details {
                summary { "First and last values" }
                table {
                    (ends_heading("class"))
                    tbody {
                        @for (class, name) in map.classes.iter().enumerate() {
                            tr {
                                th scope="row" { (name) }
                                td class="number" { (number(at(0, class))) }
                                td class="number" { (number(at(last, class))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The cells of one shade, whose values `is_own` knows, as a path. Neighbours in a line are one rectangle.
fn cells(map: &HeatMap, columns: &[usize], wide: f64, is_own: &dyn Fn(f64) -> bool) -> String {
    let mut path = String::new();
    for class in 0..map.classes.len() {
        let has = |column: usize| {
            let value = map.values[columns[column]].get(class).copied().flatten();
            value.is_some_and(is_own)
        };
        let mut column = 0;
        while column < columns.len() {
            let run = (column..columns.len())
                .take_while(|column| has(*column))
                .count();
            if run > 0 {
                let x = place(SIZE[1] + wide * column as f64);
                let y = place(SIZE[2] * class as f64);
                let width = place(wide * run as f64);
                path.push_str(&format!("M{x} {y}h{width}v{}h-{width}z", SIZE[2] - 1.0));
            }
            column += run.max(1);
        }
    }
    path
}

fn shade_of(scale: &Scale, value: f64) -> usize {
    (scale.at(value).max(0.0) as usize).min(SHADES - 1)
}

fn cut(name: &str) -> String {
    match name.chars().count() > NAME {
        true => name.chars().take(NAME - 1).chain(['…']).collect(),
        false => name.to_string(),
    }
}

/// All values as CSV.
fn text(map: &HeatMap) -> String {
    let head = ["step".to_string()]
        .into_iter()
        .chain(map.classes.iter().cloned());
    let mut rows = vec![head.collect::<Vec<_>>()];
    for (step, values) in map.steps.iter().zip(&map.values) {
        let cells = (0..map.classes.len()).map(|class| {
            let value = values.get(class).copied().flatten();
            value.map_or(String::new(), |value| value.to_string())
        });
        rows.push([step.to_string()].into_iter().chain(cells).collect());
    }
    csv(&rows)
}
