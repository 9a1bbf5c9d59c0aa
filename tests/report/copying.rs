//! Texts that are copied from the page, in a real Chromium.

use crate::chromium::Browser;
use crate::folders::{copy, harness, report, stdout, text_of};
use serde_json::{Value, json};

/// The button that copies the LaTeX of the first table.
const BUTTON: &str = "document.querySelector('button[data-copies=\"sweep-0-table-0-latex\"]')";

#[test]
fn the_button_copies_what_the_table_command_writes() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    let permissions = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.call("Browser.grantPermissions", permissions);
    browser.open(&results.join("report.html"));
    browser.call(
        "Emulation.setFocusEmulationEnabled",
        json!({"enabled": true}),
    );
    browser.evaluate(&format!(
        "{BUTTON}.closest('details').open = true; {BUTTON}.focus()"
    ));
    browser.press("Enter", "\r");
    browser.evaluate("new Promise((done) => setTimeout(done, 300))");
    assert_eq!(browser.evaluate(&format!("{BUTTON}.textContent")), "Copied");
    let output = harness(&[
        "table",
        text_of(&results),
        "--sweep",
        "parts",
        "--format",
        "latex",
    ]);
    let text = browser.evaluate("navigator.clipboard.readText()");
    assert_eq!(text.as_str().unwrap(), stdout(&output));
    assert_eq!(
        browser.evaluate("document.getElementById('refused').open"),
        false
    );
}

#[test]
fn a_browser_that_refuses_leaves_the_text_chosen_in_a_dialog() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    // A browser without a clipboard for pages, and one that asks and gets a no.
    for refusal in [
        "undefined",
        "{ writeText: () => Promise.reject(new Error('no')) }",
    ] {
        browser.evaluate(&format!(
            "Object.defineProperty(navigator, 'clipboard', {{ configurable: true, value: {refusal} }}); \
             {BUTTON}.closest('details').open = true; {BUTTON}.click()"
        ));
        let found = browser.evaluate(&format!(
            "new Promise((done) => setTimeout(done, 100)).then(() => {{
                const [dialog, text] = [document.getElementById('refused'), document.querySelector('#refused textarea')];
                return [dialog.open, document.activeElement === text,
                    text.value.slice(text.selectionStart, text.selectionEnd) ===
                    document.getElementById({BUTTON}.dataset.copies).textContent, text.value.length > 100, {BUTTON}.textContent];
            }})"
        ));
        assert_eq!(
            found,
            json!([true, true, true, true, "Copy LaTeX"]),
            "{refusal}"
        );
        browser.evaluate("document.querySelector('#refused button').click()");
        assert_eq!(
            browser.evaluate("document.getElementById('refused').open"),
            false
        );
    }
    assert_eq!(
        browser.named("Runtime.exceptionThrown"),
        Vec::<&Value>::new()
    );
}
