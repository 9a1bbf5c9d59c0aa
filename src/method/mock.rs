//! Method `mock`: no network and no data, a number that the settings and the seed decide, for trying sweeps
//! and the engine.
//!
//! `$$ \mathrm{mAP} = \sum_{t \le T} \frac{l}{T} + \sum_{T_b < t \le T} \frac{1}{T - T_b} \sum_{m\,\mathrm{on}} e_m
//!    + \sigma \sum_{t \le T} \frac{z_t}{\sqrt{T}}, \qquad z_t \sim \mathcal{N}(0, 1) $$`
//!
//! T: steps, T_b: steps of the burn-in, l: `level`, e_m: the effect of module m, sigma: `noise`. The sums are
//! taken one step at a time: a run that loses a step or takes one twice ends at another number. The z_t of
//! the burn-in come from the seed alone, those after it from the seed and the method, so that variants with
//! the same seed share a part T_b / T of their variance.

use super::Method;
use super::learner::NumberLearner;
use super::phase::{Build, MethodKeys, Passes, Phase, Start};
use crate::registry::{self, Check, Checked, ComponentErrors, MOST_STEPS};
use crate::rng::Stream;
use anyhow::{Context, Result, bail, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::Range;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// The method's name in a recipe.
pub(super) const NAME: &str = "mock";
/// Largest mAP.
const MOST: f64 = 100.0;
/// Longest time of a step, an hour.
const LONGEST_SLEEP: u64 = 3_600_000;
/// AP50 of a mock trial is this many times its mAP; of COCO's detectors it is about as much.
const AP50: f64 = 1.6;

/// Table `[method]` with `name = "mock"`.
#[derive(Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// T_b: steps that variants share.
    burn_in: usize,
    /// mAP without any module.
    level: f64,
    /// The modules, each true if it is on.
    modules: BTreeMap<String, bool>,
    /// The amount that each module adds to the mAP.
    effects: BTreeMap<String, f64>,
    /// Standard deviation of the mAP between seeds.
    noise: f64,
    /// Milliseconds that a step takes.
    sleep_ms: u64,
    /// The step, from 1 on, in which the trial fails; 0: none.
    fail_at: usize,
    /// The kind of failure.
    failure: Failure,
    /// It fails so often and then no more; 0: every time.
    fail_times: u64,
}

/// The kinds of failure of a mock trial.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Failure {
    /// With an error, as from an image that cannot be read.
    Error,
    /// With a panic, as from a mistake in the program.
    Panic,
    /// With a loss that is not a number.
    NonFinite,
    /// With more memory than there is: the process ends.
    Memory,
    /// Its process is killed, as by a kernel that runs out of memory.
    Kill,
}

pub(super) fn build(table: toml::Table) -> Result<Box<dyn Method>, ComponentErrors> {
    Ok(Box::new(registry::read::<Config>(table)?))
}

impl Checked for Config {
    fn check(&self, check: &mut Check) {
        check.range("burn-in", self.burn_in, 0..=MOST_STEPS);
        check.range("level", self.level, 0.0..=MOST);
        check.range("noise", self.noise, 0.0..=MOST);
        check.range("sleep-ms", self.sleep_ms, 0..=LONGEST_SLEEP);
        for (name, effect) in &self.effects {
            check.range(&format!("effects.{name}"), *effect, -MOST..=MOST);
        }
        let known: Vec<&str> = self.effects.keys().map(String::as_str).collect();
        for name in self.modules.keys() {
            if !self.effects.contains_key(name) {
                let message = format!(
                    "has no effect; method.effects knows `{}`",
                    known.join("`, `")
                );
                check.refuse(&format!("modules.{name}"), message);
            }
        }
    }
}

impl Method for Config {
    fn phases(&self, steps: usize) -> Vec<Phase> {
        let burn_in = self.burn_in;
        let mut phases = Vec::new();
        if burn_in > 0 {
            phases.push(self.phase("burn-in", 0..burn_in, steps));
        }
        if burn_in < steps {
            phases.push(Phase {
                start: match burn_in {
                    0 => Start::Fresh,
                    _ => Start::GoOn(0),
                },
                goes_on: false,
                shared: false,
                reads: MethodKeys::AllBut(Vec::new()),
                ..self.phase("distill", burn_in..steps, steps)
            });
        }
        phases
    }

    fn check_steps(&self, steps: usize, check: &mut Check) {
        let allowed = format!("at most `train.steps` = {steps}");
        check.require(self.burn_in <= steps, "burn-in", self.burn_in, allowed);
    }

    /// A module that is not named is off, and nothing reads the effect of a module that is off.
    fn normalise(&self, method: &mut toml::Table) {
        let Some(toml::Value::Table(modules)) = method.get_mut("modules") else {
            return;
        };
        modules.retain(|_, on| on.as_bool() != Some(false));
        let on = modules.clone();
        if let Some(toml::Value::Table(effects)) = method.get_mut("effects") {
            effects.retain(|name, _| on.contains_key(name));
        }
    }
}

impl Config {
    /// A phase of a training of `all` steps that reads what the burn-in reads: a failure after it is none of its own.
    fn phase(&self, name: &'static str, steps: Range<usize>, all: usize) -> Phase {
        let mut reads = vec!["burn-in", "level", "noise", "sleep-ms"];
        if (1..=self.burn_in).contains(&self.fail_at) {
            reads.extend(["fail-at", "failure", "fail-times"]);
        }
        let config = self.clone();
        Phase {
            name,
            steps,
            curve: all,
            start: Start::Fresh,
            passes: Passes::LABELLED,
            labels: false,
            alone: false,
            average: false,
            goes_on: true,
            shared: true,
            reads: MethodKeys::Only(reads),
            build: Build::Number(Box::new(move |seed, attempt| {
                Box::new(Mock::new(&config, seed, all, attempt))
            })),
        }
    }

    /// The sum of the effects of the active modules. A module that `modules` does not name is off.
    fn effect(&self) -> f64 {
        let on = self.modules.iter().filter(|(_, on)| **on);
        on.map(|(name, _)| self.effects[name]).sum()
    }

    /// Names the draws of a step after the burn-in: what of the method shows in the result.
    fn stream(&self) -> String {
        let on = self.modules.iter().filter(|(_, on)| **on);
        let on: Vec<String> = on
            .map(|(name, _)| format!("{name}={}", self.effects[name]))
            .collect();
        format!("mock/{}/{}", self.level, on.join(","))
    }
}

/// The sums so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    gained: f64,
    noise: f64,
}

/// A mock trial between two steps.
#[derive(Clone, Debug)]
struct Mock {
    config: Config,
    seed: u64,
    steps: usize,
    attempt: u64,
    state: State,
}

impl Mock {
    /// A trial of `steps` steps before its first. `attempt`, from 1 on: how often this part of it was begun.
    fn new(config: &Config, seed: u64, steps: usize, attempt: u64) -> Self {
        Self {
            config: config.clone(),
            seed,
            steps,
            attempt,
            state: State::default(),
        }
    }
}

impl NumberLearner for Mock {
    /// Panics, or ends the process, if the settings ask for that.
    fn step(&mut self, step: usize) -> Result<f32> {
        sleep(Duration::from_millis(self.config.sleep_ms));
        let steps = self.steps as f64;
        let mut loss = 1.0 / (1.0 + step as f32);
        let number = step + 1;
        if number == self.config.fail_at
            && (self.config.fail_times == 0 || self.attempt <= self.config.fail_times)
        {
            match self.config.failure {
                Failure::Error => bail!("the settings ask for a failure at step {number}"),
                Failure::Panic => panic!("the settings ask for a panic at step {number}"),
                Failure::NonFinite => loss = f32::NAN,
                Failure::Memory => drop(black_box(Vec::<u8>::with_capacity(isize::MAX as usize))),
                Failure::Kill => kill_this_process()?,
            }
        }
        ensure!(loss.is_finite(), "the loss is {loss} at step {number}");
        let burn_in = self.config.burn_in;
        let mut stream = if step < burn_in {
            Stream::at(self.seed, "mock/burn-in", step as u64)
        } else {
            self.state.gained += self.config.effect() / (self.steps - burn_in) as f64;
            Stream::at(self.seed, &self.config.stream(), step as u64)
        };
        self.state.gained += self.config.level / steps;
        self.state.noise += self.config.noise * stream.normal() / steps.sqrt();
        Ok(loss)
    }

    fn state(&self) -> serde_json::Value {
        serde_json::to_value(self.state).expect("two numbers")
    }

    fn restore(&mut self, state: &serde_json::Value) -> Result<()> {
        self.state = State::deserialize(state).context("not the state of a mock trial")?;
        Ok(())
    }

    fn scores(&self) -> [f64; 2] {
        let mean_ap = (self.state.gained + self.state.noise).clamp(0.0, MOST);
        [mean_ap, (AP50 * mean_ap).min(MOST)]
    }
}

/// Ends the process as the kernel does it when memory runs out.
///
/// # Errors
/// It lives.
fn kill_this_process() -> Result<()> {
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", "kill -KILL $PPID"]).output();
    output.context("the settings ask for a kill, and there is no shell for it")?;
    bail!("the settings ask for a kill, and nothing came of it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config() -> Config {
        let text = "burn-in = 4\nlevel = 20\nmodules = { a = true, b = true, c = false }\n\
                    effects = { a = 1.5, b = -0.5, c = 9 }\nnoise = 0.0\nsleep-ms = 0\n\
                    fail-at = 0\nfailure = 'error'\nfail-times = 0";
        registry::read::<Config>(text.parse().unwrap()).unwrap()
    }

    fn run(config: &Config, seed: u64, order: impl IntoIterator<Item = usize>) -> f64 {
        let mut mock = Mock::new(config, seed, 20, 1);
        for step in order {
            mock.step(step).unwrap();
        }
        mock.scores()[0]
    }

    #[test]
    fn without_noise_the_map_is_the_level_and_the_effects_of_the_modules_that_are_on() {
        assert!((run(&config(), 0, 0..20) - 21.0).abs() < 1e-9);
        let mut other = config();
        other.modules.insert("b".into(), false);
        assert!((run(&other, 7, 0..20) - 21.5).abs() < 1e-9);
        other.effects.insert("a".into(), 99.0);
        assert_eq!(run(&other, 7, 0..20), 100.0, "no mAP is above 100");
    }

    #[test]
    fn seeds_spread_by_the_noise_and_variants_share_the_burn_in() {
        let noisy = Config {
            noise: 2.0,
            ..config()
        };
        let found: Vec<f64> = (0..400).map(|seed| run(&noisy, seed, 0..20)).collect();
        let mean = found.iter().sum::<f64>() / 400.0;
        let variance = found.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 399.0;
        // Four standard errors: 2 / sqrt(400) of the mean, 4 sqrt(2 / 399) of the variance.
        assert!((mean - 21.0).abs() < 0.4, "{mean}");
        assert!((variance - 4.0).abs() < 1.14, "{variance}");
        let mut other = noisy.clone();
        other.modules.insert("a".into(), false);
        assert_eq!(run(&noisy, 3, 0..4), run(&other, 3, 0..4));
        let (one, two) = (run(&noisy, 3, 0..20), run(&other, 3, 0..20));
        assert!(
            (one - two - 1.5).abs() > 1e-6,
            "draws of their own after it"
        );
    }

    #[test]
    fn it_fails_where_and_as_often_as_asked() {
        let failing = |failure, attempt| {
            let config = Config {
                fail_at: 3,
                fail_times: 2,
                failure,
                ..config()
            };
            let mut mock = Mock::new(&config, 0, 20, attempt);
            (0..20).try_for_each(|step| mock.step(step).map(|_| ()))
        };
        let text = |result: Result<()>| result.unwrap_err().to_string();
        let asked = "the settings ask for a failure at step 3";
        assert_eq!(text(failing(Failure::Error, 1)), asked);
        assert_eq!(text(failing(Failure::Error, 2)), asked);
        assert_eq!(
            text(failing(Failure::NonFinite, 1)),
            "the loss is NaN at step 3"
        );
        failing(Failure::Error, 3).unwrap();
    }

    #[test]
    #[should_panic(expected = "the settings ask for a panic at step 3")]
    fn it_panics_where_asked() {
        let config = Config {
            fail_at: 3,
            failure: Failure::Panic,
            ..config()
        };
        run(&config, 0, 0..20);
    }

    #[test]
    fn a_module_without_an_effect_is_refused_by_its_key() {
        let mut table: toml::Table =
            "burn-in = 1\nlevel = 1\nmodules = { z = true }\neffects = { a = 1 }\n\
             noise = 1\nsleep-ms = 0\nfail-at = 0\nfailure = 'error'\nfail-times = 0"
                .parse()
                .unwrap();
        let error = registry::read::<Config>(table.clone()).unwrap_err();
        assert_eq!(error[0].key, "modules.z");
        assert!(error[0].message.contains("knows `a`"), "{error}");
        table.insert("noise".into(), (-1.0).into());
        assert_eq!(registry::read::<Config>(table).unwrap_err()[0].key, "noise");
    }

    proptest! {
        /// Whatever step is lost or taken twice, the number is another: with noise, and mostly without.
        #[test]
        fn a_lost_or_repeated_step_shows(seed in 0u64..1000, step in 0usize..20, noise in 0.0f64..3.0, lost: bool) {
            let noisy = Config { noise, ..config() };
            let wrong: Vec<usize> = (0..20)
                .flat_map(|t| vec![t; if t != step { 1 } else if lost { 0 } else { 2 }])
                .collect();
            prop_assert!((run(&noisy, seed, wrong) - run(&noisy, seed, 0..20)).abs() > 1e-12);
        }
    }
}
