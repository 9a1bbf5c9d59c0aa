//! Method `guided`: GuidedDistillation (Berrada et al., WACV 2024), in three phases.
//!
//! | phase | student | teacher | steps |
//! |---|---|---|---|
//! | `teacher` | first weights, supervised | none | `teacher-steps`, a learning-rate curve of its own |
//! | `guided` | first weights again | the student of phase `teacher`, frozen | 0 to T_b (`burn-in`) |
//! | `distill` | goes on | a copy of the student at T_b, then its moving average | T_b to `train.steps` |
//!
//! Phases `guided` and `distill` share one learning-rate curve. The losses and the pseudo-labels are those of `teacher-student`
//! with the same keys. Source: facebookresearch/GuidedDistillation b48f2a8, `modules/train_loop.py:889-962`,
//! `modules/defaults.py:449-466`.

use super::phase::{Build, MethodKeys, Phase, Start};
use super::supervised::{self, too_long};
use super::teacher_student::{Follows, TeacherStudent, TeacherStudentConfig, distill};
use super::{EmptyImage, Method};
use crate::graph::clip::VisionLanguageConfig;
use crate::registry::{self, ComponentError};
use toml::{Table, Value};

/// The key of the phase that a teacher-student table does not have.
const TEACHER_STEPS: &str = "teacher-steps";

/// Table `[method]` with `name = "guided"`.
#[derive(Clone, Debug)]
struct Config {
    teacher_steps: usize,
    pair: TeacherStudentConfig,
}
