//! What the teachers say of some unlabelled images over their trainings: candidates, pseudo-labels, uncertainties.

use super::download::csv_link;
use super::drawing::{Canvas, colour, kept, rgb, switches};
use super::gallery_content::GalleryPicture;
use super::snapshots_content::{
    SnapshotCandidate, SnapshotImage, SnapshotPanel, SnapshotRow, SnapshotTier, Snapshots,
    UNCERTAIN,
};
use super::snapshots_numbers::{counts, lines};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// The layers that a reader can switch off: class and words.
const LAYERS: [(&str, &str); 6] = [
    ("photo", "pictures"),
    ("tier", "candidates before the correction (lines)"),
    ("low", "low ones (dotted)"),
    ("pseudo", "pseudo-labels after it (filled)"),
    ("flip", "changed classes"),
    ("doubt", "uncertainty"),
];
/// The height of a picture in half pixels for each half pixel of a number's height.
const HEIGHT_OF_A_NUMBER: usize = 9;
/// The steps of the ramp in the legend.
const RAMP: usize = 8;

/// The snapshots. `id` begins all ids in them.
pub fn body(id: &str, snapshots: &Snapshots) -> Markup {
    let id = format!("{id}-snapshots");
    html! {
        div class="snapshots" {
            @if !snapshots.rows.is_empty() {
                p class="note" {
                    "The images are chosen by a rule and not by hand: they are the unlabelled images of the trial whose ids \
                     have the smallest BLAKE3 digests. The moments are a quarter of the steps with a teacher apart; 0 % is \
                     before the first of them, at the end of the burn-in or of the first teacher's training. A panel shows \
                     what the teacher and its rules say of the plain picture then. Lines are candidates in the colour of the teacher's class: \
                     of the low tier the best eight. Filled are pseudo-labels in the colour of their class after the \
                     correction. A mask lies on an object if their IoU is at least 0.5: a changed class is right if it is \
                     that of the object, broken if the teacher's class was, neither if no class fits, and unknown without \
                     annotations. No training sees the objects. Uncertainty is PMUA's u, the largest over the \
                     pseudo-labels; a row whose weighting does not use it has none."
                }
                (legend())
                (switches(&LAYERS))
                (kept(&id, &snapshots.pictures))
            }
            @if !snapshots.without.is_empty() {
                p class="note" {
                    "No snapshots of: " (snapshots.without.join("; ")) ". Their trainings have kept none: an \
                     earlier version of the program made them, or " code { "report.snapshots" } " is 0. Of the former, "
                    code { "harness report --analyse" } " makes the last one, if the store still has the networks."
                }
            }
            @if !snapshots.left_out.is_empty() {
                p class="note" { "Left out, so that the page stays small: " (snapshots.left_out.join("; ")) "." }
            }
            @for (place, one) in snapshots.rows.iter().enumerate() {
                (row(&id, place, one, &snapshots.pictures))
            }
        }
    }
}

/// The styles of the lines, and the ramp of the uncertainty.
fn legend() -> Markup {
    html! {
        p class="legend" {
            @for tier in SnapshotTier::ALL {
                span {
                    svg width="36" height="10" aria-hidden="true" {
                        path class=(format!("tier {}", tier.name())) style="--o:currentColor" d="M1 5h34" {}
                    }
                    " " (tier.name())
                }
            }
            span {
                "uncertainty 0 "
                svg class="ramp" width="72" height="10" aria-hidden="true" {
                    @for step in 0..RAMP {
                        rect width="9" height="10" x=(9 * step) fill=(rgb(UNCERTAIN)) fill-opacity=(opacity(step)) {}
                    }
                    rect class="frame" width="71" height="9" x=".5" y=".5" {}
                }
                " 1"
            }
        }
    }
}

/// The opacity of a step of the ramp.
fn opacity(step: usize) -> String {
    format!("{:.3}", step as f64 / (RAMP - 1) as f64)
}

fn row(id: &str, place: usize, one: &SnapshotRow, pictures: &[GalleryPicture]) -> Markup {
    let name = format!("{id}-{place}");
    html! {
        details class="comparison" open[place == 0] {
            summary { (one.label) }
            p class="note" { "Seed " (one.seed) ". " (csv_link(&name, &lines(one, pictures))) }
            @for (at, image) in one.images.iter().enumerate() {
                (figure(id, &format!("{name}-{at}"), one, image, &pictures[image.picture]))
            }
            (counts(one, pictures))
        }
    }
}

fn figure(
    id: &str,
    caption: &str,
    row: &SnapshotRow,
    image: &SnapshotImage,
    picture: &GalleryPicture,
) -> Markup {
    let canvas = Canvas {
        id,
        place: image.picture,
        picture,
        caption,
    };
    let truth = match image.is_annotated {
        true => "hidden truth",
        false => "not annotated",
    };
    html! {
        figure class="strip moments" {
            figcaption id=(caption) { strong { "Image " (picture.id) } ", " (row.label) }
            div class="sides" {
                div { (canvas.truth()) span class="words" { (truth) } }
                @for ((step, percent), panel) in row.moments.iter().zip(&image.panels) {
                    div {
                        @let words = format!("step {step}, {percent} %");
                        @match panel {
                            Some(panel) => {
                                (canvas.panel(&told(&words, panel), &layers(panel, picture)))
                                span class="words" { (words) }
                                (flips(panel))
                            }
                            None => span class="words" { (words) ": missing" },
                        }
                    }
                }
            }
        }
    }
}

/// What a panel shows, in words.
fn told(moment: &str, panel: &SnapshotPanel) -> String {
    let [high, medium, low] = SnapshotTier::ALL.map(|tier| panel.count(tier));
    let (kept, flips) = (panel.kept().count(), panel.flipped().count());
    format!(
        "{moment}: candidates {high} high, {medium} medium, {low} low; pseudo-labels {kept}; changed classes {flips}"
    )
}

/// What lies on the picture of a panel.
fn layers(panel: &SnapshotPanel, picture: &GalleryPicture) -> Markup {
    let (height, width) = (2 * picture.size.0, 2 * picture.size.1);
    let letters = (height / HEIGHT_OF_A_NUMBER).max(1);
    html! {
        @for one in &panel.candidates {
            path class=(class(one)) style=(colours(one)) d=(one.shape.outline) { title { (words(one)) } }
        }
        @if let Some(map) = &panel.uncertainty {
            image class="doubt" width=(width) height=(height) preserveAspectRatio="none"
                href=(format!("data:image/png;base64,{}", STANDARD.encode(map))) {}
        }
        @for (number, one) in (1..).zip(panel.flipped()) {
            text class="flip count" x=(one.place.0) y=(one.place.1) font-size=(letters) { (number) }
        }
    }
}

fn class(one: &SnapshotCandidate) -> String {
    let kept = if one.kept { " pseudo" } else { "" };
    format!("tier {}{kept}", one.tier.name())
}

/// The colours of the line and of the inside.
fn colours(one: &SnapshotCandidate) -> String {
    match one.corrected.as_ref().filter(|_| one.kept) {
        Some((_, inside)) => format!("{};--f:{}", colour(&one.shape), rgb(*inside)),
        None => colour(&one.shape),
    }
}

fn words(one: &SnapshotCandidate) -> String {
    let changed = one.corrected.as_ref();
    let changed = changed.map_or(String::new(), |(class, _)| format!(" -> {class}"));
    let kept = if one.kept { ", pseudo-label" } else { "" };
    format!(
        "{}{changed}, {}: class {:.2}, mask {:.2}{kept}",
        one.shape.class,
        one.tier.name(),
        one.class_quality,
        one.mask_quality
    )
}

/// The changed classes in words, with the numbers that stand in the picture.
fn flips(panel: &SnapshotPanel) -> Markup {
    let mark = |one: &SnapshotCandidate| match one.verdict() {
        "right" => "\u{2713} right",
        "broken" => "\u{2717} broken",
        other => other,
    };
    html! {
        @if panel.flipped().next().is_some() {
            ol class="flip words" {
                @for one in panel.flipped() {
                    @let after = one.corrected.as_ref().map_or("", |(class, _)| class);
                    li class=(one.verdict()) {
                        (one.shape.class) " -> " (after) ": " (mark(one)) @if !one.kept { ", not kept" }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::Shape;

    fn candidate(tier: SnapshotTier, corrected: Option<&str>, kept: bool) -> SnapshotCandidate {
        SnapshotCandidate {
            shape: Shape {
                class: "<b>dog".into(),
                colour: [1, 2, 3],
                outline: format!("M{} 1z", tier.name().len()),
                is_group: false,
            },
            place: (3, 5),
            tier,
            class_quality: 0.875,
            mask_quality: 0.5,
            corrected: corrected.map(|class| (class.to_string(), [9, 8, 7])),
            kept,
            right: Some([false, corrected == Some("be&ar")]),
        }
    }

    fn snapshots() -> Snapshots {
        let panel = SnapshotPanel {
            candidates: vec![
                candidate(SnapshotTier::High, Some("be&ar"), true),
                candidate(SnapshotTier::Medium, Some("<i>cat"), false),
                candidate(SnapshotTier::Low, None, false),
            ],
            low: 40,
            uncertainty: Some(vec![1, 2, 3]),
        };
        Snapshots {
            pictures: vec![GalleryPicture {
                id: 17,
                size: (9, 18),
                jpeg: vec![1, 2, 3],
                objects: Vec::new(),
            }],
            rows: vec![SnapshotRow {
                label: "</script>".into(),
                seed: 7,
                moments: vec![(20, 0), (25, 25)],
                images: vec![SnapshotImage {
                    picture: 0,
                    is_annotated: true,
                    panels: vec![Some(panel), None],
                }],
            }],
            without: vec!["old <u>".into()],
            left_out: vec!["large <u>".into()],
        }
    }

    #[test]
    fn tiers_have_their_lines_and_changed_classes_their_words_and_all_names_are_escaped() {
        let page = body("s", &snapshots()).into_string();
        assert_eq!(page.matches("data:image/jpeg;base64,AQID").count(), 1);
        assert_eq!(page.matches("href=\"#s-snapshots-picture-0\"").count(), 2);
        for part in [
            "<path class=\"tier high pseudo\" style=\"--o:rgb(1 2 3);--f:rgb(9 8 7)\" d=\"M4 1z\">\
             <title>&lt;b&gt;dog -&gt; be&amp;ar, high: class 0.88, mask 0.50, pseudo-label</title>",
            "<path class=\"tier medium\" style=\"--o:rgb(1 2 3)\" d=\"M6 1z\">",
            "<path class=\"tier low\" style=\"--o:rgb(1 2 3)\" d=\"M3 1z\">",
            "<li class=\"right\">&lt;b&gt;dog -&gt; be&amp;ar: \u{2713} right</li>",
            "<li class=\"neither\">&lt;b&gt;dog -&gt; &lt;i&gt;cat: neither, not kept</li>",
            "<text class=\"flip count\" x=\"3\" y=\"5\" font-size=\"2\">2</text>",
            "<image class=\"doubt\" width=\"36\" height=\"18\" preserveAspectRatio=\"none\" href=\"data:image/png;base64,AQID\">",
            "aria-label=\"image 17, step 20, 0 %: candidates 1 high, 1 medium, 40 low; pseudo-labels 1; changed classes 2\"",
            "aria-describedby=\"s-snapshots-0-0\"",
            "step 25, 25 %: missing",
            "<summary>&lt;/script&gt;</summary>",
            "No snapshots of: old &lt;u&gt;.",
            "stays small: large &lt;u&gt;.",
            "<th scope=\"row\">17</th><td class=\"number\">20</td><td class=\"number\">0</td><td class=\"number\">1</td>\
             <td class=\"number\">1</td><td class=\"number\">40</td><td class=\"number\">1</td><td class=\"number\">1</td>\
             <td class=\"number\">2</td><td class=\"number\">1</td><td class=\"number\">0</td>",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        assert!(!page.contains("</script>") && !page.contains("<u>"));
        let csv = lines(&snapshots().rows[0], &snapshots().pictures);
        assert!(
            csv.contains("17,20,0,<b>dog,0.8750,0.5000,high,be&ar,true,true\n"),
            "{csv}"
        );
    }

    #[test]
    fn without_any_snapshot_the_section_says_so_in_place_of_the_figure() {
        let mut old = snapshots();
        old.shrink(0);
        assert!(old.rows.is_empty() && old.pictures.is_empty() && old.size() == 0);
        assert_eq!(old.left_out, ["</script>", "large <u>"]);
        old.left_out.clear();
        let page = body("s", &old).into_string();
        assert!(page.contains("No snapshots of: old") && !page.contains("<svg"));
    }
}
