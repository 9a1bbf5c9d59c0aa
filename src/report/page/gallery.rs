//! Evaluated images in strips: the picture, the truth, and what two rows find.

use super::download::{csv_link, numbers, text_of};
use super::drawing::{Canvas, colour, kept, switches};
use super::gallery_content::{Gallery, GalleryComparison, GalleryPicture, Side, Strip};
use crate::report::cell::signed;
use maud::{Markup, html};

/// The layers that a reader can switch off: class and words.
const LAYERS: [(&str, &str); 4] = [
    ("photo", "pictures"),
    ("right", "objects and right detections"),
    ("wrong", "invented (hatched)"),
    ("missed", "missed (dashed)"),
];

/// The gallery. `id` begins all ids in it.
pub fn body(id: &str, gallery: &Gallery) -> Markup {
    html! {
        div class="gallery" {
            p class="note" {
                "The images are chosen by a rule and not by hand. Detections have a score of at least 0.5; each, the best score \
                 first, gets the free object of its class with the largest IoU of at least 0.5. The F1 of an image is twice the \
                 number of those that get one by the number of detections and objects, or 1 if there are neither. For every row: \
                 the four images whose F1 gains most against the reference, by the mean over the common seeds, the four that \
                 lose most (of equal ones those with the smaller id), and four fixed ones, whose ids have the smallest BLAKE3 \
                 digests. Drawn is the first common seed. Right detections are filled, invented ones hatched, missed objects \
                 dashed, groups dotted."
            }
            @if gallery.missing > 0 {
                p class="note" {
                    (gallery.missing) " of the chosen images are not in the store: " code { "harness report --analyse" } " draws them."
                }
            }
            @if !gallery.left_out.is_empty() {
                p class="note" { "Left out, so that the page stays small: " (gallery.left_out.join("; ")) "." }
            }
            (switches(&LAYERS))
            (kept(id, &gallery.pictures))
            @for (place, one) in gallery.comparisons.iter().enumerate() {
                (comparison(id, place, one, &gallery.pictures))
            }
        }
    }
}

/// The id of the strip `at` of the comparison `place` in a gallery whose ids begin with `id`.
pub fn anchor(id: &str, place: usize, at: usize) -> String {
    format!("{id}-gallery-{place}-{at}")
}

fn comparison(
    id: &str,
    place: usize,
    one: &GalleryComparison,
    pictures: &[GalleryPicture],
) -> Markup {
    let lines = lines(one, pictures);
    let name = format!("{id}-gallery-{place}");
    html! {
        details class="comparison" open[place == 0] {
            summary { (one.label) " beside " (one.reference) }
            p class="note" {
                "Seed " (one.seed) "; F1 over " (one.seeds) " seed" @if one.seeds != 1 { "s" } ". "
                (csv_link(&name, &text_of(&lines)))
            }
            (numbers(&format!("Images of {}", one.label), &lines))
            div class="strips" {
                @for (at, strip) in one.strips.iter().enumerate() {
                    (figure(id, &anchor(id, place, at), one, strip, &pictures[strip.picture]))
                }
            }
        }
    }
}

fn figure(
    id: &str,
    name: &str,
    one: &GalleryComparison,
    strip: &Strip,
    picture: &GalleryPicture,
) -> Markup {
    let [other, own] = strip.f1;
    let canvas = Canvas {
        id,
        place: strip.picture,
        picture,
        caption: name,
    };
    let panel = |words: &str, drawn: Markup| {
        html! { div { (drawn) span class="words" { (words) } } }
    };
    let of_row = |label: &str, at: usize| {
        panel(label, canvas.panel(label, &side(&strip.sides[at], picture)))
    };
    html! {
        figure class="strip" {
            figcaption id=(name) {
                strong { "Image " (picture.id) } ", " (strip.why) ": F1 " (format!("{other:.2}")) " to " (format!("{own:.2}"))
                " (" (signed(Some(own - other), 2)) ")"
            }
            div class="sides" {
                (panel("picture", canvas.panel("picture", &html! {})))
                (panel("truth", canvas.truth()))
                (of_row(&one.reference, 0))
                (of_row(&one.label, 1))
            }
        }
    }
}

/// What a row finds, and what it misses.
fn side(side: &Side, picture: &GalleryPicture) -> Markup {
    html! {
        @for one in &side.found {
            @let words = format!("{} {:.2}", one.shape.class, one.score);
            @if one.hatch.is_empty() {
                path class="object right" style=(colour(&one.shape)) d=(one.shape.outline) { title { (words) ", right" } }
            } @else {
                g class="wrong" style=(colour(&one.shape)) {
                    title { (words) ", invented" }
                    path class="object" d=(one.shape.outline) {}
                    path class="hatch" d=(one.hatch) {}
                }
            }
        }
        @for place in &side.missed {
            @let shape = &picture.objects[*place];
            path class="object missed" style=(colour(shape)) d=(shape.outline) { title { (shape.class) ", missed" } }
        }
    }
}

/// The numbers.
fn lines(one: &GalleryComparison, pictures: &[GalleryPicture]) -> Vec<Vec<String>> {
    let head = ["image", "chosen", "f1_of_reference", "f1", "difference"];
    let mut lines = vec![head.map(String::from).to_vec()];
    for strip in &one.strips {
        let [other, own] = strip.f1;
        let numbers = [other, own, own - other].map(|value| format!("{value:.4}"));
        let id = pictures[strip.picture].id.to_string();
        lines.push(
            [id, strip.why.to_string()]
                .into_iter()
                .chain(numbers)
                .collect(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::{Found, Shape};

    fn shape(class: &str, outline: &str) -> Shape {
        Shape {
            class: class.into(),
            colour: [1, 2, 3],
            outline: outline.into(),
            is_group: class == "crowd",
        }
    }

    #[test]
    fn a_picture_stands_once_and_right_wrong_and_missed_look_different() {
        let found = |outline: &str, hatch: &str| Found {
            shape: shape("<b>cat", outline),
            score: 0.875,
            hatch: hatch.into(),
        };
        let other = Side {
            found: vec![found("M1 1z", "")],
            missed: vec![0],
        };
        let own = Side {
            found: vec![found("M2 2z", "M3 3l2 -2")],
            missed: Vec::new(),
        };
        let gallery = Gallery {
            pictures: vec![GalleryPicture {
                id: 17,
                size: (3, 4),
                jpeg: vec![1, 2, 3],
                objects: vec![shape("dog", "M9 9z"), shape("crowd", "M8 8z")],
            }],
            comparisons: vec![GalleryComparison {
                label: "- <i>".into(),
                reference: "all".into(),
                seed: 7,
                seeds: 2,
                strips: vec![Strip {
                    picture: 0,
                    why: "loses most",
                    f1: [0.5, 0.25],
                    sides: [other, own],
                }],
            }],
            missing: 1,
            left_out: vec!["<u>".into()],
        };
        let page = body("s", &gallery).into_string();
        assert_eq!(page.matches("data:image/jpeg;base64,AQID").count(), 1);
        assert_eq!(page.matches("href=\"#s-picture-0\"").count(), 4);
        for part in [
            "viewBox=\"0 0 8 6\"",
            "<path class=\"object right\" style=\"--o:rgb(1 2 3)\" d=\"M1 1z\"><title>&lt;b&gt;cat 0.88, right</title>",
            "<g class=\"wrong\" style=\"--o:rgb(1 2 3)\"><title>&lt;b&gt;cat 0.88, invented</title>",
            "<path class=\"hatch\" d=\"M3 3l2 -2\">",
            "<path class=\"object missed\" style=\"--o:rgb(1 2 3)\" d=\"M9 9z\"><title>dog, missed</title>",
            "<title>a group: crowd</title>",
            "loses most: F1 0.50 to 0.25 (-0.25)",
            "Seed 7; F1 over 2 seeds.",
            "- &lt;i&gt; beside all",
            "1 of the chosen images are not in the store",
            "stays small: &lt;u&gt;.",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        let csv = text_of(&lines(&gallery.comparisons[0], &gallery.pictures));
        assert!(
            csv.ends_with("17,loses most,0.5000,0.2500,-0.2500\n"),
            "{csv}"
        );
    }
}
