//! The devices of a run: the CPU, or some GPUs, each for a number of stages at a time.

use crate::experiment::settings::sections::Settings;
use crate::tensor::{DeviceChoice, Place};
use anyhow::{Context, Result, anyhow};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The devices that a user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceRequest {
    /// One device.
    One(DeviceChoice),
    /// GPUs by their numbers.
    Gpus(Vec<usize>),
}

impl Default for DeviceRequest {
    fn default() -> Self {
        Self::One(DeviceChoice::Auto)
    }
}

/// A list of GPUs as the user writes it: numbers from 0, separated by commas, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuList(pub Vec<usize>);

impl FromStr for GpuList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| format!("{why}; allowed: numbers from 0, as in `0,1,3`");
        let mut numbers = Vec::new();
        for word in text.split(',') {
            let number = word.trim().parse();
            let number =
                number.map_err(|_| refuse(&format!("`{word}` is not the number of a GPU")))?;
            if numbers.contains(&number) {
                return Err(refuse(&format!("{number} appears twice")));
            }
            numbers.push(number);
        }
        Ok(Self(numbers))
    }
}

/// The open devices of a run.
#[derive(Debug)]
pub struct Devices {
    places: Vec<Place>,
    /// The number of stages that run on each.
    users: Mutex<Vec<usize>>,
}

impl Default for Devices {
    /// The CPU.
    fn default() -> Self {
        Self::new(vec![Place::Host])
    }
}

/// A device while a stage computes on it.
#[derive(Debug)]
pub struct Device<'a> {
    owner: &'a Devices,
    number: usize,
    /// The place of the stage's tensors.
    pub place: Place,
}

impl Devices {
    fn new(places: Vec<Place>) -> Self {
        Self {
            users: Mutex::new(vec![0; places.len()]),
            places,
        }
    }

    /// Opens the chosen devices. If the user left the choice open and gets no GPU, a message is returned too.
    ///
    /// # Errors
    /// A chosen GPU cannot be used. The error says why.
    pub fn open(ask: &DeviceRequest) -> Result<(Self, Option<String>)> {
        let (places, told) = match ask {
            DeviceRequest::One(choice) => {
                let (place, told) = choice.place().map_err(|why| anyhow!("--device {why}"))?;
                (vec![place], told)
            }
            DeviceRequest::Gpus(numbers) => {
                let place = |number: &usize| Ok(DeviceChoice::Cuda(*number).place()?.0);
                let places = numbers.iter().map(place).collect::<Result<_, String>>();
                (places.map_err(|why| anyhow!("--gpus {why}"))?, None)
            }
        };
        Ok((Self::new(places), told))
    }

    /// Returns true if the stages run on the CPU.
    pub fn is_cpu(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Host))
    }

    /// The names of the devices for the record of the run, such as `cpu` or `cuda:0 (NVIDIA H200)`.
    pub fn names(&self) -> Vec<String> {
        let name = |place: &Place| match place {
            Place::Host => "cpu".to_string(),
            Place::Gpu(gpu) => format!("{gpu:?}"),
        };
        self.places.iter().map(name).collect()
    }

    /// The number of stages that run at the same time. `asked` is the user's choice (0 if left open); on GPUs
    /// it is the number for each GPU, and one if left open.
    pub fn workers(&self, asked: usize) -> usize {
        match self.is_cpu() {
            true => asked,
            false => asked.max(1) * self.places.len(),
        }
    }

    /// Checks that stages with `settings` can run here.
    ///
    /// # Errors
    /// The CPU does not support the precision.
    pub fn suit(&self, settings: &Settings) -> Result<()> {
        for place in &self.places {
            let able = place.computing_with(settings.precision);
            able.context("precision")?;
        }
        Ok(())
    }

    /// The device with the fewest running stages, for a stage with `settings`.
    ///
    /// # Errors
    /// As for [`Self::suit`].
    pub fn take(&self, settings: &Settings) -> Result<Device<'_>> {
        let mut users = self.users();
        let free = users.iter().enumerate().min_by_key(|(_, users)| **users);
        let (number, _) = free.context("a run has a device")?;
        let place = self.places[number].computing_with(settings.precision);
        let place = place.context("precision")?;
        users[number] += 1;
        Ok(Device {
            owner: self,
            number,
            place,
        })
    }

    fn users(&self) -> MutexGuard<'_, Vec<usize>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The model in the name of a device: `NVIDIA H200` of `cuda:0 (NVIDIA H200)`, `cpu` of `cpu`.
pub fn model_of(name: &str) -> &str {
    let model = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    model.unwrap_or(name)
}

impl Drop for Device<'_> {
    fn drop(&mut self) {
        self.place.leave();
        self.owner.users()[self.number] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::sections::tests::table;

    #[test]
    fn a_list_of_gpus_reads_as_it_is_written() {
        assert_eq!("0".parse(), Ok(GpuList(vec![0])));
        assert_eq!("2, 0,7".parse(), Ok(GpuList(vec![2, 0, 7])));
        for (text, why) in [
            ("", "`` is not the number of a GPU"),
            ("0,", "`` is not the number of a GPU"),
            ("0,-1", "`-1` is not the number of a GPU"),
            ("1,0,1", "1 appears twice"),
        ] {
            let error = text.parse::<GpuList>().unwrap_err();
            assert!(error.contains(why) && error.contains("allowed"), "{error}");
        }
    }

    #[test]
    fn two_gpus_of_one_model_are_the_same_device() {
        for (name, model) in [
            ("cpu", "cpu"),
            ("cuda:0 (NVIDIA H200)", "NVIDIA H200"),
            ("cuda:7 (NVIDIA A100 (80GB))", "NVIDIA A100 (80GB)"),
        ] {
            assert_eq!(model_of(name), model);
        }
    }

    #[test]
    fn the_device_with_the_fewest_stages_is_taken() {
        let settings = Settings::read(&table()).unwrap();
        let devices = Devices::new(vec![Place::Host, Place::Host]);
        let first = devices.take(&settings).unwrap();
        let second = devices.take(&settings).unwrap();
        assert_eq!((first.number, second.number), (0, 1));
        drop(first);
        assert_eq!(devices.take(&settings).unwrap().number, 0);
        assert_eq!(*devices.users(), [0, 1]);
    }

    #[test]
    fn the_cpu_refuses_a_precision_that_it_does_not_know() {
        let mut table = table();
        table.insert("precision".into(), "bf16".into());
        let settings = Settings::read(&table).unwrap();
        let error = format!("{:#}", Devices::default().suit(&settings).unwrap_err());
        assert!(error.contains("precision: the CPU"), "{error}");
        assert_eq!(Devices::default().workers(3), 3);
    }
}
