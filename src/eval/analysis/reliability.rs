//! How far a class quality can be believed: among the detections that fit an object, the share of the right class by
//! class quality.
//!
//! `$$ \mathrm{ECE} = \sum_b \frac{n_b}{n} \left| \mathrm{right}_b - \mathrm{quality}_b \right| $$`

use super::kept::Prediction;

/// The number of bins, which are equally wide.
const BINS: usize = 10;
/// The IoU above which a detection fits an object.
const FITS: f64 = 0.5;

/// The detections with a class quality in a tenth of [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Their number.
    pub count: usize,
    /// Their mean class quality.
    pub quality: f64,
    /// The share of them with the right class.
    pub right: f64,
}

/// The bins and the expected calibration error.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliability {
    /// The bins, from the lowest quality on.
    pub bins: Vec<Bin>,
    /// The expected calibration error; none without a detection.
    pub error: Option<f64>,
}

/// The reliability of the detections with an IoU above 0.5 with an object of any class. A detection has the right
/// class if its best object is of its class.
pub fn reliability<'a>(predictions: impl IntoIterator<Item = &'a Prediction>) -> Reliability {
    let fit = predictions.into_iter().filter(|one| one.overlap() > FITS);
    let (qualities, right): (Vec<f64>, Vec<bool>) = fit
        .map(|one| (one.class_quality, one.own >= one.other))
        .unzip();
    let bins = hotcoco::metrics::calibration::calibration_curve(&qualities, &right, BINS);
    let (error, _) = hotcoco::metrics::calibration::calibration_error(&bins);
    let bin = |one: &hotcoco::metrics::calibration::CalibrationBin| Bin {
        count: one.count,
        quality: one.avg_confidence,
        right: one.avg_accuracy,
    };
    Reliability {
        bins: bins.iter().map(bin).collect(),
        error: (!qualities.is_empty()).then_some(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(quality: f64, own: f64, other: f64) -> Prediction {
        Prediction {
            class_quality: quality,
            own,
            other,
            ..Prediction::default()
        }
    }

    #[test]
    fn the_error_is_the_mean_distance_between_quality_and_truth() {
        let all = [
            prediction(0.95, 0.9, 0.0),
            prediction(0.95, 0.2, 0.8),
            prediction(0.15, 0.0, 0.7),
            // These fit no object.
            prediction(0.5, 0.5, 0.0),
            prediction(1.0, 0.0, 0.3),
        ];
        let found = reliability(&all);
        assert_eq!(found.bins.len(), 10);
        assert_eq!(found.bins[9].count, 2);
        assert!((found.bins[9].right - 0.5).abs() < 1e-12);
        assert_eq!((found.bins[1].count, found.bins[1].right), (1, 0.0));
        let expected = 2.0 / 3.0 * 0.45 + 1.0 / 3.0 * 0.15;
        assert!((found.error.unwrap() - expected).abs() < 1e-12);
        assert_eq!(reliability([]).error, None);
    }
}
