//! What a training step in pieces keeps of every unlabelled image until its turn, counted by the allocator.

#[path = "../benches/measure/recipe.rs"]
mod recipe;

use harness::data::loader::Pieces;
use harness::data::split::ClassCounts;
use harness::data::{Batch, UnlabelledViews, View};
use harness::detector::{DETECTORS, Detector, Output, Part};
use harness::graph::{Images, Trunk};
use harness::method::{GradientSum, METHODS, Parts, Setup};
use harness::nn::params::{Param, Parameters};
use harness::registry;
use harness::rng::Stream;
use harness::structures::{AffineMap, Area, Picture, Resampling};
use harness::tensor::Tape;
use peak_alloc::PeakAlloc;
use recipe::Recipe;
use std::sync::atomic::{AtomicUsize, Ordering};

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

/// The memory that is taken when the student sees its first picture.
static AT_FIRST: AtomicUsize = AtomicUsize::new(0);

const CLASSES: usize = 3;
/// Pixels along a side of every picture.
const SIDE: usize = 128;
/// Unlabelled images of the step.
const IMAGES: usize = 3;
/// Pseudo-labels of each.
const LABELS: usize = 16;

/// A student that notes [`AT_FIRST`]. Its copy, the teacher, does not.
struct Watched {
    network: Box<dyn Detector>,
    is_student: bool,
}

impl Parameters for Watched {
    fn parameters(&mut self, prefix: &str, visit: &mut dyn FnMut(&str, &mut Param)) {
        self.network.parameters(prefix, visit);
    }
}

impl Detector for Watched {
    fn trunk(&self) -> &Trunk {
        self.network.trunk()
    }

    fn trunk_mut(&mut self) -> &mut Trunk {
        self.network.trunk_mut()
    }

    fn forward(&self, tape: &mut Tape, images: &Images) -> Box<dyn Output> {
        if self.is_student && AT_FIRST.load(Ordering::Relaxed) == 0 {
            AT_FIRST.store(COUNTED.current_usage(), Ordering::Relaxed);
        }
        self.network.forward(tape, images)
    }

    fn is_counted(&self, part: &Part) -> bool {
        self.network.is_counted(part)
    }

    fn copy(&self) -> Box<dyn Detector> {
        Box::new(Self {
            network: self.network.copy(),
            is_student: false,
        })
    }
}

/// A labelled image without an object, and unlabelled ones. `moved`: the student sees these in a geometry of its own.
fn batch(moved: bool) -> Batch {
    let stream = &mut Stream::new(0, "pictures");
    let mut picture = || {
        let pixels = (0..SIDE * SIDE * 3).map(|_| stream.below(256) as u8);
        Picture::new(SIDE, SIDE, pixels.collect())
    };
    let all = Area {
        rows: 0..SIDE,
        columns: 0..SIDE,
    };
    let right = AffineMap::translation([3.0, 0.0]);
    let moved = moved.then(|| Resampling::new(right, all.clone(), all));
    let labelled = View {
        picture: picture(),
        instances: Vec::new(),
    };
    let unlabelled = (0..IMAGES).map(|_| UnlabelledViews {
        weak: picture(),
        strong: picture(),
        moved: moved.clone(),
        hidden_truth: Vec::new(),
    });
    Batch {
        unlabelled: unlabelled.collect(),
        labelled: vec![labelled],
        pseudo: Vec::new(),
    }
}

/// The memory that a step of the network of `recipe` has taken for the labels of its images, when the first picture
/// goes through the student, and the number of the labels. The filter lets all candidates through.
fn kept(recipe: &Recipe, moved: bool) -> (usize, usize) {
    let mut method: toml::Table = recipe.table("method").unwrap();
    let keys = "burn-in = 0\nmin-area = 0\nduplicate-iou = 1.0\nscore = 'with-no-object'\ncandidates = 'top-pairs'\n\
                filter = { name = 'decoupled', class = 0.0, mask = 0.0 }\ncorrection = { name = 'keep' }";
    method.extend(keys.parse::<toml::Table>().unwrap());
    method.insert("top-pairs".into(), (LABELS as i64).into());
    assert_eq!(method["weighting"]["name"].as_str(), Some("uncertainty"));
    let method = registry::build(METHODS, method).unwrap();
    let network = registry::build(DETECTORS, recipe.table("model").unwrap()).unwrap();
    let network = network.build(CLASSES, &mut Stream::new(0, "network"));
    let setup = Setup {
        seed: 0,
        counts: ClassCounts {
            images: 1,
            annotations: vec![1; CLASSES],
            objects: vec![1; CLASSES],
        },
        epoch_steps: 1,
    };
    let parts = Parts {
        student: Box::new(Watched {
            network: network.unwrap(),
            is_student: true,
        }),
        setup: &setup,
    };
    let mut learner = method.phases(2).remove(0).learner(parts).unwrap();
    let sent = learner.send(batch(moved));
    let pieces = Pieces {
        images: 1,
        replicas: 1,
        labelled_views: 1,
    };
    let mut used = 0;
    let mut count = 0;
    // The first step makes the teacher.
    for step in 0..2 {
        AT_FIRST.store(0, Ordering::Relaxed);
        let before = COUNTED.current_usage();
        let output = learner.step_in_pieces(&mut GradientSum::new(), &sent, step, pieces);
        let input = 3 * SIDE * SIDE * size_of::<f32>();
        used = AT_FIRST
            .load(Ordering::Relaxed)
            .saturating_sub(before + input);
        count = output.report.wait().pseudo.unwrap().counts.kept;
    }
    (used, count)
}

/// The masks of the labels alone take a byte a pixel where they are used, and their uncertainties four.
#[test]
fn the_labels_of_an_image_that_waits_take_half_a_byte_a_pixel() {
    let keys = |keys: &[&str]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
    let networks = [
        (
            "pl-dc.toml",
            keys(&[
                "model.queries=16",
                "model.loss.points=16",
                // Masks are predicted on a quarter of each side, as by networks of full size.
                "model.backbone.stem.pool=true",
            ]),
        ),
        (
            "mask-rcnn-scenes.toml",
            // No variant. A network without training is sure of nothing, and finds the same everywhere.
            keys(&[
                "sweeps=[]",
                "model.detections.probability=0",
                "model.detections.overlap=1",
                "model.detections.most=16",
            ]),
        ),
    ];
    for (name, set) in networks {
        let recipe = Recipe::read(name, &set).unwrap();
        for moved in [false, true] {
            let (used, labels) = kept(&recipe, moved);
            assert!(
                labels > IMAGES * LABELS / 2,
                "{name}: {labels} labels of {IMAGES} images"
            );
            let pixels = labels * SIDE * SIDE;
            assert!(
                (pixels / 16..pixels / 2).contains(&used),
                "{name}, moved: {moved}: {used} bytes for {pixels} pixels of {labels} labels"
            );
        }
    }
}
