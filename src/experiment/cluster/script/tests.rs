use super::*;

fn profile() -> Profile {
    Profile {
        partition: "gpu".into(),
        account: "abc".into(),
        gpu_type: "a100".into(),
        cpus: 8,
        mem: "32G".into(),
        time: "20:00:00".into(),
        at_once: 8,
        setup: vec!["module load cuda/12.4".into()],
        wrapper: ["apptainer", "exec", "--nv", "my image.sif"]
            .map(Into::into)
            .to_vec(),
        extra: vec!["--reservation=x".into()],
        ..Profile::default()
    }
}

/// The script of a typical site, as a user reads it.
#[test]
fn the_script_of_a_typical_site_reads_so() {
    let text = job_script(
        &profile(),
        Path::new("/data/r/.store/submissions/ab12"),
        Runs::Element,
    );
    assert_eq!(text, include_str!("golden.sh"));
}

#[test]
fn the_job_that_writes_tables_is_never_queued_again_and_needs_no_device() {
    let text = job_script(&Profile::default(), Path::new("/r/s"), Runs::Finish);
    assert!(
        text.contains("/r/s/harness work /r/s --finish &\n"),
        "{text}"
    );
    assert!(!text.contains("scontrol"), "{text}");
}

#[test]
fn devices_and_packs_become_arguments_of_the_program() {
    let words = |gpus: u32, pack: u32| {
        let profile = Profile {
            gpus,
            pack,
            ..Profile::default()
        };
        device_words(&profile).join(" ")
    };
    assert_eq!(words(0, 1), "--device cpu --workers 1");
    assert_eq!(words(1, 3), "--device cuda --workers 3");
    assert_eq!(words(2, 3), "--gpus 0,1 --workers 2");
}

#[test]
fn what_a_profile_leaves_empty_is_not_passed_on() {
    let array = Array {
        level: 1,
        chunk: 0,
        kind: "distill".into(),
        first: 3,
        count: 7,
        before: Vec::new(),
    };
    let arguments = |profile: &Profile, dependency: &str, array: Option<&Array>| {
        let call = Call {
            profile,
            name: "hs-ab12-1-0",
            id: "ab12",
            dependency,
            array,
            logs: "/r/log/%A_%a.out",
            folder: Path::new("/home/me"),
            script: Path::new("/r/job-distill.sh"),
        };
        call.arguments()
    };
    let head = [
        "--parsable",
        "--job-name=hs-ab12-1-0",
        "--comment=harness ab12",
        "--chdir=/home/me",
        "--output=/r/log/%A_%a.out",
    ];
    let small = Profile {
        gpus: 0,
        time: "60".into(),
        ..Profile::default()
    };
    let tail = ["--time=60", "--export=ALL", "/r/job-distill.sh"];
    assert_eq!(arguments(&small, "", None), [&head[..], &tail].concat());
    let rest = [
        "--array=0-6%8",
        "--dependency=afterok:28_0:28_1",
        "--kill-on-invalid-dep=yes",
        "--partition=gpu",
        "--account=abc",
        "--time=20:00:00",
        "--gres=gpu:a100:1",
        "--cpus-per-task=8",
        "--mem=32G",
        "--export=ALL",
        "--reservation=x",
        "/r/job-distill.sh",
        "3",
    ];
    let found = arguments(&profile(), "afterok:28_0:28_1", Some(&array));
    assert_eq!(found, [&head[..], &rest].concat());
}

#[test]
fn options_are_typed_as_a_user_types_them() {
    for (word, expected) in [
        ("--nv", "--nv"),
        ("-n2", "-n2"),
        ("--comment=harness ab", "--comment='harness ab'"),
        ("my image.sif", "'my image.sif'"),
        ("-x y", "'-x y'"),
        ("-", "'-'"),
        ("--bind=/a:/b", "--bind=/a:/b"),
    ] {
        assert_eq!(shell_word(word), expected);
    }
}
