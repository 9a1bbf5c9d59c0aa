//! The metric on annotations that are written by hand, and on pycocotools' own numbers.

use super::*;
use crate::data::{Sample, Source};
use crate::eval::Evaluators;
use crate::structures::{Detection, Instance, InstanceSource, Mask, rle};

/// Images that exist as annotations only.
struct Listed(Vec<Truth>);

impl Source for Listed {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn classes_of(&self, index: usize) -> Vec<usize> {
        self.0[index]
            .instances
            .iter()
            .map(|instance| instance.class)
            .collect()
    }
    fn load(&self, _: usize) -> Result<Sample> {
        anyhow::bail!("the evaluator needs no pixels")
    }
    fn truth(&self, index: usize) -> Result<Truth> {
        Ok(self.0[index].clone())
    }
}

fn evaluator(truth: Vec<Truth>, classes: usize, area_bounds: [f64; 2]) -> Evaluators {
    let source = Arc::new(Listed(truth));
    let classes = (0..classes).map(|class| format!("class {class}")).collect();
    let dataset = Dataset {
        classes,
        train: source.clone(),
        extra_unlabelled: None,
        val: source,
        area_bounds,
        findings: Default::default(),
    };
    Evaluators::new(&[ENTRY.name.to_string()], &dataset).unwrap()
}

/// Columns `left` to `right` of a picture of 10 x 20 pixels.
fn columns(left: usize, right: usize) -> Mask {
    Mask::new(
        10,
        20,
        (0..200)
            .map(|i| u8::from((left..right).contains(&(i % 20))))
            .collect(),
    )
}

fn object(class: usize, left: usize, right: usize) -> Instance {
    Instance {
        class,
        mask: columns(left, right),
        source: InstanceSource::Annotation,
    }
}

fn image(image_id: u64, instances: Vec<Instance>) -> Truth {
    let areas = instances
        .iter()
        .map(|instance| instance.mask.area() as f64)
        .collect();
    Truth {
        image_id,
        height: 10,
        width: 20,
        instances,
        areas,
        void: None,
    }
}

fn detection(class: usize, score: f32, left: usize, right: usize) -> Detection {
    Detection {
        class,
        score,
        bounds: None,
        mask: columns(left, right),
    }
}

/// The metrics by their names.
#[derive(Debug)]
struct Values {
    mean_ap: Option<f64>,
    ap50: Option<f64>,
    ap75: Option<f64>,
    ap_small: Option<f64>,
    ap_medium: Option<f64>,
    ap_large: Option<f64>,
    per_class: Vec<Option<f64>>,
}

impl Evaluators {
    fn metrics_of(&self, detections: &[(u64, Vec<Detection>)]) -> Result<Values> {
        let mut found = Found::default();
        for (image_id, detections) in detections {
            self.add(&mut found, *image_id, detections)?;
        }
        let Scores {
            metrics, per_class, ..
        } = self.evaluate(found)?;
        let names: Vec<&str> = metrics.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ENTRY.metrics);
        Ok(Values {
            mean_ap: metrics.get("mAP"),
            ap50: metrics.get("AP50"),
            ap75: metrics.get("AP75"),
            ap_small: metrics.get("APs"),
            ap_medium: metrics.get("APm"),
            ap_large: metrics.get("APl"),
            per_class: per_class["mAP"].clone(),
        })
    }
}

fn near(value: Option<f64>, expected: f64) -> bool {
    value.is_some_and(|value| (value - expected).abs() < 1e-9)
}

#[test]
fn perfect_detections_score_100_and_classes_without_objects_nothing() {
    let evaluator = evaluator(
        vec![image(5, vec![object(0, 0, 4), object(2, 8, 19)])],
        4,
        [50.0, 100.0],
    );
    let found = vec![detection(0, 0.9, 0, 4), detection(2, 0.4, 8, 19)];
    let metrics = evaluator.metrics_of(&[(5, found)]).unwrap();
    assert!(near(metrics.mean_ap, 100.0) && near(metrics.ap50, 100.0) && near(metrics.ap75, 100.0));
    assert!(near(metrics.ap_small, 100.0) && near(metrics.ap_large, 100.0));
    assert_eq!(metrics.ap_medium, None, "no object of 50 to 100 pixels");
    assert_eq!(metrics.per_class[1], None);
    assert!(near(metrics.per_class[0], 100.0) && near(metrics.per_class[2], 100.0));
}

#[test]
fn no_detection_scores_0() {
    let evaluator = evaluator(
        vec![image(5, vec![object(0, 0, 4)]), image(6, vec![])],
        1,
        [50.0, 100.0],
    );
    let metrics = evaluator.metrics_of(&[]).unwrap();
    assert_eq!((metrics.mean_ap, metrics.ap_small), (Some(0.0), Some(0.0)));
}

#[test]
fn a_mask_counts_up_to_its_iou() {
    // 7 of 10 columns: IoU 0.7 passes 0.50, 0.55, 0.60, 0.65 and 0.70.
    let evaluator = evaluator(vec![image(5, vec![object(0, 0, 10)])], 1, [50.0, 150.0]);
    let metrics = evaluator
        .metrics_of(&[(5, vec![detection(0, 0.5, 0, 7)])])
        .unwrap();
    assert!(
        near(metrics.ap50, 100.0) && near(metrics.ap75, 0.0) && near(metrics.mean_ap, 50.0),
        "{metrics:?}"
    );
}

#[test]
fn half_of_the_objects_found_covers_half_of_the_recalls() {
    let evaluator = evaluator(
        vec![image(5, vec![object(0, 0, 4), object(0, 10, 14)])],
        1,
        [50.0, 100.0],
    );
    let metrics = evaluator
        .metrics_of(&[(5, vec![detection(0, 0.5, 0, 4)])])
        .unwrap();
    assert!(near(metrics.mean_ap, 100.0 * 51.0 / 101.0), "{metrics:?}");
}

#[test]
fn a_crowd_is_neither_missed_nor_a_place_for_mistakes() {
    let mut crowd = object(0, 10, 20);
    crowd.source = InstanceSource::Crowd;
    let with_crowd = evaluator(
        vec![image(5, vec![object(0, 0, 4), crowd])],
        1,
        [50.0, 100.0],
    );
    // The better-scored detection lies on the crowd.
    let found = vec![(5, vec![detection(0, 0.9, 12, 15), detection(0, 0.5, 0, 4)])];
    assert!(near(with_crowd.metrics_of(&found).unwrap().mean_ap, 100.0));
    let without = evaluator(vec![image(5, vec![object(0, 0, 4)])], 1, [50.0, 100.0]);
    assert!(near(without.metrics_of(&found).unwrap().mean_ap, 50.0));
}

#[test]
fn the_dataset_s_areas_decide_the_size_range() {
    let mut truth = image(5, vec![object(0, 0, 4)]);
    truth.areas = vec![60.0];
    let metrics = evaluator(vec![truth], 1, [50.0, 100.0])
        .metrics_of(&[(5, vec![detection(0, 0.5, 0, 4)])])
        .unwrap();
    assert!(
        metrics.ap_small.is_none() && near(metrics.ap_medium, 100.0),
        "{metrics:?}"
    );
}

#[test]
fn detections_that_cannot_be_compared_are_refused() {
    let evaluator = evaluator(vec![image(5, vec![object(0, 0, 4)])], 1, [50.0, 100.0]);
    let refused = |id, detection| {
        evaluator
            .metrics_of(&[(id, vec![detection])])
            .unwrap_err()
            .to_string()
    };
    let transposed = Detection {
        mask: Mask::new(20, 10, vec![1; 200]),
        class: 0,
        score: 0.5,
        bounds: None,
    };
    assert!(refused(5, transposed).contains("(20, 10)"));
    assert!(refused(6, detection(0, 0.5, 0, 4)).contains("unknown image 6"));
    assert!(refused(5, detection(0, f32::NAN, 0, 4)).contains("no number"));
    assert!(refused(5, detection(3, 0.5, 0, 4)).contains("class 3 of 1"));
}

#[test]
fn parity_with_pycocotools() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/golden/coco_ap.json")).unwrap();
    let list = |key: &str| golden[key].as_array().unwrap();
    let numbers = |key: &str| {
        list(key)
            .iter()
            .map(|value| value.as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    let mask = |entry: &serde_json::Value| {
        let runs = entry["segmentation"]["counts"].as_str().unwrap();
        rle::decode(&hotcoco::mask::rle_from_string(runs, 24, 30).unwrap())
    };
    let class = |entry: &serde_json::Value| entry["category_id"].as_u64().unwrap() as usize - 1;
    let of = |key: &str, id: u64| {
        list(key)
            .iter()
            .filter(move |entry| entry["image_id"] == id)
            .collect::<Vec<_>>()
    };
    let mut truth = Vec::new();
    let mut found = Vec::new();
    for image in list("images") {
        let image_id = image["id"].as_u64().unwrap();
        let annotations = of("annotations", image_id);
        let instance = |entry: &&serde_json::Value| {
            let crowd = entry["iscrowd"] == 1;
            let source = if crowd {
                InstanceSource::Crowd
            } else {
                InstanceSource::Annotation
            };
            Instance {
                class: class(entry),
                mask: mask(entry),
                source,
            }
        };
        truth.push(Truth {
            image_id,
            height: 24,
            width: 30,
            instances: annotations.iter().map(instance).collect(),
            areas: annotations
                .iter()
                .map(|entry| entry["area"].as_f64().unwrap())
                .collect(),
            void: None,
        });
        let detection = |entry: &&serde_json::Value| Detection {
            class: class(entry),
            score: entry["score"].as_f64().unwrap() as f32,
            bounds: None,
            mask: mask(entry),
        };
        found.push((
            image_id,
            of("detections", image_id).iter().map(detection).collect(),
        ));
    }
    let bounds = numbers("area_bounds");
    let metrics = evaluator(truth, 4, [bounds[0], bounds[1]])
        .metrics_of(&found)
        .unwrap();
    let Values {
        mean_ap,
        ap50,
        ap75,
        ap_small,
        ap_medium,
        ap_large,
        per_class,
    } = metrics;
    let got: Vec<_> = [mean_ap, ap50, ap75, ap_small, ap_medium, ap_large]
        .into_iter()
        .chain(per_class)
        .collect();
    let expected: Vec<_> = numbers("stats")
        .into_iter()
        .chain(numbers("per_class"))
        .collect();
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(&expected) {
        match got {
            Some(got) => assert!((got - 100.0 * expected).abs() < 1e-9, "{got} {expected}"),
            None => assert_eq!(*expected, -1.0),
        }
    }
}
