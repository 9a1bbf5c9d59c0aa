//! Qualities of detections against their overlaps with objects, as in Fig. 2 of PL-DC, and how far a class quality can
//! be believed.

use super::content::{Analysed, AnalysedRow, Scatter};
use super::download::{csv_link, numbers, text_of};
use super::scale::place;
use maud::{Markup, PreEscaped, html};
use std::fmt::Write as _;

/// The side of a plot, and the room of its axes at the left and below.
const SIZE: [f64; 3] = [200.0, 46.0, 34.0];
/// The number of shades.
const SHADES: usize = 16;
/// The columns and lines of the table of a plot.
const TENTHS: usize = 10;

/// The figures of the rows. `id` begins all ids in them.
pub fn body(id: &str, analysed: &Analysed) -> Markup {
    html! {
        p class="note" {
            "As Fig. 2 of the paper: all detections whose class is the most likely one of their mask, on " (analysed.images)
            " evaluated images. Up: the largest IoU with an object of any class. r is Pearson's correlation, rho Spearman's, \
             with 95 % intervals of a bootstrap over images. The last panel: among detections with an IoU above 0.5, the share \
             of the right class in each tenth of the class quality; the diagonal is a quality that can be taken at its word, \
             and ECE is the mean distance from it."
        }
        @if analysed.more > 0 {
            p class="note" { "These are the first " (analysed.rows.len()) " of " (analysed.rows.len() + analysed.more) " analysed rows." }
        }
        @for (place, row) in analysed.rows.iter().enumerate() {
            (self::row(&format!("{id}-scatter-{place}"), row))
        }
    }
}

fn row(id: &str, row: &AnalysedRow) -> Markup {
    html! {
        h3 { (row.label) }
        div class="panels small" {
            @for (place, scatter) in row.scatters.iter().enumerate() {
                (figure(&format!("{id}-{place}"), scatter))
            }
            (reliability(&format!("{id}-reliability"), row))
        }
    }
}

/// The correlations in words.
fn words(scatter: &Scatter) -> String {
    let one = |(value, (low, high)): (f64, (f64, f64))| format!("{value:.2} [{low:.2}, {high:.2}]");
    match scatter.correlations {
        Some([pearson, spearman]) => format!("r = {}, rho = {}", one(pearson), one(spearman)),
        None => "no correlation is defined".to_string(),
    }
}

fn figure(id: &str, scatter: &Scatter) -> Markup {
    let count = scatter.cells.iter().sum::<usize>();
    html! {
        figure class="panel" {
            figcaption id=(id) {
                strong { (scatter.quality) } ", " (count) " detections: " (words(scatter)) ". " (csv_link(id, &text_of(&lines(scatter))))
            }
            svg viewBox=(view_box()) role="img" aria-labelledby=(id) {
                (PreEscaped(cells(&scatter.cells)))
                (PreEscaped(points(&scatter.points)))
                (frame("IoU"))
                text class="axis" x=(place(SIZE[1] + SIZE[0] / 2.0)) y=(place(SIZE[0] + 30.0)) text-anchor="middle" {
                    (scatter.quality.split(':').next().unwrap_or_default())
                }
            }
            (numbers(&format!("Detections by {}", scatter.quality), &tenths(scatter)))
        }
    }
}

fn view_box() -> String {
    format!(
        "0 -8 {} {}",
        place(SIZE[0] + SIZE[1] + 12.0),
        place(SIZE[0] + SIZE[2] + 8.0)
    )
}

/// The axes of the unit square. `name` is that of the vertical one.
fn frame(name: &str) -> Markup {
    html! {
        @for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
            @let at = SIZE[1] + tick * SIZE[0];
            @let up = SIZE[0] * (1.0 - tick);
            text class="tick" x=(place(at)) y=(place(SIZE[0] + 14.0)) text-anchor="middle" { (tick) }
            text class="tick" x=(place(SIZE[1] - 4.0)) y=(place(up + 3.5)) text-anchor="end" { (tick) }
        }
        path class="frame" d=(format!("M{} 0V{}H{}", place(SIZE[1]), place(SIZE[0]), place(SIZE[0] + SIZE[1]))) {}
        text class="axis" x="9" y=(place(SIZE[0] / 2.0)) text-anchor="middle"
            transform=(format!("rotate(-90 9 {})", place(SIZE[0] / 2.0))) { (name) }
    }
}

/// The cells of a histogram, those of one shade in one path. Shades follow the logarithm of the count.
fn cells(counts: &[usize]) -> String {
    let sides = counts.len().isqrt();
    let most = counts.iter().copied().max().unwrap_or(0) as f64;
    let wide = SIZE[0] / sides.max(1) as f64;
    let mut paths = vec![String::new(); SHADES];
    for (at, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let share = (1.0 + *count as f64).ln() / (1.0 + most).ln();
        let shade = ((share * SHADES as f64) as usize).min(SHADES - 1);
        let x = SIZE[1] + (at % sides) as f64 * wide;
        let y = SIZE[0] - (at / sides + 1) as f64 * wide;
        let _ = write!(
            paths[shade],
            "M{} {}h{wide}v{wide}h-{wide}z",
            place(x),
            place(y)
        );
    }
    let mut text = String::new();
    for (shade, path) in paths
        .iter()
        .enumerate()
        .filter(|(_, path)| !path.is_empty())
    {
        let _ = write!(text, "<path class=\"q{shade}\" d=\"{path}\"/>");
    }
    text
}

/// Single detections as dots.
fn points(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (x, y) in points {
        let (x, y) = (SIZE[1] + x * SIZE[0], SIZE[0] * (1.0 - y));
        let _ = write!(path, "M{} {}h.1", place(x), place(y));
    }
    format!("<path class=\"dots\" d=\"{path}\"/>")
}

fn reliability(id: &str, row: &AnalysedRow) -> Markup {
    let wide = SIZE[0] / row.bins.len().max(1) as f64;
    let error = match row.calibration {
        Some(error) => format!("ECE = {error:.3}"),
        None => "no detection fits an object".to_string(),
    };
    let mut lines = vec![
        ["from", "detections", "mean_quality", "right"]
            .map(String::from)
            .to_vec(),
    ];
    for (at, (count, quality, right)) in row.bins.iter().enumerate() {
        let low = at as f64 / row.bins.len() as f64;
        lines.push(vec![
            format!("{low:.1}"),
            count.to_string(),
            format!("{quality:.4}"),
            format!("{right:.4}"),
        ]);
    }
    html! {
        figure class="panel" {
            figcaption id=(id) {
                strong { "right class by class quality" } ": " (error) ". " (csv_link(id, &text_of(&lines)))
            }
            svg viewBox=(view_box()) role="img" aria-labelledby=(id) {
                @for (at, (count, quality, right)) in row.bins.iter().enumerate() {
                    @if *count > 0 {
                        @let height = right * SIZE[0];
                        rect class="fill c0" x=(place(SIZE[1] + at as f64 * wide + 1.0)) y=(place(SIZE[0] - height))
                            width=(place(wide - 2.0)) height=(place(height)) {
                            title { (count) " detections with a mean class quality of " (format!("{quality:.2}: {right:.2}")) " are right" }
                        }
                    }
                }
                path class="zero" d=(format!("M{} {}L{} 0", place(SIZE[1]), place(SIZE[0]), place(SIZE[0] + SIZE[1]))) {}
                (frame("share of the right class"))
                text class="axis" x=(place(SIZE[1] + SIZE[0] / 2.0)) y=(place(SIZE[0] + 30.0)) text-anchor="middle" { "class quality" }
            }
            (numbers("Right class by class quality", &lines))
        }
    }
}

/// The cells of the histogram.
fn lines(scatter: &Scatter) -> Vec<Vec<String>> {
    let sides = scatter.cells.len().isqrt();
    let mut lines = vec![
        ["quality_from", "iou_from", "detections"]
            .map(String::from)
            .to_vec(),
    ];
    for (at, count) in scatter
        .cells
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
    {
        let from = |cell: usize| format!("{:.3}", cell as f64 / sides as f64);
        lines.push(vec![from(at % sides), from(at / sides), count.to_string()]);
    }
    lines
}

/// The detections by tenths of the quality and of the overlap, the highest overlap first.
fn tenths(scatter: &Scatter) -> Vec<Vec<String>> {
    let sides = scatter.cells.len().isqrt();
    let tenth = |cell: usize| cell * TENTHS / sides.max(1);
    let mut counts = [[0; TENTHS]; TENTHS];
    for (at, count) in scatter.cells.iter().enumerate() {
        counts[tenth(at / sides)][tenth(at % sides)] += count;
    }
    let from = |tenth: usize| format!("{:.1}", tenth as f64 / TENTHS as f64);
    let head = (0..TENTHS).map(|tenth| format!("from {}", from(tenth)));
    let mut lines = vec![["IoU from".to_string()].into_iter().chain(head).collect()];
    for (tenth, counts) in counts.iter().enumerate().rev() {
        let counts = counts.iter().map(usize::to_string);
        lines.push([from(tenth)].into_iter().chain(counts).collect());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_have_every_detection_with_high_overlaps_above() {
        let mut cells = vec![0; 400];
        // Of 20 x 20 cells: an IoU of 0.95 with a quality of 0.05, an IoU of 0 with a quality of 0.1, and another one.
        (cells[19 * 20 + 1], cells[2], cells[3]) = (5, 7, 1);
        let scatter = Scatter {
            quality: "score",
            cells,
            points: Vec::new(),
            correlations: None,
        };
        let lines = tenths(&scatter);
        assert_eq!((lines.len(), lines[1].len()), (11, 11));
        assert_eq!(lines[1][..3], ["0.9", "5", "0"]);
        assert_eq!(lines[10][..4], ["0.0", "0", "8", "0"]);
        assert_eq!(lines[0][..2], ["IoU from", "from 0.0"]);
    }

    #[test]
    fn a_high_overlap_is_at_the_top_and_a_high_quality_at_the_right() {
        // One of four cells: quality in the upper half, IoU in the upper half.
        let drawn = cells(&[0, 0, 0, 5]);
        assert_eq!(drawn, "<path class=\"q15\" d=\"M146 0h100v100h-100z\"/>");
        assert_eq!(
            points(&[(1.0, 0.0)]),
            "<path class=\"dots\" d=\"M246 200h.1\"/>"
        );
    }
}
