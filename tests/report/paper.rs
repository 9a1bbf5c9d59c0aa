//! What is on paper and what is not, in a real Chromium.

use crate::chromium::Browser;
use crate::folders::{copy, published, report};
use serde_json::json;

#[test]
fn folded_tables_are_on_paper_and_other_folds_say_that_they_are_not() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    browser.show(1032, &[]);
    // Of the closed folds: tables with a height and without, other texts with one and without, and words on summaries.
    let folds = "(() => {
        for (const one of document.querySelectorAll('section')) one.style.contentVisibility = 'visible';
        const counts = [0, 0, 0, 0, 0, 0];
        for (const fold of document.querySelectorAll('details:not([open])')) {
            const table = fold.querySelector(':scope > table, :scope > .wide > table');
            const text = fold.querySelector(':scope > :is(pre, ul)');
            const content = table ?? text;
            if (!content || fold.parentElement.closest('details:not([open])') || fold.closest('.texts, [hidden]')) continue;
            const seen = content.checkVisibility({contentVisibilityAuto: true});
            counts[(table ? 0 : 2) + (seen ? 0 : 1)] += 1;
            const words = getComputedStyle(fold.querySelector('summary'), '::after').content;
            if (words.includes('not on paper')) counts[table ? 4 : 5] += 1;
        }
        return counts;
    })()";
    let counts = |browser: &mut Browser| -> Vec<u64> {
        serde_json::from_value(browser.evaluate(folds)).unwrap()
    };
    let screen = counts(&mut browser);
    let (tables, texts) = (screen[1], screen[3]);
    assert!(tables > 3 && texts > 3, "{screen:?}");
    assert_eq!(screen, [0, tables, 0, texts, 0, 0]);
    browser.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    assert_eq!(counts(&mut browser), [tables, 0, 0, texts, 0, texts]);
    // Links to data of the page, and buttons, do nothing on paper.
    let controls = "[...document.querySelectorAll('a.data, button:not(th button), select, .texts')].filter((one) => one.checkVisibility()).length";
    assert_eq!(browser.evaluate(controls), 0);
}

#[test]
fn every_plot_is_on_paper() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = published(121);
    report(&results);
    browser.open(&results.join("report.html"));
    browser.show(1032, &[]);
    let shown = "(() => {
        for (const one of document.querySelectorAll('section')) one.style.contentVisibility = 'visible';
        return [...document.querySelectorAll('.forest g[data-row]')]
            .filter((one) => one.checkVisibility({contentVisibilityAuto: true})).length;
    })()";
    assert_eq!(browser.evaluate(shown), 50);
    browser.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    assert_eq!(browser.evaluate(shown), 120);
}
