//! The table `[eval]`.

use crate::data::augment::{fitted, fitted_size};
use crate::detector::{Detector, TestView, TestViews};
use crate::eval;
use crate::graph::{Images, Resizing};
use crate::registry::{Check, Checked, MOST_STEPS};
use crate::structures::{LARGEST_SIDE, Picture};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest number of query-class pairs of an image.
const MOST_PAIRS: usize = 1_000_000;

/// `[eval]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvalConfig {
    /// The longer side of an evaluated picture, which is a maximum if `shorter` is given; 0 keeps the size.
    /// Masks are compared at the picture's own size.
    pub size: usize,
    /// The shorter side of an evaluated picture; 0 leaves it to `size`.
    pub shorter: usize,
    /// The number of query-class pairs per image.
    pub top: usize,
    /// The model whose metrics the tables show.
    pub model: EvalModel,
    /// The names of the evaluators, whose metrics all stand in the tables.
    pub metrics: Vec<String>,
    /// The steps between evaluations of that model during the training, whose metrics its journal gets; 0: none.
    pub period: usize,
    /// The networks that a training leaves.
    pub select: Select,
}

/// The networks that a training leaves, out of those after its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// Those after the last step.
    Last,
    /// The best ones of the last phase, or of a phase that gives a frozen teacher, by the evaluations of `period`:
    /// their metrics are too high for images that nobody has seen.
    BestOnVal,
}

impl EvalConfig {
    /// The input of `model` for `pictures`, in the size of the evaluation. Panics without a picture.
    pub fn input(&self, model: &dyn Detector, pictures: &[&Picture]) -> Images {
        let normaliser = &model.trunk().normaliser;
        match normaliser.resizing() {
            Resizing::Bytes => {
                let views: Vec<Picture> = pictures.iter().map(|one| self.view(one)).collect();
                model.images(&views.iter().collect::<Vec<_>>())
            }
            Resizing::Values => {
                let [shorter, longer] = self.sides();
                let size = |picture: &&Picture| {
                    let own = (picture.height, picture.width);
                    fitted_size(own, shorter, longer, libm::floor)
                };
                let sizes: Vec<(usize, usize)> = pictures.iter().map(size).collect();
                normaliser.interpolated(pictures, &sizes, &model.place())
            }
        }
    }

    /// The picture in the size of the evaluation, of a network that resizes bytes.
    pub fn view(&self, picture: &Picture) -> Picture {
        let [shorter, longer] = self.sides();
        fitted(picture, shorter, longer)
    }

    /// Rows and columns of [`Self::view`] of a picture with the rows and columns `size`.
    pub fn view_size(&self, size: (usize, usize)) -> (usize, usize) {
        let [shorter, longer] = self.sides();
        fitted_size(size, shorter, longer, libm::round)
    }

    /// The views of a picture in which a teacher looks at it: each shorter side, or the size of the evaluation, and
    /// each mirrored if `views` says so. The bound of the longer side grows with the shorter one: with 800 and 1333
    /// here, a shorter side of 400 has 667, as in Noisy Boundaries. Without the two there is no bound. Bytes are
    /// resized, also for a network that the evaluation gives resized numbers.
    pub fn test_views(&self, picture: &Picture, views: &TestViews) -> Vec<TestView> {
        let sized: Vec<Picture> = match views.short_sides.as_slice() {
            [] => vec![self.view(picture)],
            sides => sides
                .iter()
                .map(|side| fitted(picture, Some(*side), self.longer(*side)))
                .collect(),
        };
        let view = |picture: Picture| {
            let mirrored = views.flip.then(|| TestView {
                picture: picture.flipped(),
                flipped: true,
            });
            let plain = TestView {
                picture,
                flipped: false,
            };
            std::iter::once(plain).chain(mirrored)
        };
        sized.into_iter().flat_map(view).collect()
    }

    /// Rows and columns of [`Self::test_views`] of a picture with the rows and columns `size`.
    pub fn test_view_sizes(&self, size: (usize, usize), views: &TestViews) -> Vec<(usize, usize)> {
        let sized = match views.short_sides.as_slice() {
            [] => vec![self.view_size(size)],
            sides => sides
                .iter()
                .map(|side| fitted_size(size, Some(*side), self.longer(*side), libm::round))
                .collect(),
        };
        let times = if views.flip { 2 } else { 1 };
        sized.repeat(times)
    }

    /// The bound of the longer side of a view with this shorter side; none without both sides of the evaluation.
    fn longer(&self, shorter: usize) -> Option<usize> {
        let [own, longer] = self.sides();
        let longer = longer? as f64 * shorter as f64 / own? as f64;
        Some((libm::round(longer) as usize).max(1))
    }

    /// The shorter and the longer side, as far as they are given.
    fn sides(&self) -> [Option<usize>; 2] {
        [self.shorter, self.size].map(|side| (side > 0).then_some(side))
    }
}

/// A model at the end of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EvalModel {
    /// The network that made the pseudo-labels of the last phase: a moving average of the student, or a frozen network.
    Teacher,
    /// The network that was trained.
    Student,
    /// The student's average, which is only used for evaluation.
    Average,
}

impl EvalModel {
    /// The owner of its weights in a checkpoint.
    pub fn name(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
            Self::Student => "student",
            Self::Average => "average",
        }
    }
}

impl Checked for EvalConfig {
    fn check(&self, check: &mut Check) {
        check.range("size", self.size, 0..=LARGEST_SIDE);
        check.range("shorter", self.shorter, 0..=LARGEST_SIDE);
        check.range("top", self.top, 1..=MOST_PAIRS);
        eval::check_names(check, "metrics", &self.metrics);
        check.range("period", self.period, 0..=MOST_STEPS);
        let some = self.select == Select::Last || self.period > 0;
        let allowed = "`last` with period = 0, because nothing is evaluated before the end";
        check.require(some, "select", "`best-on-val`", allowed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::{DETECTORS, Merge};
    use crate::registry;
    use crate::rng::Stream;
    use toml::Table;

    /// The small Mask R-CNN of the embedded dataset, with these rules.
    fn network(semantics: &str) -> Box<dyn Detector> {
        let body = include_str!("../../../recipes/bodies/mask-rcnn-scenes.toml");
        let body: Table = body.parse().expect("TOML");
        let mut model = body["model"].as_table().expect("a table").clone();
        model["semantics"] = semantics.into();
        let config = registry::build(DETECTORS, model).expect("a valid body");
        let network = config.build(3, &mut Stream::new(0, "m"));
        network.expect("a network")
    }

    /// The sizes are those that torchvision's transform has for pictures of 96 x 128 and 96 x 160
    /// (`tests/golden/rcnn_resize.py`).
    #[test]
    fn torchvision_rounds_sizes_down_and_others_to_the_nearest() {
        let eval = |shorter, size| EvalConfig {
            size,
            shorter,
            top: 1,
            model: EvalModel::Student,
            metrics: vec!["coco".into()],
            period: 0,
            select: Select::Last,
        };
        let pictures = [128, 160].map(|width| Picture::new(96, width, vec![7; 96 * width * 3]));
        let [first, second] = pictures.each_ref();
        let (near, down) = (network("detectron2"), network("torchvision"));
        for (shorter, size, picture, nearest, floor) in [
            (80, 110, first, (80, 107), (80, 106)),
            (80, 110, second, (66, 110), (66, 110)),
            (131, 200, first, (131, 175), (131, 174)),
            (131, 200, second, (120, 200), (120, 200)),
            (61, 999, first, (61, 81), (61, 81)),
            (0, 0, second, (96, 160), (96, 160)),
            (0, 79, second, (47, 79), (47, 79)),
            (50, 0, second, (50, 83), (50, 83)),
        ] {
            let sizes =
                |network: &dyn Detector| eval(shorter, size).input(network, &[picture]).sizes;
            assert_eq!(sizes(&*near), [nearest], "{shorter} {size}");
            assert_eq!(sizes(&*down), [floor], "{shorter} {size}");
        }
        let both = eval(50, 0).input(&*down, &[first, second]);
        assert_eq!(
            (both.padded(), both.sizes),
            ((64, 96), vec![(50, 66), (50, 83)])
        );
    }

    fn sides(shorter: usize, size: usize) -> EvalConfig {
        let recipe: toml::Table = include_str!("../../../recipes/pl-dc.toml").parse().unwrap();
        let eval: EvalConfig = recipe["eval"].clone().try_into().unwrap();
        EvalConfig {
            size,
            shorter,
            ..eval
        }
    }

    fn views(short_sides: &[usize], flip: bool) -> TestViews {
        TestViews {
            short_sides: short_sides.to_vec(),
            flip,
            merge: Merge::MeanByProposal,
        }
    }

    #[test]
    fn the_longer_sides_are_noisy_boundaries() {
        let coco = sides(800, 1333);
        let longer = [400, 500, 1200].map(|side| coco.longer(side));
        assert_eq!(longer, [Some(667), Some(833), Some(2000)]);
        // Cityscapes: pictures of 1024 x 2048.
        let cityscapes = sides(1024, 2048);
        assert_eq!(
            [624, 1424].map(|side| cityscapes.longer(side)),
            [Some(1248), Some(2848)]
        );
        assert_eq!(sides(0, 0).longer(400), None);
    }

    #[test]
    fn every_side_is_a_view_and_each_is_mirrored_beside_it() {
        let pixels = (0..20 * 60 * 3).map(|i| (i * 7 % 256) as u8).collect();
        let picture = Picture::new(20, 60, pixels);
        let found = sides(16, 32).test_views(&picture, &views(&[8, 12], true));
        let listed: Vec<_> = found
            .iter()
            .map(|view| (view.picture.height, view.picture.width, view.flipped))
            .collect();
        // The longer side would have 24 and 36 pixels; 16 and 24 are the bounds.
        let expected = [(5, 16, false), (5, 16, true), (8, 24, false), (8, 24, true)];
        assert_eq!(listed, expected);
        assert_eq!(found[1].picture, found[0].picture.flipped());
        let one = sides(0, 0).test_views(&picture, &views(&[], false));
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].picture, picture);
    }
}
