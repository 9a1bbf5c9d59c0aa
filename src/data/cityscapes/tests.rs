//! Tests the dataset on files that the tests write: a good one, and every kind of bad one.

use crate::cityscapes::Frame;
use crate::data::findings::{Part, Reason};
use crate::data::split::{Split, SplitConfig};
use crate::data::{Dataset, load};
use crate::structures::InstanceSource;
use image::{GrayImage, ImageBuffer, Luma, RgbImage};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Two training pictures and one for the evaluation, 4 x 2 pixels. Tests break it in one place.
struct Fixture {
    folder: TempDir,
    table: toml::Table,
}

/// A car with a hole in two pieces, a group of persons, a caravan, and void.
const TRAIN: [u16; 8] = [26_001, 7, 26_001, 24, 24, 29_000, 4, 33_000];
const OTHER: [u16; 8] = [7; 8];
const VAL: [u16; 8] = [26_000, 26_000, 27_000, 0, 7, 7, 31, 7];

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "name = 'cityscapes'\nroot = {:?}\ntrain = 'train'\nval = 'val'\nunlabelled-images = ''\n\
             truth = 'masks'\ncheck = 'once'\ncache = 0\narea-bounds = [1024.0, 9216.0]",
            folder.path()
        );
        let fixture = Self {
            table: text.parse().unwrap(),
            folder,
        };
        for (split, frame, ids) in [
            ("train", "ulm_000001_000019", TRAIN),
            ("train", "aachen_000002_000007", OTHER),
            ("val", "bochum_000000_000313", VAL),
        ] {
            fixture.write(split, frame, ids);
        }
        fixture
    }

    fn path(&self, kind: &str, split: &str, frame: &str, ending: &str) -> PathBuf {
        let city = Frame::of(frame).unwrap().city;
        let folder = self.folder.path().join(kind).join(split).join(city);
        fs::create_dir_all(&folder).unwrap();
        folder.join(format!("{frame}_{ending}.png"))
    }

    fn picture(&self, split: &str, frame: &str) -> PathBuf {
        self.path("leftImg8bit", split, frame, "leftImg8bit")
    }

    fn ids(&self, split: &str, frame: &str) -> PathBuf {
        self.path("gtFine", split, frame, "gtFine_instanceIds")
    }

    fn write(&self, split: &str, frame: &str, ids: [u16; 8]) {
        RgbImage::new(4, 2)
            .save(self.picture(split, frame))
            .unwrap();
        let ids: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_raw(4, 2, ids.to_vec()).unwrap();
        ids.save(self.ids(split, frame)).unwrap();
    }

    fn build(&self) -> Dataset {
        load(self.table.clone()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The key and the text of the error.
    fn error(&self) -> (String, String) {
        let error = load(self.table.clone()).err().expect("it is refused");
        (error[0].key.clone(), error[0].message.clone())
    }

    fn refused(&self, key: &str, parts: &[&str]) {
        let (found, message) = self.error();
        assert_eq!(found, key, "{message}");
        for part in parts {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}

#[test]
fn objects_are_exact_and_groups_are_crowds() {
    let fixture = Fixture::new();
    let dataset = fixture.build();
    assert_eq!(dataset.classes.len(), 8);
    assert_eq!(dataset.classes[..3], ["person", "rider", "car"]);
    assert_eq!((dataset.train.len(), dataset.val.len()), (2, 1));
    // By name: aachen before ulm.
    assert!(dataset.train.is_background(0));
    assert_eq!(dataset.train.classes_of(1), [0, 2, 7]);
    assert_eq!(dataset.train.objects_of(1), [2, 7]);
    let sample = dataset.train.load(1).unwrap();
    assert_eq!(sample.image_id, 2);
    let car = &sample.instances[1];
    assert_eq!((car.class, car.source), (2, InstanceSource::Annotation));
    assert_eq!(car.mask.bits, [1, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(sample.instances[0].source, InstanceSource::Crowd);
    let truth = dataset.train.truth(1).unwrap();
    assert_eq!(truth.instances, sample.instances);
    assert_eq!(truth.areas, [2.0, 2.0, 1.0]);
    let void = truth.void.unwrap();
    assert_eq!(void.bits, [0, 0, 0, 0, 0, 0, 1, 0], "a caravan is not void");
    let frame = dataset.train.frame(1).unwrap();
    assert_eq!(frame.to_string(), "ulm_000001_000019");
    let file = dataset.train.file(1).unwrap();
    assert!(file.ends_with("leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png"));
    let findings = &dataset.findings;
    assert_eq!(findings.count(Part::Train, Reason::CrowdsOnly), 1, "person");
    assert_eq!(findings.count(Part::Val, Reason::NotTrained), 1, "truck");
    assert_eq!(findings.count(Part::Val, Reason::MissingOfVal), 0);
    assert!(dataset.extra_unlabelled.is_none());
}

#[test]
fn pictures_without_annotations_are_unlabelled() {
    let mut fixture = Fixture::new();
    fs::remove_file(fixture.ids("train", "aachen_000002_000007")).unwrap();
    let dataset = fixture.build();
    assert_eq!(dataset.train.len(), 1);
    let extra = dataset.extra_unlabelled.unwrap();
    assert_eq!(extra.len(), 1);
    assert!(extra.load(0).unwrap().instances.is_empty());
    assert_eq!(dataset.findings.count(Part::Train, Reason::NoTruth), 1);
    fixture
        .table
        .insert("unlabelled-images".into(), "val".into());
    let dataset = fixture.build();
    assert_eq!(dataset.extra_unlabelled.unwrap().len(), 2);
    let findings = dataset.findings;
    assert_eq!(findings.count(Part::Unlabelled, Reason::IsEvaluated), 1);
    assert_eq!(findings.count(Part::Train, Reason::IsEvaluated), 0);
    fixture
        .table
        .insert("unlabelled-images".into(), "train_extra".into());
    fixture.refused("unlabelled-images", &["train_extra: no folder"]);
}

#[test]
#[cfg(unix)]
fn training_images_that_are_evaluated_are_told_though_a_link_hides_it() {
    let mut fixture = Fixture::new();
    fixture.table.insert("val".into(), "train".into());
    let count = |fixture: &Fixture| {
        let findings = fixture.build().findings;
        findings.count(Part::Train, Reason::IsEvaluated)
    };
    assert_eq!(count(&fixture), 2);
    let place = |kind: &str, split: &str| fixture.folder.path().join(kind).join(split);
    for kind in ["leftImg8bit", "gtFine"] {
        std::os::unix::fs::symlink(place(kind, "train"), place(kind, "link")).unwrap();
    }
    fixture.table.insert("val".into(), "link".into());
    assert_eq!(count(&fixture), 2);
}

#[test]
fn a_part_of_the_published_val_is_told() {
    let fixture = Fixture::new();
    for frame in [
        "frankfurt_000000_000294",
        "lindau_000001_000019",
        "munster_000001_000019",
    ] {
        fixture.write("val", frame, VAL);
    }
    fs::remove_dir_all(fixture.folder.path().join("leftImg8bit/val/bochum")).unwrap();
    fs::remove_dir_all(fixture.folder.path().join("gtFine/val/bochum")).unwrap();
    let findings = fixture.build().findings;
    assert_eq!(findings.count(Part::Val, Reason::MissingOfVal), 497);
    let remove = |city: &str| {
        for kind in ["leftImg8bit", "gtFine"] {
            fs::remove_dir_all(fixture.folder.path().join(kind).join("val").join(city)).unwrap();
        }
    };
    remove("munster");
    assert_eq!(
        fixture.build().findings.lines().last().unwrap(),
        "val: 498 of the 500 pictures of Cityscapes' `val` are missing, so AP is not comparable with published numbers: \
         frankfurt lacks 266 of 267, lindau lacks 58 of 59, munster lacks all 174"
    );
}

#[test]
fn every_mistake_names_its_file() {
    let val = "bochum_000000_000313";
    let broken = |edit: &dyn Fn(&Fixture, &Path)| {
        let fixture = Fixture::new();
        edit(&fixture, &fixture.ids("val", val));
        fixture
    };
    broken(&|_, ids| GrayImage::new(4, 2).save(ids).unwrap()).refused(
        "val",
        &[
            "bochum_000000_000313_gtFine_instanceIds.png",
            "8 bits a pixel",
            "labelIds",
        ],
    );
    broken(&|_, ids| {
        let image: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::new(3, 2);
        image.save(ids).unwrap();
    })
    .refused(
        "val",
        &["instanceIds.png: 3 x 2 pixels", "its picture has 4 x 2"],
    );
    broken(&|_, ids| fs::remove_file(ids).unwrap()).refused(
        "val",
        &[
            "1 picture without annotations: bochum_000000_000313",
            "gtFine/val/CITY",
        ],
    );
    broken(&|fixture, _| fs::remove_file(fixture.picture("val", val)).unwrap())
        .refused("val", &["leftImg8bit/val: no picture"]);
    broken(&|fixture, _| {
        fixture.write("val", "ulm_000005_000019", OTHER);
        fs::remove_file(fixture.picture("val", val)).unwrap();
    })
    .refused(
        "val",
        &["1 annotation without a picture: bochum_000000_000313"],
    );
    broken(&|fixture, _| fixture.write("train", "ulm_000001_000019", OTHER))
        .refused("train", &["no annotated picture has an object"]);
    broken(&|fixture, _| fixture.write("train", "ulm_000001_000019", [99; 8])).refused(
        "train",
        &["ulm_000001_000019_gtFine_instanceIds.png", "the value 99"],
    );
    let mut fixture = Fixture::new();
    fixture.table.insert("train".into(), "training".into());
    fixture.refused("train", &["leftImg8bit/training: no folder"]);
    fixture.table.insert("root".into(), "/nowhere".into());
    fixture.refused("root", &["/nowhere: no folder"]);
}

/// GuidedDistillation publishes its labelled pictures as the names of their images of ids, one a line.
#[test]
fn a_list_of_images_of_ids_chooses_their_pictures() {
    let fixture = Fixture::new();
    for frame in ["ulm_000001_000020", "hanover_000000_049269"] {
        fixture.write("train", frame, TRAIN);
    }
    let dataset = fixture.build();
    let list = fixture.folder.path().join("perc_50.txt");
    let chosen = |text: &str| {
        fs::write(&list, text).unwrap();
        let config = SplitConfig {
            list: list.clone(),
            ..SplitConfig::of_permutation(0.5, 0)
        };
        let split = Split::new(&dataset, &config, 0).map_err(|error| format!("{error:#}"))?;
        let frames = |images: &[usize]| -> Vec<String> {
            let frames = images.iter().map(|image| dataset.train.frame(*image));
            frames.map(|frame| frame.unwrap().to_string()).collect()
        };
        Ok::<_, String>((frames(&split.chosen), frames(&split.unlabelled)))
    };
    let (labelled, unlabelled) = chosen(
        "ulm_000001_000020_gtFine_instanceIds.png\nhanover_000000_049269_gtFine_instanceIds.png\n",
    )
    .unwrap();
    assert_eq!(labelled, ["hanover_000000_049269", "ulm_000001_000020"]);
    assert_eq!(unlabelled, ["aachen_000002_000007", "ulm_000001_000019"]);
    let message = chosen("ulm_000001_000021_gtFine_instanceIds.png\n").unwrap_err();
    assert!(
        message.contains("ulm_000001_000021_gtFine_instanceIds.png"),
        "{message}"
    );
}

#[test]
fn the_files_of_a_split_have_the_name_that_other_projects_give_them() {
    use crate::data::split_files::file_names;
    use crate::data::{DATASETS, split::Unlabelled};
    let mut fixture = Fixture::new();
    let split = Split::new(&fixture.build(), &SplitConfig::of_permutation(0.5, 0), 0).unwrap();
    let mut named = |train: &str| {
        fixture.table.insert("train".into(), train.into());
        let config = crate::registry::build(DATASETS, fixture.table.clone()).unwrap();
        file_names(&*config, &split, 1, Unlabelled::Rest)
    };
    let stem = "instancesonly_filtered_gtFine";
    assert_eq!(
        named("train"),
        [
            format!("{stem}_train.1@50.json"),
            format!("{stem}_train.1@50-unlabeled.json")
        ]
    );
    assert_eq!(
        named("../mine/train")[0],
        format!("{stem}_mine-train.1@50.json")
    );
}
