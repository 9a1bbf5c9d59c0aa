//! The length of a training on two processor cores, and how long it takes.

/// Seconds of a step of the burn-in (2 pictures) on one core, at 64 pixels.
const BURN_IN_STEP: f64 = 0.04;
/// Seconds of a later step (2 pictures with labels, 4 without).
const DISTILLATION_STEP: f64 = 0.10;
/// Seconds to evaluate a picture by a teacher, a student and its average.
const EVALUATION: f64 = 0.03;
/// The machine of these numbers.
pub const MACHINE: &str = "Intel Xeon, 2.5 GHz";
/// The side of the picture that these numbers are of.
pub const SIDE: usize = 64;
/// The longest training of one trial that is proposed, in seconds.
const LONGEST: f64 = 300.0;
/// The numbers of pictures of a step: those with labels, and those without.
pub const BATCH: [usize; 2] = [2, 4];
/// Steps are rounded to a multiple of this.
const ROUND: usize = 20;
/// The number of times that the burn-in sees every picture with labels, and the later steps every one without.
pub const PASSES: [usize; 2] = [40, 6];
/// The fewest and the most steps of the burn-in, and of the steps after it.
const BURN_IN: [usize; 2] = [200, 600];
const DISTILLATION: [usize; 2] = [200, 800];

/// The pictures that a training is about.
#[derive(Clone, Copy, Debug)]
pub struct Pictures {
    /// The number with labels.
    pub labelled: usize,
    /// The number without labels.
    pub unlabelled: usize,
    /// The number of evaluated ones.
    pub val: usize,
    /// The side in pixels in which they are trained.
    pub size: usize,
    /// The seconds that reading one takes.
    pub seconds: f64,
}

/// The length of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Steps with labelled pictures alone.
    pub burn_in: usize,
    /// All steps.
    pub steps: usize,
    /// True if the number of pictures asks for more steps than fit into the time.
    pub is_cut: bool,
}

impl Schedule {
    /// The schedule for `pictures`: so many passes over them, as far as a training stays short.
    pub fn new(pictures: &Pictures) -> Self {
        let passes = |pictures: usize, part: usize, [least, most]: [usize; 2]| {
            let steps = pictures * PASSES[part] / BATCH[part];
            steps.next_multiple_of(ROUND).clamp(least, most)
        };
        let wanted = Self {
            burn_in: passes(pictures.labelled, 0, BURN_IN),
            steps: 0,
            is_cut: false,
        };
        let wanted = Self {
            steps: wanted.burn_in + passes(pictures.unlabelled, 1, DISTILLATION),
            ..wanted
        };
        let training = wanted.burn_in_seconds(pictures) + wanted.distillation_seconds(pictures);
        let factor = LONGEST / training;
        if factor >= 1.0 {
            return wanted;
        }
        let cut = |steps: usize, least: usize| {
            let steps = (steps as f64 * factor) as usize;
            (steps / ROUND * ROUND).max(least / 2)
        };
        let burn_in = cut(wanted.burn_in, BURN_IN[0]);
        Self {
            burn_in,
            steps: burn_in + cut(wanted.steps - wanted.burn_in, DISTILLATION[0]),
            is_cut: true,
        }
    }

    /// The seconds of one trial on one core.
    pub fn trial_seconds(&self, pictures: &Pictures) -> f64 {
        self.burn_in_seconds(pictures)
            + self.distillation_seconds(pictures)
            + evaluation_seconds(pictures)
    }

    /// The seconds on two cores of four trials that share their burn-in, one of them without unlabelled pictures.
    pub fn sweep_seconds(&self, pictures: &Pictures) -> f64 {
        let supervised = (self.steps - self.burn_in) as f64 * burn_in_step(pictures);
        let trials = 3.0 * self.distillation_seconds(pictures) + supervised;
        self.burn_in_seconds(pictures) + (trials + 4.0 * evaluation_seconds(pictures)) / 2.0
    }

    fn burn_in_seconds(&self, pictures: &Pictures) -> f64 {
        self.burn_in as f64 * burn_in_step(pictures)
    }

    fn distillation_seconds(&self, pictures: &Pictures) -> f64 {
        let read = (BATCH[0] + BATCH[1]) as f64 * pictures.seconds;
        (self.steps - self.burn_in) as f64 * (DISTILLATION_STEP * times(pictures.size) + read)
    }
}

fn burn_in_step(pictures: &Pictures) -> f64 {
    BURN_IN_STEP * times(pictures.size) + BATCH[0] as f64 * pictures.seconds
}

fn evaluation_seconds(pictures: &Pictures) -> f64 {
    pictures.val as f64 * (EVALUATION * times(pictures.size) + pictures.seconds)
}

/// The pixels of a picture with the side `size`, compared with the measured one.
pub fn times(size: usize) -> f64 {
    (size as f64 / SIDE as f64).powi(2)
}

/// Seconds in words, rounded up.
pub fn in_words(seconds: f64) -> String {
    match (seconds / 60.0).ceil() as usize {
        0 | 1 => "a minute".to_string(),
        minutes => format!("{minutes} minutes"),
    }
}

/// Seconds per step in the recipe's words: of the burn-in, and later.
pub fn steps_in_words() -> String {
    format!("{BURN_IN_STEP} s in the burn-in and {DISTILLATION_STEP:.2} s later")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(labelled: usize, unlabelled: usize, size: usize) -> Pictures {
        Pictures {
            labelled,
            unlabelled,
            val: 50,
            size,
            seconds: 0.01,
        }
    }

    #[test]
    fn more_pictures_take_more_steps_up_to_a_few_minutes() {
        let few = Schedule::new(&pictures(1, 1, 64));
        assert_eq!((few.burn_in, few.steps, few.is_cut), (200, 400, false));
        let some = Schedule::new(&pictures(20, 200, 64));
        assert_eq!((some.burn_in, some.steps, some.is_cut), (400, 700, false));
        let many = pictures(10_000, 90_000, 160);
        let cut = Schedule::new(&many);
        assert!(
            cut.is_cut && cut.burn_in >= 100 && cut.steps < 1400,
            "{cut:?}"
        );
        let longest = LONGEST + evaluation_seconds(&many);
        assert!(cut.trial_seconds(&many) < longest + 1.0);
    }

    #[test]
    fn times_are_rounded_up() {
        assert_eq!(in_words(3.0), "a minute");
        assert_eq!(in_words(61.0), "2 minutes");
    }
}
