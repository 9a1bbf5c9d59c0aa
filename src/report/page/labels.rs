//! The pseudo-labels of each row over the steps: how many there are, and how right they are.

use super::axes::{ROOM, axes};
use super::content::{LabelFlow, LabelWindow};
use super::download::{csv, csv_link};
use super::scale::{Scale, place};
use maud::{Markup, html};

/// The most rows that have figures.
const ROWS: usize = 8;
/// The most windows that are drawn; more are summed in neighbouring groups.
const WINDOWS: usize = 60;
/// Width and height of a figure.
const SIZE: [f64; 2] = [420.0, 200.0];

/// A count of a window.
type Count = fn(&LabelWindow) -> f64;
/// The layers of the first figure, from the bottom up.
const LAYERS: [(&str, Count); 3] = [
    ("high", |one| one.high),
    ("medium, accepted", |one| one.accepted),
    ("medium, rejected", |one| {
        (one.medium - one.accepted).max(0.0)
    }),
];
/// The shares of the second figure: name, part and whole.
const SHARES: [(&str, Count, Count); 3] = [
    (
        "precision: right among the kept",
        |one| one.right,
        |one| one.kept,
    ),
    (
        "on an object of any class",
        |one| one.matched,
        |one| one.kept,
    ),
    (
        "recall: right among the objects",
        |one| one.right,
        |one| one.objects,
    ),
];

/// The figures of the rows; none if no row has a teacher. `id` begins all ids in it.
pub fn body(id: &str, flows: &[LabelFlow]) -> Option<Markup> {
    if flows.is_empty() {
        return None;
    }
    Some(html! {
        p class="note" {
            "What is right is decided with the hidden annotations of the unlabelled images. They are used for these figures \
             only; training never sees them. Candidates of the low tier are dropped and not drawn."
        }
        @for (place, flow) in flows.iter().take(ROWS).enumerate() {
            (row(&format!("{id}-labels-{place}"), flow))
        }
        @if flows.len() > ROWS {
            p class="note" { "The first " (ROWS) " of " (flows.len()) " rows." }
        }
    })
}

fn row(id: &str, flow: &LabelFlow) -> Markup {
    let windows = grouped(&flow.windows);
    let sum = |count: Count| flow.windows.iter().map(count).sum::<f64>();
    let total = sum(|one| one.high + one.medium + one.low);
    let flips = flow.windows.iter().any(|one| one.flips > 0.0);
    let share = |part: f64, whole: f64| match whole > 0.0 {
        true => format!("{:.3}", part / whole),
        false => "undefined".to_string(),
    };
    html! {
        h3 { (flow.label) }
        p {
            (sum(|one| one.kept)) " of " (total) " candidates became pseudo-labels; " (sum(|one| one.low))
            " were in the low tier, " (sum(|one| one.duplicates)) " were duplicates. Precision "
            (share(sum(|one| one.right), sum(|one| one.kept))) ", recall "
            (share(sum(|one| one.right), sum(|one| one.objects))) ". "
            (csv_link(id, &text(flow)))
        }
        div class="panels" {
            (layers(&format!("{id}-tiers"), &windows))
            (shares(&format!("{id}-shares"), &windows))
            @if flips { (self::flips(&format!("{id}-flips"), &windows)) }
        }
    }
}

/// At most [`WINDOWS`] windows: neighbours are summed.
fn grouped(windows: &[LabelWindow]) -> Vec<LabelWindow> {
    let size = windows.len().div_ceil(WINDOWS).max(1);
    let sum = |part: &[LabelWindow]| {
        part.iter()
            .fold(LabelWindow::default(), |all, one| LabelWindow {
                step: one.step,
                high: all.high + one.high,
                medium: all.medium + one.medium,
                low: all.low + one.low,
                accepted: all.accepted + one.accepted,
                duplicates: all.duplicates + one.duplicates,
                kept: all.kept + one.kept,
                objects: all.objects + one.objects,
                matched: all.matched + one.matched,
                right: all.right + one.right,
                flips: all.flips + one.flips,
                flips_right: all.flips_right + one.flips_right,
                flips_broken: all.flips_broken + one.flips_broken,
            })
    };
    windows.chunks(size).map(sum).collect()
}

/// A figure: its scales, and `content` between them.
fn figure(
    id: &str,
    title: &str,
    keys: &[(&str, String)],
    scales: [&Scale; 2],
    content: &Markup,
) -> Markup {
    html! {
        figure class="panel" {
            figcaption id=(id) {
                strong { (title) }
                @for (name, class) in keys {
                    " " span class="mark-key" {
                        svg class="key" viewBox="0 0 26 10" aria-hidden="true" {
                            @if class.starts_with("line") {
                                line class=(class) x1="1" x2="25" y1="5" y2="5" {}
                            } @else {
                                rect class=(class) x="1" y="1" width="24" height="8" {}
                            }
                        }
                        " " (name)
                    }
                }
            }
            svg viewBox=(format!("0 0 {} {}", SIZE[0], SIZE[1])) role="img" aria-labelledby=(id) {
                (axes(scales, SIZE))
                (content)
            }
        }
    }
}

fn steps(windows: &[LabelWindow]) -> Scale {
    let steps = windows.iter().map(|one| one.step as f64);
    let width = (SIZE[0] - ROOM[0] - ROOM[1]) / windows.len().max(1) as f64 / 2.0;
    Scale::of(steps, ROOM[0] + width, SIZE[0] - ROOM[1] - width)
}

/// The width of a bar.
fn width(windows: &[LabelWindow]) -> f64 {
    (SIZE[0] - ROOM[0] - ROOM[1]) / windows.len().max(1) as f64 * 0.9
}

/// The candidates by tier, as stacked bars.
fn layers(id: &str, windows: &[LabelWindow]) -> Markup {
    let x = steps(windows);
    let total = |one: &LabelWindow| LAYERS.iter().map(|(_, count)| count(one)).sum::<f64>();
    let most = windows.iter().map(total).fold(0.0, f64::max);
    let y = Scale::of([0.0, most.max(1.0)], SIZE[1] - ROOM[3], ROOM[2]);
    let wide = width(windows);
    let content = html! {
        @for one in windows {
            @let left = place(x.at(one.step as f64) - wide / 2.0);
            @for (layer, (name, count)) in LAYERS.iter().enumerate() {
                @let below: f64 = LAYERS[..layer].iter().map(|(_, count)| count(one)).sum();
                @let value = count(one);
                @if value > 0.0 {
                    @let ends = [y.at(below + value), y.at(below)];
                    rect class=(format!("fill c{layer}")) x=(left) y=(place(ends[0])) width=(place(wide)) height=(place(ends[1] - ends[0])) {
                        title { (name) " up to step " (one.step) ": " (value) }
                    }
                }
            }
        }
    };
    let keys: Vec<(&str, String)> = (0..)
        .zip(LAYERS)
        .map(|(layer, (name, _))| (name, format!("fill c{layer}")))
        .collect();
    figure(
        id,
        "Candidates above the low tier",
        &keys,
        [&x, &y],
        &content,
    )
}

/// Precision, localisation and recall. A gap is a window without a whole.
fn shares(id: &str, windows: &[LabelWindow]) -> Markup {
    let x = steps(windows);
    let y = Scale::of([0.0, 1.0], SIZE[1] - ROOM[3], ROOM[2]);
    let path = |part: Count, whole: Count| {
        let mut path = String::new();
        let mut is_open = false;
        for one in windows {
            let share = (whole(one) > 0.0).then(|| part(one) / whole(one));
            if let Some(share) = share {
                let to = if is_open { "L" } else { "M" };
                path.push_str(&format!(
                    "{to}{} {}",
                    place(x.at(one.step as f64)),
                    place(y.at(share))
                ));
                // A window between two gaps is a dot.
                if !is_open {
                    path.push_str("h0");
                }
            }
            is_open = share.is_some();
        }
        path
    };
    let content = html! {
        @for (slot, (name, part, whole)) in SHARES.iter().enumerate() {
            g class=(format!("c{slot}")) {
                title { (name) }
                path class="line" d=(path(*part, *whole)) {}
            }
        }
    };
    let keys: Vec<(&str, String)> = (0..)
        .zip(SHARES)
        .map(|(slot, (name, ..))| (name, format!("line c{slot}")))
        .collect();
    figure(id, "Against the hidden truth", &keys, [&x, &y], &content)
}

/// What the correction changed: put right above zero, broken below.
fn flips(id: &str, windows: &[LabelWindow]) -> Markup {
    let x = steps(windows);
    let most = windows
        .iter()
        .map(|one| one.flips_right)
        .fold(1.0, f64::max);
    let least = windows
        .iter()
        .map(|one| -one.flips_broken)
        .fold(0.0, f64::min);
    let y = Scale::of([least, most], SIZE[1] - ROOM[3], ROOM[2]);
    let wide = width(windows);
    let content = html! {
        @for one in windows {
            @for (value, class, name) in [(one.flips_right, "fill c0", "put right"), (-one.flips_broken, "fill c1", "broken")] {
                @if value != 0.0 {
                    @let ends = [y.at(value.max(0.0)), y.at(value.min(0.0))];
                    rect class=(class) x=(place(x.at(one.step as f64) - wide / 2.0)) y=(place(ends[0])) width=(place(wide)) height=(place(ends[1] - ends[0])) {
                        title { (name) " up to step " (one.step) ": " (value.abs()) " of " (one.flips) " changed" }
                    }
                }
            }
        }
    };
    let keys = [
        ("put right", "fill c0".to_string()),
        ("broken", "fill c1".to_string()),
    ];
    figure(
        id,
        "Classes that the correction changed",
        &keys,
        [&x, &y],
        &content,
    )
}

/// All windows as CSV.
fn text(flow: &LabelFlow) -> String {
    let counts: [(&str, Count); 12] = [
        ("high", |one| one.high),
        ("medium", |one| one.medium),
        ("low", |one| one.low),
        ("accepted", |one| one.accepted),
        ("duplicates", |one| one.duplicates),
        ("kept", |one| one.kept),
        ("objects", |one| one.objects),
        ("matched", |one| one.matched),
        ("right", |one| one.right),
        ("flips", |one| one.flips),
        ("flips-right", |one| one.flips_right),
        ("flips-broken", |one| one.flips_broken),
    ];
    let head = ["step"]
        .into_iter()
        .chain(counts.iter().map(|(name, _)| *name));
    let mut rows = vec![head.map(String::from).collect::<Vec<_>>()];
    for one in &flow.windows {
        let numbers = counts.iter().map(|(_, count)| count(one).to_string());
        rows.push([one.step.to_string()].into_iter().chain(numbers).collect());
    }
    csv(&rows)
}
