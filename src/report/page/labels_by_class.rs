//! The pseudo-labels of each row by class: how many there are, how right they are, and which share of them the rare
//! classes have.

use super::content::{HeatMap, LabelClass, LabelFlow};
use super::download::{csv_link, numbers_table, text_of};
use super::heat_map::{figure, legend, shades};
use super::scale::Scale;
use maud::{Markup, html};

/// The most classes that a sentence names.
const NAMED: usize = 10;

/// The shades of the two readings of [`LabelFlow::maps`], the same for all `flows`.
pub fn scales(flows: &[LabelFlow]) -> Vec<(String, Scale)> {
    let mut scales: Vec<(String, Scale)> = Vec::new();
    for map in flows.iter().flat_map(|flow| &flow.maps) {
        if scales.iter().all(|(name, _)| *name != map.name) {
            let own = flows.iter().flat_map(|flow| &flow.maps);
            let own = own.filter(|other| other.name == map.name);
            let values = own.flat_map(|map| map.values.iter().flatten());
            // Zero has the lightest shade in both.
            let values = values.copied().flatten().chain([0.0]);
            scales.push((map.name.clone(), shades(values)));
        }
    }
    scales
}

/// The table of the classes of all `flows`, and the legend of the maps; nothing if no journal counts by class.
pub fn table(id: &str, flows: &[LabelFlow], scales: &[(String, Scale)]) -> Markup {
    let lines = lines(flows);
    html! {
        @if lines.len() > 1 {
            h3 { "Pseudo-labels by class" }
            p class="note" {
                "Kept pseudo-labels of each class, after the correction, and the share of them that is right; sums over the \
                 steps and seeds. " (csv_link(&format!("{id}-labels-by-class"), &text_of(&lines)))
            }
            (numbers_table("Pseudo-labels by class", &lines))
            @if !scales.is_empty() { p class="note" { "The shades of the maps below, the same for all rows:" } }
            @for (name, scale) in scales { (legend(name, scale)) }
        }
    }
}

/// What the classes of a row say, and its maps; nothing if its journal does not count by class.
pub fn row(id: &str, flow: &LabelFlow, scales: &[(String, Scale)]) -> Markup {
    let sentences = [none(&flow.classes), tail(&flow.classes)];
    let scale = |map: &HeatMap| scales.iter().find(|(name, _)| *name == map.name);
    html! {
        @for sentence in sentences.into_iter().flatten() { p { (sentence) } }
        @if !flow.maps.is_empty() {
            div class="panels" {
                @for (place, map) in flow.maps.iter().enumerate() {
                    @if let Some((_, scale)) = scale(map) { (figure(&format!("{id}-map-{place}"), map, scale)) }
                }
            }
        }
    }
}

/// The classes without a pseudo-label; none if all have one.
fn none(classes: &[LabelClass]) -> Option<String> {
    let none: Vec<&str> = classes
        .iter()
        .filter(|class| class.kept == 0.0)
        .map(|class| class.name.as_str())
        .collect();
    let more = match none.len() > NAMED {
        true => format!(" and {} more", none.len() - NAMED),
        false => String::new(),
    };
    let named = none[..none.len().min(NAMED)].join(", ");
    (!none.is_empty()).then(|| {
        let (count, all) = (none.len(), classes.len());
        format!("Classes without a pseudo-label, {count} of {all}: {named}{more}.")
    })
}

/// The share of the tail among the pseudo-labels and among the hidden objects; none if no record tells the labelled
/// objects, or if one of the shares is undefined. The tail is that of the table of classes: those behind the median.
fn tail(classes: &[LabelClass]) -> Option<String> {
    let is_ordered = classes.iter().any(|class| class.labelled.is_some());
    if !is_ordered || classes.len() < 2 {
        return None;
    }
    let tail = &classes[classes.len().div_ceil(2)..];
    let share = |count: fn(&LabelClass) -> f64| {
        let whole: f64 = classes.iter().map(count).sum();
        let part: f64 = tail.iter().map(count).sum();
        (whole > 0.0).then(|| 100.0 * part / whole)
    };
    let (kept, objects) = (share(|one| one.kept)?, share(|one| one.objects)?);
    Some(format!(
        "The {} classes with the fewest labelled objects have {kept:.1} % of the pseudo-labels and {objects:.1} % of the \
         hidden objects.",
        tail.len()
    ))
}

/// A line for each class: its labelled objects where they are known, then of every row the pseudo-labels, their
/// precision and the recall. Rows that do not count by class are left out.
fn lines(flows: &[LabelFlow]) -> Vec<Vec<String>> {
    let flows: Vec<&LabelFlow> = flows
        .iter()
        .filter(|flow| !flow.classes.is_empty())
        .collect();
    let Some(first) = flows.first() else {
        return Vec::new();
    };
    let is_ordered = first.classes.iter().any(|class| class.labelled.is_some());
    let mut head = vec!["class".to_string()];
    head.extend(is_ordered.then(|| "labelled".to_string()));
    for flow in &flows {
        head.extend(["kept", "precision", "recall"].map(|name| format!("{}: {name}", flow.label)));
    }
    let share = |part: f64, whole: f64| match whole > 0.0 {
        true => format!("{:.3}", part / whole),
        false => String::new(),
    };
    let mut lines = vec![head];
    for (place, class) in first.classes.iter().enumerate() {
        let mut line = vec![class.name.clone()];
        let labelled = class.labelled.map(|count| count.to_string());
        line.extend(is_ordered.then(|| labelled.unwrap_or_default()));
        for flow in &flows {
            let cells = flow.classes.get(place).map(|one| {
                [
                    one.kept.to_string(),
                    share(one.right, one.kept),
                    share(one.right, one.objects),
                ]
            });
            line.extend(cells.unwrap_or_default());
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(label: &str, classes: &[(&str, Option<f64>, [f64; 3])]) -> LabelFlow {
        let classes = classes.iter().map(|(name, labelled, counts)| LabelClass {
            name: name.to_string(),
            labelled: *labelled,
            kept: counts[0],
            right: counts[1],
            objects: counts[2],
        });
        LabelFlow {
            label: label.into(),
            seeds: 1,
            windows: Vec::new(),
            classes: classes.collect(),
            maps: Vec::new(),
        }
    }

    #[test]
    fn rare_classes_are_those_behind_the_median() {
        let counts = [
            ("a", Some(9.0), [60.0, 30.0, 40.0]),
            ("b", Some(5.0), [20.0, 20.0, 40.0]),
            ("c", Some(1.0), [20.0, 5.0, 120.0]),
        ];
        assert_eq!(
            tail(&flow("x", &counts).classes).unwrap(),
            "The 1 classes with the fewest labelled objects have 20.0 % of the pseudo-labels and 60.0 % of the hidden objects."
        );
        let unknown = counts.map(|(name, _, counts)| (name, None, counts));
        assert_eq!(tail(&flow("x", &unknown).classes), None);
        let silent =
            counts.map(|(name, labelled, [_, _, objects])| (name, labelled, [0.0, 0.0, objects]));
        assert_eq!(
            tail(&flow("x", &silent).classes),
            None,
            "no share of nothing"
        );
    }

    #[test]
    fn a_class_has_its_numbers_in_every_row_that_counts_by_class() {
        let counts = [
            ("<b>", Some(9.0), [8.0, 2.0, 16.0]),
            ("c", Some(1.5), [0.0, 0.0, 3.0]),
        ];
        let flows = [flow("x", &counts), flow("old", &[]), flow("y", &counts)];
        let lines = lines(&flows);
        let head = "class,labelled,x: kept,x: precision,x: recall,y: kept,y: precision,y: recall";
        assert_eq!(
            text_of(&lines),
            format!("{head}\n<b>,9,8,0.250,0.125,8,0.250,0.125\nc,1.5,0,,0.000,0,,0.000\n")
        );
        let page = table("id", &flows, &[]).into_string();
        assert!(
            page.contains("&lt;b&gt;") && !page.contains("<b>"),
            "{page}"
        );
        assert_eq!(
            none(&flows[0].classes).unwrap(),
            "Classes without a pseudo-label, 1 of 2: c."
        );
        assert_eq!(table("id", &flows[1..2], &[]).into_string(), "");
        assert_eq!(row("id", &flows[1], &[]).into_string(), "");
    }

    #[test]
    fn both_readings_begin_at_zero_and_share_their_shades() {
        let map = |name: &str, value| HeatMap {
            label: "x".into(),
            name: name.into(),
            seeds: "2 seeds".into(),
            classes: vec!["a".into()],
            steps: vec![20],
            values: vec![vec![Some(value)]],
            marks: Vec::new(),
        };
        let mut flows = [flow("x", &[]), flow("y", &[])];
        flows[0].maps = vec![map("kept per step", 0.5), map("precision", 0.9)];
        flows[1].maps = vec![map("kept per step", 2.0), map("precision", 0.8)];
        let ranges: Vec<(f64, f64)> = scales(&flows).iter().map(|(_, one)| one.range()).collect();
        assert_eq!(ranges, [(0.0, 2.0), (0.0, 0.9)]);
        let page = row("id", &flows[1], &scales(&flows)).into_string();
        assert!(
            page.contains("2 seeds") && page.matches("<figure").count() == 2,
            "{page}"
        );
    }
}
