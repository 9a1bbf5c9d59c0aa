//! Forest plots of many rows, and the way from a row to its trials, in a real Chromium.

use crate::chromium::Browser;
use crate::folders::{copy, published, report};
use serde_json::{Value, json};

/// The rows of each plot of the first metric, from the top down, with the words of its fold.
const PLOTS: &str = "[...document.querySelectorAll('.view:not([hidden]) .forest svg[role]')].map((plot) => {
    const height = (row) => Number(row.getAttribute('transform').match(/ ([\\d.]+)\\)/)[1]);
    const rows = [...plot.querySelectorAll('g[data-row]')].filter((row) => !row.hasAttribute('hidden'));
    const fold = plot.closest('details.plot');
    return [fold && !fold.hidden ? fold.querySelector('summary').textContent : null,
        rows.sort((a, b) => height(a) - height(b)).map((row) => row.dataset.row)];
})";
/// The rows of the table without the reference.
const ROWS: &str = "[...document.querySelectorAll('#sweep-0-table-0 tr[data-row]:not(.reference)')]
    .filter((row) => !row.hidden).map((row) => row.dataset.row)";

/// The rows of all plots in their order.
fn plotted(plots: &Value) -> Value {
    let plots = plots.as_array().unwrap().iter();
    let rows: Vec<Value> = plots
        .flat_map(|plot| plot[1].as_array().unwrap().clone())
        .collect();
    rows.into()
}

#[test]
fn every_row_of_a_large_table_is_in_a_plot_and_plots_follow_the_table() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = published(121);
    let page = report(&results);
    assert!(page.contains("data-floor=\"1500\"") && page.contains("data-floor=\"600\""));
    browser.open(&results.join("report.html"));
    let own = browser.evaluate(PLOTS);
    let sizes: Vec<usize> = (0..3)
        .map(|plot| own[plot][1].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [50, 50, 20]);
    assert_eq!(
        [&own[0][0], &own[1][0], &own[2][0]],
        [
            &Value::Null,
            &json!("Rows 51 to 100"),
            &json!("Rows 101 to 120")
        ]
    );
    assert_eq!(plotted(&own), browser.evaluate(ROWS));

    // Sorted by the difference: rows move from one plot to another.
    let sort = "[...document.querySelectorAll('#sweep-0-table-0 thead th')]
        .find((one) => one.textContent === 'difference').querySelector('button').click()";
    browser.evaluate(sort);
    let sorted = browser.evaluate(PLOTS);
    assert_ne!(sorted[0][1], own[0][1]);
    assert_eq!(plotted(&sorted), browser.evaluate(ROWS));
    let values = "[...document.querySelectorAll('.forest .value')].map((one) => Number(one.textContent.split(' ')[0]))";
    let values: Vec<f64> = serde_json::from_value(browser.evaluate(values)).unwrap();
    assert!(values.len() == 120 && values.windows(2).all(|pair| pair[0] >= pair[1]));

    // The filter leaves the rows 5, 15, ..., 115 and 50 to 59: fewer than a plot has places.
    let filter = |text: &str| {
        format!(
            "(() => {{ const box = document.getElementById('filter'); box.value = '{text}'; \
             box.dispatchEvent(new Event('input')); }})()"
        )
    };
    browser.evaluate(&filter("5"));
    let some = browser.evaluate(PLOTS);
    assert_eq!(plotted(&some), browser.evaluate(ROWS));
    assert_eq!(some[0][1].as_array().unwrap().len(), 21);
    assert_eq!(
        [&some[1][0], &some[2][0]],
        [&Value::Null; 2],
        "empty plots are away"
    );
    browser.evaluate(&filter(""));
    browser.evaluate(&format!("{sort}; {sort}"));
    assert_eq!(browser.evaluate(PLOTS), own);
}

#[test]
fn a_row_leads_to_its_trials_and_these_to_their_stages() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    let row = browser.evaluate(
        "(() => {
            const link = document.querySelector('#sweep-0-table-0 tr[data-row=\"1\"] th a');
            link.click();
            const target = document.querySelector(location.hash);
            return [link.textContent, target.querySelector('th').textContent, target.children[1].textContent,
                target.closest('details').open, target.querySelectorAll('a[href^=\"#stage-\"]').length];
        })()",
    );
    assert_eq!([&row[0], &row[1], &row[2]], ["- a", "- a", "0"]);
    assert_eq!(row[3], true, "the fold opens");
    assert!(row[4].as_u64() >= Some(2), "{row}");
    // Every link of every trial leads to one stage, whose time is known.
    let stages = browser.evaluate(
        "[...document.querySelectorAll('a[href^=\"#stage-\"]')].filter((one) =>
            !/^[\\d.]+ (s|min)/.test(document.querySelector(one.getAttribute('href'))?.children[1].textContent ?? '')).length",
    );
    assert_eq!(stages, 0);
    browser.evaluate("document.querySelector(location.hash).querySelector('a').click()");
    assert_eq!(
        browser.evaluate("document.querySelector(location.hash).closest('details').open"),
        true
    );
}
