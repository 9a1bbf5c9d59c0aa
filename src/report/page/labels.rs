//! The pseudo-labels of each row over the steps: how many there are, and how right they are.

use super::axes::{ROOM, axes};
use super::content::{LabelFlow, LabelWindow};
use super::download::{csv_link, numbers, text_of};
use super::labels_by_class;
use super::marks::{self, marks};
use super::scale::{Scale, place, reading};
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
const LAYERS: [(&str, Count); 4] = [
    ("high", |one| one.high),
    ("medium, accepted", |one| one.accepted),
    ("medium, rejected", |one| {
        (one.medium - one.accepted).max(0.0)
    }),
    ("low", |one| one.low),
];
/// The name of the layer that lies over the first two.
const DUPLICATES: &str = "duplicates of these two";
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
    let shown = &flows[..flows.len().min(ROWS)];
    let scales = labels_by_class::scales(shown);
    Some(html! {
        p class="note" {
            "What is right is decided with the hidden annotations of the unlabelled images. They are used for these figures \
             only; training never sees them. Bars are counts per unlabelled image, means over the seeds, so rows with \
             different numbers of seeds compare. Duplicates are high or accepted candidates that a better one replaced: they \
             lie over the upper end of these two."
        }
        (labels_by_class::table(id, shown, &scales))
        @for (place, flow) in shown.iter().enumerate() {
            (row(&format!("{id}-labels-{place}"), flow))
            (labels_by_class::row(&format!("{id}-labels-{place}"), flow, &scales))
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
    let seeds = match flow.seeds {
        1 => "in one seed".to_string(),
        seeds => format!("in {seeds} seeds together"),
    };
    let flips = flow.windows.iter().any(|one| one.flips > 0.0);
    let share = |part: f64, whole: f64| match whole > 0.0 {
        true => format!("{:.3}", part / whole),
        false => "undefined".to_string(),
    };
    let lines = lines(&windows);
    html! {
        h3 { (flow.label) }
        p {
            (sum(|one| one.kept)) " of " (total) " candidates became pseudo-labels " (seeds) "; " (sum(|one| one.low))
            " were in the low tier, " (sum(|one| one.duplicates)) " were duplicates. Precision "
            (share(sum(|one| one.right), sum(|one| one.kept))) ", recall "
            (share(sum(|one| one.right), sum(|one| one.objects))) ". "
            (csv_link(id, &text_of(&lines)))
        }
        (numbers(&format!("Pseudo-labels of {}", flow.label), &lines))
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
                images: all.images + one.images,
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

/// What the bars of `windows` are: their name, and the windows with such counts.
fn per_image(windows: &[LabelWindow]) -> (&'static str, Vec<LabelWindow>) {
    if windows.iter().any(|one| one.images <= 0.0) {
        return ("count, all seeds", windows.to_vec());
    }
    let scaled = windows.iter().map(|one| LabelWindow {
        high: one.high / one.images,
        medium: one.medium / one.images,
        low: one.low / one.images,
        accepted: one.accepted / one.images,
        duplicates: one.duplicates / one.images,
        flips: one.flips / one.images,
        flips_right: one.flips_right / one.images,
        flips_broken: one.flips_broken / one.images,
        ..*one
    });
    ("per unlabelled image", scaled.collect())
}

/// The sample of a legend, with the place of its colour.
enum Key {
    Line(usize),
    Area(usize),
}

/// A figure: its scales, and `content` between them. `unit` is the name of the vertical axis.
fn figure(
    id: &str,
    [title, unit]: [&str; 2],
    keys: &[(&str, Key)],
    scales: [&Scale; 2],
    content: &Markup,
) -> Markup {
    html! {
        figure class="panel" {
            figcaption id=(id) {
                strong { (title) }
                @for (name, key) in keys {
                    " " span class="mark-key" {
                        @match key {
                            Key::Line(slot) => (marks::key(*slot)),
                            Key::Area(slot) => {
                                svg class="key" viewBox="0 0 26 10" aria-hidden="true" {
                                    rect class=(format!("fill c{slot}")) x="1" y="1" width="24" height="8" {}
                                }
                            }
                        }
                        " " (name)
                    }
                }
            }
            svg viewBox=(format!("0 0 {} {}", SIZE[0], SIZE[1])) role="img" aria-labelledby=(id) {
                (axes(scales, SIZE))
                text class="axis" x="11" y=(place((ROOM[2] + SIZE[1] - ROOM[3]) / 2.0)) text-anchor="middle"
                    transform=(format!("rotate(-90 11 {})", place((ROOM[2] + SIZE[1] - ROOM[3]) / 2.0))) { (unit) }
                (content)
            }
        }
    }
}

fn steps(windows: &[LabelWindow]) -> Scale {
    let steps = windows.iter().map(|one| one.step);
    let width = (SIZE[0] - ROOM[0] - ROOM[1]) / windows.len().max(1) as f64 / 2.0;
    Scale::of_steps(steps, ROOM[0] + width, SIZE[0] - ROOM[1] - width)
}

/// The width of a bar.
fn width(windows: &[LabelWindow]) -> f64 {
    (SIZE[0] - ROOM[0] - ROOM[1]) / windows.len().max(1) as f64 * 0.9
}

/// The candidates by tier, as stacked bars.
fn layers(id: &str, windows: &[LabelWindow]) -> Markup {
    let (unit, windows) = per_image(windows);
    let windows = windows.as_slice();
    let x = steps(windows);
    let total = |one: &LabelWindow| LAYERS.iter().map(|(_, count)| count(one)).sum::<f64>();
    let most = windows.iter().map(total).fold(0.0, f64::max);
    let most = if most > 0.0 { most } else { 1.0 };
    let y = Scale::of([0.0, most], SIZE[1] - ROOM[3], ROOM[2]);
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
                        title { (name) " up to step " (one.step) ": " (reading(value)) " " (unit) }
                    }
                }
            }
            @if one.duplicates > 0.0 {
                @let top = one.high + one.accepted;
                @let ends = [y.at(top), y.at((top - one.duplicates).max(0.0))];
                rect class="fill c6" x=(left) y=(place(ends[0])) width=(place(wide)) height=(place(ends[1] - ends[0])) {
                    title { (DUPLICATES) " up to step " (one.step) ": " (reading(one.duplicates)) " " (unit) }
                }
            }
        }
    };
    let mut keys: Vec<(&str, Key)> = (0..)
        .zip(LAYERS)
        .map(|(layer, (name, _))| (name, Key::Area(layer)))
        .collect();
    keys.push((DUPLICATES, Key::Area(6)));
    figure(id, ["Candidates", unit], &keys, [&x, &y], &content)
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
    let places = |part: Count, whole: Count| -> Vec<[f64; 2]> {
        let own = windows.iter().filter(|one| whole(one) > 0.0);
        own.map(|one| [x.at(one.step as f64), y.at(part(one) / whole(one))])
            .collect()
    };
    let content = html! {
        @for (slot, (name, part, whole)) in SHARES.iter().enumerate() {
            g class=(format!("c{slot}")) {
                title { (name) }
                path class="line" d=(path(*part, *whole)) {}
                (marks(slot, &places(*part, *whole)))
            }
        }
    };
    let keys: Vec<(&str, Key)> = (0..)
        .zip(SHARES)
        .map(|(slot, (name, ..))| (name, Key::Line(slot)))
        .collect();
    figure(
        id,
        ["Against the hidden truth", "share"],
        &keys,
        [&x, &y],
        &content,
    )
}

/// What the correction changed: put right above zero and neither on top of it, broken below.
fn flips(id: &str, windows: &[LabelWindow]) -> Markup {
    let (unit, windows) = per_image(windows);
    let windows = windows.as_slice();
    let x = steps(windows);
    // Neither from a right class nor to one.
    let neutral = |one: &LabelWindow| (one.flips - one.flips_right - one.flips_broken).max(0.0);
    let ends = windows
        .iter()
        .flat_map(|one| [one.flips_right + neutral(one), -one.flips_broken, 0.0]);
    let y = Scale::of(ends, SIZE[1] - ROOM[3], ROOM[2]);
    let wide = width(windows);
    let content = html! {
        @for one in windows {
            @let bars = [
                ([0.0, one.flips_right], "fill c0", "put right"),
                ([one.flips_right, one.flips_right + neutral(one)], "fill c7", "neither"),
                ([-one.flips_broken, 0.0], "fill c1", "broken"),
            ];
            @for ([low, high], class, name) in bars {
                @if high > low {
                    @let ends = [y.at(high), y.at(low)];
                    rect class=(class) x=(place(x.at(one.step as f64) - wide / 2.0)) y=(place(ends[0])) width=(place(wide)) height=(place(ends[1] - ends[0])) {
                        title { (name) " up to step " (one.step) ": " (reading(high - low)) " of " (reading(one.flips)) " changed " (unit) }
                    }
                }
            }
        }
        line class="zero" x1=(place(ROOM[0])) x2=(place(SIZE[0] - ROOM[1])) y1=(place(y.at(0.0))) y2=(place(y.at(0.0))) {}
    };
    let keys = [
        ("put right", Key::Area(0)),
        ("neither, neutral", Key::Area(7)),
        ("broken", Key::Area(1)),
    ];
    figure(
        id,
        ["Classes that the correction changed", unit],
        &keys,
        [&x, &y],
        &content,
    )
}

/// The windows that are drawn.
fn lines(windows: &[LabelWindow]) -> Vec<Vec<String>> {
    let counts: [(&str, Count); 13] = [
        ("images", |one| one.images),
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
    for one in windows {
        let numbers = counts.iter().map(|(_, count)| count(one).to_string());
        rows.push([one.step.to_string()].into_iter().chain(numbers).collect());
    }
    rows
}
