//! The page of results/published/ablation and figures of a page with a store as pictures, against those in
//! tests/report/screens, which somebody looked at.
//! What no font and no browser changes is compared everywhere: the width of the page, that nothing is cut off, and the
//! colour of the ground. Pixels are compared only where the browser and the font are those of `made-with.txt`.
//! After a change of the page: REPORT_SCREENS=write cargo test --test report -- screens, then look at them.

use crate::browser::CUT;
use crate::chromium::Browser;
use crate::folders::{copy, harness, report};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The height of what is compared, in pixels of the page. The pictures have half of its size.
const HEIGHT: u32 = 2400;
/// A pixel is another one if a colour differs by more than this.
const TOLERANCE: u8 = 24;
/// The largest share of other pixels.
const MOST: f64 = 0.005;

/// How a page is seen.
struct Look {
    name: &'static str,
    width: u32,
    features: &'static [(&'static str, &'static str)],
    media: &'static str,
    deficiency: &'static str,
}

const fn look(
    name: &'static str,
    width: u32,
    features: &'static [(&'static str, &'static str)],
) -> Look {
    Look {
        name,
        width,
        features,
        media: "screen",
        deficiency: "none",
    }
}

const LIGHT: &[(&str, &str)] = &[("prefers-color-scheme", "light")];
const DARK: &[(&str, &str)] = &[("prefers-color-scheme", "dark")];
const FORCED: &[(&str, &str)] = &[
    ("forced-colors", "active"),
    ("prefers-color-scheme", "dark"),
];
const LOOKS: [Look; 8] = [
    look("wide-light", 1280, LIGHT),
    look("wide-dark", 1280, DARK),
    look("narrow-light", 400, LIGHT),
    look("narrow-dark", 400, DARK),
    look("forced-colours", 1280, FORCED),
    Look {
        media: "print",
        ..look("print", 1280, LIGHT)
    },
    Look {
        deficiency: "deuteranopia",
        ..look("deuteranopia", 1280, LIGHT)
    },
    Look {
        deficiency: "achromatopsia",
        ..look("achromatopsia", 1280, LIGHT)
    },
];

/// The browser and the usual font of this machine, as far as `fc-match` tells it.
fn made_with(browser: &mut Browser) -> String {
    let version = browser.call("Browser.getVersion", json!({}));
    let font = Command::new("fc-match").arg("sans").output();
    let font = font.map_or(Vec::new(), |font| font.stdout);
    let product = version["product"].as_str().unwrap();
    format!("{product}\n{}\n", String::from_utf8_lossy(&font).trim())
}

/// The picture of the page as `look` says, as PNG.
fn picture(browser: &mut Browser, look: &Look) -> Vec<u8> {
    browser.show(look.width, look.features);
    let features: Vec<_> = look
        .features
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    browser.call(
        "Emulation.setEmulatedMedia",
        json!({"media": look.media, "features": features}),
    );
    browser.call(
        "Emulation.setEmulatedVisionDeficiency",
        json!({"type": look.deficiency}),
    );
    let clip = json!({"x": 0, "y": 0, "width": look.width, "height": HEIGHT, "scale": 0.5});
    let shot = browser.call(
        "Page.captureScreenshot",
        json!({"format": "png", "captureBeyondViewport": true, "clip": clip}),
    );
    STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
}

/// The share of pixels that differ; all if the sizes do.
fn difference(one: &[u8], other: &[u8]) -> f64 {
    let [one, other] = [one, other].map(|png| image::load_from_memory(png).unwrap().to_rgb8());
    if one.dimensions() != other.dimensions() {
        return 1.0;
    }
    let pairs = one.pixels().zip(other.pixels());
    let differ = pairs.filter(|(a, b)| {
        let mut colours = a.0.iter().zip(b.0);
        colours.any(|(a, b)| a.abs_diff(b) > TOLERANCE)
    });
    differ.count() as f64 / (one.width() * one.height()) as f64
}

/// The size of a picture, and the colour that most of its pixels have.
fn ground(png: &[u8]) -> ((u32, u32), [u8; 3]) {
    let picture = image::load_from_memory(png).unwrap().to_rgb8();
    let mut counts = HashMap::new();
    for pixel in picture.pixels() {
        *counts.entry(pixel.0).or_insert(0) += 1;
    }
    let most = counts.iter().max_by_key(|(_, count)| **count);
    (picture.dimensions(), *most.unwrap().0)
}

/// The pictures that somebody looked at.
struct Kept {
    folder: &'static Path,
    /// True if new ones are written in their place.
    writes: bool,
    /// True if browser and font are those of the kept ones.
    has_pixels: bool,
}

impl Kept {
    fn new(browser: &mut Browser) -> Self {
        let here = made_with(browser);
        let folder = Path::new("tests/report/screens");
        let file = folder.join("made-with.txt");
        let writes = std::env::var_os("REPORT_SCREENS").is_some_and(|value| value == "write");
        if writes {
            fs::write(&file, &here).unwrap();
        }
        let there = fs::read_to_string(&file).unwrap();
        if there != here {
            eprintln!(
                "no pixels are compared: the pictures were made with\n{there}and here is\n{here}"
            );
        }
        Self {
            folder,
            writes,
            has_pixels: there == here,
        }
    }

    /// Compares `found` with the picture `name`: ground and width everywhere, pixels where browser and font are the
    /// same ones.
    #[track_caller]
    fn compare(&self, name: &str, found: &[u8]) {
        let file = self.folder.join(format!("{name}.png"));
        if self.writes {
            fs::write(&file, found).unwrap();
        }
        let kept = fs::read(&file).unwrap();
        let [(size, own), (expected, colour)] = [found, &kept].map(ground);
        assert_eq!((size.0, own), (expected.0, colour), "{name}");
        if self.has_pixels {
            let share = difference(found, &kept);
            let shown = file.display();
            assert!(
                share <= MOST,
                "{name}: {:.2} % of the pixels differ from {shown}",
                100.0 * share
            );
        }
    }
}

/// Figures of a page with a store, by their pictures. Nothing in them depends on the commit, the machine or the clock.
const FIGURES: [(&str, &str); 3] = [
    ("store-forest", "#sweep-0 .view:not([hidden]) .forest"),
    ("store-settings", "#sweep-0-settings"),
    ("store-curves", "#sweep-0-curves"),
];

#[test]
fn the_figures_of_a_store_look_as_they_did() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let kept = Kept::new(&mut browser);
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    browser.show(1280, LIGHT);
    browser.evaluate(
        "for (const one of document.querySelectorAll('section')) one.style.contentVisibility = 'visible';
         const choice = document.querySelector('select.smooth');
         choice.value = '3';
         choice.dispatchEvent(new Event('change', {bubbles: true}))",
    );
    for (name, place) in FIGURES {
        // A picture has half of the page's size. What is above the figure has another height with every commit and
        // machine, so the figure is moved to a whole, even row.
        let place = browser.evaluate(&format!(
            "(() => {{ const root = document.documentElement, figure = document.querySelector('{place}');
                const top = () => figure.getBoundingClientRect().top + scrollY;
                root.style.marginTop = '0';
                root.style.marginTop = (2 * Math.ceil(top() / 2) - top()) + 'px';
                const box = figure.getBoundingClientRect();
                return [box.left + scrollX, box.top + scrollY, box.width, box.height]; }})()"
        ));
        let [x, y, width, height] = [0, 1, 2, 3].map(|at| place[at].as_f64().unwrap());
        assert!(height > 100.0, "{name}: {place}");
        let clip = json!({"x": x, "y": y, "width": width, "height": height.min(f64::from(HEIGHT)), "scale": 0.5});
        let shot = browser.call(
            "Page.captureScreenshot",
            json!({"format": "png", "captureBeyondViewport": true, "clip": clip}),
        );
        kept.compare(
            name,
            &STANDARD.decode(shot["data"].as_str().unwrap()).unwrap(),
        );
    }
}

#[test]
fn the_page_looks_as_it_did() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let kept = Kept::new(&mut browser);
    let out = tempfile::tempdir().unwrap();
    let page = out.path().join("report.html");
    let output = harness(&[
        "report",
        "results/published/ablation",
        "--out",
        page.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{output:?}");
    browser.open(&page);
    // Sections out of sight are laid out only when they come near.
    browser.evaluate("for (const one of document.querySelectorAll('section')) one.style.contentVisibility = 'visible'");
    let mut pictures = Vec::new();
    for look in &LOOKS {
        let found = picture(&mut browser, look);
        let over = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(over), 0, "{}", look.name);
        let cut = browser.evaluate(&format!("({CUT})({}, false)", look.media == "print"));
        assert!(cut[0].as_u64().unwrap() > 5, "{}: {cut}", look.name);
        assert_eq!(cut[1], json!([]), "{}", look.name);
        kept.compare(look.name, &found);
        pictures.push(found);
    }
    // The comparison sees another theme.
    assert!(difference(&pictures[0], &pictures[1]) > 0.5);
}
