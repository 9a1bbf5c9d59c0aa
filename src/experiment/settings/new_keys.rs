//! The keys that a recipe may leave out, each with its built-in default.
//!
//! **To add a key to a recipe**, give the struct that reads it a field, and
//!
//! 1. add a row here whose default is what the program did before: recipes without the key go on as they did,
//!    and no trial gets another hash;
//! 2. add the key with the same value to `recipes/pl-dc.toml`, if that recipe names the key's component: its
//!    comment is the key's description in editors.
//!
//! The settings of a trial are read through [`NewKeys::fill`], so the field needs no default of its own.
//!
//! The keys that a component had from the beginning are in [`super::defaults`].

use super::defaults;
use crate::recipe::{NewKey, NewKeys};
use std::sync::LazyLock;

/// The rows, in the order in which the keys were added; a component's `name` and a new table before their keys.
const ROWS: &[NewKey] = &[
    key("precision", &[], "'f32'"),
    key("model.name", &[], "'mask2former'"),
    key("eval.metrics", &[], "['coco']"),
    key("data.exif", &["coco"], "true"),
    key("data.check", &["coco", "cityscapes"], "'once'"),
    key("method.burn-in", &["supervised"], "0"),
    key("method.burn-in", GUIDED, "20000"),
    key("method.ema", GUIDED, "0.9996"),
    key("method.lambda", GUIDED, "1.0"),
    key("method.score", GUIDED, "'with-no-object'"),
    key("method.candidates", GUIDED, "'arg-max'"),
    key("method.top-pairs", GUIDED, "100"),
    key("method.min-area", GUIDED, "0"),
    key("method.duplicate-iou", GUIDED, "1.0"),
    key("method.empty-image", GUIDED, "'zero-batch'"),
    key("method.correction", GUIDED, "{ name = 'keep' }"),
    key("method.weighting", GUIDED, "{ name = 'uniform' }"),
    key("data.skip-in-truth", &["coco"], "false"),
    key("data.train", CITYSCAPES, "'train'"),
    key("data.val", CITYSCAPES, "'val'"),
    key("data.unlabelled-images", CITYSCAPES, "''"),
    key("data.truth", CITYSCAPES, "'masks'"),
    key("data.area-bounds", CITYSCAPES, "[1024.0, 9216.0]"),
    key("split.rule", &[], "'permutation'"),
    key("split.seed", &[], "'trial'"),
    key("split.list", &[], "''"),
    key("split.format", &[], "'auto'"),
    key("split.percent", &[], "'labelled'"),
    key("split.unlabelled", &[], "'rest'"),
    key("augment.geometry", &[], "'scale-jitter'"),
    key("augment.shorter", &[], "[800]"),
    key("augment.longer", &[], "1333"),
    key("augment.weak-colour", &[], "'none'"),
    key("loader.mixing", &[], "'pairs'"),
    key("loader.labelled-repeat", &[], "'auto'"),
    key("loader.labelled-sampler", &[], "'uniform'"),
    key("loader.repeat-threshold", &[], "10.0"),
    key("train.epochs", &[], "0"),
    key("train.optimizer", &[], "'adamw'"),
    key("train.momentum", &[], "0.9"),
    key("train.warm-up-from", &[], "'even'"),
    key("train.schedule", &[], "'step'"),
    key("data.cache", &["coco", "cityscapes"], "0"),
    key("phase", &[], "{}"),
    key("report", &[], "{}"),
    key("report.analyse", &[], "false"),
    key("report.similar", &[], "[]"),
    key("report.snapshots", &[], "4"),
    key("model.rules", &["mask-rcnn"], "{}"),
    key("report.bg-iou", &[], "0.0"),
    key("report.images", &[], "0"),
    key("report.predictions", &[], "false"),
    key("model.channel-order", &[], "'rgb'"),
    key("model.backbone.norm-epsilon", &[], "1e-5"),
    key("augment.colour", &[], "{ name = 'none' }"),
    key("augment.colour.probability", &[], "1.0"),
    key(
        "augment.affine",
        &[],
        "{ probability = 0.0, translate = 0.1, rotate = 30.0, shear = [30.0, 0.0], fill = [125, 125, 125] }",
    ),
    key(
        "augment.affine.in-box",
        &[],
        "{ share = 0.0, translate = 0.05, rotate = 10.0, shear = [10.0, 0.0] }",
    ),
    key(
        "augment.holes",
        &[],
        "{ count = [0, 0], side = [0.0, 0.2], sizes = [], fill = [128, 128, 128] }",
    ),
    key("augment.teacher-geometry", &[], "'shared'"),
    key("loader.unlabelled-view", &[], "'strong'"),
    key("eval.period", &[], "0"),
    key("eval.select", &[], "'last'"),
    key("model.loss.focal", &["mask-rcnn"], "0.0"),
    key("method.ema-ramp", TEACHERS, "'none'"),
    key("method.supervised-weight", TEACHERS, "1.0"),
    key("method.area", TEACHERS, "'pixels'"),
    key("method.mask-threshold", TEACHERS, "0.5"),
    key("method.mask-target", TEACHERS, "'full'"),
    key("method.pseudo-box", TEACHERS, "'mask'"),
    key("model.iou-head", WITH_HEADS, "'none'"),
    key("model.loss.iou", &[], "1.0"),
    key("model.mask-head", WITH_HEADS, "'plain'"),
    key("model.loss.mask-coarse", WITH_HEADS, "1.0"),
    key("model.branches", &["mask-rcnn"], "'shared'"),
    key("method.mask-quality", TEACHERS, "'mean-foreground'"),
    key("model.auxiliary-heads", &["mask-rcnn"], "0"),
    key("method.lambda", OFFLINE, "1.0"),
    key("method.supervised-weight", OFFLINE, "1.0"),
    key("method.score", OFFLINE, "'with-no-object'"),
    key("method.candidates", OFFLINE, "'arg-max'"),
    key("method.top-pairs", OFFLINE, "100"),
    key("method.min-area", OFFLINE, "0"),
    key("method.mask-threshold", OFFLINE, "0.5"),
    key("method.pseudo-box", OFFLINE, "'mask'"),
    key(
        "method.test-views",
        OFFLINE,
        "{ short-sides = [], flip = false, merge = 'mean-by-proposal' }",
    ),
    key("method.duplicate-iou", OFFLINE, "1.0"),
    key("method.empty-image", OFFLINE, "'zero-batch'"),
    key("method.correction", OFFLINE, "{ name = 'keep' }"),
    key("method.weighting", OFFLINE, "{ name = 'uniform' }"),
    key("loader.micro-batch", &[], "0"),
    key("loader.replicas", &[], "1"),
];

/// The same for a method whose labels are made before the student trains.
const OFFLINE: &[&str] = &["offline"];

/// The dataset whose keys stand in no recipe of defaults.
const CITYSCAPES: &[&str] = &["cityscapes"];

/// The networks with a choice of heads for masks and their IoU.
const WITH_HEADS: &[&str] = &["mask2former", "mask-rcnn"];

/// The methods with a teacher.
const TEACHERS: &[&str] = &["teacher-student", "guided"];

/// The methods whose table a recipe writes anew, without the defaults of `recipes/pl-dc.toml`.
const GUIDED: &[&str] = &["guided"];

/// The key at `path`, of the components `of` (all if there is none), with its default in TOML.
const fn key(path: &'static str, of: &'static [&'static str], default: &'static str) -> NewKey {
    NewKey {
        path,
        of,
        default,
        hashed: false,
    }
}

/// The keys that a recipe may leave out: the rows above, and the keys of components with a default
/// ([`super::defaults`]).
pub static NEW_KEYS: LazyLock<NewKeys> = LazyLock::new(|| {
    let mut rows = ROWS.to_vec();
    rows.extend(defaults::rows());
    NewKeys::new(&rows)
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::catalogue::SLOTS;
    use crate::experiment::settings::normalise::normalise;
    use crate::experiment::settings::sections::{Settings, tests::table};
    use crate::recipe::{DEFAULTS, content_hash, value_at};
    use toml::Table;

    /// `table` as it was before there were new keys.
    fn before(mut table: Table) -> Table {
        NEW_KEYS.strip(&mut table);
        table
    }

    fn hash(mut table: Table) -> String {
        normalise(&mut table);
        content_hash(&table)
    }

    #[test]
    fn a_recipe_without_the_keys_means_their_defaults_and_has_the_same_hash() {
        let old = before(table());
        for (key, _) in NEW_KEYS.iter().filter(|(key, _)| key.of.is_empty()) {
            assert!(value_at(&old, key.path).is_none(), "{}", key.path);
        }
        let mut filled = old.clone();
        NEW_KEYS.fill(&mut filled);
        let read = |table: &Table| format!("{:?}", Settings::read(table).unwrap());
        assert_eq!(read(&old), read(&filled));
        assert_eq!(hash(old.clone()), content_hash(&old));
        assert_eq!(hash(filled), content_hash(&old));
    }

    #[test]
    fn the_defaults_recipe_has_every_key_at_its_built_in_default() {
        let written: Table = DEFAULTS.parse().unwrap();
        let mut filled = before(written.clone());
        NEW_KEYS.fill(&mut filled);
        assert_eq!(filled, written);
    }

    #[test]
    fn every_key_is_one_that_its_component_reads() {
        let written: Table = DEFAULTS.parse().unwrap();
        for (key, _) in NEW_KEYS.iter() {
            if key.of.is_empty() {
                assert!(value_at(&written, key.path).is_some(), "{}", key.path);
            }
            for component in key.of {
                let mut choices = SLOTS.iter().filter_map(|slot| {
                    let inside = key.path.strip_prefix(slot.path)?.strip_prefix('.')?;
                    let choice = slot.choices.iter().find(|c| c.name == *component)?;
                    let first = inside.split('.').next()?.to_string();
                    Some(choice.keys.as_ref()?.contains(&first))
                });
                assert!(choices.any(|is_read| is_read), "{}: {component}", key.path);
            }
        }
    }
}
