//! The work of a stage, counted before anything runs: the floating-point operations of its networks. The seconds of
//! stages of different kinds, batches, picture sizes and networks can be told from each other's by it.
//!
//! | work | operations |
//! |---|---|
//! | a labelled picture in a step | the phase's training passes of the detector for each of its views |
//! | an unlabelled picture in a step | the phase's training passes; with a teacher its forward pass and the vision-language features |
//! | an unlabelled picture that is labelled before | a forward pass for every view, and the masks of `eval.top` candidates |
//! | an evaluated picture | for each model a forward pass, and the masks of `eval.top` candidates; during a training for one |
//! | the vision-language model | its own training passes |
//!
//! Reading and changing pictures, matching, the optimizer and the tables of a step are a few percent, and not
//! counted. Against the published runs the count is right within a factor of two: see the tests.

use crate::data::Dataset;
use crate::data::augment::ImageSize;
use crate::data::loader::LabelledViews;
use crate::data::split::Unlabelled;
use crate::experiment::settings::sections::Settings;
use crate::graph::clip::ClipTinyConfig;
use crate::method::Phase;
use toml::{Table, Value};

/// The operations of one unit of a stage's cost.
pub const UNIT: f64 = 1e6;

/// The operations for one pixel of the mask of one candidate: it is resized, compared with 0, and encoded.
const MASK_PIXEL: f64 = 200.0;

/// The pictures of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pictures {
    /// The number of evaluated pictures.
    pub images: usize,
    /// Rows and columns of the evaluated picture in the middle, sorted by area.
    pub size: (usize, usize),
    /// The number of training pictures.
    pub train: usize,
    /// The number of further unlabelled pictures.
    pub further: usize,
}

/// COCO's `train2017` and `val2017`: the pictures of a dataset that was not read.
const COCO: Pictures = Pictures {
    images: 5000,
    size: (480, 640),
    train: 118_287,
    further: 0,
};

impl Pictures {
    /// The pictures of `dataset`. If their sizes are unknown, they count as COCO's.
    pub fn of(dataset: &Dataset) -> Self {
        let images = dataset.val.len();
        let known = (0..images).filter_map(|index| dataset.val.size_of(index));
        let mut sizes: Vec<_> = known.collect();
        sizes.sort_by_key(|(height, width)| height * width);
        let size = sizes.get(sizes.len() / 2).copied();
        Self {
            images,
            size: size.unwrap_or(COCO.size),
            train: dataset.train.len(),
            further: dataset
                .extra_unlabelled
                .as_ref()
                .map_or(0, |further| further.len()),
        }
    }

    /// Those that the table `[data]` tells itself, or else those of COCO.
    fn told(data: &Table) -> Self {
        let number = |key: &str| data.get(key).and_then(Value::as_integer);
        let number = |key: &str| usize::try_from(number(key)?).ok();
        Self {
            images: number("val-images").unwrap_or(COCO.images),
            size: number("size").map_or(COCO.size, |side| (side, side)),
            train: number("train-images").unwrap_or(COCO.train),
            further: 0,
        }
    }
}

/// The cost of the operations, in units.
fn cost(operations: f64) -> u64 {
    ((operations / UNIT) as u64).max(1)
}

/// The cost of a phase of the training.
pub fn training(settings: &Settings, phase: &Phase) -> u64 {
    let settings = &settings.of_phase(phase.name);
    let ImageSize { height, width } = settings.augment.size;
    let network = settings.model.operations(height, width);
    let views = match settings.loader.labelled_views {
        LabelledViews::Weak | LabelledViews::Strong => 1,
        LabelledViews::WeakStrong => 2,
    };
    let passes = phase.passes;
    let labelled = passes.labelled as f64 * (views * settings.loader.labelled) as f64;
    let unlabelled = passes.unlabelled as f64 * settings.loader.unlabelled as f64;
    let mut step =
        (labelled + unlabelled) * network.training() + unlabelled * network.auxiliary_training();
    if phase.labels {
        let vlm = settings.method.vlm();
        let features = vlm.map_or(0.0, |vlm| vlm.operations(network.backbone, height, width));
        step += settings.loader.unlabelled as f64 * (network.forward() + features);
    }
    let steps = phase.steps.len() as f64 * step;
    cost(steps + evaluations(settings, phase) as f64 * of_model(settings, None))
}

/// The number of evaluations between the steps of a phase and at its end.
fn evaluations(settings: &Settings, phase: &Phase) -> usize {
    let period = settings.eval.period;
    let steps = phase.steps.start + 1..=phase.steps.end;
    match period {
        0 => 0,
        _ => {
            steps.end() / period - phase.steps.start / period
                + usize::from(!steps.is_empty() && !phase.steps.end.is_multiple_of(period))
        }
    }
}

/// The cost of the training of the vision-language model `config`.
pub fn vlm(settings: &Settings, config: &ClipTinyConfig) -> u64 {
    let (side, _) = Pictures::told(&settings.data).size;
    cost(config.training_operations(side))
}

/// The cost of the evaluation of every model that a training leaves. `pictures`: those of the dataset; without
/// them, those that `[data]` tells.
pub fn evaluation(settings: &Settings, pictures: Option<Pictures>) -> u64 {
    let average = settings.train.average > 0.0;
    let models = 1 + usize::from(settings.method.has_teacher()) + usize::from(average);
    cost(models as f64 * of_model(settings, pictures))
}

/// The cost of the labels of all unlabelled pictures. `pictures`: those of the dataset; without them, those that
/// `[data]` tells.
pub fn labelling(settings: &Settings, pictures: Option<Pictures>) -> u64 {
    let pictures = pictures.unwrap_or_else(|| Pictures::told(&settings.data));
    let Pictures { train, further, .. } = pictures;
    let labelled = settings.split.labelled;
    let count = match settings.split.unlabelled {
        Unlabelled::Extra => further as f64,
        Unlabelled::Rest if labelled < 1.0 => train as f64 * (1.0 - labelled) + further as f64,
        Unlabelled::Rest | Unlabelled::All => (train + further) as f64,
    };
    let one = match settings.method.test_views() {
        Some(views) if views.are_several() => {
            let sizes = settings.eval.test_view_sizes(pictures.size, views);
            let forward = sizes
                .into_iter()
                .map(|(height, width)| settings.model.operations(height, width).forward());
            forward.sum::<f64>() + of_masks(settings, pictures.size)
        }
        _ => of_picture(settings, pictures.size),
    };
    cost(count * one)
}

/// The operations of the evaluation of one model.
fn of_model(settings: &Settings, pictures: Option<Pictures>) -> f64 {
    let pictures = pictures.unwrap_or_else(|| Pictures::told(&settings.data));
    pictures.images as f64 * of_picture(settings, pictures.size)
}

/// The operations of the detections in a picture of `size` rows and columns, in the evaluation's size.
fn of_picture(settings: &Settings, size: (usize, usize)) -> f64 {
    let (height, width) = settings.eval.view_size(size);
    let network = settings.model.operations(height, width).forward();
    network + of_masks(settings, size)
}

/// The operations of the masks of a picture of `size` rows and columns.
fn of_masks(settings: &Settings, size: (usize, usize)) -> f64 {
    MASK_PIXEL * (settings.eval.top * size.0 * size.1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::settings::sections::tests::{supervised, table, with};

    fn read(table: &Table) -> Settings {
        Settings::read(table).unwrap()
    }

    fn phases(settings: &Settings) -> Vec<u64> {
        let phases = settings.method.phases(settings.train.steps);
        phases
            .iter()
            .map(|phase| training(settings, phase))
            .collect()
    }

    #[test]
    fn a_step_costs_what_its_pictures_cost() {
        let settings = read(&table());
        let network = settings.model.operations(64, 64);
        let [burn_in, distill] = phases(&settings)[..] else {
            panic!("two phases")
        };
        // 800 steps of two labelled pictures in two views.
        let expected = 800.0 * 4.0 * network.training() / UNIT;
        assert!((burn_in as f64 - expected).abs() <= 1.0, "{burn_in}");
        // 1600 steps with four unlabelled pictures more.
        let labelled = 2 * burn_in;
        let four = 1600.0 * 4.0 * (network.training() + network.forward()) / UNIT;
        let unlabelled = (distill - labelled) as f64;
        assert!(
            unlabelled > four && unlabelled < 1.5 * four,
            "{unlabelled} {four}"
        );
        let more = read(&with(table(), "loader.labelled", 4));
        let same = |one: u64, other: u64| assert!(one.abs_diff(other) <= 2, "{one} {other}");
        same(phases(&more)[0], 2 * burn_in);
        let weak = read(&with(table(), "loader.labelled-views", "weak"));
        same(phases(&weak)[0], burn_in / 2);
        let larger = read(&with(table(), "augment.size", 128));
        assert!(phases(&larger)[0] > 3 * burn_in);
        let alone = read(&supervised());
        same(phases(&alone)[0], burn_in);
        same(phases(&alone)[1], 2 * burn_in);
    }

    #[test]
    fn an_evaluation_costs_by_pictures_models_and_masks() {
        let settings = read(&table());
        let own = evaluation(&settings, None);
        let told = Pictures {
            images: 500,
            size: (64, 64),
            train: 2000,
            further: 0,
        };
        assert_eq!(evaluation(&settings, Some(told)), own);
        let twice = Pictures {
            images: 1000,
            ..told
        };
        assert!(evaluation(&settings, Some(twice)).abs_diff(2 * own) <= 1);
        let alone = evaluation(&read(&supervised()), None);
        assert!((3 * alone).abs_diff(2 * own) <= 3, "no teacher");
        let fewer = evaluation(&read(&with(table(), "eval.top", 1)), None);
        assert!(fewer < own);
    }

    #[test]
    fn evaluations_during_a_training_are_counted() {
        // Phases of steps 0 to 800 and 800 to 2400.
        let counts = |period: i64| -> Vec<usize> {
            let settings = read(&with(table(), "eval.period", period));
            let phases = settings.phases();
            let count = |phase| evaluations(&settings, phase);
            phases.iter().map(count).collect()
        };
        assert_eq!(counts(0), [0, 0]);
        assert_eq!(counts(400), [2, 4]);
        assert_eq!(counts(700), [2, 3], "700, the end; 1400, 2100, the end");
        assert_eq!(counts(5000), [1, 1], "the ends");
        let [plain, curve] = [0, 400].map(|period: i64| {
            let settings = read(&with(table(), "eval.period", period));
            let one = evaluation(&settings, None) as f64 / 3.0;
            (phases(&settings)[1] as f64, one)
        });
        assert!((curve.0 - plain.0 - 4.0 * plain.1).abs() < 3.0);
    }

    #[test]
    fn the_pictures_of_a_dataset_are_counted_and_measured() {
        let data = table()["data"].as_table().unwrap().clone();
        let dataset = crate::data::load(data).unwrap();
        let pictures = Pictures::of(&dataset);
        assert_eq!((pictures.images, pictures.size), (500, (64, 64)));
    }
}
