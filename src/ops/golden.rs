//! Golden numbers: ops against values and gradients that PyTorch computed (`tests/golden/`).
//!
//! A file holds, for a case `c`: the inputs `c.<name>`, the output `c.out`, the gradient `c.seed` put into
//! the output, and the gradient `c.<name>.grad` of every input that has one. All in this crate's layout:
//! matrices, channels last.

use super::check::loss_of;
use crate::tensor::{Place, Tape, Tensor2};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;

/// Tensors by name: shape and values.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The file `name` of `tests/golden`. Cargo tells the tests that it runs where the repository is. Whoever runs
/// them elsewhere, such as `benches/gpu/window`, tells it by the same variable.
pub(crate) fn path(name: &str) -> String {
    let folder = std::env::var("CARGO_MANIFEST_DIR");
    let folder = folder.unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_string());
    format!("{folder}/tests/golden/{name}")
}

/// Reads `tests/golden/<file>.safetensors`.
pub(crate) fn load(file: &str) -> Tensors {
    let path = path(&format!("{file}.safetensors"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let tensors =
        SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
    let read = |(name, tensor): (String, safetensors::tensor::TensorView)| {
        assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
        let values = tensor.data().chunks_exact(4);
        let values = values
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect();
        (name, (tensor.shape().to_vec(), values))
    };
    tensors.tensors().into_iter().map(read).collect()
}

/// Runs `op` at `place` on the inputs of `case` and compares its output and every gradient; the largest error
/// may be `tolerance` times the largest golden value.
pub(crate) fn check(
    place: &Place,
    tensors: &Tensors,
    case: &str,
    inputs: &[&str],
    tolerance: f32,
    op: impl Fn(&mut Tape, &[Tensor2]) -> Tensor2,
) {
    let find = |name: String| {
        tensors
            .get(&name)
            .unwrap_or_else(|| panic!("no golden {name}"))
    };
    let leaf = |name: &&str| {
        let (shape, values) = find(format!("{case}.{name}"));
        let &[rows, columns] = &shape[..] else {
            panic!("{case}.{name} is no matrix: {shape:?}")
        };
        let leaf = match tensors.contains_key(&format!("{case}.{name}.grad")) {
            true => Tensor2::parameter(values.clone(), rows, columns),
            false => Tensor2::constant(values.clone(), rows, columns),
        };
        leaf.to(place)
    };
    let leaves: Vec<Tensor2> = inputs.iter().map(leaf).collect();
    let mut tape = Tape::recording();
    let out = op(&mut tape, &leaves);
    let (shape, expected) = find(format!("{case}.out"));
    assert_eq!(&[out.rows(), out.columns()], &shape[..], "{case}.out");
    let name = format!("{case}.out");
    compare(&name, &out.host_values(), expected, tolerance);

    let loss = loss_of(&mut tape, &out, find(format!("{case}.seed")).1.clone());
    let mut grads = tape.backward(&loss);
    for (name, leaf) in inputs
        .iter()
        .zip(&leaves)
        .filter(|(_, leaf)| leaf.requires_grad())
    {
        let name = format!("{case}.{name}.grad");
        compare(
            &name,
            &leaf.gradient(&mut grads),
            &find(name.clone()).1,
            tolerance,
        );
    }
}

/// Compares relative to the largest expected value.
pub(crate) fn compare(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-6f32, |most, v| most.max(v.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs() / scale;
        assert!(
            error <= tolerance,
            "{what}[{i}]: {got}, golden {expected}, scale {scale}"
        );
    }
}
