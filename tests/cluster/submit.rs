//! `harness submit`, `cancel` and `status`, with stand-ins for Slurm's commands.

use crate::rig::{Rig, stderr};
use crate::stand_in::{Cluster, code, elements_of, stdout};
use std::fs;
use std::process::Command;

/// Runs an element of a submission as its job would.
fn run(cluster: &Cluster, submission: usize, element: usize) {
    let folder = &cluster.submissions()[submission];
    let mut command = Command::new(folder.join("harness"));
    command
        .arg("work")
        .arg(folder)
        .args(["--device", "cpu", "--patience", "1"]);
    let output = command
        .args(["--element", &element.to_string()])
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

fn status(cluster: &Cluster, rig: &Rig) -> String {
    let out = rig.at("out");
    let output = cluster
        .harness(&["status", out.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn shared_stages_and_trials_are_arrays_and_trials_wait_for_their_own_stage() {
    let rig = Rig::new();
    let cluster = Cluster::new(&rig);
    let output = cluster.submit(&rig, &[], &[]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(
        stdout(&output).contains("8 elements in 3 arrays (jobs 11, 12, 13)"),
        "{}",
        stdout(&output)
    );
    let calls = cluster.noted("calls");
    let has = |call: usize, words: &[&str]| {
        for word in words {
            assert!(calls[call].contains(word), "{word}: {}", calls[call]);
        }
    };
    assert_eq!(calls.len(), 4);
    has(
        0,
        &[
            "--parsable",
            "--array=0-1 ",
            "--time=60",
            "-0-0 ",
            "job-burn-in.sh 0",
        ],
    );
    assert!(
        !calls[0].contains("--dependency") && !calls[0].contains("--gres"),
        "{}",
        calls[0]
    );
    has(
        1,
        &[
            "--array=0-2 ",
            "--dependency=afterok:11_0 ",
            "--kill-on-invalid-dep=yes",
            "job-distill.sh 2",
        ],
    );
    has(
        2,
        &[
            "--array=0-2 ",
            "--dependency=afterok:11_1 ",
            "-1-1 ",
            "job-distill.sh 5",
        ],
    );
    has(
        3,
        &[
            "--dependency=afterany:11:12:13 ",
            "-finish",
            "--cpus-per-task=1",
            "job-finish.sh",
        ],
    );
    let seeds: Vec<String> = elements_of(&cluster.submission())
        .iter()
        .map(|element| element["title"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(seeds[0], "burn-in, seed 0");
    assert!(
        seeds[2..5].iter().all(|title| title.ends_with("seed 0")),
        "{seeds:?}"
    );
}

#[test]
fn a_profile_is_no_part_of_any_hash() {
    let rig = Rig::new();
    let cluster = Cluster::new(&rig);
    let plan = || {
        let output = cluster
            .harness(&["plan", "--json"])
            .arg(rig.recipe())
            .output()
            .unwrap();
        let plan: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        (plan["trials"].clone(), plan["stages"].clone())
    };
    let before = plan();
    let text = "[profile.other]\ntime = '5-0'\ngpus = 3\nsetup = ['true']\npack = 2\n";
    fs::write(rig.at("recipes/harness.slurm.toml"), text).unwrap();
    assert_eq!(plan(), before);
    let output = cluster.submit(&rig, &[], &["--profile", "other"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let stages: Vec<String> = elements_of(&cluster.submission())
        .iter()
        .flat_map(|element| element["stages"].as_array().unwrap().clone())
        .map(|key| key.as_str().unwrap().to_string())
        .collect();
    let planned = before.1.as_array().unwrap().iter();
    let mut planned: Vec<String> = planned
        .map(|it| it["key"].as_str().unwrap().to_string())
        .collect();
    let mut found = stages.clone();
    planned.sort();
    found.sort();
    assert_eq!(found, planned);
    let packs = elements_of(&cluster.submission()).len();
    assert_eq!(
        packs,
        2 + 2 * 2,
        "two burn-ins, and three trials of a seed in twos"
    );
}

#[test]
fn the_same_command_again_submits_what_is_missing_and_nothing_twice() {
    let rig = Rig::new();
    let expected = rig.expected();
    let cluster = Cluster::submitted(&rig, &[]);
    let again = |words: &str| {
        let output = cluster.submit(&rig, &[], &[]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert!(
            stdout(&output).contains(words),
            "{words}: {}",
            stdout(&output)
        );
    };
    again(
        "Nothing to submit: 8 elements of earlier submissions wait or run (11_0, 11_1, 12_0, 12_1 and 4 more)",
    );
    // A burn-in and two of its trials are done; one trial is lost and one runs; the rest waits.
    for element in [0, 2, 3] {
        run(&cluster, 0, element);
    }
    cluster.change("12|2|", "PENDING", "RUNNING");
    cluster.change("13|0|", "PENDING", "FAILED");
    again("1 element in 1 array (jobs 15)");
    let call = &cluster.noted("calls")[4];
    assert!(
        call.contains("--dependency=afterok:11_1 "),
        "it waits for the job of before: {call}"
    );
    let finish = &cluster.noted("calls")[5];
    assert!(
        finish.contains("--dependency=afterany:11:12:13:15 "),
        "{finish}"
    );
    for element in [1, 4, 6, 7] {
        run(&cluster, 0, element);
    }
    run(&cluster, 1, 0);
    again("Results: ");
    assert_eq!(rig.found("out"), expected);
    assert_eq!(
        cluster.noted("calls").len(),
        6,
        "nothing more was submitted"
    );
}

#[test]
fn a_death_between_sbatch_and_its_note_leads_to_no_second_array() {
    for known_to in ["squeue", "sacct", "nobody"] {
        let rig = Rig::new();
        let cluster = Cluster::new(&rig);
        cluster.put("die-12", "");
        let output = cluster.submit(&rig, &[], &[]);
        assert_eq!(output.status.code(), None, "it was killed");
        let name = format!(
            "hs-{}-1-0",
            cluster.submission().file_name().unwrap().to_str().unwrap()
        );
        let mut queue = cluster.noted("queue");
        if known_to != "squeue" {
            queue.retain(|line| !line.contains(&name));
            cluster.put("queue", &(queue.join("\n") + "\n"));
        }
        if known_to == "sacct" {
            let lines: String = (0..3)
                .map(|index| format!("12_{index}|PENDING|0:0|None assigned|{name}\n"))
                .collect();
            cluster.put("accounts", &lines);
        }
        let output = cluster.submit(&rig, &[], &[]);
        assert_eq!(code(&output), 0, "{known_to}: {}", stderr(&output));
        let jobs = fs::read_to_string(cluster.submissions()[0].join("jobs.jsonl")).unwrap();
        let adopted = jobs.contains("\"job\":\"12\"");
        assert_eq!(adopted, known_to != "nobody", "{known_to}: {jobs}");
        let text = stdout(&output);
        match known_to {
            "squeue" => assert!(text.contains("3 elements in 1 array"), "{text}"),
            // What the accounts alone know of has left the queue: its elements are over.
            _ => assert!(
                text.contains("6 elements in 2 arrays"),
                "{known_to}: {text}"
            ),
        }
        if known_to == "sacct" {
            assert!(cluster.noted("asked")[0].contains(&format!("--name={name}")));
        }
    }
}

#[test]
fn what_slurm_refuses_is_told_and_the_same_command_submits_the_rest() {
    let rig = Rig::new();
    let cluster = Cluster::new(&rig);
    let limit = "sbatch: error: QOSMaxSubmitJobPerUserLimit\n\
                 sbatch: error: Batch job submission failed: Job violates accounting/QOS policy\n";
    cluster.put("refuse-13", limit);
    let output = cluster.submit(&rig, &[], &[]);
    let text = stderr(&output);
    assert_eq!(code(&output), 1, "{text}");
    assert!(text.contains("QOSMaxSubmitJobPerUserLimit"), "{text}");
    assert!(
        text.contains("5 of 8 elements submitted") && text.contains("when some of them have ended"),
        "{text}"
    );
    let output = cluster.submit(&rig, &[], &[]);
    assert!(
        stdout(&output).contains("3 elements in 1 array"),
        "{}",
        stdout(&output)
    );
    cluster.put("silent", "");
    let output = cluster.submit(&rig, &["seeds=[5]"], &[]);
    let text = stderr(&output);
    assert_eq!(code(&output), 1, "{text}");
    assert!(
        text.contains("Unable to contact") && text.contains("nothing was submitted"),
        "{text}"
    );
}

#[test]
fn arrays_are_cut_at_the_limits_of_slurm_and_of_the_profile() {
    for (max, profile, expected) in [
        ("3", "", [0, 2, 4]),
        ("1001", "max-array = 2\nat-once = 5\n", [0, 2, 4]),
    ] {
        let rig = Rig::new();
        let cluster = Cluster::new(&rig);
        cluster.put("max", max);
        let text = format!("[profile.a]\ntime = '60'\ngpus = 0\n{profile}");
        fs::write(rig.at("recipes/harness.slurm.toml"), text).unwrap();
        // Without a burn-in all trials are of level 0.
        let output = cluster.submit(&rig, &["method.burn-in=0"], &[]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let calls = cluster.noted("calls");
        let firsts: Vec<&str> = calls
            .iter()
            .filter(|it| it.contains("--array"))
            .map(|it| it.rsplit(' ').next().unwrap())
            .collect();
        let expected = match max {
            // Indices are 0 to 2.
            "3" => vec!["0", "3"],
            _ => expected.map(|first| ["0", "2", "4"][first / 2]).to_vec(),
        };
        assert_eq!(firsts, expected, "{calls:?}");
        let throttled = calls.iter().filter(|it| it.contains("%5 ")).count();
        assert_eq!(throttled, if profile.is_empty() { 0 } else { 3 });
    }
}

#[test]
fn cancelled_elements_leave_the_queue_and_are_told_as_cancelled() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    cluster.change("11|0|", "PENDING", "RUNNING");
    let out = rig.at("out");
    let cancel = |more: &[&str]| {
        let output = cluster
            .harness(&["cancel", out.to_str().unwrap()])
            .args(more)
            .output()
            .unwrap();
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output)
    };
    let trial = elements_of(&cluster.submission())[3]["trials"][0]
        .as_str()
        .unwrap()
        .to_string();
    assert!(cancel(&["--trial", &trial[..8]]).contains("1 element;"));
    assert_eq!(cluster.noted("cancelled"), ["12_1"]);
    assert!(cancel(&["--pending"]).contains("6 elements;"));
    assert_eq!(cluster.noted("cancelled").len(), 7);
    assert!(
        !cluster.noted("cancelled").contains(&"11_0".to_string()),
        "it runs"
    );
    let text = status(&cluster, &rig);
    assert!(
        text.contains("at work: burn-in, seed 0 (11_0 on (null)")
            || text.contains("at work: burn-in, seed 0 (11_0"),
        "{text}"
    );
    assert!(
        text.contains("over: cancelled: ") && text.contains("and 3 more")
            || text.contains("3 more"),
        "{text}"
    );
    assert!(text.contains("`harness submit` again"), "{text}");
    assert!(cancel(&[]).contains("1 element;"));
    assert!(cancel(&[]).contains("Nothing to cancel"));
    let output = cluster
        .harness(&["cancel", out.to_str().unwrap(), "--trial", "xyz"])
        .output()
        .unwrap();
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("--trial xyz"),
        "{}",
        stderr(&output)
    );
    let output = cluster.submit(&rig, &[], &[]);
    assert!(
        stdout(&output).contains("8 elements in 3 arrays"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn status_says_what_slurm_does_and_what_the_store_cannot_know() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    cluster.change(
        "11|0|",
        "PENDING|Priority|N/A|1:00:00|(null)",
        "RUNNING|None|2026-11-30T02:00:00|18:02|n1",
    );
    cluster.change("11|1|", "Priority|N/A", "BeginTime|2026-11-30T02:03:00");
    for index in 0..3 {
        cluster.change(&format!("12|{index}|"), "Priority", "Dependency");
    }
    cluster.change("13|0|", "PENDING|Priority", "TIMEOUT|None");
    cluster.change("13|1|", "Priority", "DependencyNeverSatisfied");
    cluster.change("13|2|", "PENDING|Priority", "CANCELLED|None");
    let text = status(&cluster, &rig);
    for part in [
        "Slurm: 8 elements not done",
        "at work: burn-in, seed 0 (11_0 on n1, 18:02 left)",
        "waiting: it is queued again and soon may start, expected 2026-11-30T02:03:00: burn-in, seed 1 (11_1)",
        "waiting: it waits for another element: ",
        "over: killed at its time limit",
        "over: it needs burn-in, seed 1, which is not done: ",
        "over: cancelled: ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("no process is working on it"), "{text}");
    cluster.put("silent", "");
    let text = status(&cluster, &rig);
    assert!(
        text.contains("Slurm cannot be asked: squeue: ") && text.contains("Unable to contact"),
        "{text}"
    );
    cluster.forget("silent");
    // All have left the queue, and the accounts know of one.
    cluster.put("queue", "");
    let text = status(&cluster, &rig);
    assert!(
        text.contains("over: lost: Slurm no longer knows it"),
        "{text}"
    );
    assert!(text.contains("no process is working on it"), "{text}");
    let lines: Vec<String> = ["11_0|REQUEUED|0:0|n1|x", "11_0|OUT_OF_MEMORY|0:125|n2|x"]
        .map(Into::into)
        .to_vec();
    cluster.put("accounts", &(lines.join("\n") + "\n"));
    let text = status(&cluster, &rig);
    assert!(text.contains("needed more memory than `mem`"), "{text}");
    let out = rig.at("out");
    let json = cluster
        .harness(&["status", "--json", out.to_str().unwrap()])
        .output()
        .unwrap();
    let json: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(json["elements"].as_array().unwrap().len(), 8);
    assert_eq!(json["elements"][0]["state"], "over");
}

#[test]
fn variables_of_the_user_change_no_answer_of_slurm() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    // A stand-in that shows what it was given.
    let bin = rig.at("slurm/bin/squeue");
    fs::write(
        &bin,
        format!("#!/bin/sh\nenv > {:?}\n", rig.at("variables")),
    )
    .unwrap();
    let out = rig.at("out");
    let mut command = cluster.harness(&["status", out.to_str().unwrap()]);
    command
        .env("SQUEUE_FORMAT", "%i")
        .env("SLURM_TIME_FORMAT", "relative")
        .env("SBATCH_ACCOUNT", "mine");
    assert_eq!(code(&command.output().unwrap()), 0);
    let found = fs::read_to_string(rig.at("variables")).unwrap();
    assert!(
        found.contains("LC_ALL=C") && found.contains("SBATCH_ACCOUNT=mine"),
        "{found}"
    );
    assert!(
        !found.contains("SQUEUE_") && !found.contains("SLURM_TIME_FORMAT"),
        "{found}"
    );
}

#[test]
fn jobs_do_not_inherit_the_job_that_submits_them() {
    let rig = Rig::with("question = 'q'\n[[each]]\nlabel = 'one'\n");
    let cluster = Cluster::new(&rig);
    let mut command = cluster.harness(&["submit"]);
    command.arg(rig.recipe()).arg("--out").arg(rig.at("out"));
    command
        .env("SLURM_CPUS_PER_TASK", "64")
        .env("SLURM_JOB_ID", "7")
        .env("SBATCH_WAIT", "1")
        .env("SBATCH_SIGNAL", "TERM@5")
        .env("SLURM_CONF", "/etc/slurm/other.conf")
        .env("SBATCH_ACCOUNT", "mine");
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let given = cluster.noted("given").join("\n");
    for kept in ["SLURM_CONF=/etc/slurm/other.conf", "SBATCH_ACCOUNT=mine"] {
        assert!(given.contains(kept), "{kept}");
    }
    for left_out in [
        "SLURM_CPUS_PER_TASK",
        "SLURM_JOB_ID",
        "SBATCH_WAIT",
        "SBATCH_SIGNAL",
    ] {
        assert!(!given.contains(left_out), "{left_out}");
    }
}

#[test]
fn a_changed_recipe_names_what_it_no_longer_needs_and_cancels_it_if_asked() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    let output = cluster.submit(&rig, &["method.effects.a=3"], &[]);
    let text = stderr(&output);
    assert_eq!(code(&output), 0, "{text}");
    assert!(
        text.contains("4 elements of an earlier plan") && text.contains("--cancel-unwanted"),
        "{text}"
    );
    assert_eq!(cluster.noted("cancelled"), Vec::<String>::new());
    let output = cluster.submit(&rig, &["method.effects.a=3"], &["--cancel-unwanted"]);
    assert!(
        stderr(&output).contains("cancelled: 4 elements"),
        "{}",
        stderr(&output)
    );
    assert_eq!(cluster.noted("cancelled").len(), 4);
}

#[test]
fn a_dry_run_shows_scripts_and_calls_and_writes_nothing() {
    let rig = Rig::new();
    let cluster = Cluster::new(&rig);
    let output = cluster.submit(&rig, &[], &["--dry-run"]);
    let text = stdout(&output);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    for part in [
        "Would submit: 8 elements in 3 arrays",
        "sbatch --parsable --job-name=hs-ID-0-0",
        "--dependency=afterok:JOB-0-0_1",
        "Job 1 to start at 2026-11-30T02:00:00",
        "job-burn-in.sh:\n#!/bin/bash\n#SBATCH --requeue",
        "job-finish.sh:\n",
        "submissions/ID --element \"$element\" --device cpu --workers 1 &",
        "--job-name=hs-ID-finish",
        "--dependency=afterany:JOB-0-0:JOB-1-0:JOB-1-1",
        "the last job, which writes the records and tables",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let asked = text.matches("Job 1 to start at").count();
    assert_eq!(asked, 3 + 1, "three arrays and the last job: {text}");
    assert!(!rig.at("out").exists(), "nothing is written");
    assert_eq!(cluster.noted("calls"), Vec::<String>::new());
}

#[test]
fn without_a_profile_the_user_is_told_where_it_belongs() {
    let rig = Rig::new();
    let cluster = Cluster::new(&rig);
    fs::remove_file(rig.at("recipes/harness.slurm.toml")).unwrap();
    let refused = |more: &[&str], parts: &[&str]| {
        let output = cluster.submit(&rig, &[], more);
        let text = stderr(&output);
        assert_eq!(code(&output), 2, "{text}");
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!rig.at("out").exists());
    };
    refused(
        &[],
        &[
            "recipes/harness.slurm.toml",
            "no-settings/harness/slurm.toml",
            "[profile.gpu]",
        ],
    );
    let settings = rig.at("slurm/no-settings/harness");
    fs::create_dir_all(&settings).unwrap();
    fs::write(
        settings.join("slurm.toml"),
        "[profile.a]\ntime = '60'\nlead = 5\n",
    )
    .unwrap();
    refused(
        &["--dry-run"],
        &[
            "slurm.toml:3:8",
            "`lead`: 5 seconds",
            "allowed: 120 and more",
        ],
    );
    fs::write(
        settings.join("slurm.toml"),
        "[profile.abc]\ntime = '60'\ngpus = 0\n",
    )
    .unwrap();
    refused(
        &["--profile", "abd"],
        &["--profile abd", "did you mean `abc`?"],
    );
    assert_eq!(
        code(&cluster.submit(&rig, &[], &[])),
        0,
        "the only profile is the default"
    );
}

#[test]
fn a_recipe_is_cancelled_without_what_another_one_needs() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    // Another recipe of the same trials, without one variant.
    fs::write(
        rig.at("recipes/fewer.toml"),
        "extends = 'own.toml'\nsweeps = ['fewer']\n",
    )
    .unwrap();
    let sweep = fs::read_to_string(rig.at("sweeps/parts.toml")).unwrap();
    let (fewer, _) = sweep.rsplit_once("[[each]]").unwrap();
    fs::write(rig.at("sweeps/fewer.toml"), fewer).unwrap();
    let out = rig.at("out");
    let mut submit = cluster.harness(&["submit"]);
    submit
        .arg(rig.at("recipes/fewer.toml"))
        .arg("--out")
        .arg(&out);
    let output = submit.output().unwrap();
    assert!(
        stdout(&output).contains("Nothing to submit"),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    let cancel = |name: &str| {
        let mut cancel = cluster.harness(&["cancel", out.to_str().unwrap()]);
        cancel.args(["--recipe", name]).output().unwrap()
    };
    let output = cancel("neither");
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("--recipe neither") && stderr(&output).contains("fewer, own"),
        "{}",
        stderr(&output)
    );
    assert!(stdout(&cancel("fewer")).contains("Nothing to cancel"));
    let output = cancel("own");
    assert!(
        stdout(&output).contains("2 elements;"),
        "{}",
        stdout(&output)
    );
    let mut cancelled = cluster.noted("cancelled");
    cancelled.sort();
    assert_eq!(cancelled, ["12_2", "13_2"], "one variant, two seeds");
}

#[test]
fn a_lead_that_is_too_short_is_told_before_work_is_lost() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    assert!(!status(&cluster, &rig).contains("`lead"));
    let stage = elements_of(&cluster.submission())[2]["stages"][0]
        .as_str()
        .unwrap()
        .to_string();
    let folder = rig.at("out/.store/stages").join(stage);
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("pace.json"),
        "{\"step\":40.5,\"checkpoint\":9.0}\n",
    )
    .unwrap();
    let told = "warning: `lead = 120` is too short for jobs of the kind `distill`";
    let text = status(&cluster, &rig);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains(told) && text.contains("allowed: 140 and more"),
        "{text}"
    );
    cluster.change("13|0|", "PENDING", "TIMEOUT");
    let output = cluster.submit(&rig, &[], &[]);
    let text = stderr(&output);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(told), "{text}");
}

#[test]
fn what_is_over_is_told_with_a_log() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    cluster.change("11|1|", "PENDING", "FAILED");
    let log = cluster.submission().join("log/11_1.out");
    assert!(!status(&cluster, &rig).contains("log: "), "there is none");
    fs::write(&log, "no space left\n").unwrap();
    let text = status(&cluster, &rig);
    let path = log.canonicalize().unwrap();
    assert!(text.contains(&format!("log: {}", path.display())), "{text}");
}

#[test]
fn how_a_job_ended_is_told_by_slurm_first_and_then_by_its_own_last_note() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    let ended = cluster.submission().join("ended");
    fs::create_dir_all(&ended).unwrap();
    let note = |number: usize, code: u8, reason: &str| {
        let text = format!(
            "{{\"code\":{code},\"reason\":\"{reason}\",\"position\":[],\"fruitless\":0}}\n"
        );
        fs::write(ended.join(format!("{number}.json")), text).unwrap();
    };
    // Killed at its limit, cancelled on a node, and stopped by its own account.
    note(2, 130, "stopped by a signal");
    note(3, 130, "stopped by a signal");
    note(4, 76, "it needs a result");
    // The note of a job before the last one.
    note(5, 75, "its time was over");
    fs::write(ended.join("5.began"), "").unwrap();
    for (start, state) in [
        ("12|0|", "TIMEOUT|None|N/A|0:00|n1"),
        ("12|1|", "CANCELLED|None|N/A|0:00|n1"),
        ("12|2|", "FAILED|None|N/A|0:00|n1"),
        ("13|0|", "FAILED|None|N/A|0:00|n1"),
    ] {
        cluster.change(start, "PENDING|Priority|N/A|1:00:00|(null)", state);
    }
    let text = status(&cluster, &rig);
    for (part, place) in [
        ("over: killed at its time limit", "12_0"),
        ("over: cancelled: ", "12_1"),
        ("over: it needs a result: ", "12_2"),
        ("over: it ended without its results: ", "13_0"),
    ] {
        let line = text.lines().find(|line| line.contains(part));
        assert!(
            line.is_some_and(|line| line.contains(place)) || text.contains(place),
            "{part}{place}: {text}"
        );
        assert!(line.is_some(), "{part}: {text}");
    }
}

#[test]
fn a_submission_that_cannot_be_read_is_not_handed_over_again() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    let file = cluster.submission().join("elements.json");
    fs::write(&file, "[{").unwrap();
    for words in [&["submit"][..], &["cancel"]] {
        let mut command = cluster.harness(words);
        match words[0] {
            "submit" => command.arg(rig.recipe()).arg("--out").arg(rig.at("out")),
            _ => command.arg(rig.at("out")),
        };
        let output = command.output().unwrap();
        assert_ne!(code(&output), 0);
        let text = stderr(&output);
        assert!(
            text.contains("elements.json is damaged"),
            "{words:?}: {text}"
        );
    }
    assert_eq!(
        cluster.noted("calls").len(),
        4,
        "nothing more was submitted"
    );
    assert!(status(&cluster, &rig).contains("elements.json is damaged"));
}

#[test]
fn two_submits_at_once_hand_nothing_over_twice() {
    let rig = Rig::new();
    let cluster = Cluster::submitted(&rig, &[]);
    let lock = fs::File::open(rig.at("out/.store/submissions/lock")).unwrap();
    lock.lock().unwrap();
    let output = cluster.submit(&rig, &[], &[]);
    let text = stderr(&output);
    assert_eq!(code(&output), 2, "{text}");
    assert!(
        text.contains("another `harness submit` works on this folder"),
        "{text}"
    );
}

#[test]
fn a_results_folder_with_spaces_and_percent_signs_is_handed_over_whole() {
    let rig = Rig::with("question = 'q'\n[[each]]\nlabel = 'one'\n");
    let cluster = Cluster::new(&rig);
    let mut command = cluster.harness(&["submit"]);
    command
        .arg(rig.recipe())
        .arg("--out")
        .arg(rig.at("100 %A of it"));
    let output = command.output().unwrap();
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let call = &cluster.noted("calls")[0];
    assert!(
        call.contains("/100 %%A of it/.store/submissions/"),
        "{call}"
    );
    assert!(
        call.contains("/100 %A of it/.store/submissions/"),
        "the script: {call}"
    );
    let submissions = rig.at("100 %A of it/.store/submissions");
    let scripts: Vec<_> = fs::read_dir(submissions)
        .unwrap()
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("job-distill.sh")).ok())
        .collect();
    assert_eq!(scripts.len(), 1);
    assert!(
        scripts[0].contains("/100 %A of it/.store/submissions/"),
        "{}",
        scripts[0]
    );
    assert!(
        scripts[0].contains("/harness' work '"),
        "quoted: {}",
        scripts[0]
    );
}
