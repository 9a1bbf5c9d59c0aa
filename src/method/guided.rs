//! Method `guided`: GuidedDistillation (Berrada et al., WACV 2024), in three phases.
//!
//! | phase | student | teacher | steps |
//! |---|---|---|---|
//! | `teacher` | first weights, supervised | none | `teacher-steps`, a learning-rate curve of its own |
//! | `guided` | first weights again | the student of phase `teacher`, frozen | 0 to T_b (`burn-in`) |
//! | `distill` | goes on | a copy of the student at T_b, then its moving average | T_b to `train.steps` |
//!
//! Phases `guided` and `distill` share one learning-rate curve. The losses and the pseudo-labels are those of
//! `teacher-student` with the same keys. Source: facebookresearch/GuidedDistillation b48f2a8,
//! `modules/train_loop.py:889-962`, `modules/defaults.py:449-466`.

use super::Method;
use super::phase::{Build, MethodKeys, Passes, Phase, Start};
use super::supervised;
use super::teacher_student::{Follows, Keys, TeacherStudent, TeacherStudentConfig, distill};
use crate::detector::Demands;
use crate::graph::clip::VisionLanguageConfig;
use crate::registry::{self, Check, ComponentErrors, MOST_STEPS};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Table;

/// The key that `teacher-student` does not have. Beside it a recipe has to give `filter`; all others have defaults.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GuidedKeys {
    /// Steps of the supervised training of the first teacher, which has a learning-rate curve of its own.
    teacher_steps: usize,
}

/// Table `[method]` with `name = "guided"`.
#[derive(Clone, Debug)]
struct Guided {
    /// Steps of the phase `teacher`.
    teacher_steps: usize,
    /// The rules of the two phases with a teacher.
    pair: TeacherStudentConfig,
}

pub(super) fn build(table: Table) -> Result<Box<dyn Method>, ComponentErrors> {
    registry::make_of_two(table, |own: GuidedKeys, keys: Keys, check| {
        let teacher_steps = own.teacher_steps;
        check.range("teacher-steps", teacher_steps, 1..=MOST_STEPS);
        check.range("burn-in", keys.burn_in, 1..);
        let pair = TeacherStudentConfig::new(keys, check)?;
        Some(Box::new(Guided {
            teacher_steps,
            pair,
        }) as Box<dyn Method>)
    })
}

/// Places of the phases in the list.
const TEACHER: usize = 0;
const GUIDED: usize = 1;

impl Method for Guided {
    fn phases(&self, steps: usize) -> Vec<Phase> {
        let (pair, burn_in) = (self.pair.clone(), self.pair.burn_in);
        let labelled_steps = 0..steps;
        let distill = distill(
            &self.pair,
            burn_in..steps,
            Start::GoOn(GUIDED),
            labelled_steps.clone(),
        );
        let teacher = Phase {
            name: "teacher",
            goes_on: false,
            reads: MethodKeys::Only(vec!["teacher-steps", "empty-image"]),
            ..supervised::phase(
                self.pair.empty_image,
                self.teacher_steps,
                self.teacher_steps,
            )
        };
        let guided = Phase {
            name: "guided",
            steps: 0..burn_in,
            curve: steps,
            start: Start::Under(TEACHER),
            passes: Passes::ALL,
            labels: true,
            alone: false,
            average: false,
            goes_on: true,
            shared: false,
            // The frozen teacher follows nobody.
            reads: MethodKeys::AllBut(vec!["ema", "ema-ramp"]),
            build: Build::Learner(Box::new(move |parts| {
                let steps = labelled_steps.clone();
                Box::new(TeacherStudent::new(&pair, Follows::Nobody, steps, parts))
            })),
        };
        vec![teacher, guided, distill]
    }

    fn check_steps(&self, steps: usize, check: &mut Check) {
        self.pair.check_steps(steps, check);
    }

    fn has_teacher(&self) -> bool {
        true
    }

    fn takes_pieces(&self) -> bool {
        true
    }

    fn demands(&self) -> Option<Demands> {
        self.pair.demands()
    }

    fn vlm(&self) -> Option<&VisionLanguageConfig> {
        self.pair.vlm()
    }

    fn normalise(&self, table: &mut Table) {
        self.pair.normalise(table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guided(text: &str) -> Result<Box<dyn Method>, ComponentErrors> {
        let others = "ema = 0.9\nlambda = 1.0\nscore = 'with-no-object'\ncandidates = 'arg-max'\n\
                      top-pairs = 100\nmin-area = 0\nduplicate-iou = 1.0\nempty-image = 'background'\n\
                      ema-ramp = 'none'\nsupervised-weight = 1.0\narea = 'pixels'\nmask-threshold = 0.5\n\
                      mask-target = 'full'\nmask-quality = 'mean-foreground'\npseudo-box = 'mask'\n\
                      filter = { name = 'coupled', threshold = 0.5 }\n\
                      correction = { name = 'keep' }\nweighting = { name = 'uniform' }";
        build(format!("{text}\n{others}").parse().unwrap())
    }

    #[test]
    fn the_student_starts_anew_under_the_trained_teacher() {
        let method = guided("teacher-steps = 30\nburn-in = 8").unwrap();
        let phases = method.phases(20);
        let seen: Vec<_> = phases
            .iter()
            .map(|phase| (phase.name, phase.steps.clone(), phase.curve, phase.start))
            .collect();
        assert_eq!(
            seen,
            [
                ("teacher", 0..30, 30, Start::Fresh),
                ("guided", 0..8, 20, Start::Under(0)),
                ("distill", 8..20, 20, Start::GoOn(1)),
            ]
        );
        assert_eq!(
            phases.iter().map(|p| p.labels).collect::<Vec<_>>(),
            [false, true, true]
        );
        assert_eq!(
            phases.iter().map(|p| p.goes_on).collect::<Vec<_>>(),
            [false, true, false]
        );
    }

    #[test]
    fn the_rate_of_the_average_does_not_change_the_phases_before_it() {
        let phases = guided("teacher-steps = 3\nburn-in = 1").unwrap().phases(2);
        assert_eq!(phases[1].reads, MethodKeys::AllBut(vec!["ema", "ema-ramp"]));
        assert_eq!(phases[2].reads, MethodKeys::AllBut(vec![]));
    }

    #[test]
    fn lengths_must_leave_steps_for_every_phase() {
        for (text, key) in [
            ("teacher-steps = 0\nburn-in = 1", "teacher-steps"),
            ("teacher-steps = 1\nburn-in = 0", "burn-in"),
        ] {
            assert_eq!(guided(text).err().unwrap()[0].key, key);
        }
        let method = guided("teacher-steps = 9\nburn-in = 5").unwrap();
        let refused = |steps| {
            let mut check = Check::new();
            method.check_steps(steps, &mut check);
            check.finish().err().map(|errors| errors[0].key.clone())
        };
        assert_eq!(refused(5).as_deref(), Some("burn-in"));
        assert_eq!(refused(6), None);
    }
}
