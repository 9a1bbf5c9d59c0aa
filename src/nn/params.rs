//! Parameters and the way to visit them. The optimizer, the EMA teacher and the checkpoint all use it.

use crate::tensor::{Place, Tensor2};

/// The kind of a parameter. It decides the weight decay, and if the parameter is trained at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Matrix or kernel of a linear map or convolution.
    Weight,
    /// Bias of a linear map or convolution.
    Bias,
    /// Scale or shift of a normalisation.
    Norm,
    /// Learned embedding (queries, positions, levels).
    Embedding,
    /// Not trained by gradients but part of the state: running statistics. The EMA includes it.
    Buffer,
}

/// One named array of a network.
#[derive(Clone, Debug)]
pub struct Param {
    /// The values in the layout of the ops: a convolution's kernel is `[out, kernel * kernel * in]`, vectors
    /// are `[1, n]`.
    pub value: Tensor2,
    /// The kind of the parameter.
    pub kind: ParamKind,
    /// The shape in the reference checkpoint, e.g. `[out, in, kernel, kernel]` for a convolution.
    pub shape: Vec<usize>,
}

impl Param {
    /// A trained parameter of `kind`, or a constant for [`ParamKind::Buffer`]. The sizes in `shape` multiply to
    /// `rows * columns`.
    pub fn new(
        kind: ParamKind,
        values: Vec<f32>,
        rows: usize,
        columns: usize,
        shape: &[usize],
    ) -> Self {
        assert_eq!(
            shape.iter().product::<usize>(),
            rows * columns,
            "{shape:?} is not [{rows}, {columns}]"
        );
        let value = match kind {
            ParamKind::Buffer => Tensor2::constant(values, rows, columns),
            _ => Tensor2::parameter(values, rows, columns),
        };
        Self {
            value,
            kind,
            shape: shape.to_vec(),
        }
    }

    /// The values in the order of the reference checkpoint: `[out, in, kernel, kernel]` for a convolution.
    pub fn to_reference(&self) -> Vec<f32> {
        self.permuted(
            &self.value.host_values(),
            |kernel, channels, pixel, channel| {
                (channel * kernel + pixel, pixel * channels + channel)
            },
        )
    }

    /// Sets the values from the order of the reference checkpoint. Panics if their number is wrong.
    pub fn set_from_reference(&mut self, values: &[f32]) {
        assert_eq!(values.len(), self.value.len(), "values of {:?}", self.shape);
        let ours = self.permuted(values, |kernel, channels, pixel, channel| {
            (pixel * channels + channel, channel * kernel + pixel)
        });
        self.value.assign(&ours);
    }

    /// Copies `values` and reorders the kernel of a convolution: `order` returns (to, from) inside one output
    /// channel.
    fn permuted(
        &self,
        values: &[f32],
        order: impl Fn(usize, usize, usize, usize) -> (usize, usize),
    ) -> Vec<f32> {
        let [out, channels, height, width] = self.shape[..] else {
            return values.to_vec();
        };
        let (kernel, size) = (height * width, channels * height * width);
        let mut result = vec![0.0; values.len()];
        for o in 0..out {
            for pixel in 0..kernel {
                for channel in 0..channels {
                    let (to, from) = order(kernel, channels, pixel, channel);
                    result[o * size + to] = values[o * size + from];
                }
            }
        }
        result
    }
}

/// Anything that has named parameters.
pub trait Parameters {
    /// Calls `visit` with every parameter and its full name, in a fixed order. `prefix` is the dotted path of
    /// `self` ("" at the root).
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param));
}

/// Moves every parameter and buffer of `model` to `place`. From then on the model computes there.
pub fn move_to(model: &mut dyn Parameters, place: &Place) {
    model.parameters("", &mut |_, param| param.value = param.value.to(place));
}

/// Lends the values of those parameters of `model` that `choose` picks to `work`, in the order of the walk:
/// for an op that takes all of them at once.
///
/// A panic in `work` leaves the model without these values.
pub fn lend_values<T>(
    model: &mut dyn Parameters,
    choose: impl Fn(&Param) -> bool,
    work: impl FnOnce(&mut [Tensor2]) -> T,
) -> T {
    let nothing = Tensor2::constant(Vec::new(), 0, 0);
    let (mut lent, mut chosen) = (Vec::new(), Vec::new());
    model.parameters("", &mut |_, param| {
        let is_chosen = choose(param);
        chosen.push(is_chosen);
        if is_chosen {
            lent.push(std::mem::replace(&mut param.value, nothing.clone()));
        }
    });
    let result = work(&mut lent);
    let (mut lent, mut chosen) = (lent.into_iter(), chosen.into_iter());
    model.parameters("", &mut |_, param| {
        if chosen.next() == Some(true) {
            param.value = lent.next().expect("as many as were lent");
        }
    });
    result
}

/// `prefix.name`, or `name` at the root.
pub fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_string()
    } else {
        format!("{prefix}.{name}")
    }
}

/// The bits of a loss and of the gradients of all parameters of `model`.
#[cfg(test)]
pub(crate) fn bits_of(
    model: &mut dyn Parameters,
    loss: f32,
    grads: &mut crate::tensor::Grads,
) -> Vec<u32> {
    let mut bits = vec![loss.to_bits()];
    model.parameters("", &mut |_, param| {
        bits.extend(param.value.gradient(grads).iter().map(|g| g.to_bits()));
    });
    bits
}

/// The gradient of `param` in the reference's order.
#[cfg(test)]
pub(crate) fn reference_gradient(param: &Param, grads: &mut crate::tensor::Grads) -> Vec<f32> {
    let values = param.value.gradient(grads);
    Param {
        value: Tensor2::constant(values, param.value.rows(), param.value.columns()),
        kind: param.kind,
        shape: param.shape.clone(),
    }
    .to_reference()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_goes_to_the_reference_order_and_back() {
        let ours: Vec<f32> = (0..2 * 9 * 3).map(|i| i as f32).collect();
        let mut param = Param::new(ParamKind::Weight, ours.clone(), 2, 27, &[2, 3, 3, 3]);
        let reference = param.to_reference();
        // ours[o][y][x][c] = reference[o][c][y][x]
        assert_eq!(reference[(3 + 2) * 9 + 4], ours[27 + 4 * 3 + 2]);
        param.set_from_reference(&reference);
        assert_eq!(param.value.values(), ours);
    }

    struct Model(Vec<Param>);

    impl Parameters for Model {
        fn parameters(&mut self, _: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
            self.0.iter_mut().for_each(|param| visit("", param));
        }
    }

    #[test]
    fn values_are_lent_without_a_copy_and_come_back_to_their_places() {
        let kinds = [ParamKind::Weight, ParamKind::Buffer, ParamKind::Bias];
        let param = |(k, kind)| Param::new(kind, vec![k as f32; 2], 1, 2, &[2]);
        let mut model = Model(kinds.into_iter().enumerate().map(param).collect());
        let before = model.0[2].value.values().as_ptr();
        let count = lend_values(
            &mut model,
            |param| param.kind != ParamKind::Buffer,
            |values| {
                values[1].values_mut()[0] = 9.0;
                values.len()
            },
        );
        assert_eq!(count, 2);
        let values = model.0.iter().map(|param| param.value.values().to_vec());
        assert_eq!(
            values.collect::<Vec<_>>(),
            [[0.0, 0.0], [1.0, 1.0], [9.0, 2.0]]
        );
        assert_eq!(model.0[2].value.values().as_ptr(), before, "no copy");
        assert!(model.0[2].value.requires_grad() && !model.0[1].value.requires_grad());
    }
}
