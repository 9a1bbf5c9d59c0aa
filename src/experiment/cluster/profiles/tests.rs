use super::*;

fn read(text: &str, name: Option<&str>) -> Result<Profiles> {
    Profiles::parse(Path::new("site.toml"), text.into(), name)
}

/// The error of a file with this text.
fn wrong(text: &str) -> String {
    format!("{:#}", read(text, None).unwrap_err())
}

#[test]
fn a_kind_of_stage_changes_the_keys_that_it_names_and_no_other() {
    let text = "default = 'b'\n[profile.a]\ntime = '60'\n[profile.b]\ntime = '20:00:00'\ngpus = 2\nsetup = ['a', 'b']\n\
                [profile.b.stage.burn-in]\ntime = '8:00:00'\nat-once = 3\n";
    let found = read(text, None).unwrap();
    assert_eq!((&*found.name, found.usual.gpus), ("b", 2));
    let usual = found.of("distill");
    assert_eq!((&*usual.time, usual.at_once), ("20:00:00", 0));
    let own = found.of("burn-in");
    assert_eq!((&*own.time, own.at_once), ("8:00:00", 3));
    let rest = Profile {
        time: usual.time.clone(),
        at_once: 0,
        ..own
    };
    assert_eq!(rest, usual, "everything else is the same");
    assert_eq!(read(text, Some("a")).unwrap().name, "a");
    let notes = found.unused(&BTreeSet::from(["teacher", "student"]));
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].contains("`burn-in`") && notes[0].contains("student, teacher"),
        "{notes:?}"
    );
    assert_eq!(
        found.unused(&BTreeSet::from(["burn-in"])),
        Vec::<String>::new()
    );
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_is_allowed() {
    let cases = [
        ("partitio = 1\n", "site.toml:1:1", "unknown key `partitio`"),
        (
            "[profile.a]\ntime = '60'\npartitio = 'x'\n",
            "site.toml:3:1",
            "did you mean `partition`?",
        ),
        (
            "[profile.a]\ntime = '60'\ngpus = -1\n",
            "site.toml:3:8",
            "-1 is not allowed; allowed: a whole number from 0 to",
        ),
        (
            "[profile.a]\ntime = '60'\ngpus = 'two'\n",
            "site.toml:3:8",
            "a whole number",
        ),
        (
            "[profile.a]\ntime = '60'\nmem = '32 GB'\n",
            "site.toml:3:7",
            "\"32G\"",
        ),
        (
            "[profile.a]\ntime = '60'\nsetup = 'module load x'\n",
            "site.toml:3:9",
            "a list of texts",
        ),
        (
            "[profile.a]\ntime = '60'\nsetup = [\"a\\nb\"]\n",
            "site.toml:3:9",
            "each in one line",
        ),
        (
            "[profile.a]\ntime = 'long'\n",
            "site.toml:2:8",
            "a time limit such as",
        ),
        (
            "[profile.a]\ngpus = 1\n",
            "site.toml:1:1",
            "lacks the key `time`",
        ),
        (
            "[profile.a]\ntime = '60'\nlead = 119\n",
            "site.toml:3:8",
            "120 and more",
        ),
        (
            "[profile.a]\ntime = '5'\n",
            "site.toml:2:8",
            "300 seconds before a limit of 300 seconds",
        ),
        (
            "[profile.a]\ntime = '60'\n[profile.a.stage.x]\nfinish = false\n",
            "site.toml:4:1",
            "in the profile itself",
        ),
        (
            "[profile.a]\ntime = '60'\n[profile.a.stage.x]\ntime = '4'\n",
            "site.toml:4:8",
            "less than `time`",
        ),
        (
            "default = 'b'\n[profile.a]\ntime = '60'\n",
            "site.toml:1:11",
            "no profile `b`",
        ),
        (
            "[profile.a]\ntime = '60'\n[profile.b]\ntime = '60'\n",
            "site.toml",
            "one of `a`, `b`",
        ),
        ("", "site.toml", "[profile.NAME]"),
        ("[profile\n", "site.toml:1:", "not TOML"),
    ];
    for (text, place, part) in cases {
        let error = wrong(text);
        assert!(
            error.contains(place) && error.contains(part),
            "{text}: {error}"
        );
    }
    let several = wrong("[profile.a]\ntime = '60'\ngpus = -1\ncpus = -1\n");
    assert!(several.contains("2 errors"), "{several}");
    let error = format!(
        "{:#}",
        read("[profile.abc]\ntime = '60'\n", Some("abd")).unwrap_err()
    );
    assert!(
        error.contains("--profile abd") && error.contains("did you mean `abc`?"),
        "{error}"
    );
}

#[test]
fn a_lead_has_to_be_two_minutes_and_less_than_the_limit() {
    let ok = |time: &str, lead: u32| {
        let text = format!("[profile.a]\ntime = '{time}'\nlead = {lead}\n");
        read(&text, None).is_ok()
    };
    assert!(!ok("60", 119) && ok("60", 120));
    assert!(ok("3", 179) && !ok("3", 180));
}

#[test]
fn the_job_that_writes_tables_asks_for_no_gpu_unless_the_profile_says_so() {
    let text = "[profile.a]\ntime = '60'\ngpus = 2\ncpus = 8\n";
    let found = read(text, None).unwrap().of(FINISH);
    assert_eq!((found.gpus, found.cpus, &*found.time), (0, 1, "60"));
    let text = format!("{text}[profile.a.stage.finish]\npartition = 'cpu'\n");
    let found = read(&text, None).unwrap();
    assert_eq!(
        (found.of(FINISH).gpus, &*found.of(FINISH).partition),
        (0, "cpu")
    );
    assert_eq!(
        (found.of("distill").gpus, &*found.of("distill").partition),
        (2, "")
    );
    assert_eq!(
        found.unused(&BTreeSet::from(["distill"])),
        Vec::<String>::new()
    );
}

#[test]
fn gpus_that_no_trial_uses_are_told() {
    let notes = |more: &str| {
        let text = format!("[profile.a]\ntime = '60'\ngpus = 2\n{more}");
        read(&text, None)
            .unwrap()
            .notes(&BTreeSet::from(["burn-in", "distill"]))
    };
    assert_eq!(notes("pack = 2\n"), Vec::<String>::new());
    assert_eq!(notes("pack = 3\n"), Vec::<String>::new());
    let found = notes("pack = 2\n[profile.a.stage.distill]\npack = 1\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("`distill`") && found[0].contains("1 of their GPUs"),
        "{found:?}"
    );
}

#[test]
fn what_the_program_says_to_sbatch_itself_is_no_extra() {
    let told = |line: &str| {
        let text = format!("[profile.a]\ntime = '60'\n{line}\n");
        read(&text, None).map_err(|error| format!("{error:#}"))
    };
    for word in [
        "--job-name=x",
        "-Jx",
        "-J",
        "--no-requeue",
        "--array=0-3",
        "--wait",
    ] {
        let error = told(&format!("extra = ['--nice=1', '{word}']")).unwrap_err();
        assert!(error.contains(&format!("but `{word}`")), "{error}");
    }
    told("extra = ['--reservation=x', '--nodes=1', '-C', 'ssd', '--output-nothing']").unwrap();
    assert!(
        told("clusters = 'a,b'")
            .unwrap_err()
            .contains("one cluster")
    );
    assert!(told("lead = 65536").is_err());
}
