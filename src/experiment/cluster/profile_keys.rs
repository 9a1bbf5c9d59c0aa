//! The keys of a profile: each with the function that reads its value.

use super::profile::{Profile, seconds};
use toml::Value;

/// The most that a number of a profile may be: more than any cluster has.
const MOST: u32 = 1_000_000;

/// The largest `lead` that Slurm takes, in seconds.
const LARGEST_LEAD: u32 = 65_535;
/// The options of `sbatch` by which the program knows its jobs and their ends.
const OWN_OPTIONS: [&str; 14] = [
    "--array",
    "--chdir",
    "--clusters",
    "--dependency",
    "--job-name",
    "--kill-on-invalid-dep",
    "--no-requeue",
    "--open-mode",
    "--output",
    "--parsable",
    "--signal",
    "--test-only",
    "--wait",
    "--wrap",
];
/// The same as single letters.
const OWN_LETTERS: [&str; 7] = ["-a", "-D", "-M", "-d", "-J", "-o", "-W"];

/// A key of a profile.
pub struct ProfileKey {
    /// The name in the file.
    pub name: &'static str,
    /// True if it holds for all kinds of stages.
    pub whole: bool,
    /// Reads a value into a profile. The error says what is allowed.
    pub read: fn(&mut Profile, &Value) -> Result<(), String>,
}

/// All keys, in the order of the documentation.
pub const KEYS: &[ProfileKey] = &[
    key("partition", |to, value| text(value, &mut to.partition)),
    key("account", |to, value| text(value, &mut to.account)),
    key("qos", |to, value| text(value, &mut to.qos)),
    of_all("clusters", |to, value| cluster(value, &mut to.clusters)),
    key("gpus", |to, value| number(value, 0, 64, &mut to.gpus)),
    key("gpu-type", |to, value| text(value, &mut to.gpu_type)),
    key("cpus", |to, value| number(value, 0, 4096, &mut to.cpus)),
    key("mem", |to, value| memory(value, &mut to.mem)),
    key("constraint", |to, value| text(value, &mut to.constraint)),
    key("exclude", |to, value| text(value, &mut to.exclude)),
    key("nice", |to, value| number(value, 0, MOST, &mut to.nice)),
    key("time", |to, value| time(value, &mut to.time)),
    key("lead", |to, value| {
        number(value, 0, LARGEST_LEAD, &mut to.lead)
    }),
    key("at-once", |to, value| {
        number(value, 0, MOST, &mut to.at_once)
    }),
    key("max-array", |to, value| {
        number(value, 1, MOST, &mut to.max_array)
    }),
    key("max-requeues", |to, value| {
        number(value, 0, MOST, &mut to.max_requeues)
    }),
    key("pack", |to, value| number(value, 1, 1024, &mut to.pack)),
    key("chain", |to, value| number(value, 1, 1024, &mut to.chain)),
    key("setup", |to, value| texts(value, &mut to.setup)),
    key("wrapper", |to, value| texts(value, &mut to.wrapper)),
    key("extra", |to, value| extra(value, &mut to.extra)),
    key("export", |to, value| text(value, &mut to.export)),
    of_all("finish", |to, value| flag(value, &mut to.finish)),
];

const fn key(
    name: &'static str,
    read: fn(&mut Profile, &Value) -> Result<(), String>,
) -> ProfileKey {
    ProfileKey {
        name,
        whole: false,
        read,
    }
}

const fn of_all(
    name: &'static str,
    read: fn(&mut Profile, &Value) -> Result<(), String>,
) -> ProfileKey {
    ProfileKey {
        name,
        whole: true,
        read,
    }
}

/// A text in one line: it becomes one word of a command line.
fn line(value: &Value) -> Option<&str> {
    let text = value.as_str()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

fn text(value: &Value, to: &mut String) -> Result<(), String> {
    *to = line(value).ok_or("text in one line")?.to_string();
    Ok(())
}

fn texts(value: &Value, to: &mut Vec<String>) -> Result<(), String> {
    let items = value
        .as_array()
        .and_then(|items| items.iter().map(line).collect());
    let items: Vec<&str> = items.ok_or("a list of texts, each in one line")?;
    *to = items.into_iter().map(str::to_string).collect();
    Ok(())
}

/// Further arguments of `sbatch`, but for those that the program gives itself.
fn extra(value: &Value, to: &mut Vec<String>) -> Result<(), String> {
    texts(value, to)?;
    let own = to.iter().find(|word| {
        let name = word.split_once('=').map_or(&***word, |(name, _)| name);
        OWN_OPTIONS.contains(&name) || OWN_LETTERS.iter().any(|own| word.starts_with(own))
    });
    match own {
        Some(own) => Err(format!(
            "any option of sbatch but `{own}`, which the program gives itself"
        )),
        None => Ok(()),
    }
}

/// One cluster of a federation: a number of a job means another job on another one.
fn cluster(value: &Value, to: &mut String) -> Result<(), String> {
    let name = line(value).filter(|name| !name.contains(',') && *name != "all");
    *to = name.ok_or("the name of one cluster")?.to_string();
    Ok(())
}

fn flag(value: &Value, to: &mut bool) -> Result<(), String> {
    *to = value.as_bool().ok_or("true or false")?;
    Ok(())
}

fn number(value: &Value, least: u32, most: u32, to: &mut u32) -> Result<(), String> {
    let found = value.as_integer().and_then(|it| u32::try_from(it).ok());
    let found = found.filter(|it| (least..=most).contains(it));
    *to = found.ok_or_else(|| format!("a whole number from {least} to {most}"))?;
    Ok(())
}

fn time(value: &Value, to: &mut String) -> Result<(), String> {
    let found = value
        .as_str()
        .filter(|time| seconds(time).is_some_and(|it| it > 0));
    let found = found.ok_or("a time limit such as \"20:00:00\", \"2-12\" or \"90\" (minutes)")?;
    *to = found.to_string();
    Ok(())
}

/// A number of megabytes, or of the unit behind it; empty if the site's default is fine.
fn memory(value: &Value, to: &mut String) -> Result<(), String> {
    let is_memory = |text: &str| {
        let digits = text.trim_end_matches(['K', 'M', 'G', 'T']);
        let unit = text.len() - digits.len() <= 1;
        unit && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let found = value
        .as_str()
        .filter(|text| text.is_empty() || is_memory(text));
    *to = found.ok_or("text such as \"32G\" or \"500M\"")?.to_string();
    Ok(())
}
