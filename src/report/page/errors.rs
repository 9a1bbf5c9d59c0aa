//! The kinds of the best-scored detections, as in Fig. I of PL-DC.

use super::content::{Analysed, AnalysedRow, SeedKinds};
use super::download::{csv_link, text_of};
use super::scale::place;
use super::tide;
use crate::report::cell::signed;
use crate::report::statistics::{Bootstrap, Difference, paired_difference};
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The width of the figure, the room of the labels, and the height of a bar.
const SIZE: [f64; 3] = [720.0, 200.0, 26.0];
/// The characters of a label that has room.
const LABEL: usize = 28;
/// The least share of a bar that has room for its number.
const ROOM: f64 = 0.05;
/// The decimals of shares in percent.
const DIGITS: usize = 1;

/// The figure and the tables. `id` begins all ids in them.
pub fn body(id: &str, analysed: &Analysed) -> Markup {
    html! {
        (kinds(id, analysed))
        (tide::body(id, analysed))
    }
}

fn kinds(id: &str, analysed: &Analysed) -> Markup {
    let title = format!("{id}-kinds");
    let height = SIZE[2] * analysed.rows.len() as f64;
    html! {
        figure {
            figcaption id=(title) {
                "Kinds of the best-scored detections, at most as many as there are objects (" (objects(analysed))
                "): shares in percent of those that count, means over the seeds. "
                (csv_link(&title, &lines(analysed)))
            }
            p class="legend" aria-hidden="true" {
                @for (place, kind) in analysed.kinds.iter().enumerate() {
                    span { svg class="key" viewBox="0 0 26 10" { rect class=(format!("kind k{place}")) width="26" height="10" {} } " " (meaning(kind)) }
                }
            }
            div class="wide" tabindex="0" role="region" aria-label="Kinds of detections" {
                svg class="bars" viewBox=(format!("0 0 {} {}", SIZE[0], place(height + 4.0))) role="img" aria-labelledby=(title) {
                    @for (at, row) in analysed.rows.iter().enumerate() {
                        (bar(row, &analysed.kinds, SIZE[2] * at as f64))
                    }
                }
            }
            (table(analysed))
            @if let Some(fewer) = fewer(analysed) { p class="note" { (fewer) } }
            p class="note" { "Small: mean paired differences to the reference over the common seeds, with Student's 95 % interval." }
            p class="note" {
                "With s, the largest IoU with an object of the detection's class, and o, that with an object of another class: \
                 Cor: s > 0.5. BG: " (background(analysed.background)) ". Loc: s >= o. Sim: o > s, and the other class is similar. Oth: o > s otherwise. \
                 The first that holds counts. The paper leaves open which detections count, how far an IoU has to go for Sim \
                 and Oth, and duplicates; these are ours: the best-scored ones, any overlap, and Cor. The file has the same \
                 counts with an IoU of up to 0.1 as background, as TIDE has it."
            }
            p class="note" { (similar(&analysed.similar)) }
        }
    }
}

/// The condition of a detection on no object.
fn background(bound: f64) -> String {
    match bound > 0.0 {
        true => format!("s and o are at most {bound} (report.bg-iou)"),
        false => "s = o = 0".to_string(),
    }
}

/// The numbers of objects of the seeds, each once.
fn objects(analysed: &Analysed) -> String {
    let all: BTreeSet<usize> = seeds(analysed).map(|one| one.objects).collect();
    let all: Vec<String> = all.iter().map(usize::to_string).collect();
    all.join(" or ")
}

fn seeds(analysed: &Analysed) -> impl Iterator<Item = &SeedKinds> {
    analysed.rows.iter().flat_map(|row| &row.kinds)
}

/// The detections of a row that count, and the objects, sums over its seeds.
fn counted(row: &AnalysedRow) -> [usize; 2] {
    let counts = row.kinds.iter().flat_map(|one| &one.counts).sum();
    [counts, row.kinds.iter().map(|one| one.objects).sum()]
}

/// The rows that have fewer detections than objects, in words; none if there is no such row.
fn fewer(analysed: &Analysed) -> Option<String> {
    let has_fewer = |row: &&AnalysedRow| {
        row.kinds
            .iter()
            .any(|one| one.counts.iter().sum::<usize>() < one.objects)
    };
    let rows: Vec<&str> = analysed
        .rows
        .iter()
        .filter(has_fewer)
        .map(|row| row.label.as_str())
        .collect();
    (!rows.is_empty()).then(|| {
        format!(
            "Fewer detections than objects count in {}: there are no more. Their shares are of these few, so they do not \
             compare with those of other rows as they stand.",
            rows.join(", ")
        )
    })
}

/// A kind with its meaning.
fn meaning(kind: &str) -> String {
    let words = match kind {
        "Cor" => "correct",
        "Loc" => "right class, poor mask",
        "Sim" => "a similar class",
        "Oth" => "another class",
        "BG" => "on no object",
        _ => return kind.to_string(),
    };
    format!("{kind}: {words}")
}

fn similar(groups: &[String]) -> String {
    match groups.is_empty() {
        true => "No two classes are known to be similar, so Sim is empty: the annotations have no two supercategories."
            .to_string(),
        false => format!("Similar classes: {}.", groups.join("; ")),
    }
}

/// The mean shares of a row over its seeds.
fn shares(row: &AnalysedRow) -> Vec<f64> {
    let own: Vec<Vec<f64>> = row.kinds.iter().map(of_seed).collect();
    let count = own.first().map_or(0, Vec::len);
    let mean = |kind: usize| own.iter().map(|one| one[kind]).sum::<f64>() / own.len() as f64;
    (0..count).map(mean).collect()
}

/// The shares of a seed.
fn of_seed(kinds: &SeedKinds) -> Vec<f64> {
    let total = kinds.counts.iter().sum::<usize>().max(1) as f64;
    kinds
        .counts
        .iter()
        .map(|count| *count as f64 / total)
        .collect()
}

/// The difference of a share to the reference over the seeds that both have; none without any.
fn difference(row: &AnalysedRow, reference: &AnalysedRow, kind: usize) -> Option<Difference> {
    let pairs = row.kinds.iter().filter_map(|own| {
        let other = reference
            .kinds
            .iter()
            .find(|other| other.seed == own.seed)?;
        Some(of_seed(own)[kind] - of_seed(other)[kind])
    });
    let pairs: Vec<f64> = pairs.collect();
    paired_difference(&pairs, &mut Bootstrap::default())
}

/// A difference in percent with its interval, if it has one.
fn words(found: &Difference) -> String {
    let percent = |value: f64| signed(Some(value * 100.0), DIGITS);
    let interval = found.interval.map_or(String::new(), |(low, high)| {
        format!(" [{}, {}]", percent(low), percent(high))
    });
    format!("{}{interval}", percent(found.mean))
}

fn bar(row: &AnalysedRow, kinds: &[&str], top: f64) -> Markup {
    let wide = SIZE[0] - SIZE[1];
    let shares = shares(row);
    let starts = shares.iter().scan(0.0, |sum, share| {
        let start = *sum;
        *sum += share;
        Some(start)
    });
    let parts: Vec<(f64, f64)> = starts.zip(shares.iter().copied()).collect();
    html! {
        text class="label" x=(place(SIZE[1] - 8.0)) y=(place(top + 17.0)) text-anchor="end" { (cut(&row.label)) }
        @for (at, (start, share)) in parts.iter().enumerate() {
            @let x = SIZE[1] + start * wide;
            rect class=(format!("kind k{at}")) x=(place(x)) y=(place(top + 3.0)) width=(place(share * wide)) height=(place(SIZE[2] - 6.0)) {
                title { (row.label) ", " (meaning(kinds[at])) ": " (format!("{:.1} %", share * 100.0)) }
            }
            @if *share >= ROOM {
                text class="on-bar" x=(place(x + share * wide / 2.0)) y=(place(top + 17.0)) text-anchor="middle" {
                    (format!("{:.0}", share * 100.0))
                }
            }
        }
    }
}

fn table(analysed: &Analysed) -> Markup {
    let percent = |value: f64| format!("{:.DIGITS$}", value * 100.0);
    html! {
        div class="wide" tabindex="0" role="region" aria-label="Kinds of detections as a table" {
            table class="results" {
                thead {
                    tr {
                        th scope="col" data-sorts="text" { "variant" }
                        @for kind in &analysed.kinds { th scope="col" class="number" data-sorts="number" { (kind) } }
                        th scope="col" class="number" data-sorts="number" { "of Cor, duplicates" }
                        th scope="col" class="number" data-sorts="number" { "detections of objects" }
                    }
                }
                tbody {
                    @for (place, row) in analysed.rows.iter().enumerate() {
                        @let reference = row.reference.filter(|other| *other != place).map(|other| &analysed.rows[other]);
                        @let duplicates = row.kinds.iter().map(|one| one.duplicates).sum::<usize>();
                        tr {
                            th scope="row" { (row.label) }
                            @for (kind, share) in shares(row).into_iter().enumerate() {
                                td class="number" data-value=(share) {
                                    (percent(share))
                                    @if let Some(found) = reference.and_then(|other| difference(row, other, kind)) {
                                        " " small { (words(&found)) }
                                    }
                                }
                            }
                            td class="number" data-value=(duplicates) { (duplicates) }
                            @let [count, objects] = counted(row);
                            td class="number" data-value=(count) { (count) " of " (objects) }
                        }
                    }
                }
            }
        }
    }
}

/// The counts of every seed as CSV, for both bounds of the background.
fn lines(analysed: &Analysed) -> String {
    let head = ["variant", "seed", "background_iou"]
        .into_iter()
        .chain(analysed.kinds.iter().copied())
        .chain(["duplicates", "objects"]);
    let mut lines = vec![head.map(String::from).collect::<Vec<_>>()];
    for row in &analysed.rows {
        for one in &row.kinds {
            for (bound, counts) in [
                (analysed.background.to_string(), &one.counts),
                ("0.1".to_string(), &one.counts_of_tide),
            ] {
                let mut line = vec![row.label.clone(), one.seed.to_string(), bound];
                line.extend(counts.iter().map(usize::to_string));
                line.push(one.duplicates.to_string());
                line.push(one.objects.to_string());
                lines.push(line);
            }
        }
    }
    text_of(&lines)
}

/// The label, or as much of it as has room.
fn cut(label: &str) -> String {
    match label.chars().count() > LABEL {
        true => label.chars().take(LABEL - 1).chain(['…']).collect(),
        false => label.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seeds: &[(u64, [usize; 2])]) -> AnalysedRow {
        let kinds = seeds.iter().map(|(seed, counts)| SeedKinds {
            seed: *seed,
            objects: 4,
            counts: counts.to_vec(),
            duplicates: 0,
            counts_of_tide: counts.to_vec(),
        });
        AnalysedRow {
            label: "a".into(),
            reference: None,
            scatters: Vec::new(),
            bins: Vec::new(),
            calibration: None,
            confusion: Vec::new(),
            confused: Vec::new(),
            kinds: kinds.collect(),
            tide: (0.0, Vec::new()),
        }
    }

    #[test]
    fn shares_are_means_over_seeds_and_differences_are_paired() {
        let own = row(&[(0, [1, 3]), (1, [2, 2])]);
        assert_eq!(shares(&own), [0.375, 0.625]);
        let other = row(&[(1, [3, 1]), (2, [0, 4])]);
        let found = difference(&own, &other, 0).unwrap();
        assert_eq!(
            (found.mean, found.pairs),
            (-0.25, 1),
            "seed 1 alone is common"
        );
        assert_eq!(words(&found), "-25.0");
        assert_eq!(difference(&own, &row(&[(9, [1, 1])]), 0), None);
        let third = row(&[(0, [0, 4]), (1, [1, 3])]);
        let found = difference(&own, &third, 0).unwrap();
        assert_eq!(
            words(&found),
            "+25.0 [+25.0, +25.0]",
            "both seeds gain a quarter"
        );
    }
}
