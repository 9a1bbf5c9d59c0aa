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

/// A job that runs in this shell, with stand-ins for the program and for `scontrol`.
struct Job {
    folder: tempfile::TempDir,
}

impl Job {
    /// A job whose program does the lines of `program`, which stand after a trap for SIGUSR2.
    fn new(wrapper: &[&str], program: &str) -> Self {
        Self::with(&[], wrapper, program)
    }

    fn with(setup: &[&str], wrapper: &[&str], program: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let submission = folder.path().join("sub mission");
        std::fs::create_dir_all(&submission).unwrap();
        let profile = Profile {
            setup: setup.iter().map(ToString::to_string).collect(),
            wrapper: wrapper.iter().map(ToString::to_string).collect(),
            ..Profile::default()
        };
        let script = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        script("job.sh", &job_script(&profile, &submission, Runs::Element));
        script("sub mission/harness", &format!("#!/bin/bash\n{program}"));
        script(
            "scontrol",
            "#!/bin/bash\necho \"$*\" >> \"${0%/*}/calls\"\nexit 1\n",
        );
        Self { folder }
    }

    /// Runs the job once, with SIGUSR2 to its shell as soon as the program runs. Returns its exit code and the number
    /// of requests so far to be queued again.
    fn told(&self) -> (Option<i32>, usize) {
        let at = |name: &str| self.folder.path().join(name);
        std::fs::remove_file(at("runs")).ok();
        let path = format!(
            "{}:{}",
            self.folder.path().display(),
            std::env::var("PATH").unwrap()
        );
        let mut child = std::process::Command::new("bash")
            .arg(at("job.sh"))
            .arg("3")
            .env("PATH", path)
            .env("SLURM_ARRAY_TASK_ID", "4")
            .env("SLURM_ARRAY_JOB_ID", "28")
            .env("RUNS", at("runs"))
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !at("runs").exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let signal = std::process::Command::new("kill")
            .args(["-USR2", &child.id().to_string()])
            .status();
        assert!(signal.unwrap().success());
        let code = child.wait().unwrap().code();
        let calls = std::fs::read_to_string(at("calls")).unwrap_or_default();
        assert!(calls.lines().all(|line| line == "requeue 28_4"), "{calls}");
        (code, calls.lines().count())
    }
}

/// What a program does that hears the signal: it leaves a note, and ends with its code.
fn leaves_note(code: u8) -> String {
    format!(
        "folder=$2\ntrap 'sleep 0.3; echo \"{{\\\"code\\\":{code},\\\"reason\\\":\\\"\\\"}}\" > \"$folder/ended/$4.json\"; \
         exit {code}' USR2\ntouch \"$RUNS\"\nfor i in $(seq 100); do sleep 0.1; done\n"
    )
}

#[test]
fn a_wrapper_that_dies_of_the_signal_costs_no_checkpoint() {
    let shell = ["bash", "-c", "\"$@\"; exit $?", "wrapper"];
    for wrapper in [&[][..], &["env"], &shell] {
        // The element is the argument and the index together, 7.
        assert_eq!(
            Job::new(wrapper, &leaves_note(75)).told(),
            (Some(75), 1),
            "{wrapper:?}"
        );
        assert_eq!(
            Job::new(wrapper, &leaves_note(130)).told(),
            (Some(130), 0),
            "{wrapper:?}"
        );
        assert_eq!(
            Job::new(wrapper, &leaves_note(1)).told(),
            (Some(1), 0),
            "{wrapper:?}"
        );
    }
}

#[test]
fn helpers_of_a_wrapper_are_not_told() {
    let text = "sleep 60 & helper=$!; \"$@\"; code=$?; kill $helper || exit 99; exit $code";
    let wrapper = ["bash", "-c", text, "wrapper"];
    assert_eq!(Job::new(&wrapper, &leaves_note(75)).told(), (Some(75), 1));
}

#[test]
fn a_signal_before_the_program_starts_is_handed_on() {
    let job = Job::with(&["kill -USR2 $$"], &[], &leaves_note(75));
    assert_eq!(job.told(), (Some(75), 1));
}

#[test]
fn a_program_that_dies_of_the_signal_is_queued_again_once() {
    let job = Job::new(&[], "touch \"$RUNS\"\nsleep 10 &\nwait\n");
    assert_eq!(job.told(), (Some(75), 1));
    assert_eq!(job.told(), (Some(140), 1), "it would be so for ever");
}
