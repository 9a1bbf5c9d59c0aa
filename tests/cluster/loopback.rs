//! A real Slurm on this machine: a controller and two nodes with two cores each, as the user that runs the tests. It
//! needs Debian's packages `slurmctld`, `slurmd`, `slurm-client` and `munge`, and no rights. With accounts of finished
//! jobs it needs `slurmdbd` and `mariadb-server-core`, too.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The programs of a Slurm.
const PROGRAMS: [&str; 8] = [
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "squeue",
    "scancel",
    "scontrol",
    "sinfo",
];
/// The programs that accounts need besides.
const ACCOUNTANTS: [&str; 4] = ["slurmdbd", "mariadbd", "sacct", "sacctmgr"];
/// The variable that turns a missing Slurm into an error.
const REQUIRED: &str = "CI_REQUIRE_SLURM";
/// The time in which the nodes have to be ready.
const TO_START: Duration = Duration::from_secs(30);
/// The time after which a job that was queued again may be started at once. In the same second its credential is still
/// revoked.
const REST: Duration = Duration::from_secs(3);
/// The lines of the configuration that do not depend on the machine. Two partitions of the same nodes: jobs of `high`
/// take them from jobs of `low`.
const SETTINGS: &str = "ClusterName=loopback\nAuthType=auth/munge\nCredType=cred/munge\n\
    ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n\
    JobAcctGatherType=jobacct_gather/none\nMpiDefault=none\n\
    SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1\nReturnToService=2\nKillWait=3\n\
    SlurmdTimeout=10\nPreemptType=preempt/partition_prio\nPreemptMode=REQUEUE\n\
    PartitionName=low Nodes=n[1-2] Default=YES PriorityTier=1 MaxTime=INFINITE State=UP\n\
    PartitionName=high Nodes=n[1-2] PriorityTier=10 MaxTime=INFINITE State=UP\n";

/// Without accounts, the queue keeps finished jobs for minutes; with them, for seconds.
const WITHOUT_ACCOUNTS: &str = "AccountingStorageType=accounting_storage/none\nMinJobAge=300\n";
const WITH_ACCOUNTS: &str = "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\nMinJobAge=2\n";

/// The number of Slurms that this process has started. Each has ports of its own.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// A running Slurm. Dropping it ends its processes.
pub struct Loopback {
    folder: TempDir,
    daemons: Vec<Child>,
}

/// A job as `squeue` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The number of the job, or of its array.
    pub job: String,
    /// The index in the array.
    pub index: Option<usize>,
    pub state: String,
    pub reason: String,
    pub node: String,
    pub name: String,
}

impl Shown {
    /// The job as `scontrol` and `scancel` name it.
    pub fn place(&self) -> String {
        match self.index {
            Some(index) => format!("{}_{index}", self.job),
            None => self.job.clone(),
        }
    }
}

impl Loopback {
    /// Starts a Slurm. Where its programs are missing or cannot run, there is none, and the reason is printed.
    ///
    /// Panics if the variable [`REQUIRED`] is 1 and there is none.
    pub fn start() -> Option<Self> {
        Self::start_with(false)
    }

    /// The same with accounts, as `sacct` shows them.
    pub fn with_accounts() -> Option<Self> {
        Self::start_with(true)
    }

    fn start_with(accounts: bool) -> Option<Self> {
        match Self::started(accounts) {
            Ok(slurm) => Some(slurm),
            Err(why) => {
                assert!(
                    std::env::var(REQUIRED).as_deref() != Ok("1"),
                    "{why}\n{REQUIRED}=1 asks for a Slurm"
                );
                eprintln!("skipped: {why}");
                None
            }
        }
    }

    /// The same, or the reason why there is none.
    fn started(accounts: bool) -> Result<Self, String> {
        let more = ACCOUNTANTS.into_iter().filter(|_| accounts);
        let missing: Vec<&str> = PROGRAMS
            .into_iter()
            .chain(more)
            .filter(|name| program(name).is_none())
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "there is no Slurm on this machine: {} not found",
                missing.join(", ")
            ));
        }
        let folder = tempfile::tempdir().unwrap();
        let mut slurm = Self {
            folder,
            daemons: Vec::new(),
        };
        let port = slurm.configure(accounts);
        slurm.daemon("munged", &slurm.munge_words());
        let socket = slurm.at("munge/socket");
        slurm.await_that("munged listens", || socket.exists())?;
        if accounts {
            slurm.keep_accounts(port)?;
        }
        slurm.daemon("slurmctld", &["-D".into(), "-c".into()]);
        for node in ["n1", "n2"] {
            slurm.start_node(node);
        }
        slurm.await_that("two nodes are idle", || {
            let output = slurm
                .command("sinfo")
                .args(["-h", "-N", "-o", "%N %T", "-p", "low"])
                .output();
            let text = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
            text.matches(" idle").count() == 2
        })?;
        Ok(slurm)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn munge_words(&self) -> Vec<String> {
        let mut words = vec!["--foreground".to_string(), "--force".into()];
        for (option, file) in [
            ("key-file", "key"),
            ("socket", "socket"),
            ("pid-file", "pid"),
            ("seed-file", "seed"),
        ] {
            words.push(format!(
                "--{option}={}",
                self.at("munge").join(file).display()
            ));
        }
        words.push(format!("--log-file={}", self.at("munge/log").display()));
        words
    }

    /// Starts a database and the daemon that keeps accounts in it, on `port` and the one before it.
    fn keep_accounts(&mut self, port: u32) -> Result<(), String> {
        fs::create_dir(self.at("data")).unwrap();
        let folder = self.folder.path().display().to_string();
        let user = told("id", &["-un"]);
        let words = [
            "--no-defaults".to_string(),
            // Whoever reaches the port may do everything: it is this machine's own, and ends with the test.
            "--skip-grant-tables".into(),
            format!("--user={user}"),
            format!("--datadir={folder}/data"),
            format!("--socket={folder}/database"),
            format!("--pid-file={folder}/database.pid"),
            "--bind-address=127.0.0.1".into(),
            format!("--port={}", port - 1),
        ];
        self.daemon("mariadbd", &words);
        let listens = |port: u32| TcpStream::connect(("127.0.0.1", port as u16)).is_ok();
        self.await_that("the database listens", || listens(port - 1))?;
        let text = format!(
            "AuthType=auth/munge\nAuthInfo=socket={folder}/munge/socket\nDbdHost=localhost\nDbdAddr=127.0.0.1\n\
             DbdPort={port}\nSlurmUser={user}\nLogFile={folder}/slurmdbd.log\nPidFile={folder}/slurmdbd.pid\n\
             StorageType=accounting_storage/mysql\nStorageHost=127.0.0.1\nStoragePort={}\nStorageUser={user}\n\
             StorageLoc=accounts\n",
            port - 1
        );
        fs::write(self.at("slurmdbd.conf"), text).unwrap();
        fs::set_permissions(self.at("slurmdbd.conf"), fs::Permissions::from_mode(0o600)).unwrap();
        self.daemon("slurmdbd", &["-D".into()]);
        self.await_that("slurmdbd listens", || listens(port))?;
        let mut add = self.command("sacctmgr");
        let added = add.args(["-i", "add", "cluster", "loopback"]).output();
        let added = added.unwrap();
        match added.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&added.stderr).into_owned()),
        }
    }

    /// Writes the key and the configuration. Returns a free port behind those of the daemons.
    fn configure(&self, accounts: bool) -> u32 {
        for name in ["munge", "state", "spool-n1", "spool-n2"] {
            fs::create_dir(self.at(name)).unwrap();
        }
        let key: Vec<u8> = (0..64)
            .flat_map(|_| std::process::id().to_le_bytes())
            .collect();
        fs::write(self.at("munge/key"), key).unwrap();
        for (path, mode) in [
            ("", 0o755),
            ("munge", 0o755),
            ("munge/key", 0o400),
            ("state", 0o700),
        ] {
            fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        let (host, user) = (told("hostname", &["-s"]), told("id", &["-un"]));
        let number = STARTED.fetch_add(1, Ordering::SeqCst);
        let port = 20_000 + std::process::id() % 1_200 * 30 + number % 6 * 5;
        let folder = self.folder.path().display();
        let text = format!(
            "SlurmctldHost={host}(127.0.0.1)\nSlurmUser={user}\nSlurmdUser={user}\nAuthInfo=socket={folder}/munge/socket\n\
             SlurmctldPort={port}\nSlurmctldPidFile={folder}/slurmctld.pid\nSlurmdPidFile={folder}/slurmd-%n.pid\n\
             StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool-%n\n\
             SlurmctldLogFile={folder}/slurmctld.log\nSlurmdLogFile={folder}/slurmd-%n.log\n\
             NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port={}-{} CPUs=2 State=UNKNOWN\n{SETTINGS}",
            port + 1,
            port + 2
        );
        let storage = match accounts {
            // The pass is the socket by which the daemon is believed.
            true => format!(
                "{WITH_ACCOUNTS}AccountingStoragePort={}\nAccountingStoragePass={folder}/munge/socket\n",
                port + 4
            ),
            false => WITHOUT_ACCOUNTS.into(),
        };
        fs::write(self.at("slurm.conf"), text + &storage).unwrap();
        port + 4
    }

    fn daemon(&mut self, name: &str, words: &[String]) {
        let mut command = self.command(program(name).expect("it was found").to_str().unwrap());
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.daemons.push(command.spawn().unwrap());
    }

    /// Starts the daemon of a node.
    fn start_node(&mut self, node: &str) {
        self.daemon("slurmd", &["-D".into(), "-N".into(), node.into()]);
    }

    /// Ends the daemon of the second node at once, but not what runs there.
    pub fn kill_second_node(&mut self) {
        let mut daemon = self.daemons.pop().expect("it runs");
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// A command that talks to this Slurm.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.at("slurm.conf"));
        command
    }

    /// Runs a command of Slurm, which has to succeed.
    pub fn run(&self, program: &str, words: &[&str]) -> String {
        let output: Output = self.command(program).args(words).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {words:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// All jobs that Slurm knows.
    pub fn queue(&self) -> Vec<Shown> {
        let text = self.run(
            "squeue",
            &["-h", "--array", "--states=all", "-o", "%F|%K|%T|%r|%N|%j"],
        );
        let shown = |line: &str| {
            let mut words = line.split('|').map(str::to_string);
            let mut next = || words.next().unwrap();
            Shown {
                job: next(),
                index: next().parse().ok(),
                state: next(),
                reason: next(),
                node: next(),
                name: next(),
            }
        };
        text.lines().map(shown).collect()
    }

    /// Waits for `holds`, and meanwhile starts jobs that were queued again: Slurm itself waits two minutes.
    pub fn wait(&self, limit: Duration, what: &str, mut holds: impl FnMut(&[Shown]) -> bool) {
        let start = Instant::now();
        let mut seen: Vec<(String, Instant)> = Vec::new();
        loop {
            let queue = self.queue();
            if holds(&queue) {
                return;
            }
            assert!(
                start.elapsed() < limit,
                "this never comes: {what}; {queue:?}\n{}",
                self.log()
            );
            let resting = |job: &&Shown| job.state == "PENDING" && job.reason == "BeginTime";
            let resting: Vec<String> = queue.iter().filter(resting).map(Shown::place).collect();
            seen.retain(|(place, _)| resting.contains(place));
            for place in resting {
                match seen.iter().find(|(known, _)| *known == place) {
                    None => seen.push((place, Instant::now())),
                    Some((_, since)) if since.elapsed() >= REST => {
                        self.run(
                            "scontrol",
                            &["update", &format!("JobId={place}"), "StartTime=now"],
                        );
                        seen.retain(|(known, _)| *known != place);
                    }
                    Some(_) => {}
                }
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The processes of an element, the shell of its script first.
    pub fn processes(&self, place: &str) -> Vec<u32> {
        let (job, index) = place.split_once('_').expect("an element of an array");
        let wanted = [
            format!("SLURM_ARRAY_JOB_ID={job}"),
            format!("SLURM_ARRAY_TASK_ID={index}"),
            // Another test has a Slurm of its own, with jobs of the same numbers.
            format!("SLURM_CONF={}", self.at("slurm.conf").display()),
        ];
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let belongs = |process: &u32| {
            let text = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            // The daemon of a step may have the variables, too.
            let has = |word: &String| text.split('\0').any(|variable| variable == word);
            wanted.iter().all(has) && Self::called(*process) != "slurmstepd"
        };
        let mut found: Vec<u32> = numbers.filter(belongs).collect();
        found.sort_by_key(|process| (Self::called(*process) != "slurm_script", *process));
        found
    }

    /// The name of a process.
    fn called(process: u32) -> String {
        let name = fs::read_to_string(format!("/proc/{process}/comm"));
        name.unwrap_or_default().trim().to_string()
    }

    /// The end of the controller's log.
    fn log(&self) -> String {
        let text = fs::read_to_string(self.at("slurmctld.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Waits until `holds`; an error tells `what` has not come in time.
    fn await_that(&self, what: &str, mut holds: impl FnMut() -> bool) -> Result<(), String> {
        let start = Instant::now();
        while !holds() {
            if start.elapsed() >= TO_START {
                return Err(format!(
                    "a Slurm does not start on this machine: no sign of this: {what}\n{}",
                    self.log()
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        // Jobs first, so that nothing of them outlives the test.
        let user = Command::new("id").arg("-un").output();
        let user = user.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_string());
        let mut cancel = self.command("scancel");
        cancel
            .args([
                "--signal=KILL",
                "--full",
                "--user",
                &user.unwrap_or_default(),
            ])
            .stderr(Stdio::null());
        cancel.status().ok();
        for daemon in self.daemons.iter_mut().rev() {
            daemon.kill().ok();
            daemon.wait().ok();
        }
    }
}

/// What a program prints.
fn told(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

/// The path of a program, which may stand where only administrators look for it.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let mut found = folders
        .map(|folder| Path::new(&folder).join(name))
        .filter(|file| file.exists());
    found.next()
}
