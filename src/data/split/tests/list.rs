//! Tests of the lists of labelled images.

use super::*;

/// Images with ids and files: every third has no object.
struct Filed(Vec<(u64, PathBuf)>);

impl Filed {
    /// Images with these paths; their ids fall.
    fn new(paths: &[&str]) -> Self {
        let ids = (0..paths.len() as u64).rev();
        Self(
            ids.map(|id| 10 * id)
                .zip(paths.iter().map(PathBuf::from))
                .collect(),
        )
    }
}

impl Source for Filed {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn classes_of(&self, index: usize) -> Vec<usize> {
        vec![0; usize::from(index % 3 != 2)]
    }
    fn id(&self, index: usize) -> u64 {
        self.0[index].0
    }
    fn file(&self, index: usize) -> Option<&Path> {
        Some(&self.0[index].1)
    }
    fn load(&self, _: usize) -> Result<Sample> {
        bail!("nothing to decode")
    }
}

/// The split of a list with this text, or the message of its refusal without the folder of the list.
fn listed(
    paths: &[&str],
    name: &str,
    text: &str,
    edit: fn(&mut SplitConfig),
) -> Result<Split, String> {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join(name);
    std::fs::write(&list, text).unwrap();
    let mut config = SplitConfig {
        list,
        ..config(0.5, 0)
    };
    edit(&mut config);
    let split = Split::new(&dataset(Filed::new(paths), 1, 0), &config, 0);
    split
        .map_err(|error| format!("{error:#}").replace(&format!("{}/", folder.path().display()), ""))
}

const PATHS: [&str; 6] = [
    "d/a.png", "d/b.png", "d/c.png", "e/a.png", "e/d.png", "e/f.png",
];

#[test]
fn indices_count_the_images_with_an_object_by_id() {
    // By id: f, d, a, c, b, a; c and f have no object.
    let lists = r#"{"50": {"0": [0, 3], "1": [1, 2]}, "25.0": {"0": [2]}}"#;
    let chosen = |edit| listed(&PATHS, "lists.txt", lists, edit).unwrap().chosen;
    assert_eq!(chosen(|_| ()), [0, 4]);
    assert_eq!(chosen(|config| config.seed = SplitSeed::Fixed(1)), [1, 3]);
    assert_eq!(chosen(|config| config.labelled = 0.25), [1]);
    assert_eq!(chosen(|config| config.percent = Percent::Number(25.0)), [1]);
}

#[test]
fn a_list_of_indices_that_does_not_fit_says_what_it_needs() {
    let refused = |lists: &str, edit: fn(&mut SplitConfig)| {
        listed(&PATHS, "l.json", lists, edit).unwrap_err()
    };
    let lists = r#"{"50": {"0": [0, 4]}}"#;
    let message = refused(lists, |_| ());
    assert!(
        message.starts_with(
            "split.list: l.json: [\"50\"][\"0\"][1]: index 4 of 4 images; allowed: below 4"
        ),
        "{message}"
    );
    assert!(
        message.contains("no image id") && message.contains("117266"),
        "{message}"
    );
    let message = refused(r#"{"50": {"0": [0]}}"#, |_| ());
    assert!(
        message.contains("1 indices; 50 % of the 4 training images with an object are 2"),
        "{message}"
    );
    let message = refused(lists, |config| config.labelled = 0.1);
    assert!(message.contains("no list for 10 %; known: 50"), "{message}");
    let message = refused(lists, |config| config.seed = SplitSeed::Fixed(3));
    assert!(
        message.contains("no seed 3 for 50 %; known: 0"),
        "{message}"
    );
    let message = refused(r#"{"50": {"0": [-1]}}"#, |_| ());
    assert!(
        message.contains("l.json") && message.contains("-1"),
        "{message}"
    );
    let message = refused("[0, 3]", |_| ());
    assert!(message.contains("an object of percentages"), "{message}");
}

#[test]
fn names_are_found_by_path_name_stem_or_frame() {
    let chosen = |text: &str| listed(&PATHS, "l.txt", text, |_| ()).unwrap().chosen;
    assert_eq!(chosen("d/a.png\r\n\r\nother/b.png\n"), [0, 1]);
    assert_eq!(chosen("\u{feff}d.jpg\ne\\a.png"), [3, 4]);
    let message = listed(&PATHS, "l.txt", "d/b.png\na.png", |_| ()).unwrap_err();
    assert_eq!(
        message,
        "split.list: l.txt: line 2: `a.png` fits several training images, such as d/a.png and e/a.png; needed: more of the path"
    );
    let message = listed(&PATHS, "l.txt", "x\nd/a.png\ny\nz\nw", |_| ()).unwrap_err();
    assert_eq!(
        message,
        "split.list: l.txt: 4 of 5 names are of no training image: line 1 `x`, line 3 `y`, line 4 `z`, ..."
    );
    let cities = [
        "leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png",
        "leftImg8bit/train/ulm/ulm_000002_000019_leftImg8bit.png",
    ];
    let split = listed(
        &cities,
        "l.txt",
        "ulm_000002_000019_gtFine_instanceIds.png\n",
        |_| (),
    )
    .unwrap();
    assert_eq!(split.chosen, [1]);
    assert_eq!(
        listed(&cities, "l.txt", "ulm_000001_000019", |_| ())
            .unwrap()
            .chosen,
        [0]
    );
    let message = listed(&cities, "l.txt", "bonn_000001_000019", |_| ()).unwrap_err();
    assert!(
        message.ends_with("the training images have none of the cities bonn"),
        "{message}"
    );
}

#[test]
fn a_name_may_hold_dots_and_a_path_may_lack_its_ending() {
    let paths = [
        "d/z.v2.png",
        "d/z.v3.png",
        "d/no.png",
        "b/x.png",
        "c/x.png",
        "d/no2.png",
        "d/z.png",
    ];
    let chosen = |text: &str| listed(&paths, "l.txt", text, |_| ()).map(|split| split.chosen);
    assert_eq!(chosen("z.v2\nz.v3.jpg"), Ok(vec![0, 1]));
    assert_eq!(chosen("c/x\nz"), Ok(vec![4, 6]));
    assert_eq!(chosen("./b/x.tif"), Ok(vec![3]));
    assert!(chosen("z.v4").unwrap_err().contains("`z.v4`"));
    assert!(chosen("x").unwrap_err().contains("several"));
}

#[test]
fn a_list_of_another_share_than_told_has_a_note_and_a_placeholder_takes_the_right_one() {
    let notes = |text: &str, edit| listed(&PATHS, "perc_50.txt", text, edit).unwrap().notes;
    let half = "d/a.png\nd/b.png\nd/c.png";
    assert!(notes(half, |_| ()).is_empty());
    assert!(notes("d/a.png\nd/b.png", |config| config.labelled = 0.4).is_empty());
    assert_eq!(
        notes(half, |config| config.labelled = 0.2),
        [
            "split.list: perc_50.txt: the file lists 3 of 6 training images (50.00 %), not the 20 % of split.labelled; the \
             file decides; `{percent}` in the path takes the list of each share"
        ]
    );
    let told = notes(half, |config| config.percent = Percent::Number(90.0));
    assert!(
        told[0].contains("not the 90 % of split.percent"),
        "{told:?}"
    );
    let placed = |labelled| {
        let edit = |config: &mut SplitConfig| {
            config.list = config.list.with_file_name("perc_{percent}.txt");
        };
        match labelled {
            true => listed(&PATHS, "perc_50.txt", half, edit),
            false => listed(&PATHS, "perc_20.txt", half, edit),
        }
    };
    assert_eq!(placed(true).unwrap().origin, "list `perc_50.txt`");
    assert!(
        placed(false)
            .unwrap_err()
            .contains("split.list: perc_50.txt")
    );
}

#[test]
fn a_list_of_the_unlabelled_images_is_known_by_what_it_holds() {
    let rest = "d/b.png\nd/c.png\ne/a.png\ne/d.png\ne/f.png";
    let message = listed(&PATHS, "l.txt", rest, |config| config.labelled = 0.17).unwrap_err();
    assert!(
        message.starts_with(
            "split.list: l.txt: the file lists 5 of 6 training images, and the 17 % of split.labelled are those that it \
             leaves out (1)"
        ) && message.contains("split.labelled = 0.8333"),
        "{message}"
    );
    let listed_83 = listed(&PATHS, "l.txt", rest, |config| config.labelled = 0.8333);
    assert_eq!(listed_83.unwrap().chosen.len(), 5);
    for name in ["x_unlabeled.json", "X-Unlabelled.txt", "unlabeled.txt"] {
        let message = listed(&PATHS, name, "d/b.png", |_| ()).unwrap_err();
        assert!(message.contains("by its name"), "{message}");
    }
    assert!(listed(&PATHS, "notunlabeled.txt", "d/b.png", |_| ()).is_ok());
}

#[test]
fn a_list_that_names_an_image_twice_counts_it_once() {
    let sixth: fn(&mut SplitConfig) = |config| config.labelled = 0.17;
    let split = listed(&PATHS, "l.txt", "d/b.png\nb.png\n", sixth).unwrap();
    assert_eq!(split.chosen, [1]);
    assert!(
        split.notes[0].ends_with("1 of 2 entries repeat an image and count once"),
        "{:?}",
        split.notes
    );
    assert!(
        listed(&PATHS, "l.txt", "\n\n", |_| ())
            .unwrap_err()
            .contains("no image")
    );
}

#[test]
fn of_coco_annotations_only_the_images_are_read() {
    let text = r#"{"annotations": 7, "images": [{"id": 1, "file_name": "d/b.png"}, {"id": 9, "file_name": "train/f.png"}]}"#;
    let third: fn(&mut SplitConfig) = |config| config.labelled = 0.33;
    let split = listed(&PATHS, "x.1@33.json", text, third).unwrap();
    assert_eq!((split.chosen, split.labelled), (vec![1, 5], vec![1]));
    assert_eq!(
        split.notes,
        [
            "split.list: x.1@33.json: the name tells 33 %, which is 1 of 6 images; the file lists 2 (33.33 %)"
        ]
    );
    let message = listed(&PATHS, "x.json", r#"{"images": [{"id": 1}]}"#, |_| ()).unwrap_err();
    assert_eq!(message, "split.list: x.json: images[0]: no `file_name`");
    let message = listed(&PATHS, "x.1@10-unlabeled.json", text, |_| ()).unwrap_err();
    assert!(message.contains("lists the unlabelled images"), "{message}");
}

#[test]
fn a_list_with_another_format_than_told_is_refused() {
    for (format, text) in [
        (ListFormat::IndicesJson, "a.png"),
        (ListFormat::CocoJson, "a.png"),
    ] {
        let edit: fn(&mut SplitConfig) = match format {
            ListFormat::CocoJson => |config| config.format = ListFormat::CocoJson,
            _ => |config| config.format = ListFormat::IndicesJson,
        };
        let message = listed(&PATHS, "l.txt", text, edit).unwrap_err();
        assert!(
            message.contains("l.txt") && message.contains("not"),
            "{message}"
        );
    }
    let absent = SplitConfig {
        list: PathBuf::from("no/such.txt"),
        ..config(0.5, 0)
    };
    let message = Split::new(&dataset(Filed::new(&PATHS), 1, 0), &absent, 0).unwrap_err();
    assert!(
        format!("{message:#}").contains("split.list: no/such.txt"),
        "{message:#}"
    );
}
