//! The scores of the evaluators for one model, as the store keeps them.

use crate::metrics::Metrics;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The numbers of one model.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(from = "Kept")]
pub struct Scores {
    /// The metrics that records and tables show.
    pub metrics: Metrics,
    /// For metrics that have one, the value of every class of the dataset, by index; in percent, none where
    /// undefined.
    pub per_class: BTreeMap<String, Vec<Option<f64>>>,
    /// Further metrics, which tables show on request.
    #[serde(skip_serializing_if = "Metrics::is_empty")]
    pub more: Metrics,
}

impl Scores {
    /// Adds the numbers of another evaluator.
    pub(super) fn extend(&mut self, more: Self) {
        self.metrics.extend(more.metrics.iter());
        self.per_class.extend(more.per_class);
        self.more.extend(more.more.iter());
    }
}

/// The scores in a file of the store: of today, or of the time when there was one evaluator.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kept {
    Named {
        metrics: Metrics,
        per_class: BTreeMap<String, Vec<Option<f64>>>,
        #[serde(default)]
        more: Metrics,
    },
    OfCoco {
        mean_ap: Option<f64>,
        ap50: Option<f64>,
        ap75: Option<f64>,
        ap_small: Option<f64>,
        ap_medium: Option<f64>,
        ap_large: Option<f64>,
        per_class: Vec<Option<f64>>,
    },
}

impl From<Kept> for Scores {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Named {
                metrics,
                per_class,
                more,
            } => Self {
                metrics,
                per_class,
                more,
            },
            Kept::OfCoco {
                mean_ap,
                ap50,
                ap75,
                ap_small,
                ap_medium,
                ap_large,
                per_class,
            } => {
                let metrics = [
                    ("mAP", mean_ap),
                    ("AP50", ap50),
                    ("AP75", ap75),
                    ("APs", ap_small),
                    ("APm", ap_medium),
                    ("APl", ap_large),
                ];
                Self {
                    metrics: metrics.into_iter().collect(),
                    per_class: BTreeMap::from([("mAP".to_string(), per_class)]),
                    more: Metrics::default(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_the_time_of_one_evaluator_are_read() {
        let before = r#"{"mean_ap":20.5,"ap50":36.0,"ap75":18.0,"ap_small":null,"ap_medium":2.0,"ap_large":3.0,
                         "per_class":[1.0,null]}"#;
        let scores: Scores = serde_json::from_str(before).unwrap();
        let today = r#"{"metrics":{"mAP":20.5,"AP50":36.0,"AP75":18.0,"APs":null,"APm":2.0,"APl":3.0},"per_class":{"mAP":[1.0,null]}}"#;
        assert_eq!(serde_json::to_string(&scores).unwrap(), today);
        assert_eq!(serde_json::from_str::<Scores>(today).unwrap(), scores);
        let more = today.replace("]}}", r#"]},"more":{"AR100":30.5}}"#);
        let scores: Scores = serde_json::from_str(&more).unwrap();
        assert_eq!(scores.more.get("AR100"), Some(30.5));
        assert_eq!(serde_json::to_string(&scores).unwrap(), more);
        assert!(serde_json::from_str::<Scores>(r#"{"metrics":3}"#).is_err());
    }
}
