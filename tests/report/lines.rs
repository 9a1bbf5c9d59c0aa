//! Lines of figures in a real Chromium: shapes and dashes that tell them apart, and their contrast.

use crate::chromium::Browser;
use crate::folders::{copy, report};
use serde_json::json;
use std::collections::BTreeSet;

/// The shape on a line of the loss, without its places, and its class; then those of the sample in the legend.
fn looks(browser: &mut Browser, row: usize) -> [String; 2] {
    let found = browser.evaluate(&format!(
        "(() => {{
            const look = (path) => path.getAttribute('class') + path.getAttribute('d').replace(/^M[^m]*/, '').split('M')[0]
                + getComputedStyle(path.parentElement.querySelector('.line')).strokeDasharray
                + getComputedStyle(path).fill;
            const line = document.querySelector('g.lines[data-panel=loss] > g[data-row=\"{row}\"] > .marks');
            const sample = document.querySelector('fieldset[data-curves] input[data-row=\"{row}\"]').closest('label');
            return [look(line), look(sample.querySelector('.marks'))];
        }})()"
    ));
    serde_json::from_value(found).unwrap()
}

#[test]
fn lines_differ_without_colours_also_those_that_the_reader_adds() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    browser.show(1280, &[("forced-colors", "active")]);
    // The two rows that have no line at first.
    for row in [8, 9] {
        let choice = format!(
            "document.querySelector('fieldset[data-curves] input[data-row=\"{row}\"]').click()"
        );
        browser.evaluate(&choice);
    }
    let mut all = BTreeSet::new();
    for row in 0..10 {
        let [line, sample] = looks(&mut browser, row);
        assert_eq!(line, sample, "row {row}: its legend has another shape");
        assert!(
            all.insert(line.clone()),
            "row {row} looks like another one: {line}"
        );
    }
    // Few points all have a shape, which is where the line goes through.
    let places = browser.evaluate(
        "[...document.querySelectorAll('g.lines[data-panel=loss] > g')].map((row) => {
            const places = (path) => row.querySelector(path).getAttribute('d').match(/[ML][\\d.]+ [\\d.]+/g)
                .map((one) => one.slice(1));
            return JSON.stringify(places(':scope > .line')) === JSON.stringify(places(':scope > .marks'));
        })",
    );
    assert_eq!(places, json!(vec![true; 10]));
}

#[test]
fn lines_and_marks_have_three_times_the_light_of_their_ground_or_a_third() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    let ratios = "(() => {
        const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255)
            .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        // Lines lie on the page, and on the shade of the first training.
        const grounds = [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('.shade')).fill];
        const ratio = (own) => Math.min(...grounds.map(light).map((ground) =>
            (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05)));
        const of = (selector, property) => [...document.querySelectorAll(selector)].map((one) =>
            [`${selector} ${one.getAttribute('class')}`, ratio(light(getComputedStyle(one)[property]))]);
        return [...of('fieldset.series .key .line', 'stroke'), ...of('fieldset.series .key .marks:not(.hollow)', 'fill'),
            ...of('.forest .mark', 'fill'), ...of('.forest .student', 'stroke'), ...of('.forest .paper', 'stroke')];
    })()";
    for theme in ["light", "dark"] {
        browser.show(1280, &[("prefers-color-scheme", theme)]);
        let found: Vec<(String, f64)> = serde_json::from_value(browser.evaluate(ratios)).unwrap();
        assert!(found.len() > 30, "{found:?}");
        let weak: Vec<_> = found.iter().filter(|(_, ratio)| *ratio < 3.0).collect();
        assert!(weak.is_empty(), "{theme}: {weak:?}");
    }
}
