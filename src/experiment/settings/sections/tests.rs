//! Tests of the settings of a trial, and the settings that other tests begin with.

use super::*;
use crate::detector::{Demands, Detector, ExportedFile};
use crate::graph::{BackboneConfig, Operations};
use crate::rng::Stream;

/// The settings of `recipes/pl-dc.toml` with seed 0.
pub fn table() -> Table {
    let mut table: Table = include_str!("../../../../recipes/pl-dc.toml")
        .parse()
        .expect("TOML");
    table.retain(|key, _| SECTIONS.contains(&key));
    table.insert("seed".into(), 0.into());
    table
}

/// `table` with the value at a dotted path replaced.
pub fn with(mut table: Table, path: &str, value: impl Into<Value>) -> Table {
    let (parents, key) = path.rsplit_once('.').expect("a section");
    let parent = parents.split('.').fold(&mut table, |table, key| {
        table[key].as_table_mut().expect("a table")
    });
    parent.insert(key.into(), value.into());
    table
}

/// The same data and network with the method `offline`, as data distillation has it.
pub fn offline() -> Table {
    let method = "name = 'offline'\nteacher-steps = 800\nempty-image = 'drop'\n\
                  filter = { name = 'class-frequency' }";
    let mut table = with(table(), "loader.labelled-views", "weak");
    table["method"] = Value::Table(method.parse().expect("TOML"));
    let table = with(table, "loader.unlabelled-view", "weak");
    with(table, "loader.mixing", "pool")
}

pub fn supervised() -> Table {
    let method = "name = 'supervised'\nburn-in = 800\nempty-image = 'zero-batch'";
    let mut table = table();
    table["method"] = Value::Table(method.parse().expect("TOML"));
    table
}

/// `table` with a dataset of files instead of drawn images.
fn coco(mut table: Table) -> Table {
    let data = "name = 'coco'\nroot = ''\ntrain-annotations = ''\ntrain-images = ''\nval-annotations = ''\n\
                val-images = ''\nunlabelled-images = ''\nclasses = 'all'\non-bad-annotation = 'error'\n\
                area-bounds = [1.0, 2.0]";
    table["data"] = Value::Table(data.parse().expect("TOML"));
    table
}

fn keys(table: &Table) -> Vec<String> {
    let errors = Settings::read(table).err().into_iter().flatten();
    errors.map(|error| error.key).collect()
}

#[test]
fn a_batch_is_divided_where_every_replica_has_as_many_images_of_each_kind() {
    let of = |table: Table, labelled: i64, replicas: i64| {
        let table = with(table, "loader.labelled", labelled);
        keys(&with(table, "loader.replicas", replicas))
    };
    assert!(of(table(), 2, 2).is_empty());
    assert_eq!(of(table(), 3, 2), ["loader.replicas"]);
    // There are 4 unlabelled images, which a supervised training does not read.
    assert_eq!(of(table(), 3, 3), ["loader.replicas"]);
    assert!(of(supervised(), 3, 3).is_empty());
    for table in [table(), supervised(), offline()] {
        assert!(keys(&with(table, "loader.micro-batch", 1)).is_empty());
    }
    assert_eq!(
        keys(&with(offline(), "loader.replicas", 2)),
        ["loader.replicas"],
        "a pool has no fixed numbers"
    );
    // The teacher of a pool reads no unlabelled image, of which there are 4.
    let phase = "labelled = 6\nreplicas = 3\nmixing = 'pairs'";
    let mut own = offline();
    let loader = Value::Table(phase.parse().expect("TOML"));
    let teacher = [("loader".to_string(), loader)].into_iter().collect();
    let phases = [("teacher".to_string(), Value::Table(teacher))];
    own.insert("phase".into(), Value::Table(phases.into_iter().collect()));
    assert_eq!(keys(&own), Vec::<String>::new());
    let centermask = include_str!("../../../../recipes/bodies/centermask-scenes.toml");
    let centermask: Table = centermask.parse().expect("TOML");
    let mut other = supervised();
    other["model"] = centermask["model"].clone();
    assert!(keys(&with(other.clone(), "loader.micro-batch", 1)).is_empty());
    assert_eq!(
        keys(&with(other, "loader.replicas", 2)),
        ["loader.replicas"]
    );
}

#[test]
fn the_defaults_are_valid() {
    let settings = Settings::read(&table()).unwrap();
    assert_eq!(settings.reported(), EvalModel::Teacher);
    assert!(matches!(
        settings.method.vlm(),
        Some(VisionLanguageConfig::ClipTiny(_))
    ));
    let settings = Settings::read(&supervised()).unwrap();
    assert_eq!(settings.reported(), EvalModel::Student);
}

#[test]
fn all_errors_come_at_once_with_their_paths() {
    let wrong = with(table(), "train.clip", -1.0);
    let wrong = with(wrong, "model.backbone.depths", "deep");
    let wrong = with(wrong, "method.correction.vlm.batch", 0);
    let wrong = with(wrong, "split.labelled", 2.0);
    let found = keys(&wrong);
    let expected = [
        "split.labelled",
        "model.backbone.depths",
        "method.correction.vlm.batch",
        "train.clip",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_no_table_can_tell_alone_is_checked() {
    let cases = [
        (with(table(), "method.burn-in", 2400), "method.burn-in"),
        (with(table(), "loader.unlabelled", 0), "loader.unlabelled"),
        (
            with(table(), "augment.size", sides(64, 100)),
            "augment.size",
        ),
        (
            with(with(table(), "train.average", 0.0), "eval.model", "average"),
            "eval.model",
        ),
        (coco(table()), "method.correction.vlm.name"),
    ];
    for (table, key) in cases {
        assert_eq!(keys(&table), [key]);
    }
    for fine in [
        with(supervised(), "method.burn-in", 2400),
        with(table(), "augment.size", sides(64, 96)),
    ] {
        assert_eq!(keys(&fine), Vec::<String>::new());
    }
}

/// A value of `augment.size`.
fn sides(height: i64, width: i64) -> Vec<i64> {
    vec![height, width]
}

/// A network that knows nothing but the uniform weighting.
#[derive(Debug)]
struct Picky;

impl DetectorConfig for Picky {
    fn build(&self, _: usize, _: &mut Stream) -> anyhow::Result<Box<dyn Detector>> {
        unreachable!("it is looked at, not made")
    }
    fn network(&self) -> String {
        String::new()
    }
    fn weights(&self) -> &Path {
        Path::new("")
    }
    fn backbone(&self) -> &BackboneConfig {
        unreachable!("it has none")
    }
    fn backbone_weights(&self) -> &Path {
        Path::new("")
    }
    fn operations(&self, _: usize, _: usize) -> Operations {
        unreachable!("it is looked at, not trained")
    }
    fn export(
        &self,
        _: Option<&str>,
        _: &mut dyn Detector,
        _: Vec<String>,
    ) -> anyhow::Result<Vec<ExportedFile>> {
        unreachable!("it is looked at, not written")
    }
    fn stride(&self) -> usize {
        32
    }
    fn terms(&self) -> Vec<&'static str> {
        vec!["class", "mask"]
    }
    fn check_demands(&self, demands: &Demands, check: &mut Check) {
        if demands.mask_loss.per_query {
            check.refuse("weighting.divisor", "this network has no queries");
        }
    }
}

#[test]
fn a_detector_may_refuse_what_a_method_asks_of_it() {
    let refused = |table: &Table| {
        let settings = Settings {
            model: Arc::new(Picky),
            ..Settings::read(table).unwrap()
        };
        let mut check = Check::new();
        settings.check_together(true, &mut check);
        let errors = check.finish().err().into_iter().flatten();
        let keys = errors.map(|error| error.key);
        keys.collect::<Vec<_>>()
    };
    let queries = with(table(), "method.weighting.divisor", "queries");
    assert_eq!(refused(&queries), ["method.weighting.divisor"]);
    assert_eq!(refused(&table()), Vec::<String>::new());
    assert_eq!(refused(&supervised()), Vec::<String>::new());
}

#[test]
fn a_weight_of_a_term_that_the_network_lacks_is_refused() {
    let refused = |text: &str| {
        let weights: Table = text.parse().unwrap();
        keys(&with(table(), "method.lambda", weights))
    };
    let both = "box = 0.5\nclass = 2.0\nrpn-box = 1";
    assert_eq!(
        refused(both),
        ["method.lambda.box", "method.lambda.rpn-box"]
    );
    assert_eq!(
        refused("box = 0.0\ndefault = 2.0\ndice = 1"),
        Vec::<String>::new()
    );
}

#[test]
fn missing_weights_are_named() {
    let wrong = with(table(), "model.backbone.weights", "no/such.safetensors");
    let errors = Settings::read(&wrong).unwrap().missing_files();
    let expected = ComponentError::new("model.backbone.weights", "no file `no/such.safetensors`");
    assert_eq!(errors, [expected]);
    assert_eq!(Settings::read(&table()).unwrap().missing_files(), []);
    let wrong = with(table(), "model.weights", "no/such#teacher");
    let errors = Settings::read(&wrong).unwrap().missing_files();
    let expected = ComponentError::new("model.weights", "no file or folder `no/such`");
    assert_eq!(errors, [expected]);
}

#[test]
fn a_missing_or_unknown_table_is_told() {
    let mut wrong = table();
    wrong.remove("model");
    wrong.insert("models".into(), Value::Table(Table::new()));
    assert_eq!(keys(&wrong), ["models"]);
    wrong.remove("models");
    let lacking = keys(&wrong);
    assert!(
        lacking.iter().all(|key| key.starts_with("model.")),
        "{lacking:?}"
    );
    for key in [
        "model.queries",
        "model.loss.points",
        "model.backbone.stem.width",
    ] {
        assert!(lacking.iter().any(|found| found == key), "{lacking:?}");
    }
}
