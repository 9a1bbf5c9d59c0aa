//! A reading by class over the steps as a heat map: a line of cells for each class, and below it the curves of some.

use super::axes::{ROOM, axes, ends_heading};
use super::content::HeatMap;
use super::download::{csv_link, text_of};
use super::marks;
use super::scale::{Scale, place, reading};
use maud::{Markup, html};

/// The most steps of a map; more are thinned evenly, with the last one kept.
pub const STEPS: usize = 60;
/// The number of shades.
const SHADES: usize = 16;
/// Width of a map, room of the names, height of a class, room of the steps.
const SIZE: [f64; 4] = [520.0, 110.0, 12.0, 30.0];
/// The characters of a name that has room.
const NAME: usize = 16;

/// The most classes that have lines.
pub const LINES: usize = 6;
/// Width and height of the figure of these lines.
const CHART: [f64; 2] = [520.0, 170.0];

/// The legend of the shades of `name`.
pub fn legend(name: &str, scale: &Scale) -> Markup {
    let (low, high) = scale.range();
    html! {
        p class="note" {
            code { (name) } ": " (reading(low)) " "
            span class="shades" aria-hidden="true" {
                svg viewBox=(format!("0 0 {} 10", SHADES * 10)) {
                    @for shade in 0..SHADES {
                        rect class=(format!("q{shade}")) x=(shade * 10) y="0" width="10" height="10" {}
                    }
                }
            }
            " " (reading(high))
        }
    }
}

/// The scale of the shades of `values`.
pub fn shades(values: impl IntoIterator<Item = f64>) -> Scale {
    Scale::of(values, 0.0, SHADES as f64)
}

/// The classes that have lines: up to [`LINES`], evenly from the first to the last.
fn chosen(count: usize) -> Vec<usize> {
    match count {
        0 => Vec::new(),
        count if count <= LINES => (0..count).collect(),
        count => (0..LINES)
            .map(|place| place * (count - 1) / (LINES - 1))
            .collect(),
    }
}

/// The lines of some classes, with those of the settings.
fn chart(id: &str, map: &HeatMap) -> Markup {
    let chosen = chosen(map.classes.len());
    let at = |step: usize, class: usize| map.values[step].get(class).copied().flatten();
    let steps: Vec<usize> = columns(map.steps.len());
    let values = steps
        .iter()
        .flat_map(|step| chosen.iter().filter_map(move |class| at(*step, *class)));
    let marks = map.marks.iter().map(|(_, value)| *value);
    let y = Scale::of(values.chain(marks), CHART[1] - ROOM[3], ROOM[2]);
    let x = Scale::of_steps(map.steps.iter().copied(), ROOM[0], CHART[0] - ROOM[1]);
    let path = |class: usize| {
        let mut path = String::new();
        let mut is_open = false;
        for step in &steps {
            let value = at(*step, class);
            if let Some(value) = value {
                let lead = if is_open { "L" } else { "M" };
                let places = [x.at(map.steps[*step] as f64), y.at(value)].map(place);
                path.push_str(&format!("{lead}{} {}", places[0], places[1]));
                if !is_open {
                    path.push_str("h0");
                }
            }
            is_open = value.is_some();
        }
        path
    };
    let places = |class: usize| -> Vec<[f64; 2]> {
        let point = |step: &usize| Some([x.at(map.steps[*step] as f64), y.at(at(*step, class)?)]);
        steps.iter().filter_map(point).collect()
    };
    let key = format!("{id}-lines");
    html! {
        p id=(key) class="legend" {
            @for (slot, class) in chosen.iter().enumerate() {
                span class="mark-key" {
                    (marks::key(slot)) " " (map.classes[*class])
                }
                " "
            }
        }
        svg viewBox=(format!("0 0 {} {}", CHART[0], CHART[1])) role="img" aria-labelledby=(format!("{id} {key}")) {
            (axes([&x, &y], CHART))
            @for (name, value) in &map.marks {
                line class="zero" x1=(place(ROOM[0])) x2=(place(CHART[0] - ROOM[1])) y1=(place(y.at(*value))) y2=(place(y.at(*value))) {
                    title { (name) ": " (value) }
                }
            }
            @for (slot, class) in chosen.iter().enumerate() {
                g class=(format!("c{slot}")) {
                    title { (map.classes[*class]) }
                    path class="line" d=(path(*class)) {}
                    (marks::marks(slot, &places(*class)))
                }
            }
        }
        @if !map.marks.is_empty() {
            p class="note" {
                @for (place, (name, value)) in map.marks.iter().enumerate() {
                    @if place > 0 { ", " } (name) " " (value)
                }
            }
        }
    }
}

/// The columns of a map: at most [`STEPS`], evenly, the last one among them.
fn columns(count: usize) -> Vec<usize> {
    match count {
        0 => Vec::new(),
        count if count <= STEPS => (0..count).collect(),
        count => (1..=STEPS).map(|place| place * count / STEPS - 1).collect(),
    }
}

/// The map with the shades of `scale`, the lines of some of its classes, and its first and last values.
pub fn figure(id: &str, map: &HeatMap, scale: &Scale) -> Markup {
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
                strong { (map.label) } " " code { (map.name) } ", " (map.seeds) ". " (csv_link(id, &text(map)))
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
            (chart(id, map))
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

/// The drawn values as CSV.
fn text(map: &HeatMap) -> String {
    let head = ["step".to_string()]
        .into_iter()
        .chain(map.classes.iter().cloned());
    let mut rows = vec![head.collect::<Vec<_>>()];
    for column in columns(map.steps.len()) {
        let (step, values) = (map.steps[column], &map.values[column]);
        let cells = (0..map.classes.len()).map(|class| {
            let value = values.get(class).copied().flatten();
            value.map_or(String::new(), |value| value.to_string())
        });
        rows.push([step.to_string()].into_iter().chain(cells).collect());
    }
    text_of(&rows)
}
