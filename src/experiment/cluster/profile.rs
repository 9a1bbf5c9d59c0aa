//! What a job asks Slurm for.

use serde::{Deserialize, Serialize};

/// What the jobs of one kind of stage ask for. An empty text and the number 0 are not passed on to Slurm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Profile {
    /// The partition.
    pub partition: String,
    /// The account that pays.
    pub account: String,
    /// The quality of service.
    pub qos: String,
    /// The clusters of a federation.
    pub clusters: String,
    /// The number of GPUs of a job; 0: the CPU computes.
    pub gpus: u32,
    /// The type of these GPUs, as the site names it.
    pub gpu_type: String,
    /// The cores of a job.
    pub cpus: u32,
    /// The memory of a job, such as `32G`.
    pub mem: String,
    /// The features that a node needs.
    pub constraint: String,
    /// The nodes to be left out.
    pub exclude: String,
    /// How much the jobs step back behind others of the same user.
    pub nice: u32,
    /// The time limit of one job, not of a trial: Slurm's `D-HH:MM:SS`, `HH:MM:SS` or minutes.
    pub time: String,
    /// The seconds before that limit at which a job writes a checkpoint and is queued again.
    pub lead: u32,
    /// The number of jobs of one array that run at the same time.
    pub at_once: u32,
    /// The largest number of jobs in one array.
    pub max_array: u32,
    /// The number of times that a job is queued again when its time is over.
    pub max_requeues: u32,
    /// The number of trials that one job runs at the same time.
    pub pack: u32,
    /// The number of trials that one job runs one after the other.
    pub chain: u32,
    /// Lines of a shell before the program starts, such as `module load cuda/12.4`.
    pub setup: Vec<String>,
    /// The words before the program, such as `["apptainer", "exec", "--nv", "image.sif"]`.
    pub wrapper: Vec<String>,
    /// Further arguments of `sbatch`.
    pub extra: Vec<String>,
    /// The variables that a job inherits: `--export` of `sbatch`.
    pub export: String,
    /// True if a last job writes the records and tables.
    pub finish: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            partition: String::new(),
            account: String::new(),
            qos: String::new(),
            clusters: String::new(),
            gpus: 1,
            gpu_type: String::new(),
            cpus: 0,
            mem: String::new(),
            constraint: String::new(),
            exclude: String::new(),
            nice: 0,
            time: String::new(),
            lead: 300,
            at_once: 0,
            max_array: 1000,
            max_requeues: 50,
            pack: 1,
            chain: 1,
            setup: Vec::new(),
            wrapper: Vec::new(),
            extra: Vec::new(),
            export: "ALL".into(),
            finish: true,
        }
    }
}

impl Profile {
    /// What the job asks for that writes the records and tables, unless the profile says otherwise.
    pub fn without_devices(&self) -> Self {
        Self {
            gpus: 0,
            cpus: 1,
            ..self.clone()
        }
    }
}

/// The seconds of a time limit as Slurm reads it: `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M` or `D-H:M:S`.
pub fn seconds(time: &str) -> Option<u64> {
    let number = |word: &str| match word.bytes().all(|byte| byte.is_ascii_digit()) {
        true => word.parse::<u64>().ok(),
        false => None,
    };
    let (days, rest) = match time.split_once('-') {
        Some((days, rest)) => (Some(number(days)?), rest),
        None => (None, time),
    };
    let words: Option<Vec<u64>> = rest.split(':').map(number).collect();
    let (hours, minutes, seconds) = match (days, &words?[..]) {
        (None, [minutes]) => (0, *minutes, 0),
        (None, [minutes, seconds]) => (0, *minutes, *seconds),
        (_, [hours, minutes, seconds]) => (*hours, *minutes, *seconds),
        (Some(_), [hours]) => (*hours, 0, 0),
        (Some(_), [hours, minutes]) => (*hours, *minutes, 0),
        _ => return None,
    };
    let all = [
        (days.unwrap_or(0), 86_400),
        (hours, 3600),
        (minutes, 60),
        (seconds, 1),
    ];
    all.iter().try_fold(0_u64, |sum, (count, unit)| {
        sum.checked_add(count.checked_mul(*unit)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_slurm_reads_them() {
        let cases = [
            ("90", Some(5400)),
            ("90:30", Some(5430)),
            ("20:00:00", Some(72_000)),
            ("2-12", Some(216_000)),
            ("1-2:3", Some(93_780)),
            ("1-2:3:4", Some(93_784)),
            ("", None),
            ("1h", None),
            ("1:2:3:4", None),
            ("-1", None),
            ("+5", None),
            ("99999999999999999999", None),
            ("18446744073709551615-0", None),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
