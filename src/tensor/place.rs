//! Where tensors lie and ops run: the host, or one GPU; and what a user may wish for.

use super::cuda::{self, Gpu};
use super::{Precision, Tensor2};
use std::fmt;
use std::str::FromStr;

/// Where the values of a tensor lie.
#[derive(Clone, Debug)]
pub enum Place {
    /// The memory of the host; ops run on the CPU.
    Host,
    /// The memory of a GPU; ops run there.
    Gpu(Gpu),
}

impl Place {
    /// The same place, where matrix products are computed with `precision`.
    ///
    /// # Errors
    /// It is the host, which knows [`Precision::F32`] alone.
    pub fn computing_with(&self, precision: Precision) -> Result<Self, NoPrecision> {
        match (self, precision) {
            (Self::Host, Precision::F32) => Ok(Self::Host),
            (Self::Host, _) => Err(NoPrecision),
            (Self::Gpu(gpu), _) => Ok(Self::Gpu(gpu.computing_with(precision))),
        }
    }

    /// Whether an op only starts its work here, which then goes on beside the program, as on a GPU. Every wait for a result costs time: so
    /// callers ask for many results together, and prepare the next work before they wait. On the host a result is there when an op returns,
    /// and small pieces of work keep memory low.
    pub fn is_asynchronous(&self) -> bool {
        match self {
            Self::Host => false,
            Self::Gpu(_) => true,
        }
    }

    /// Says that the calling thread's work here has come to an end: what a GPU keeps for its later calls is free for others.
    pub fn leave(&self) {
        match self {
            Self::Host => {}
            Self::Gpu(_) => Gpu::leave(),
        }
    }

    /// The constant `[rows, columns]` of a name, made of the values that `make` gives. A GPU keeps it under `name` and the size for
    /// the next who asks; the host, where nothing has to be sent, keeps nothing.
    pub fn kept(
        &self,
        name: String,
        rows: usize,
        columns: usize,
        make: impl FnOnce() -> Vec<f32>,
    ) -> Tensor2 {
        match self {
            Self::Host => {
                drop(name);
                Tensor2::constant(make(), rows, columns)
            }
            Self::Gpu(gpu) => gpu.kept(name, rows, columns, make),
        }
    }
}

/// The CPU cannot compute as it should.
#[derive(Debug, thiserror::Error)]
#[error("the CPU computes with \"f32\" alone; the others need a GPU")]
pub struct NoPrecision;

/// The device that a user asks for: `auto`, `cpu`, `cuda` or `cuda:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// The first GPU where there is one that can be used, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number, or none.
    Cuda(usize),
}

/// What a wish must look like.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no device; allowed: auto, cpu, cuda, cuda:N (the N-th GPU, from 0)")]
pub struct NoDevice(String);

impl FromStr for Wish {
    type Err = NoDevice;

    fn from_str(text: &str) -> Result<Self, NoDevice> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let number = text.strip_prefix("cuda:").filter(|n| {
                    // `+1` is a number for Rust.
                    n.bytes().all(|digit| digit.is_ascii_digit())
                });
                let number = number.and_then(|number| number.parse().ok());
                number
                    .map(Self::Cuda)
                    .ok_or_else(|| NoDevice(text.to_string()))
            }
        }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl Wish {
    /// The place that is wished for, and, where the wish was open and no GPU can be had, why not.
    ///
    /// # Errors
    /// A GPU was asked for by name that cannot be had: why.
    pub fn place(self) -> Result<(Place, Option<String>), String> {
        match (self, gpu(self.number())) {
            (Self::Cpu, _) => Ok((Place::Host, None)),
            (_, Ok(place)) => Ok((place, None)),
            (Self::Auto, Err(why)) => Ok((Place::Host, why.worth_telling())),
            (Self::Cuda(_), Err(why)) => Err(format!("{self}: {why}")),
        }
    }

    /// The number of the GPU that would be used; none: no GPU is to be looked for.
    fn number(self) -> Option<usize> {
        match self {
            Self::Auto => Some(0),
            Self::Cpu => None,
            Self::Cuda(number) => Some(number),
        }
    }
}

/// Why there is no GPU.
#[derive(Debug, thiserror::Error)]
enum NoGpu {
    #[error("none was asked for")]
    NotAsked,
    #[error("this program was built without `--features cuda`")]
    NotBuilt,
    #[error("{0}")]
    NotThere(String),
}

impl NoGpu {
    /// What a user hears who left the choice to the program: only what they might want to change.
    fn worth_telling(&self) -> Option<String> {
        match self {
            Self::NotAsked | Self::NotBuilt => None,
            Self::NotThere(why) => Some(format!("no GPU is used: {why}")),
        }
    }
}

fn gpu(number: Option<usize>) -> Result<Place, NoGpu> {
    let number = number.ok_or(NoGpu::NotAsked)?;
    if !cuda::IS_BUILT {
        return Err(NoGpu::NotBuilt);
    }
    let gpu = Gpu::open(number);
    gpu.map(Place::Gpu).map_err(NoGpu::NotThere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_reads_as_it_is_written() {
        for (text, wish) in [
            ("auto", Wish::Auto),
            ("cpu", Wish::Cpu),
            ("cuda:0", Wish::Cuda(0)),
            ("cuda:13", Wish::Cuda(13)),
        ] {
            assert_eq!(text.parse::<Wish>().unwrap(), wish);
            assert_eq!(wish.to_string(), text);
        }
        assert_eq!("cuda".parse::<Wish>().unwrap(), Wish::Cuda(0));
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:+1", "CUDA", "cuda:1x"] {
            let error = text.parse::<Wish>().unwrap_err().to_string();
            assert!(error.contains("allowed: auto, cpu, cuda"), "{error}");
        }
    }

    #[test]
    fn the_cpu_can_always_be_had_and_computes_with_f32() {
        let (place, why) = Wish::Cpu.place().unwrap();
        assert!(matches!(place, Place::Host) && why.is_none());
        assert!(!place.is_asynchronous());
        place.computing_with(Precision::F32).unwrap();
        for precision in [Precision::Tf32, Precision::Bf16] {
            let error = place.computing_with(precision).unwrap_err().to_string();
            assert!(error.contains("f32") && error.contains("GPU"), "{error}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn without_the_feature_only_an_explicit_wish_is_refused() {
        let (place, why) = Wish::Auto.place().unwrap();
        assert!(matches!(place, Place::Host) && why.is_none());
        let error = Wish::Cuda(1).place().unwrap_err();
        assert!(error.contains("cuda:1") && error.contains("--features cuda"));
    }
}
