//! The pseudo-labels of a training, summed over its journal.

use super::journal::Line;
use crate::train::BARREN_STEPS;

/// The pseudo-labels of one or more trials over all steps with a teacher.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LabelTotals {
    /// The pseudo-labels that trained the student.
    pub kept: f64,
    /// The objects of the unlabelled images, which training does not see.
    pub objects: f64,
    /// The pseudo-labels that lie on an object (IoU 0.5 or more).
    pub matched: f64,
    /// Those that also have its class.
    pub right: f64,
    /// The pseudo-labels whose class the correction changed.
    pub flips: f64,
    /// Those that it changed to the object's class.
    pub flips_right: f64,
    /// Those that it changed away from the object's class.
    pub flips_broken: f64,
    /// The most steps in a row without any pseudo-label.
    pub barren: u64,
    /// The steps with a teacher.
    pub steps: u64,
    /// The unlabelled images that a teacher labelled before any step; 0 if it labels in every step.
    pub pool: f64,
    /// The pseudo-labels per unlabelled image, times `steps`.
    per_image: f64,
}

impl LabelTotals {
    /// The totals of `lines`; none if no line has pseudo-labels.
    pub fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Option<Self> {
        let mut all = Self::default();
        for line in lines
            .into_iter()
            .filter(|line| line.number("kept").is_some())
        {
            let sum = |key: &str| line.number(key).unwrap_or(0.0);
            all.kept += sum("kept");
            all.objects += sum("objects");
            all.matched += sum("matched");
            all.right += sum("right");
            all.flips += sum("flips");
            all.flips_right += sum("flips-right");
            all.flips_broken += sum("flips-broken");
            all.barren = all.barren.max(sum(BARREN_STEPS) as u64);
            // Labels that were made before any step stand in a line of their own and count once.
            all.pool += sum("pool-images");
            let steps = line.steps.max(1);
            all.steps += steps;
            all.per_image += sum("kept-per-image") * steps as f64;
        }
        (all.steps > 0).then_some(all)
    }

    /// The pseudo-labels per unlabelled image.
    pub fn kept_per_image(&self) -> f64 {
        self.per_image / self.steps as f64
    }

    /// The share of the pseudo-labels that are right; none without any.
    pub fn precision(&self) -> Option<f64> {
        share(self.right, self.kept)
    }

    /// The share of the objects that have a right pseudo-label; none without objects.
    pub fn recall(&self) -> Option<f64> {
        share(self.right, self.objects)
    }

    /// The share of the pseudo-labels that lie on an object; none without any.
    pub fn localised(&self) -> Option<f64> {
        share(self.matched, self.kept)
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::line;
    use super::*;

    #[test]
    fn labels_that_were_made_before_any_step_count_once() {
        let mut pool = line(
            0,
            r#"{"kept":6,"objects":8,"right":3,"kept-per-image":1.5,"pool-images":4}"#,
        );
        pool.steps = 0;
        let all = LabelTotals::of([&pool]).unwrap();
        assert_eq!(all.pool, 4.0);
        assert_eq!((all.kept_per_image(), all.precision()), (1.5, Some(0.5)));
        assert_eq!(all.recall(), Some(0.375));
    }

    #[test]
    fn totals_are_over_the_steps_with_a_teacher() {
        let lines = [
            line(20, r#"{"loss":3.0}"#),
            line(
                40,
                r#"{"kept":10,"objects":40,"matched":8,"right":5,"flips":4,"flips-right":1,"flips-broken":2,
                    "barren-steps":3,"kept-per-image":0.5}"#,
            ),
            line(
                60,
                r#"{"kept":30,"objects":40,"matched":20,"right":15,"flips":0,"flips-right":0,"flips-broken":0,
                    "barren-steps":1,"kept-per-image":1.5}"#,
            ),
        ];
        let all = LabelTotals::of(&lines).unwrap();
        assert_eq!((all.steps, all.barren), (40, 3));
        assert_eq!(all.kept_per_image(), 1.0);
        assert_eq!((all.precision(), all.recall()), (Some(0.5), Some(0.25)));
        assert_eq!(all.localised(), Some(0.7));
        assert_eq!(
            (all.flips, all.flips_right, all.flips_broken),
            (4.0, 1.0, 2.0)
        );
        assert_eq!(LabelTotals::of(&lines[..1]), None, "a burn-in has none");
    }

    #[test]
    fn a_teacher_that_keeps_nothing_has_no_precision() {
        let line = line(
            20,
            r#"{"kept":0,"objects":9,"right":0,"barren-steps":20,"kept-per-image":0.0}"#,
        );
        let all = LabelTotals::of([&line]).unwrap();
        assert_eq!((all.precision(), all.recall()), (None, Some(0.0)));
        assert_eq!(all.kept_per_image(), 0.0);
    }
}
