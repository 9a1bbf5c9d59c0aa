//! Named numbers: what an evaluator gives, a record keeps, a table shows, and a paper says of them.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Metrics in percent by their names, in the order in which the evaluators give them. A metric that nothing
/// defines, such as the precision on large objects where there are none, has no value.
///
/// In JSON an object: `{"mAP": 20.1, "AP50": 36.9, "APl": null}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(Vec<(String, Option<f64>)>);

impl Metrics {
    /// The value of the metric `name`; none if it is undefined or there is no such metric.
    pub fn get(&self, name: &str) -> Option<f64> {
        let mut known = self.iter();
        known.find(|(known, _)| *known == name)?.1
    }

    /// Returns true if there is no metric.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every metric with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<f64>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The first metric: the one that stands for all of them where there is room for one.
    pub fn first(&self) -> Option<(&str, Option<f64>)> {
        self.iter().next()
    }

    /// The reason why the trial with these metrics has not succeeded: its first metric has no value, as where
    /// no evaluated image has an object.
    pub fn undefined(&self) -> Option<String> {
        let (name, value) = self.first()?;
        let reason = || format!("the metric {name} is undefined: no evaluated image has an object");
        value.is_none().then(reason)
    }
}

impl<N: Into<String>> FromIterator<(N, Option<f64>)> for Metrics {
    fn from_iter<I: IntoIterator<Item = (N, Option<f64>)>>(metrics: I) -> Self {
        let named = metrics.into_iter();
        Self(named.map(|(name, value)| (name.into(), value)).collect())
    }
}

impl<N: Into<String>> Extend<(N, Option<f64>)> for Metrics {
    fn extend<I: IntoIterator<Item = (N, Option<f64>)>>(&mut self, metrics: I) {
        let named = metrics.into_iter();
        self.0
            .extend(named.map(|(name, value)| (name.into(), value)));
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

/// Reads an object in the order of its text.
struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Metrics;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metrics by their names")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Metrics, M::Error> {
        let mut metrics = Vec::new();
        while let Some(entry) = map.next_entry()? {
            metrics.push(entry);
        }
        Ok(Metrics(metrics))
    }
}

/// A column of a table of the paper, whose numbers stand beside those of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperColumn {
    /// Number of the table.
    pub table: String,
    /// Its column; where that is the name of a metric, the numbers are of this metric.
    pub column: String,
}

/// A group of rows that are compared with one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowGroup {
    /// The settings that tell the group from the others, like `data.labelled = 0.1`; unique in its table.
    pub title: String,
    /// The label of the row that the differences are computed against.
    pub reference: String,
}

/// The place of a row in a matrix of rows, as the paper's Tables 1 and 2 are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixPlace {
    /// The line of the matrix, like `STAC`.
    pub line: String,
    /// Its column, like `1 %`.
    pub column: String,
}

/// The rule of a table whose rows get seeds until they are decided.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UntilDecided {
    /// The number of seeds of the first look.
    pub at_least: usize,
    /// The largest number of seeds of a row.
    pub at_most: usize,
    /// The variance of the prior of the effect, in units of the deviation of the paired differences; above 0.
    pub effect_scale: f64,
    /// The largest difference that does not matter, in units of the metric; none if every difference matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negligible: Option<f64>,
}

/// The effect of the row on the metric, compared with another row. If a row without a module hurts, the
/// module helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The Holm-adjusted p is below 0.05 and the difference is above 0.
    Helps,
    /// The Holm-adjusted p is below 0.05 and the difference is below 0.
    Hurts,
    /// The difference is too small to matter: the confidence sequence lies within ± `negligible`. Only a table of seeds
    /// until decided has this verdict.
    Same,
    /// Everything else, including a single seed.
    Inconclusive,
    /// The two rows have the same numbers to the last digit, so nothing was compared. Only a table knows this:
    /// the differences of one metric do not tell.
    Identical,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Helps => "helps",
            Self::Hurts => "hurts",
            Self::Same => "same",
            Self::Inconclusive => "inconclusive",
            Self::Identical => "identical",
        })
    }
}

/// A decision on a row that gets seeds until it is decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowDecision {
    /// The label of the row.
    pub row: String,
    /// The number of seeds at which it fell.
    pub seeds: usize,
    /// The verdict.
    pub verdict: Verdict,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_the_order_and_the_undefined_ones() {
        let json = r#"{"mAP":1.5,"AP50%":null,"APs":0.0,"AP":20.076646742155006}"#;
        let metrics: Metrics = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&metrics).unwrap(), json);
        assert_eq!(metrics.first(), Some(("mAP", Some(1.5))));
        assert_eq!(metrics.undefined(), None, "the first one has a value");
        let undefined: Metrics = [("mAP", None), ("AP50", Some(2.0))].into_iter().collect();
        assert!(undefined.undefined().unwrap().contains("mAP"));
        assert_eq!(Metrics::default().undefined(), None);
        assert_eq!(metrics.get("AP50%"), None);
        assert_eq!(metrics.get("AP"), Some(20.076646742155006));
        assert_eq!(metrics.get("APx"), None);
        assert!(serde_json::from_str::<Metrics>("[1]").is_err());
        assert!(serde_json::from_str::<Metrics>(r#"{"mAP":"x"}"#).is_err());
    }
}
