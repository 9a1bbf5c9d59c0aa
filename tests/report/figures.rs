//! What a reader does with figures in a real Chromium: means of curves, figures as files, images of confusions.

use crate::analysis::analysed;
use crate::chromium::Browser;
use crate::folders::{copy, copy_of, report};
use crate::trained::TRAINED;
use serde_json::{Value, json};

/// The data of the curves.
const MEANS: &str = "JSON.parse(document.querySelector('script[id$=\"-data\"]').textContent)";

/// The vertical places of a path of the loss of the row 0.
fn heights(browser: &mut Browser, path: &str) -> Vec<f64> {
    let query = format!("g.lines[data-panel=loss] > g[data-row=\"0\"] > {path}");
    let text = browser.evaluate(&format!(
        "document.querySelector('{query}').getAttribute('d')"
    ));
    let points = text.as_str().unwrap().trim_start_matches('M').split('L');
    points
        .map(|point| point.split(' ').nth(1).unwrap().parse().unwrap())
        .collect()
}

#[test]
fn curves_are_smoothed_only_when_asked_and_the_raw_line_stays_faint() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy_of(&TRAINED.results());
    report(&results);
    browser.open(&results.join("report.html"));
    let count = "document.querySelectorAll('path.mean').length";
    assert_eq!(browser.evaluate(count), 0, "nothing is smoothed at first");
    let select = "document.querySelector('select.smooth')";
    assert_eq!(browser.evaluate(&format!("{select}.value")), "1");
    // By keys alone: the second choice.
    browser.evaluate(&format!("{select}.focus()"));
    browser.press("ArrowDown", "");
    assert_eq!(browser.evaluate(&format!("{select}.value")), "3");
    let words = browser.evaluate("document.querySelector('fieldset.series output').textContent");
    assert!(
        words
            .as_str()
            .unwrap()
            .contains("means over 3 points, about "),
        "{words}"
    );

    let values: Vec<f64> = {
        let of = format!(
            "{MEANS}.panels.find((one, at) => document.querySelectorAll('g.lines')[at].dataset.panel === 'loss')"
        );
        let means = browser.evaluate(&format!("{of}.series[0].means"));
        let means: Vec<f64> = serde_json::from_value(means).unwrap();
        means.iter().skip(1).step_by(2).copied().collect()
    };
    let count = values.len();
    assert!(count > 3, "{count} points");
    let frame: Vec<f64> =
        serde_json::from_value(browser.evaluate(&format!("{MEANS}.frame"))).unwrap();
    let place = |unit: f64| frame[2] + unit / 1023.0 * (frame[3] - frame[2]);
    let drawn = heights(&mut browser, "path.mean");
    assert_eq!(drawn.len(), count);
    for (at, height) in drawn.iter().enumerate() {
        let near = usize::from(at > 0 && at + 1 < count);
        let part = &values[at - near..=at + near];
        let mean = part.iter().sum::<f64>() / part.len() as f64;
        assert!(
            (height - place(mean)).abs() < 0.06,
            "{at}: {height} and {}",
            place(mean)
        );
    }
    let faint = "getComputedStyle(document.querySelector('g.lines[data-panel=loss] path.line:not(.mean):not(.one)')).strokeOpacity";
    assert_eq!(browser.evaluate(faint), "0.3");
    browser.evaluate(&format!(
        "{select}.value = '1'; {select}.dispatchEvent(new Event('change', {{bubbles: true}}))"
    ));
    assert_eq!(
        browser.evaluate("document.querySelectorAll('path.mean').length"),
        0
    );
    assert_eq!(browser.evaluate(faint), "1");
    assert!(browser.named("Runtime.exceptionThrown").is_empty());
}

#[test]
fn every_figure_is_a_file_that_needs_no_page() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy_of(&TRAINED.results());
    analysed(&results);
    browser.open(&results.join("report.html"));
    let found = browser.evaluate(
        "(() => {
            for (const one of document.querySelectorAll('section')) one.style.contentVisibility = 'visible';
            for (const one of document.querySelectorAll('details')) one.open = true;
            const saved = [];
            HTMLAnchorElement.prototype.click = function () { saved.push([this.download, this.href]); };
            const figures = [...document.querySelectorAll('figure')].filter((one) => one.querySelector('svg[role]'));
            const shown = figures.filter((one) => one.getBoundingClientRect().width > 0);
            for (const one of shown) one.querySelector('button.svg').click();
            return [shown.length, saved.map(([name, address]) => {
                const text = decodeURIComponent(address.slice(address.indexOf(',') + 1));
                const read = new DOMParser().parseFromString(text, 'image/svg+xml');
                const inner = [...read.documentElement.children];
                return { name, kind: address.slice(0, 18), broken: read.querySelector('parsererror') !== null,
                    foreign: /var\\(|<use|<a |href=\"#/.test(text), inner: inner.length,
                    boxed: inner.every((one) => Number(one.getAttribute('width')) > 90),
                    shapes: read.querySelectorAll('path, rect, circle, line, image').length };
            })];
        })()",
    );
    let files = found[1].as_array().unwrap();
    assert_eq!(found[0], json!(files.len()));
    assert!(files.len() > 10, "{}", files.len());
    for file in files {
        let is = |key: &str, value: Value| assert_eq!(file[key], value, "{file}");
        is("kind", json!("data:image/svg+xml"));
        is("broken", json!(false));
        is("foreign", json!(false));
        is("boxed", json!(true));
        assert!(
            file["inner"].as_u64() > Some(0) && file["shapes"].as_u64() > Some(0),
            "{file}"
        );
        assert!(file["name"].as_str().unwrap().ends_with(".svg"), "{file}");
    }
    assert!(browser.named("Runtime.exceptionThrown").is_empty());
    let requests = browser.named("Network.requestWillBeSent");
    let address = |request: &&Value| {
        request["params"]["request"]["url"]
            .as_str()
            .unwrap_or_default()
            .to_string()
    };
    let asked = requests
        .iter()
        .map(address)
        .filter(|one| !one.starts_with("data:"));
    assert_eq!(asked.count(), 1, "the page alone");
}

#[test]
fn every_figure_has_its_numbers_as_a_table() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_mock, mock) = copy();
    report(&mock);
    let (_trained, trained) = copy_of(&TRAINED.results());
    analysed(&trained);
    for results in [mock, trained] {
        browser.open(&results.join("report.html"));
        // A strip of pictures has its numbers in the table of its row.
        let lacking = browser.evaluate(
            "[...document.querySelectorAll('figure')].filter((one) => one.querySelector('svg[role]'))
                .filter((one) => !one.querySelector('table') && !one.closest('.gallery, .snapshots'))
                .filter((one) => !one.nextElementSibling?.querySelector('table'))
                .filter((one) => !one.parentElement.parentElement.querySelector(':scope > details.numbers table'))
                .map((one) => one.querySelector('figcaption').id)",
        );
        assert_eq!(lacking, json!([]));
    }
}

#[test]
fn cells_of_confusions_lead_to_strips_even_behind_a_fold() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy_of(&TRAINED.results());
    let (page, _) = analysed(&results);
    assert!(
        page.contains("<a href=\"#sweep-0-gallery-0-"),
        "some confusion is in the gallery"
    );
    browser.open(&results.join("report.html"));
    let links = browser.evaluate(
        "(() => {
            const links = [...document.querySelectorAll('a[href^=\"#sweep-0-gallery-0-\"]')];
            const ends = links.map((one) => document.querySelector(one.getAttribute('href')));
            const named = links.filter((one) => one.localName === 'a' && one.closest('table'));
            const same = named.every((one) =>
                document.querySelector(one.getAttribute('href')).textContent.includes(`Image ${one.textContent},`));
            return [links.length, ends.every((one) => one?.closest('figure.strip')), named.length, same,
                [...document.querySelectorAll('.matrix svg a')].every((one) => one.tabIndex === -1)];
        })()",
    );
    assert!(
        links[0].as_u64() > links[2].as_u64() && links[2].as_u64() > Some(0),
        "{links}"
    );
    assert_eq!(
        [&links[1], &links[3], &links[4]],
        [true, true, true],
        "{links}"
    );
    browser.evaluate(
        "document.querySelector('.gallery details.comparison').open = false;
         document.querySelector('.matrix svg a').dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))",
    );
    assert_eq!(
        browser.evaluate("location.hash.startsWith('#sweep-0-gallery-0-')"),
        true
    );
    assert_eq!(
        browser.evaluate("document.querySelector('.gallery details.comparison').open"),
        true
    );
}
