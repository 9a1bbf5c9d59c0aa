//! Elementary functions without a gradient, for predictions and pseudo-labels.

/// `$1 / (1 + e^{-x})$`, without overflow.
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Replaces every row of `columns` values by its softmax `$e^{x_i - m} / \sum_j e^{x_j - m}$`, m the row's
/// maximum.
///
/// Panics unless `values` holds whole rows.
pub fn softmax_rows(values: &mut [f32], columns: usize) {
    assert!(
        columns > 0 && values.len().is_multiple_of(columns),
        "{} values in rows of {columns}",
        values.len()
    );
    for row in values.chunks_exact_mut(columns) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for value in row.iter_mut() {
            *value = (*value - most).exp();
            sum += *value;
        }
        row.iter_mut().for_each(|value| *value /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoid_is_symmetric_and_saturates() {
        assert_eq!(sigmoid(0.0), 0.5);
        assert_eq!((sigmoid(-1000.0), sigmoid(1000.0)), (0.0, 1.0));
        assert!((sigmoid(1.3) + sigmoid(-1.3) - 1.0).abs() < 1e-6);
        assert!((sigmoid(1.0) - 0.731_058_6).abs() < 1e-6);
    }

    #[test]
    fn softmax_sums_to_one_per_row_and_ignores_a_common_offset() {
        let mut values = vec![1.0, 2.0, 3.0, 1001.0, 1002.0, 1003.0];
        softmax_rows(&mut values, 3);
        let expected = [0.090_030_57, 0.244_728_47, 0.665_240_96];
        for (value, expected) in values.iter().zip(expected.iter().cycle()) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
    }
}
