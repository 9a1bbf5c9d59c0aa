//! The teacher as a judge of the student's regions: is there anything?

use crate::data::UnlabelledViews;
use crate::detector::{Output, RegionJudge};
use crate::ops::Bounds;
use std::ops::Range;

/// What the teacher has seen of the unlabelled images.
pub(super) struct TeacherJudge<'b> {
    /// Its outputs for the weak views, as many views at a time.
    pub outputs: Vec<(Range<usize>, Box<dyn Output>)>,
    /// The views, which say how the student's differ from them.
    pub views: &'b [UnlabelledViews],
}

impl RegionJudge for TeacherJudge<'_> {
    /// A region of the student's view is taken back to the teacher's. One that the teacher did not see has the weight
    /// 1.
    fn background(&self, image: usize, regions: &[Bounds]) -> Vec<f32> {
        let back = |region: &Bounds| match &self.views[image].moved {
            Some(moved) => Bounds::new(moved.around_source(region.to_array())),
            None => *region,
        };
        let own: Vec<Bounds> = regions.iter().map(back).collect();
        let is_seen = |region: &&Bounds| region.width() > 0.0 && region.height() > 0.0;
        let seen: Vec<Bounds> = own.iter().filter(is_seen).copied().collect();
        let mut outputs = self.outputs.iter();
        let (views, output) = outputs
            .find(|(views, _)| views.contains(&image))
            .expect("an output for every view");
        let found = output.background(image - views.start, &seen);
        let mut found = found
            .expect("a recipe that asks for regions of queries is refused")
            .into_iter();
        let weight = |region: &Bounds| match is_seen(&region) {
            true => found.next().expect("one for every region that is seen"),
            false => 1.0,
        };
        own.iter().map(weight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::{CandidateChoice, Part, Pending, Proposals, RawArray};
    use crate::rng::Stream;
    use crate::structures::{AffineMap, Area, Detection, Picture, Resampling};
    use crate::tensor::Later;

    /// Says that the background of a region is its left side, in hundredths.
    struct LeftSide;

    impl Output for LeftSide {
        fn begin<'a>(&'a self, _: &'a Part<'a>, _: Stream) -> Box<dyn Pending + 'a> {
            unreachable!("a teacher has no loss")
        }
        fn propose(&self, _: CandidateChoice) -> Later<Proposals> {
            unreachable!("it is asked for background alone")
        }
        fn detect(&self, _: &[(usize, usize)], _: usize) -> Vec<Vec<Detection>> {
            unreachable!("it is asked for background alone")
        }
        fn raw(&self) -> Vec<RawArray> {
            unreachable!("it is asked for background alone")
        }
        fn background(&self, image: usize, regions: &[Bounds]) -> Option<Vec<f32>> {
            assert_eq!(image, 0, "each has an output of its own");
            Some(regions.iter().map(|region| region.x1 / 100.0).collect())
        }
    }

    #[test]
    fn regions_are_judged_where_the_teacher_sees_them() {
        let all = Area {
            rows: 0..16,
            columns: 0..16,
        };
        let right = AffineMap::translation([8.0, 0.0]);
        let views = |moved| UnlabelledViews {
            weak: Picture::new(16, 16, vec![0; 768]),
            strong: Picture::new(16, 16, vec![0; 768]),
            moved,
            hidden_truth: Vec::new(),
        };
        let views = [
            views(None),
            views(Some(Resampling::new(right, all.clone(), all))),
        ];
        let judge = TeacherJudge {
            outputs: vec![(0..1, Box::new(LeftSide)), (1..2, Box::new(LeftSide))],
            views: &views,
        };
        let regions = [
            [1.0, 2.0, 5.0, 6.0],
            [10.0, 2.0, 14.0, 6.0],
            [12.0, 2.0, 14.0, 6.0],
        ];
        let regions = regions.map(Bounds::new);
        assert_eq!(judge.background(0, &regions), [0.01, 0.1, 0.12]);
        assert_eq!(
            judge.background(1, &regions),
            [1.0, 0.02, 0.04],
            "the first was not seen"
        );
    }
}
