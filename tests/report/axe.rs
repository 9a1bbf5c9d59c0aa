//! axe-core's rules of accessibility on the page, in a real Chromium. axe-core is not part of this repository:
//! REPORT_AXE names its file `axe.min.js`, which `.ci/run` fetches. Without it this test is skipped with a message;
//! with REPORT_NEEDS_AXE that is an error.

use crate::chromium::Browser;
use crate::folders::{copy, report};
use serde_json::Value;
use std::fs;

/// The rules with a serious or critical finding, with the first elements that break them.
const FINDINGS: &str = "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations
    .filter((one) => one.impact === 'serious' || one.impact === 'critical')
    .map((one) => one.id + ': ' + one.help + ': ' + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')))";

#[test]
fn axe_finds_nothing_serious() {
    let Some(file) = std::env::var_os("REPORT_AXE") else {
        assert!(
            std::env::var_os("REPORT_NEEDS_AXE").is_none(),
            "REPORT_NEEDS_AXE is set, and REPORT_AXE names no file of axe-core"
        );
        eprintln!("skipped: REPORT_AXE names no file of axe-core");
        return;
    };
    let axe = fs::read_to_string(&file).unwrap();
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    for theme in ["light", "dark"] {
        browser.show(1280, &[("prefers-color-scheme", theme)]);
        browser.open(&results.join("report.html"));
        // Sections out of sight are judged only once they are laid out.
        browser.evaluate("for (const one of document.querySelectorAll('section')) one.style.contentVisibility = 'visible'");
        browser.evaluate(&axe);
        assert_eq!(browser.evaluate("typeof axe.run"), "function");
        let findings: Vec<Value> = serde_json::from_value(browser.evaluate(FINDINGS)).unwrap();
        assert!(findings.is_empty(), "{theme}: {findings:#?}");
    }
    // The same rules see a control without a name.
    browser.evaluate("document.querySelector('main').append(document.createElement('button'))");
    let findings = browser.evaluate(FINDINGS).to_string();
    assert!(findings.contains("button-name"), "{findings}");
}
