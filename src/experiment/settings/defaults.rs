//! The defaults of the keys that components had from the beginning.
//!
//! | a key of | has a default if |
//! |---|---|
//! | a component of `recipes/pl-dc.toml` in or below `[data]` and `[method]` | it is no part of a schedule: the value there |
//! | another component | it is in [`ROWS`] |
//! | `[split]`, `[augment]`, `[loader]`, `[model]`, `[train]`, `[eval]` | never |
//!
//! The last line is deliberate: those values belong to the size of a dataset. A recipe takes them from
//! `pl-dc.toml` by `extends`, or states them; a silent 64-pixel network on COCO would cost days. All keys that
//! a recipe lacks are told together.
//!
//! Every key here is part of a trial's hash at its default too ([`NewKey::hashed`]): all results that exist
//! were made by recipes that state it.

use crate::recipe::{DEFAULTS, NewKey, value_at};
use toml::{Table, Value};

/// The components of `recipes/pl-dc.toml` whose keys have their defaults there, and the keys that have none. A table
/// comes before the tables inside it.
const OF_PL_DC: &[(&str, &[&str])] = &[
    ("data", &[]),
    ("method", &["burn-in", "ema"]),
    ("method.filter", &[]),
    ("method.correction", &[]),
    ("method.correction.vlm", &[]),
    ("method.weighting", &[]),
];

/// The other keys with a default, as path, component and value.
const ROWS: &[(&str, &[&str], &str)] = &[
    ("data.unlabelled-images", &["coco"], "''"),
    ("data.classes", &["coco"], "'all'"),
    ("data.on-bad-annotation", &["coco"], "'error'"),
    ("data.area-bounds", &["coco"], "[1024.0, 9216.0]"),
    ("method.empty-image", &["supervised"], "'zero-batch'"),
    ("method.filter.scope", &["top-share"], "'image'"),
    (
        "method.filter.grid",
        &["class-frequency"],
        "[0.1, 1.0, 0.01]",
    ),
    ("method.filter.window", &["class-frequency"], "2000"),
    ("method.filter.every", &["class-frequency"], "500"),
    ("method.filter.start", &["class-frequency"], "0.5"),
    ("method.correction.vlm.scale", &["prototypes"], "20.0"),
    ("method.correction.vlm.images", &["prototypes"], "100"),
    ("method.correction.vlm.level", &["prototypes"], "'res5'"),
    (
        "method.correction.vlm.descriptions",
        &["clip"],
        "['a photo of a {}.']",
    ),
    ("method.correction.vlm.size", &["clip"], "0"),
    ("method.correction.vlm.normalise", &["clip"], "true"),
    ("method.weighting.reduction", &["boundary"], "'pixel'"),
    ("method.weighting.padding", &["boundary"], "'zero'"),
    ("method.weighting.applies-to", &["boundary"], "'pseudo'"),
    ("method.weighting.class-cap", &["dynamic-align"], "1.0"),
    ("method.lambda", &["consistency"], "1.0"),
    ("method.empty-image", &["consistency"], "'zero-batch'"),
    ("method.consistency.applies-to", &["flip"], "'all'"),
    ("method.consistency.regions", &["flip"], "512"),
    (
        "method.consistency.ramp",
        &["flip"],
        "{ up = 0.27, down-from = 0.83 }",
    ),
    (
        "method.consistency.applies-to",
        &["perturb"],
        "'unlabelled'",
    ),
    (
        "method.consistency.kinds",
        &["perturb"],
        "['spatial-dropout', 'feature-noise', 'feature-drop', 'guided-cutout']",
    ),
    ("method.consistency.others", &["perturb"], "100"),
    (
        "method.consistency.ramp",
        &["perturb"],
        "{ up = 0.1, down-from = 1.0 }",
    ),
    ("method.burn-in", &["mock"], "0"),
    ("method.modules", &["mock"], "{}"),
    ("method.effects", &["mock"], "{}"),
    ("method.noise", &["mock"], "0.0"),
    ("method.sleep-ms", &["mock"], "0"),
    ("method.fail-at", &["mock"], "0"),
    ("method.failure", &["mock"], "'error'"),
    ("method.fail-times", &["mock"], "0"),
];

/// The keys with a default, a component's `name` before its keys. They are made once in a run of the program and stay
/// until its end.
pub(super) fn rows() -> Vec<NewKey> {
    let defaults: Table = DEFAULTS.parse().expect("the defaults are TOML");
    let mut rows = Vec::new();
    for (path, without) in OF_PL_DC {
        let table = value_at(&defaults, path).and_then(Value::as_table);
        let table = table.expect("the defaults have the component");
        let name = table["name"].as_str().expect("a component has a name");
        let of: &[&str] = vec![&*name.to_string().leak()].leak();
        for (key, value) in table {
            if key == "name" || without.contains(&key.as_str()) {
                continue;
            }
            // Of a component inside, the name is the default: its keys have rows of their own.
            let value = match value.get("name") {
                Some(name) => format!("{{ name = {name} }}"),
                None => value.to_string(),
            };
            rows.push(NewKey {
                path: format!("{path}.{key}").leak(),
                of,
                default: value.leak(),
                hashed: true,
            });
        }
    }
    rows.extend(ROWS.iter().map(|&(path, of, default)| NewKey {
        path,
        of,
        default,
        hashed: true,
    }));
    rows
}
