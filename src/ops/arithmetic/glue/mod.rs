//! Small arithmetic between the fused ops: sums, repeats over the batch, row normalisation, scalars.
//!
//! `$$ a + b \qquad a\, f \qquad x_{bn} + r_n \qquad \frac{x_i}{\max(\lVert x_i\rVert_2,\, 10^{-12})} \qquad
//!    \sum_t c_t\, l_t \qquad x\, s \qquad \min(e^{s}, m) $$`
//!
//! Shapes: B images, N rows per image, C columns; scalars are `[1, 1]`. Source: elementary; the row norm is
//! PyTorch's `normalize`, the clamped exponential is CLIP's temperature (Radford et al. 2021, section 2.5).

#[allow(unsafe_code)]
mod cuda;

use crate::ops::cpu::gradient::pass;
use crate::ops::cpu::vector::{dot, sum};
use crate::tensor::cuda::Gpu;
use crate::tensor::{Grads, Tape, Tensor2};

/// Smallest norm that a row is divided by, PyTorch's default in `normalize`.
const SMALLEST_NORM: f32 = 1e-12;

/// `a + b`, both `[N, C]`.
///
/// Panics where the shapes differ.
pub fn add(tape: &mut Tape, a: &Tensor2, b: &Tensor2) -> Tensor2 {
    let shape = (a.rows(), a.columns());
    assert_eq!(shape, (b.rows(), b.columns()), "the terms of a sum");
    if let Some(gpu) = Gpu::of(&[a, b]) {
        return cuda::add(tape, &gpu, a, b);
    }
    let values = a
        .values()
        .iter()
        .zip(b.values())
        .map(|(a, b)| a + b)
        .collect();
    let out = tape.output(values, shape.0, shape.1, &[a, b]);
    let (a, b, source) = (a.clone(), b.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        pass(&a, grads, &gradient);
        pass(&b, grads, &gradient);
    });
    out
}

/// `x * factors`, value by value, both `[N, C]`. The factors are constants.
///
/// Panics where the shapes differ.
pub fn multiply(tape: &mut Tape, x: &Tensor2, factors: &Tensor2) -> Tensor2 {
    let shape = (x.rows(), x.columns());
    let given = (factors.rows(), factors.columns());
    assert_eq!(given, shape, "the factors of a product");
    if let Some(gpu) = Gpu::of(&[x]) {
        return cuda::multiply(tape, &gpu, x, factors);
    }
    let values = x.values().iter().zip(factors.values());
    let values = values.map(|(x, factor)| x * factor).collect();
    let out = tape.output(values, shape.0, shape.1, &[x]);
    let (x, factors, source) = (x.clone(), factors.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let products = gradient.iter().zip(factors.values());
        for (to, (g, factor)) in x.gradient_mut(grads).iter_mut().zip(products) {
            *to += g * factor;
        }
    });
    out
}

/// `x [B*N, C] + rows`, where `rows` is `[N, C]` (the same for every image) or `[1, C]` (the same for every
/// row).
///
/// Panics unless `x` has `batch * N` rows and the columns agree.
pub fn add_rows(tape: &mut Tape, x: &Tensor2, rows: &Tensor2, batch: usize) -> Tensor2 {
    let columns = x.columns();
    assert_eq!(columns, rows.columns(), "columns of the rows to add");
    assert!(
        rows.rows() == 1 || x.rows() == batch * rows.rows(),
        "{} rows do not repeat {batch} times to {}",
        rows.rows(),
        x.rows()
    );
    if let Some(gpu) = Gpu::of(&[x, rows]) {
        return cuda::add_rows(tape, &gpu, x, rows);
    }
    let mut values = Vec::with_capacity(x.len());
    for block in x.values().chunks(rows.len().max(1)) {
        values.extend(block.iter().zip(rows.values()).map(|(x, r)| x + r));
    }
    let out = tape.output(values, x.rows(), columns, &[x, rows]);
    let (x, rows, source) = (x.clone(), rows.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        pass(&x, grads, &gradient);
        add_blocks(&rows, grads, &gradient);
    });
    out
}

/// `x [N, C]` repeated for every image: `[B*N, C]`.
pub fn repeat(tape: &mut Tape, x: &Tensor2, batch: usize) -> Tensor2 {
    if let Some(gpu) = Gpu::of(&[x]) {
        return cuda::repeat(tape, &gpu, x, batch);
    }
    let out = tape.output(
        x.values().repeat(batch),
        batch * x.rows(),
        x.columns(),
        &[x],
    );
    let (x, source) = (x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        add_blocks(&x, grads, &gradient);
    });
    out
}

/// Adds the sum of the blocks of `gradient`, each as large as `input`, to the gradient of `input`.
fn add_blocks(input: &Tensor2, grads: &mut Grads, gradient: &[f32]) {
    if input.requires_grad() {
        let to = input.gradient_mut(grads);
        for block in gradient.chunks(to.len().max(1)) {
            for (t, g) in to.iter_mut().zip(block) {
                *t += g;
            }
        }
    }
}

/// The sum of `factor * term` over scalar terms: a total loss.
///
/// Panics unless there is a term and every term is `[1, 1]`.
pub fn weighted_sum(tape: &mut Tape, terms: &[(&Tensor2, f32)]) -> Tensor2 {
    assert!(!terms.is_empty(), "a sum of no terms");
    let inputs: Vec<&Tensor2> = terms.iter().map(|(term, _)| *term).collect();
    assert!(
        inputs
            .iter()
            .all(|term| (term.rows(), term.columns()) == (1, 1)),
        "a term is [1, 1]"
    );
    if let Some(gpu) = Gpu::of(&inputs) {
        return cuda::weighted_sum(tape, &gpu, terms);
    }
    let total = terms
        .iter()
        .map(|(term, factor)| factor * term.scalar())
        .sum();
    let out = tape.output(vec![total], 1, 1, &inputs);
    let terms: Vec<(Tensor2, f32)> = terms
        .iter()
        .map(|(term, factor)| ((*term).clone(), *factor))
        .collect();
    let source = out.clone();
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads)[0];
        for (term, factor) in &terms {
            pass(term, grads, &[factor * gradient]);
        }
    });
    out
}

/// Every row of `x [N, C]` divided by its length; a row shorter than 1e-12 is divided by 1e-12.
pub fn normalize_rows(tape: &mut Tape, x: &Tensor2) -> Tensor2 {
    if let Some(gpu) = Gpu::of(&[x]) {
        return cuda::normalize_rows(tape, &gpu, x, SMALLEST_NORM);
    }
    let (rows, columns) = (x.rows(), x.columns());
    let norm = |row: &[f32]| dot(row, row).sqrt();
    let mut values = x.values().to_vec();
    for row in values.chunks_exact_mut(columns.max(1)) {
        let scale = norm(row).max(SMALLEST_NORM).recip();
        row.iter_mut().for_each(|v| *v *= scale);
    }
    let out = tape.output(values, rows, columns, &[x]);
    let (x, source) = (x.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        let to = x.gradient_mut(grads);
        let lines = x
            .values()
            .chunks_exact(columns)
            .zip(source.values().chunks_exact(columns));
        for ((to, g), (x, y)) in to
            .chunks_exact_mut(columns)
            .zip(gradient.chunks_exact(columns))
            .zip(lines)
        {
            let length = norm(x);
            let scale = length.max(SMALLEST_NORM).recip();
            // A row at the floor is divided by a constant: no share through the norm.
            let along = if length > SMALLEST_NORM {
                dot(g, y)
            } else {
                0.0
            };
            for ((t, g), y) in to.iter_mut().zip(g).zip(y) {
                *t += scale * (g - along * y);
            }
        }
    });
    out
}

/// `x [N, C]` times the scalar `s [1, 1]`, with gradient to both.
pub fn scale_by(tape: &mut Tape, x: &Tensor2, s: &Tensor2) -> Tensor2 {
    assert_eq!((s.rows(), s.columns()), (1, 1), "a factor is [1, 1]");
    if let Some(gpu) = Gpu::of(&[x, s]) {
        return cuda::scale_by(tape, &gpu, x, s);
    }
    let factor = s.scalar();
    let out = tape.output(
        x.values().iter().map(|v| v * factor).collect(),
        x.rows(),
        x.columns(),
        &[x, s],
    );
    let (x, s, source) = (x.clone(), s.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = source.take_gradient(grads);
        pass(&s, grads, &[dot(&gradient, x.values())]);
        if x.requires_grad() {
            for (t, g) in x.gradient_mut(grads).iter_mut().zip(&gradient) {
                *t += factor * g;
            }
        }
    });
    out
}

/// `min(exp(s), max)` of a scalar `s [1, 1]`; no gradient where the limit holds.
pub fn exp_clamped(tape: &mut Tape, s: &Tensor2, max: f32) -> Tensor2 {
    assert_eq!((s.rows(), s.columns()), (1, 1), "an exponent is [1, 1]");
    if let Some(gpu) = Gpu::of(&[s]) {
        return cuda::exp_clamped(tape, &gpu, s, max);
    }
    let free = s.scalar().exp();
    let out = tape.output(vec![free.min(max)], 1, 1, &[s]);
    let (s, source) = (s.clone(), out.clone());
    tape.record(&out, move |grads| {
        let gradient = sum(&source.take_gradient(grads));
        if free < max {
            pass(&s, grads, &[gradient * free]);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::check::{gradients, on_every_place, parameter, same_as_host};
    use crate::ops::golden;

    on_every_place! {
        fn sums_pass_their_gradient_to_every_term(place) {
            gradients(
                place,
                &[parameter(1, 5, 3, 1.0), parameter(2, 5, 3, 1.0)],
                1e-2,
                1e-3,
                |tape, i| add(tape, &i[0], &i[1]),
            );
            for (rows, batch) in [(4, 3), (1, 3), (4, 1)] {
                let x = parameter(3, if rows == 1 { 6 } else { rows * batch }, 5, 1.0);
                gradients(
                    place,
                    &[x, parameter(4, rows, 5, 1.0)],
                    1e-2,
                    1e-3,
                    |tape, i| add_rows(tape, &i[0], &i[1], batch),
                );
            }
            gradients(
                place,
                &[parameter(5, 3, 4, 1.0)],
                1e-2,
                1e-3,
                |tape, i| repeat(tape, &i[0], 3),
            );
            gradients(
                place,
                &[parameter(6, 1, 1, 1.0), parameter(7, 1, 1, 1.0)],
                1e-2,
                1e-3,
                |tape, i| weighted_sum(tape, &[(&i[0], 2.0), (&i[1], -0.5)]),
            );
        }

        fn factors_multiply_values_and_slopes(place) {
            for (rows, columns) in [(5, 3), (1, 4), (301, 7)] {
                let factors = parameter(13, rows, columns, 1.0).detach();
                gradients(place, &[parameter(14, rows, columns, 1.0)], 1e-2, 1e-3, |tape, i| {
                    multiply(tape, &i[0], &factors)
                });
            }
            let x = Tensor2::constant(vec![2.0, 3.0, -1.0], 1, 3).to(place);
            let factors = Tensor2::constant(vec![0.0, 2.0, 0.5], 1, 3);
            assert_eq!(*multiply(&mut Tape::off(), &x, &factors).host_values(), [0.0, 6.0, -0.5]);
            let empty = Tensor2::constant(vec![], 0, 4);
            assert!(multiply(&mut Tape::off(), &empty.to(place), &empty).is_empty());
        }

        fn rows_repeat_over_the_images_and_not_over_the_rows_of_one_image(place) {
            let x = Tensor2::constant(vec![0.0; 4], 4, 1).to(place);
            let rows = Tensor2::constant(vec![1.0, 2.0], 2, 1).to(place);
            assert_eq!(
                *add_rows(&mut Tape::off(), &x, &rows, 2).host_values(),
                [1.0, 2.0, 1.0, 2.0]
            );
            assert_eq!(
                *repeat(&mut Tape::off(), &rows, 2).host_values(),
                [1.0, 2.0, 1.0, 2.0]
            );
        }

        fn normalised_rows_have_length_one_and_the_right_gradient(place) {
            let x = parameter(8, 4, 19, 1.0);
            let y = normalize_rows(&mut Tape::off(), &x.to(place));
            for row in y.host_values().chunks_exact(19) {
                assert!((dot(row, row) - 1.0).abs() < 1e-5);
            }
            gradients(place, &[x], 1e-2, 1e-3, |tape, i| {
                normalize_rows(tape, &i[0])
            });
        }

        fn large_inputs_of_any_width(place) {
            let tall = [parameter(1, 3000, 7, 1.0), parameter(2, 1, 7, 1.0)];
            same_as_host(place, &tall, 2e-5, |tape, i| add_rows(tape, &i[0], &i[1], 1));
            let tall = [parameter(1, 3000, 8, 1.0), parameter(2, 1, 1, 1.0)];
            same_as_host(place, &tall, 2e-5, |tape, i| scale_by(tape, &i[0], &i[1]));
            same_as_host(place, &tall[..1], 2e-5, |tape, i| normalize_rows(tape, &i[0]));
        }

        fn sums_of_many_scalars(place) {
            let terms: Vec<Tensor2> = (0..21).map(|i| parameter(i, 1, 1, 1.0)).collect();
            same_as_host(place, &terms, 1e-6, |tape, i| {
                let factors = (0..i.len()).map(|k| 0.5 + k as f32);
                let terms: Vec<(&Tensor2, f32)> = i.iter().zip(factors).collect();
                weighted_sum(tape, &terms)
            });
        }

        fn nothing_stays_nothing(place) {
            let empty = [parameter(1, 0, 4, 1.0), parameter(2, 0, 4, 1.0)];
            same_as_host(place, &empty, 0.0, |tape, i| add(tape, &i[0], &i[1]));
            same_as_host(place, &empty, 0.0, |tape, i| repeat(tape, &i[0], 3));
            same_as_host(place, &empty, 0.0, |tape, i| normalize_rows(tape, &i[0]));
        }

        fn a_zero_row_stays_zero(place) {
            let zero = Tensor2::constant(vec![0.0; 6], 2, 3).to(place);
            let y = normalize_rows(&mut Tape::off(), &zero);
            assert_eq!(*y.host_values(), [0.0; 6]);
        }

        fn scalars_multiply_and_clamp(place) {
            gradients(
                place,
                &[parameter(9, 3, 5, 1.0), parameter(10, 1, 1, 1.0)],
                1e-2,
                1e-3,
                |tape, i| scale_by(tape, &i[0], &i[1]),
            );
            let s = Tensor2::parameter(vec![1.0], 1, 1).to(place);
            gradients(
                place,
                std::slice::from_ref(&s),
                1e-2,
                1e-3,
                |tape, i| exp_clamped(tape, &i[0], 100.0),
            );

            let mut tape = Tape::recording();
            let clamped = exp_clamped(&mut tape, &s, 2.0);
            assert_eq!(clamped.scalar(), 2.0);
            assert_eq!(s.gradient(&mut tape.backward(&clamped)), [0.0]);
        }

        fn a_term_that_requires_no_gradient_gets_none(place) {
            let (a, b) = (parameter(11, 1, 1, 1.0).to(place), parameter(12, 1, 1, 1.0).detach());
            let mut tape = Tape::recording();
            let out = add(&mut tape, &a, &b);
            let mut grads = tape.backward(&out);
            assert_eq!(
                (a.gradient(&mut grads), b.gradient(&mut grads)),
                (vec![1.0], vec![0.0])
            );
        }

        fn parity_with_pytorch(place) {
            golden::check(
                place,
                &golden::load("ops2"),
                "normalize",
                &["x"],
                1e-5,
                |tape, i| normalize_rows(tape, &i[0]),
            );
        }
    }
}
