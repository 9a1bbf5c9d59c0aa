//! The twelve numbers of the COCO metric: their definitions, names and spellings.

use std::fmt::{Display, Formatter, Result};

/// The quantity that is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Interpolated precision over 101 recalls.
    Precision,
    /// The highest recall.
    Recall,
}

/// One of the twelve numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Its name in files.
    pub name: &'static str,
    /// The quantity that is averaged.
    pub measure: Measure,
    /// The one IoU threshold, or all from 0.50 to 0.95.
    pub iou: Option<f64>,
    /// The area range.
    pub area: &'static str,
    /// The number of best detections per image and category that count.
    pub detections: usize,
}

const fn precision(name: &'static str, iou: Option<f64>, area: &'static str) -> Metric {
    Metric {
        name,
        measure: Measure::Precision,
        iou,
        area,
        detections: 100,
    }
}

const fn recall(name: &'static str, area: &'static str, detections: usize) -> Metric {
    Metric {
        name,
        measure: Measure::Recall,
        iou: None,
        area,
        detections,
    }
}

/// pycocotools' number for what no annotation defines.
pub const UNDEFINED: f64 = -1.0;

/// The twelve, in pycocotools' order.
pub const METRICS: [Metric; 12] = [
    precision("AP", None, "all"),
    precision("AP50", Some(0.5), "all"),
    precision("AP75", Some(0.75), "all"),
    precision("APs", None, "small"),
    precision("APm", None, "medium"),
    precision("APl", None, "large"),
    recall("AR1", "all", 1),
    recall("AR10", "all", 10),
    recall("AR100", "all", 100),
    recall("ARs", "small", 100),
    recall("ARm", "medium", 100),
    recall("ARl", "large", 100),
];

/// The values of [`METRICS`], in [0, 1], or -1 where no annotation defines one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary(pub [f64; 12]);

impl Summary {
    /// Each number under its name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        METRICS.iter().map(|metric| metric.name).zip(self.0)
    }

    /// The number `METRICS[index]` in percent, if it is defined.
    pub(super) fn percent(&self, index: usize) -> Option<f64> {
        percent(self.0[index])
    }
}

/// Percent; `None` for what nothing defines.
pub(super) fn percent(value: f64) -> Option<f64> {
    (value > UNDEFINED).then_some(100.0 * value)
}

/// The lines that pycocotools prints.
impl Display for Summary {
    fn fmt(&self, f: &mut Formatter) -> Result {
        for (index, (metric, value)) in METRICS.iter().zip(self.0).enumerate() {
            let title = match metric.measure {
                Measure::Precision => "Average Precision  (AP)",
                Measure::Recall => "Average Recall     (AR)",
            };
            let iou = metric
                .iou
                .map_or("0.50:0.95".to_string(), |iou| format!("{iou:.2}"));
            let (area, most) = (metric.area, metric.detections);
            let end = if index == 0 { "" } else { "\n" };
            write!(
                f,
                "{end} {title} @[ IoU={iou:<9} | area={area:>6} | maxDets={most:>3} ] = {value:.3}"
            )?;
        }
        Ok(())
    }
}

/// `value` with 17 significant digits, from which every reader gets the same number back.
pub fn seventeen_digits(value: f64) -> String {
    let scientific = format!("{value:e}");
    let exponent = scientific.rsplit('e').next();
    let exponent: i32 = exponent.and_then(|text| text.parse().ok()).unwrap_or(0);
    let decimals = usize::try_from(16 - exponent).unwrap_or(0);
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lines_are_those_of_pycocotools() {
        let mut values = [0.25; 12];
        values[11] = UNDEFINED;
        let text = Summary(values).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            " Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = 0.250"
        );
        assert_eq!(
            lines[6],
            " Average Recall     (AR) @[ IoU=0.50:0.95 | area=   all | maxDets=  1 ] = 0.250"
        );
        assert_eq!(
            lines[11],
            " Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -1.000"
        );
        assert_eq!(lines.len(), 12);
    }

    #[test]
    fn digits_are_counted_from_the_first() {
        assert_eq!(seventeen_digits(1.0 / 3.0), "0.33333333333333331");
        assert_eq!(seventeen_digits(1.0 / 300.0), "0.0033333333333333335");
        assert_eq!(seventeen_digits(1.0), "1.0000000000000000");
        assert_eq!(seventeen_digits(0.0), "0.0000000000000000");
        assert_eq!(seventeen_digits(-1.0), "-1.0000000000000000");
    }

    proptest! {
        #[test]
        fn digits_give_the_number_back(value in 0.0f64..=1.0) {
            prop_assert_eq!(seventeen_digits(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }
}
