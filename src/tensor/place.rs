//! The place of tensors and ops: the host or one GPU, and the choice of the user.

use super::cuda::{self, Gpu};
use super::{Precision, Tensor2};
use std::fmt;
use std::str::FromStr;

/// The memory that holds the values of a tensor.
#[derive(Clone, Debug)]
pub enum Place {
    /// The memory of the host; ops run on the CPU.
    Host,
    /// The memory of a GPU; ops run there.
    Gpu(Gpu),
}

impl Place {
    /// The same place with matrix products in `precision`.
    ///
    /// # Errors
    /// The place is the host, which supports only [`Precision::F32`].
    pub fn computing_with(&self, precision: Precision) -> Result<Self, NoPrecision> {
        match (self, precision) {
            (Self::Host, Precision::F32) => Ok(Self::Host),
            (Self::Host, _) => Err(NoPrecision),
            (Self::Gpu(gpu), _) => Ok(Self::Gpu(gpu.computing_with(precision))),
        }
    }

    /// True if an op only starts its work here and the work continues beside the program, as on a GPU. Every
    /// wait for a result costs time, so callers ask for many results together and prepare the next work before
    /// they wait. On the host a result is ready when an op returns, and small pieces of work keep memory low.
    pub fn is_asynchronous(&self) -> bool {
        match self {
            Self::Host => false,
            Self::Gpu(_) => true,
        }
    }

    /// To be called when the calling thread's work here has ended: memory that a GPU keeps for the thread's
    /// later calls becomes free for other threads.
    pub fn leave(&self) {
        match self {
            Self::Host => {}
            Self::Gpu(_) => Gpu::leave(),
        }
    }

    /// A constant `[rows, columns]` with the values that `make` returns. A GPU keeps it under `name` and its
    /// size for later calls. The host keeps nothing, because nothing has to be sent.
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

/// The CPU does not support the precision.
#[derive(Debug, thiserror::Error)]
#[error("the CPU supports only \"f32\"; other precisions need a GPU")]
pub struct NoPrecision;

/// The device that a user asks for: `auto`, `cpu`, `cuda` or `cuda:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first usable GPU, or else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU with this number.
    Cuda(usize),
}

/// The text names no device.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a device; allowed: auto, cpu, cuda, cuda:N (the N-th GPU, from 0)")]
pub struct NoDevice(String);

impl FromStr for DeviceChoice {
    type Err = NoDevice;

    fn from_str(text: &str) -> Result<Self, NoDevice> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let number = text.strip_prefix("cuda:").filter(|n| {
                    // Rust would parse `+1` as a number.
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

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl DeviceChoice {
    /// The chosen place. If the choice was `auto` and no GPU is usable, it also returns the reason.
    ///
    /// # Errors
    /// The GPU that was asked for cannot be used. The message says why.
    pub fn place(self) -> Result<(Place, Option<String>), String> {
        match (self, gpu(self.number())) {
            (Self::Cpu, _) => Ok((Place::Host, None)),
            (_, Ok(place)) => Ok((place, None)),
            (Self::Auto, Err(why)) => Ok((Place::Host, why.worth_telling())),
            (Self::Cuda(_), Err(why)) => Err(format!("{self}: {why}")),
        }
    }

    /// The number of the GPU to use; none if no GPU should be looked for.
    fn number(self) -> Option<usize> {
        match self {
            Self::Auto => Some(0),
            Self::Cpu => None,
            Self::Cuda(number) => Some(number),
        }
    }
}

/// The reason why there is no GPU.
#[derive(Debug, thiserror::Error)]
enum NoGpu {
    #[error("none was asked for")]
    Unwanted,
    #[error("this program was built without `--features cuda`")]
    NotBuilt,
    #[error("{0}")]
    Missing(String),
}

impl NoGpu {
    /// The message for a user who left the choice to the program; none if they cannot change the reason.
    fn worth_telling(&self) -> Option<String> {
        match self {
            Self::Unwanted | Self::NotBuilt => None,
            Self::Missing(why) => Some(format!("no GPU is used: {why}")),
        }
    }
}

fn gpu(number: Option<usize>) -> Result<Place, NoGpu> {
    let number = number.ok_or(NoGpu::Unwanted)?;
    if !cuda::IS_BUILT {
        return Err(NoGpu::NotBuilt);
    }
    let gpu = Gpu::open(number);
    gpu.map(Place::Gpu).map_err(NoGpu::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_reads_as_it_is_written() {
        for (text, choice) in [
            ("auto", DeviceChoice::Auto),
            ("cpu", DeviceChoice::Cpu),
            ("cuda:0", DeviceChoice::Cuda(0)),
            ("cuda:13", DeviceChoice::Cuda(13)),
        ] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap(), choice);
            assert_eq!(choice.to_string(), text);
        }
        assert_eq!(
            "cuda".parse::<DeviceChoice>().unwrap(),
            DeviceChoice::Cuda(0)
        );
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:+1", "CUDA", "cuda:1x"] {
            let error = text.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(error.contains("allowed: auto, cpu, cuda"), "{error}");
        }
    }

    #[test]
    fn the_cpu_can_always_be_had_and_computes_with_f32() {
        let (place, why) = DeviceChoice::Cpu.place().unwrap();
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
        let (place, why) = DeviceChoice::Auto.place().unwrap();
        assert!(matches!(place, Place::Host) && why.is_none());
        let error = DeviceChoice::Cuda(1).place().unwrap_err();
        assert!(error.contains("cuda:1") && error.contains("--features cuda"));
    }
}
