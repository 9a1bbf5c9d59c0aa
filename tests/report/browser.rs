//! The page in a real Chromium. Without one, these tests are skipped with a message.

use crate::chromium::Browser;
use crate::folders::{copy, copy_of, harness, published, report, text_of};
use crate::trained::TRAINED;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The texts of the first column of the first table.
const LABELS: &str = "[...document.querySelectorAll('#sweep-0-table-0 tbody tr')].map((row) => row.children[0].textContent)";
/// The tables and figures that end beyond their section, though nothing around them scrolls there. On paper nothing
/// scrolls. Sections out of sight are laid out, and folded parts may be opened.
pub const CUT: &str = "(paper, opens) => {
    for (const one of document.querySelectorAll('section')) one.style.contentVisibility = 'visible';
    if (opens) for (const one of document.querySelectorAll('details')) one.open = true;
    const found = [];
    let seen = 0;
    for (const one of document.querySelectorAll('main > section :is(table, svg, img)')) {
        const width = one.getBoundingClientRect().width;
        if (width < 2) continue;
        const section = one.closest('section');
        let outer = one;
        for (let up = one.parentElement; up !== section; up = up.parentElement) {
            const scrolls = ['auto', 'scroll'].includes(getComputedStyle(up).overflowX) && up.scrollWidth > up.clientWidth;
            if (scrolls && !paper) outer = up;
        }
        const over = outer.getBoundingClientRect().right - section.getBoundingClientRect().right;
        if (over > 1) found.push(`${section.id}: ${one.tagName} ${one.id} of ${width}: ${over} too wide`);
        seen += 1;
    }
    return [seen, found];
}";
/// The heading with the differences.
const HEAD: &str = "[...document.querySelectorAll('#sweep-0-table-0 thead th')].find((one) => one.textContent === 'difference')";

#[test]
fn the_page_asks_for_nothing_and_runs_no_foreign_script() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    let page = report(&results);
    let file = results.join("report.html");
    browser.open(&file);
    let requests = browser.named("Network.requestWillBeSent");
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(
        browser.named("Log.entryAdded").is_empty(),
        "{:?}",
        browser.named("Log.entryAdded")
    );
    assert!(browser.named("Runtime.exceptionThrown").is_empty());
    assert_eq!(
        browser.evaluate(
            "window.hit === undefined && document.documentElement.classList.contains('scripted')"
        ),
        true
    );

    // The same counts see a page that asks for something, and its policy forbids a foreign script.
    let planted = page.replace(
        "<main>",
        "<main><img src=\"https://example.invalid/x.png\"><script>window.hit=9</script>",
    );
    fs::write(&file, planted).unwrap();
    browser.open(&file);
    assert!(browser.named("Network.requestWillBeSent").len() > 1);
    assert!(!browser.named("Log.entryAdded").is_empty());
    assert_eq!(browser.evaluate("window.hit === undefined"), true);
}

#[test]
fn headings_sort_by_click_and_by_key_and_the_third_time_restores() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    let own = browser.evaluate(LABELS);
    let state =
        |browser: &mut Browser| browser.evaluate(&format!("{HEAD}.getAttribute('aria-sort')"));
    let values = format!(
        "[...document.querySelectorAll('#sweep-0-table-0 tbody tr')].map((row) => row.children[{HEAD}.cellIndex].dataset.value).filter((one) => one !== undefined).map(Number)"
    );
    browser.evaluate(&format!("{HEAD}.querySelector('button').click()"));
    assert_eq!(state(&mut browser), "descending");
    let sorted: Vec<f64> = serde_json::from_value(browser.evaluate(&values)).unwrap();
    assert!(
        sorted.len() > 3 && sorted.windows(2).all(|pair| pair[0] >= pair[1]),
        "{sorted:?}"
    );
    let forest = "[...document.querySelectorAll('.view:not([hidden]) .forest g[data-row]')].sort((a, b) => \
        a.getBoundingClientRect().top - b.getBoundingClientRect().top).map((one) => one.dataset.row)";
    let rows = "[...document.querySelectorAll('#sweep-0-table-0 tbody tr:not(.reference)')].map((one) => one.dataset.row)";
    assert_eq!(
        browser.evaluate(forest),
        browser.evaluate(rows),
        "the plot follows the table"
    );

    browser.evaluate(&format!("{HEAD}.querySelector('button').focus()"));
    browser.press("Enter", "\r");
    assert_eq!(state(&mut browser), "ascending");
    browser.press("Enter", "\r");
    assert_eq!(state(&mut browser), Value::Null);
    assert_eq!(browser.evaluate(LABELS), own);
}

#[test]
fn curves_come_and_go_with_their_rows() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    let lines = "document.querySelectorAll('g.lines[data-panel=loss] > g:not([style*=none]) > path.line').length";
    assert_eq!(browser.evaluate(lines), 8);
    let choice = |row: usize| {
        format!("document.querySelector('fieldset[data-curves] input[data-row=\"{row}\"]').click()")
    };
    browser.evaluate(&choice(9));
    assert_eq!(
        browser.evaluate(lines),
        9,
        "a row that was not drawn is drawn"
    );
    let shape = "document.querySelector('g.lines[data-panel=loss] > g[data-row=\"9\"] path').getBBox().height > 5";
    assert_eq!(browser.evaluate(shape), true);
    browser.evaluate(&choice(9));
    browser.evaluate(&choice(0));
    assert_eq!(browser.evaluate(lines), 7);
}

#[test]
fn the_page_fits_windows_and_themes() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    let contrast = "(() => {
        const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255)
            .map((one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = light(getComputedStyle(document.body).backgroundColor);
        const ratio = (own) => (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05);
        return ['body', '.note', 'a.data', 'td.number', '.helps, .hurts, .inconclusive'].map((one) => {
            const found = document.querySelector(one);
            return found === null ? 21 : ratio(light(getComputedStyle(found).color)); });
    })()";
    let mut grounds = Vec::new();
    for theme in ["light", "dark"] {
        for width in [1280, 400] {
            browser.show(width, &[("prefers-color-scheme", theme)]);
            let over = browser.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth",
            );
            assert_eq!(
                over, 0,
                "{width} pixels, {theme}: the page is wider than its window"
            );
        }
        let ratios: Vec<f64> = serde_json::from_value(browser.evaluate(contrast)).unwrap();
        assert!(
            ratios.iter().all(|ratio| *ratio >= 4.5),
            "{theme}: {ratios:?}"
        );
        grounds.push(browser.evaluate("getComputedStyle(document.body).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1]);
    // The switch is stronger than the system.
    browser.evaluate("document.getElementById('theme-light').click()");
    assert_eq!(
        browser.evaluate("getComputedStyle(document.body).backgroundColor"),
        grounds[0]
    );
    browser.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    assert_eq!(
        browser.evaluate("getComputedStyle(document.querySelector('nav')).display"),
        "none"
    );
}

/// Asserts that no table and no figure of the page is cut off in a window of `width` pixels, or on `media` of that
/// width.
#[track_caller]
fn assert_whole(browser: &mut Browser, page: &str, width: u32, media: &str) {
    browser.show(width, &[("prefers-color-scheme", "light")]);
    browser.call("Emulation.setEmulatedMedia", json!({"media": media}));
    let found = browser.evaluate(&format!("({CUT})({}, true)", media == "print"));
    assert!(found[0].as_u64().unwrap() > 2, "{page}: {found}");
    assert_eq!(
        found[1],
        json!([]),
        "{page}, {width} pixels, {media}: cut off"
    );
}

/// The windows and papers: A4 has 1032 pixels across in landscape and 703 in portrait.
const SHOWN: [(u32, &str); 5] = [
    (1280, "screen"),
    (1024, "screen"),
    (400, "screen"),
    (1032, "print"),
    (703, "print"),
];

#[test]
fn no_table_and_no_plot_is_cut_off() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, hostile) = copy();
    report(&hostile);
    let out = tempfile::tempdir().unwrap();
    let ablation = out.path().join("report.html");
    let folder = "results/published/ablation";
    let output = harness(&["report", folder, "--out", text_of(&ablation)]);
    assert!(output.status.success(), "{output:?}");
    for page in [ablation, hostile.join("report.html")] {
        browser.open(&page);
        for (width, media) in SHOWN {
            assert_whole(&mut browser, text_of(&page), width, media);
        }
    }
    // The same look sees a table in something that neither scrolls nor shrinks.
    browser.show(400, &[]);
    browser.evaluate(
        "for (const one of document.querySelectorAll('.wide')) one.style.overflowX = 'visible'",
    );
    assert_ne!(
        browser.evaluate(&format!("({CUT})(false, true)"))[1],
        json!([])
    );
}

#[test]
fn no_figure_of_a_training_is_cut_off() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, trained) = copy_of(&TRAINED.results());
    report(&trained);
    let page = trained.join("report.html");
    browser.open(&page);
    for (width, media) in SHOWN {
        assert_whole(&mut browser, text_of(&page), width, media);
    }
}

#[test]
fn pictures_of_data_look_are_not_cut_off() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let views = folder.path().join("views");
    let output = harness(&[
        "data",
        "look",
        "recipes/smoke.toml",
        "--out",
        text_of(&views),
    ]);
    assert!(output.status.success(), "{output:?}");
    let page = views.join("index.html");
    browser.open(&page);
    for (width, media) in [(1280, "screen"), (400, "screen"), (703, "print")] {
        assert_whole(&mut browser, text_of(&page), width, media);
    }
}

#[test]
fn every_figure_and_control_has_a_name() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    // Sections out of sight are in the tree only once they are laid out.
    browser.evaluate("for (const one of document.querySelectorAll('section')) one.style.contentVisibility = 'visible'");
    let tree = browser.call("Accessibility.getFullAXTree", json!({}));
    let roles = [
        "image",
        "button",
        "link",
        "combobox",
        "radio",
        "checkbox",
        "searchbox",
        "table",
        "region",
    ];
    let mut counts = [0; 9];
    for node in tree["nodes"].as_array().unwrap() {
        let Some(place) = roles.iter().position(|role| node["role"]["value"] == *role) else {
            continue;
        };
        // A table within a region or a figure has the name of that.
        if node["ignored"] == true || roles[place] == "table" {
            continue;
        }
        let name = node["name"]["value"].as_str().unwrap_or_default();
        assert!(
            !name.trim().is_empty(),
            "{} without a name: {node}",
            roles[place]
        );
        counts[place] += 1;
    }
    assert!(
        counts[0] >= 2 && counts[1] > 10 && counts[4] == 3,
        "{counts:?}"
    );
}

#[test]
fn the_keyboard_reaches_the_controls_in_their_order() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    browser.evaluate("window.walk = []; document.addEventListener('focusin', (event) => window.walk.push(event.target))");
    // What a key can reach: with all links of the folded trials out of reach, as they are not shown.
    let controls = "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')]
        .filter((one) => one.checkVisibility({contentVisibilityAuto: false, visibilityProperty: true}))
        .filter((one) => !(one.type === 'radio' && !one.checked))";
    let count = browser.evaluate(&format!("({controls}).length"));
    let count = count.as_u64().unwrap();
    for _ in 0..count {
        browser.press("Tab", "");
    }
    let ordered = "window.walk.every((one, at) => at === 0 || \
        (window.walk[at - 1].compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING))";
    assert_eq!(
        browser.evaluate("window.walk[0].textContent"),
        "Skip to the summary"
    );
    assert_eq!(browser.evaluate(ordered), true);
    let reached: u64 =
        serde_json::from_value(browser.evaluate("new Set(window.walk).size")).unwrap();
    assert!(count > 60 && reached >= count, "{reached} of {count}");
    assert_eq!(
        browser.evaluate(&format!("({controls}).filter((one) => !window.walk.includes(one)).map((one) => one.outerHTML.slice(0, 99))")),
        json!([])
    );
    assert_ne!(
        browser.evaluate("getComputedStyle(document.activeElement).outlineStyle"),
        "none"
    );
    browser.evaluate("document.activeElement.blur()");
    browser.press("/", "/");
    assert_eq!(browser.evaluate("document.activeElement.id"), "filter");
}

#[test]
fn neighbouring_areas_differ_without_colours() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    let lightness = "(classes) => classes.map((name) => {
        const area = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
        area.setAttribute('class', name);
        document.querySelector('svg').append(area);
        const [r, g, b] = getComputedStyle(area).fill.match(/[\\d.]+/g).map((one) => one / 255)
            .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        return 116 * Math.cbrt(0.2126 * r + 0.7152 * g + 0.0722 * b) - 16;
    })";
    let kinds = ["k0", "k1", "k2", "k3", "k4"].map(|one| format!("kind {one}"));
    let layers = ["c0", "c1", "c2"].map(|one| format!("fill {one}"));
    for theme in ["light", "dark"] {
        browser.show(1280, &[("prefers-color-scheme", theme)]);
        for classes in [&kinds[..], &layers] {
            let found = browser.evaluate(&format!("({lightness})({})", json!(classes)));
            let found: Vec<f64> = serde_json::from_value(found).unwrap();
            let differ = |pair: &[f64]| (pair[0] - pair[1]).abs() >= 12.0;
            assert!(found.windows(2).all(differ), "{theme}: {found:?}");
        }
    }
}

/// The best of three loads: tests share their machine.
fn load(browser: &mut Browser, page: &Path) -> Duration {
    (0..3).map(|_| browser.open(page)).min().unwrap()
}

#[test]
fn a_thousand_trials_load_in_time() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = published(333);
    report(&results);
    let took = load(&mut browser, &results.join("report.html"));
    // Half of it is asked for. The rest is for a machine that does other work at the same time.
    assert!(took < Duration::from_secs(3), "{took:?}");
    let nodes = browser.evaluate("document.querySelectorAll('*').length");
    assert!(nodes.as_u64().unwrap() < 20_000, "{nodes}");
    let (_folder, with_curves) = copy();
    report(&with_curves);
    let took = load(&mut browser, &with_curves.join("report.html"));
    assert!(took < Duration::from_secs(3), "with curves: {took:?}");
}

#[test]
fn the_filter_leaves_the_same_rows_in_table_and_plot() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    let plot = "[...document.querySelectorAll('.view:not([hidden]) .forest g[data-row]')].filter((one) => \
        one.getBoundingClientRect().height > 0).map((one) => one.querySelector('.label').textContent)";
    let height = "document.querySelector('.view:not([hidden]) .forest svg').viewBox.baseVal.height";
    let filter = |part: &str| {
        format!(
            "(() => {{ const box = document.getElementById('filter'); box.value = '{part}'; \
             box.dispatchEvent(new Event('input')); }})()"
        )
    };
    let [all, whole] = [plot, height].map(|one| browser.evaluate(one));
    browser.evaluate(&filter("MORE"));
    assert_eq!(
        browser.evaluate(plot),
        json!(["more 0", "more 1", "more 2"])
    );
    // The axis follows the last row that is left.
    let gap = "(() => { const plot = document.querySelector('.view:not([hidden]) .forest svg'); \
        const end = Math.max(...[...plot.querySelectorAll('g[data-row]')].map((one) => one.getBoundingClientRect().bottom)); \
        return plot.querySelector('.tick').getBoundingClientRect().top - end; })()";
    let gap = browser.evaluate(gap).as_f64().unwrap();
    assert!((0.0..40.0).contains(&gap), "{gap}");
    assert!(browser.evaluate(height).as_f64() < whole.as_f64());
    browser.evaluate(&filter(""));
    assert_eq!(browser.evaluate(plot), all);
    assert_eq!(browser.evaluate(height), whole);
}

#[test]
fn the_page_of_work_that_was_killed_says_how_old_it_is() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    let finished = report(&results);
    let file = results.join("report.html");
    let news = "document.querySelector('.stale')?.textContent ?? null";
    browser.open(&file);
    assert_eq!(browser.evaluate(news), Value::Null, "it is finished");
    let refresh = "<meta http-equiv=\"refresh\" content=\"30\"><meta name=\"viewport\"";
    fs::write(
        &file,
        finished.replacen("<meta name=\"viewport\"", refresh, 1),
    )
    .unwrap();
    browser.open(&file);
    assert_eq!(browser.evaluate(news), "", "it is new");
    let written = SystemTime::now() - Duration::from_secs(20 * 60);
    let page = fs::File::options().write(true).open(&file).unwrap();
    page.set_modified(written).unwrap();
    browser.open(&file);
    let found = browser.evaluate(news);
    assert!(
        found.as_str().unwrap().starts_with("No news since "),
        "{found}"
    );
}

#[test]
fn forced_colours_leave_every_mark_visible() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, results) = copy();
    report(&results);
    browser.open(&results.join("report.html"));
    browser.show(
        1280,
        &[
            ("forced-colors", "active"),
            ("prefers-color-scheme", "dark"),
        ],
    );
    assert_eq!(
        browser.evaluate("matchMedia('(forced-colors: active)').matches"),
        true
    );
    // Lines and marks have the colour of the text: a forced palette may have no other one beside the ground.
    let strokes = |selector: &str, property: &str| {
        format!(
            "(() => {{ const text = getComputedStyle(document.body).color; \
             const found = [...document.querySelectorAll('{selector}')].slice(0, 50); \
             return [found.length > 0, found.filter((one) => getComputedStyle(one).{property} !== text).length]; }})()"
        )
    };
    for (selector, property) in [
        (".forest .student", "stroke"),
        (".forest .mark", "fill"),
        (".forest .seed", "fill"),
        ("g.lines .line", "stroke"),
        ("svg .tick", "fill"),
        ("tbody td", "color"),
    ] {
        assert_eq!(
            browser.evaluate(&strokes(selector, property)),
            json!([true, 0]),
            "{selector}"
        );
    }
    // What a colour says, a word or a shape says too.
    let verdicts = "[...document.querySelectorAll('td.verdict-cell')].every((one) => one.textContent.trim() !== '')";
    assert_eq!(browser.evaluate(verdicts), true);
}
