//! Matches the arrays of a file with the parameters of a network.

use super::arrays::{ArrayEntry, Arrays};
use super::class_rows::ClassRows;
use super::extra_heads::head_of;
use crate::nn::params::{Param, Parameters};
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The names that a file uses for the parameters of a network.
pub trait Names {
    /// The arrays of our parameter `ours`.
    fn origin(&self, ours: &str) -> ArraySource;

    /// The reason why the array `name`, which belongs to no parameter, may be ignored; none if it may not.
    fn ignores(&self, name: &str) -> Option<&'static str>;
}

/// The arrays of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArraySource {
    /// The arrays, which are stacked along their first axis.
    pub names: Vec<String>,
    /// True if a matrix is stored transposed.
    pub transposed: bool,
    /// The order of the rows in the file.
    pub rows: RowOrder,
    /// True if kernels are rows of a matrix when the file is written. A file that is read may have either.
    pub flat: bool,
}

/// The order of the rows of an array, that is, of the slices along its first axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowOrder {
    /// As here.
    #[default]
    Same,
    /// Background is class 0 in the file.
    Classes(ClassRows),
}

impl ArraySource {
    /// Stacked arrays, not transposed.
    pub fn stacked(names: Vec<String>) -> Self {
        Self {
            names,
            transposed: false,
            rows: RowOrder::Same,
            flat: false,
        }
    }

    /// One array, not transposed.
    pub fn plain(name: impl Into<String>) -> Self {
        Self::stacked(vec![name.into()])
    }

    /// The shape that each of the arrays must have for `param`.
    fn shape(&self, param: &Param) -> Vec<usize> {
        let mut shape = param.shape.clone();
        if self.transposed {
            shape.reverse();
        }
        // A scalar has no first axis.
        if let Some(first) = shape.first_mut() {
            *first /= self.names.len();
            if let RowOrder::Classes(classes) = self.rows {
                *first = classes.in_file(*first);
            }
        }
        shape
    }

    /// The array that a file holds of `param`, its shape and values. For parameters with one array, not transposed.
    pub(super) fn stored(&self, param: &Param) -> (Vec<usize>, Vec<f32>) {
        let values = param.to_reference();
        let values = match self.rows {
            RowOrder::Same => values,
            RowOrder::Classes(classes) => {
                classes.to_file(&values, param.shape.first().copied().unwrap_or(0))
            }
        };
        let mut shape = self.shape(param);
        if self.flat {
            shape = vec![shape[0], shape[1..].iter().product()];
        }
        (shape, values)
    }

    /// Sets `param` to the values of the arrays, one after the other.
    fn set(&self, param: &mut Param, values: &[f32]) {
        if !self.transposed {
            return match self.rows {
                RowOrder::Same => param.set_from_reference(values),
                RowOrder::Classes(classes) => {
                    let rows = param.shape.first().copied().unwrap_or(0);
                    param.set_from_reference(&classes.from_file(values, rows));
                }
            };
        }
        let (rows, columns) = (param.value.rows(), param.value.columns());
        let turned = (0..rows * columns).map(|i| values[i % columns * rows + i / columns]);
        param.set_from_reference(&turned.collect::<Vec<_>>());
    }
}

/// One array of the file.
#[derive(Clone, Debug)]
pub struct ArrayFit {
    /// Its name in the file.
    pub name: String,
    /// The type of its values in safetensors' spelling.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its use.
    pub usage: ArrayUse,
}

/// The use of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrayUse {
    /// The array is this parameter, or a part of it.
    Loaded(String),
    /// The array is not needed, for this reason.
    Ignored(&'static str),
    /// The array belongs to this parameter but does not fit it, for this reason.
    Unfit(String, String),
    /// No parameter has this name.
    Surplus,
}

/// All arrays of a file, and the parameters without an array: of every network, and of heads that are not in the file.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The arrays, sorted by name.
    pub rows: Vec<ArrayFit>,
    /// The missing names, with their shapes.
    pub missing: Vec<(String, Vec<usize>)>,
    /// The same of heads of which the file has nothing: they keep their values.
    pub kept: Vec<(String, Vec<usize>)>,
}

impl Fit {
    /// Compares `arrays`, named by `names`, with the parameters of `network`.
    pub fn new(network: &mut dyn Parameters, arrays: &Arrays, names: &dyn Names) -> Self {
        let mut usages = BTreeMap::new();
        let mut absent = Vec::new();
        let mut present = BTreeSet::new();
        network.parameters("", &mut |ours, param| {
            let origin = names.origin(ours);
            let wanted = origin.shape(param);
            let head = head_of(ours);
            for source in origin.names {
                match arrays.get(&source) {
                    None => absent.push((head, (source, wanted.clone()))),
                    Some(entry) => {
                        present.extend(head);
                        usages.insert(source, usage(ours, arrays, entry, &wanted));
                    }
                }
            }
        });
        let is_kept = |head: &Option<&str>| head.is_some_and(|head| !present.contains(head));
        let (kept, missing): (Vec<_>, Vec<_>) =
            absent.into_iter().partition(|(head, _)| is_kept(head));
        let names_of = |list: Vec<(_, (String, Vec<usize>))>| -> Vec<(String, Vec<usize>)> {
            list.into_iter().map(|(_, named)| named).collect()
        };
        let row = |(name, entry): (&str, &ArrayEntry)| ArrayFit {
            name: name.to_string(),
            dtype: format!("{:?}", entry.dtype),
            shape: entry.shape.clone(),
            usage: usages.remove(name).unwrap_or_else(|| {
                names
                    .ignores(name)
                    .map_or(ArrayUse::Surplus, ArrayUse::Ignored)
            }),
        };
        Self {
            rows: arrays.entries().map(row).collect(),
            missing: names_of(missing),
            kept: names_of(kept),
        }
    }

    /// Everything that prevents loading the file, one line each.
    pub fn problems(&self) -> Vec<String> {
        let missing = self
            .missing
            .iter()
            .map(|(name, shape)| format!("`{name}` {shape:?} is missing"));
        let rows = self.rows.iter().filter_map(|row| match &row.usage {
            ArrayUse::Unfit(_, reason) => Some(format!("`{}` {reason}", row.name)),
            ArrayUse::Surplus => Some(format!("`{}` is unexpected", row.name)),
            ArrayUse::Loaded(_) | ArrayUse::Ignored(_) => None,
        });
        missing.chain(rows).collect()
    }
}

fn usage(ours: &str, arrays: &Arrays, entry: &ArrayEntry, wanted: &[usize]) -> ArrayUse {
    if entry.shape != wanted && !is_flat(&entry.shape, wanted) {
        let reason = format!("is {:?}, must be {wanted:?}", entry.shape);
        return ArrayUse::Unfit(ours.to_string(), reason);
    }
    if !entry.is_float() {
        let reason = format!("is {:?}, must be F32, F16, BF16 or F64", entry.dtype);
        return ArrayUse::Unfit(ours.to_string(), reason);
    }
    if !arrays.is_finite(entry) {
        let reason = "holds a value that is not a finite number".to_string();
        return ArrayUse::Unfit(ours.to_string(), reason);
    }
    ArrayUse::Loaded(ours.to_string())
}

/// Returns true if a matrix of shape `matrix` holds the kernels `wanted`, each as one row. So a linear layer over all
/// pixels of a map is stored.
fn is_flat(matrix: &[usize], wanted: &[usize]) -> bool {
    match (matrix, wanted) {
        ([rows, columns], [outputs, channels, height, width]) => {
            rows == outputs && *columns == channels * height * width
        }
        _ => false,
    }
}

impl fmt::Display for ArrayUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded(ours) => write!(f, "-> {ours}"),
            Self::Ignored(reason) => write!(f, "ignored: {reason}"),
            Self::Unfit(ours, reason) => write!(f, "does not fit {ours}: {reason}"),
            Self::Surplus => write!(f, "unexpected"),
        }
    }
}

/// Sets every parameter of `network` from `arrays`, named by `names`. The message of an error describes the
/// weights as `what`, and the expected network as `place`.
///
/// # Errors
/// Names are missing, superfluous, or of another shape or type. One message lists all of them, and `network`
/// is unchanged.
pub fn load(
    network: &mut dyn Parameters,
    arrays: &Arrays,
    names: &dyn Names,
    (what, place): (&str, &str),
) -> Result<()> {
    let problems = Fit::new(network, arrays, names).problems();
    if !problems.is_empty() {
        bail!(
            "{what} `{}` do not fit {place}:\n  {}",
            arrays.path().display(),
            problems.join("\n  ")
        );
    }
    network.parameters("", &mut |ours, param| {
        let origin = names.origin(ours);
        let parts = origin.names.iter();
        let values: Option<Vec<_>> = parts.map(|name| arrays.values(arrays.get(name)?)).collect();
        // The parameters of a head that the file does not have are all kept.
        if let Some(values) = values {
            origin.set(param, &values.concat());
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Linear;
    use crate::nn::params::join;
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;

    /// Two maps of 2 -> 4 without bias, as `a` and `b`.
    struct Two(Linear, Linear);

    impl Two {
        fn new() -> Self {
            Self(Linear::zeros(2, 4), Linear::zeros(2, 4))
        }
    }

    impl Parameters for Two {
        fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
            visit(&join(prefix, "a"), &mut self.0.weight);
            visit(&join(prefix, "b"), &mut self.1.weight);
        }
    }

    /// The first matrix in two parts, the second transposed.
    struct PartsAndTurned;

    impl Names for PartsAndTurned {
        fn origin(&self, ours: &str) -> ArraySource {
            match ours {
                "a" => ArraySource::stacked(vec!["top".into(), "bottom".into()]),
                _ => ArraySource {
                    transposed: true,
                    ..ArraySource::plain("turned")
                },
            }
        }

        fn ignores(&self, name: &str) -> Option<&'static str> {
            (name == "position_ids").then_some("a counter")
        }
    }

    /// The result of loading a file of these arrays into `model`.
    fn filled(arrays: &[(&str, Dtype, &[usize], Vec<u8>)], model: &mut Two) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x.safetensors");
        let views = arrays.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.to_vec(), bytes).expect("a tensor");
            (name.to_string(), view)
        });
        safetensors::serialize_to_file(views, None, &path)?;
        let place = ("weights", "config.json");
        load(model, &Arrays::open(&path)?, &PartsAndTurned, place)
    }

    fn floats(values: impl IntoIterator<Item = u8>) -> Vec<u8> {
        let values = values.into_iter().map(f32::from);
        values.flat_map(f32::to_le_bytes).collect()
    }

    #[test]
    fn arrays_are_stacked_and_turned() {
        let mut model = Two::new();
        let arrays = [
            ("top", Dtype::F32, &[2, 2][..], floats(0..4)),
            ("bottom", Dtype::F32, &[2, 2], floats(4..8)),
            ("turned", Dtype::F32, &[2, 4], floats(0..8)),
            ("position_ids", Dtype::I64, &[1], vec![0; 8]),
        ];
        filled(&arrays, &mut model).expect("a fit");
        assert_eq!(
            model.0.weight.value.values(),
            [0., 1., 2., 3., 4., 5., 6., 7.]
        );
        assert_eq!(
            model.1.weight.value.values(),
            [0., 4., 1., 5., 2., 6., 3., 7.]
        );
    }

    #[test]
    fn rows_of_classes_are_put_into_our_order() {
        let mut layer = Linear::zeros(2, 3);
        let source = ArraySource {
            rows: RowOrder::Classes(ClassRows {
                each: 1,
                background: false,
                by_id: false,
            }),
            ..ArraySource::plain("x")
        };
        let stored: Vec<f32> = (0..8).map(|i| i as f32).collect();
        assert_eq!(source.shape(&layer.weight), [4, 2]);
        source.set(&mut layer.weight, &stored);
        assert_eq!(layer.weight.value.values(), [2., 3., 4., 5., 6., 7.]);
    }

    #[test]
    fn kernels_may_be_stored_as_rows() {
        assert!(is_flat(&[5, 12], &[5, 3, 2, 2]) && !is_flat(&[12, 5], &[5, 3, 2, 2]));
    }

    #[test]
    fn a_number_that_is_none_does_not_fit() {
        let mut model = Two::new();
        let mut broken = floats(0..8);
        broken[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
        let arrays = [
            ("top", Dtype::F32, &[2, 2][..], floats(0..4)),
            ("bottom", Dtype::F32, &[2, 2], floats(4..8)),
            ("turned", Dtype::F32, &[2, 4], broken),
        ];
        let text = format!("{:#}", filled(&arrays, &mut model).expect_err("a misfit"));
        assert!(
            text.contains("`turned` holds a value that is not a finite number"),
            "{text}"
        );
    }

    /// A network with an IoU head of one layer.
    struct WithHead(Linear, Linear);

    impl Parameters for WithHead {
        fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
            self.0.parameters(&join(prefix, "plain"), visit);
            let head = "sem_seg_head.predictor.iou_embed.layers.0";
            self.1.parameters(&join(prefix, head), visit);
        }
    }

    struct Own;

    impl Names for Own {
        fn origin(&self, ours: &str) -> ArraySource {
            ArraySource::plain(ours)
        }

        fn ignores(&self, _: &str) -> Option<&'static str> {
            None
        }
    }

    #[test]
    fn a_head_that_is_missing_as_a_whole_keeps_its_values_and_a_part_of_one_is_an_error() {
        let mut network = WithHead(Linear::zeros(2, 1), Linear::zeros(2, 1));
        network.1.weight.value.values_mut().fill(7.0);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.safetensors");
        let mut load = |names: &[(&str, &[usize])]| {
            let bytes: Vec<u8> = floats(1..3);
            let views = names.iter().map(|(name, shape)| {
                let count = 4 * shape.iter().product::<usize>();
                let view = TensorView::new(Dtype::F32, shape.to_vec(), &bytes[..count]);
                (name.to_string(), view.expect("a tensor"))
            });
            safetensors::serialize_to_file(views, None, &path).expect("a writable folder");
            let arrays = Arrays::open(&path).expect("a file");
            let result = super::load(&mut network, &arrays, &Own, ("weights", "[model]"));
            (
                result,
                network.0.weight.value.values().to_vec(),
                network.1.weight.value.values().to_vec(),
            )
        };
        let plain: [(&str, &[usize]); 2] = [("plain.weight", &[1, 2]), ("plain.bias", &[1])];
        let (result, own, head) = load(&plain);
        result.expect("the head is not in the file");
        assert_eq!((own, head), (vec![1.0, 2.0], vec![7.0, 7.0]));
        let part: (&str, &[usize]) = ("sem_seg_head.predictor.iou_embed.layers.0.bias", &[1]);
        let (result, ..) = load(&[plain[0], plain[1], part]);
        let text = format!("{:#}", result.expect_err("a part of a head"));
        assert!(
            text.contains("`sem_seg_head.predictor.iou_embed.layers.0.weight` [1, 2] is missing"),
            "{text}"
        );
        let (result, ..) = load(&plain[..1]);
        let text = format!("{:#}", result.expect_err("a part of the network"));
        assert!(text.contains("`plain.bias` [1] is missing"), "{text}");
    }

    #[test]
    fn all_that_does_not_fit_is_reported_at_once_and_nothing_is_set() {
        let mut model = Two::new();
        let arrays = [
            ("top", Dtype::F32, &[4][..], floats(1..5)),
            ("surplus", Dtype::F32, &[1], floats(1..2)),
            ("turned", Dtype::I32, &[2, 4], vec![1; 32]),
        ];
        let error = filled(&arrays, &mut model).expect_err("a misfit");
        let text = format!("{error:#}");
        for part in [
            "x.safetensors` do not fit config.json",
            "`top` is [4], must be [2, 2]",
            "`bottom` [2, 2] is missing",
            "`turned` is I32, must be F32, F16, BF16 or F64",
            "`surplus` is unexpected",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        assert_eq!(model.0.weight.value.values(), [0.0; 8]);
        assert_eq!(model.1.weight.value.values(), [0.0; 8]);
    }
}
