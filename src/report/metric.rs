//! The metrics of a record by their names.

use super::record::{Metrics, Record, Status};

/// One of COCO's mask metrics, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// AP averaged over the IoU thresholds 0.50 to 0.95.
    #[default]
    MeanAp,
    /// AP at IoU 0.50.
    Ap50,
    /// AP at IoU 0.75.
    Ap75,
    /// mAP of small objects.
    Small,
    /// mAP of medium objects.
    Medium,
    /// mAP of large objects.
    Large,
}

impl Metric {
    /// All metrics, in the order of the tables.
    pub const ALL: [Self; 6] = [
        Self::MeanAp,
        Self::Ap50,
        Self::Ap75,
        Self::Small,
        Self::Medium,
        Self::Large,
    ];

    /// The name in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::MeanAp => "mAP",
            Self::Ap50 => "AP50",
            Self::Ap75 => "AP75",
            Self::Small => "APs",
            Self::Medium => "APm",
            Self::Large => "APl",
        }
    }

    /// The metric with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// The value of the metric; none if undefined.
    pub fn of(self, metrics: &Metrics) -> Option<f64> {
        match self {
            Self::MeanAp => metrics.mean_ap,
            Self::Ap50 => metrics.ap50,
            Self::Ap75 => metrics.ap75,
            Self::Small => metrics.ap_small,
            Self::Medium => metrics.ap_medium,
            Self::Large => metrics.ap_large,
        }
    }

    /// The value that a finished trial reached; none for a failed trial.
    pub fn reached(self, record: &Record) -> Option<f64> {
        self.of(finished(record)?)
    }
}

impl Metrics {
    /// Fills every metric by `value`.
    pub fn each(value: impl Fn(Metric) -> Option<f64>) -> Self {
        Self {
            mean_ap: value(Metric::MeanAp),
            ap50: value(Metric::Ap50),
            ap75: value(Metric::Ap75),
            ap_small: value(Metric::Small),
            ap_medium: value(Metric::Medium),
            ap_large: value(Metric::Large),
        }
    }
}

/// The metrics of a trial that did not fail.
pub(super) fn finished(record: &Record) -> Option<&Metrics> {
    record
        .metrics
        .as_ref()
        .filter(|_| record.status == Status::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_fields_are_those_of_the_records() {
        let json = r#"{"mAP":1.0,"AP50":2.0,"AP75":3.0,"APs":4.0,"APm":5.0,"APl":6.0}"#;
        let metrics: Metrics = serde_json::from_str(json).unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        for metric in Metric::ALL {
            assert_eq!(metric.of(&metrics), json[metric.name()].as_f64());
            assert_eq!(Metric::named(metric.name()), Some(metric));
        }
        assert_eq!(Metrics::each(|metric| metric.of(&metrics)), metrics);
        assert_eq!(Metric::named("map"), None);
    }
}
