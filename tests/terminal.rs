//! Tests the program on terminals of 60, 80 and 140 columns: no line is wider, colours are there unless `NO_COLOR` is
//! set, and what is told is told once.
#![cfg(target_os = "linux")]

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const WIDTHS: [u16; 3] = [60, 80, 140];
/// Linux's `O_NOCTTY`: the terminal does not become that of this process.
const O_NOCTTY: i32 = 0o400;

/// Rows with long labels of which two have the same burn-in, and a third one has its own.
const SWEEP: &str = "question = 'Which of the parts of this rather long question about modules carries the gain?'\n\
    reference = 'the whole method with all of its parts switched on'\n\
    [[each]]\nlabel = 'the whole method with all of its parts switched on'\n\
    [[each]]\nlabel = '- the first part, whose label is long as well'\nset.'method.modules.a' = false\n\
    [[each]]\nlabel = 'b'\nset.'method.burn-in' = 10\n";
/// A millisecond per step.
const RECIPE: &str = "seeds = [0, 1]\nsweeps = ['parts']\n\
    [method]\nname = 'mock'\nburn-in = 20\nlevel = 20.0\nmodules = { a = true, b = true }\neffects = { a = 2.0, b = 1.0 }\n\
    noise = 1.0\nsleep-ms = 5\nfail-at = 0\nfailure = 'error'\nfail-times = 0\n[train]\nsteps = 60\ncheckpoint = 50\n";

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder };
        for name in ["recipes", "sweeps"] {
            std::fs::create_dir(place.at(name)).unwrap();
        }
        let defaults = Path::new("recipes/pl-dc.toml").canonicalize().unwrap();
        let text = format!("extends = {:?}\n{RECIPE}", defaults.to_str().unwrap());
        std::fs::write(place.at("recipes/own.toml"), text).unwrap();
        std::fs::write(place.at("sweeps/parts.toml"), SWEEP).unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The exit code and all that the program shows on a terminal of `width` columns. It runs in the folder.
    fn shows(&self, width: u16, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let size = Winsize {
            ws_row: 40,
            ws_col: width,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let screen = || {
            let mut open = File::options();
            let open = open.read(true).write(true).custom_flags(O_NOCTTY);
            open.open(name.to_str().unwrap()).unwrap()
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
        command.args(arguments).current_dir(self.folder.path());
        command
            .env_remove("NO_COLOR")
            .env_remove("COLUMNS")
            .env("TERM", "xterm");
        command.envs(variables.iter().copied());
        command.stdin(screen()).stdout(screen()).stderr(screen());
        let mut child = command.spawn().unwrap();
        drop(command);
        let reader = std::thread::spawn(move || {
            let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
            // A terminal that nobody holds any more answers with an error.
            let mut terminal = File::from(terminal);
            while let Ok(count @ 1..) = terminal.read(&mut part) {
                bytes.extend(&part[..count]);
            }
            bytes
        });
        let code = child.wait().unwrap().code().unwrap();
        let bytes = reader.join().unwrap();
        (code, String::from_utf8(bytes).unwrap())
    }
}

/// The lines of what a terminal was sent, without its control sequences.
fn lines(sent: &str) -> Vec<String> {
    // A cursor that goes up, or a line that is cleared, begins a line.
    let moved = sent.replace("\u{1b}[1A", "\n").replace("\u{1b}[2K", "\n");
    let text = console::strip_ansi_codes(&moved).into_owned();
    let lines = text.split(['\n', '\r']).map(str::trim_end);
    lines
        .filter(|line| !line.is_empty())
        .map(String::from)
        .collect()
}

/// The lines that a terminal of `width` columns shows. Bars that stand one below the other come as one text, each
/// padded with blanks to the last column: what is wider than the terminal is taken apart there.
fn fits(width: u16, sent: &str) -> Vec<String> {
    let mut shown = Vec::new();
    for line in lines(sent) {
        let (mut row, mut columns) = (String::new(), 0);
        for letter in line.chars() {
            // The text of a bar begins with a number, and its further lines are indented. A line that is too wide
            // goes on with a word.
            let begins = "[ ".contains(letter) || letter.is_ascii_digit();
            if columns == width && row.ends_with(' ') && begins {
                shown.push(std::mem::take(&mut row).trim_end().to_string());
                columns = 0;
            }
            row.push(letter);
            columns += 1;
        }
        shown.push(row);
    }
    for line in &shown {
        let own = console::measure_text_width(line);
        assert!(own <= width.into(), "{own} of {width} columns: {line}");
    }
    shown
}

#[test]
fn no_line_of_any_command_is_wider_than_the_terminal() {
    let place = Place::new();
    for width in WIDTHS {
        let out = format!("out-{width}");
        let (code, sent) = place.shows(width, &["sweep", "recipes/own.toml", "--out", &out], &[]);
        assert_eq!(code, 0, "{sent}");
        let shown = fits(width, &sent);
        let text = shown.join("\n");
        assert!(!text.contains("| variant |"), "no Markdown: {text}");
        assert_eq!(
            text.matches("mAP and its parts: ").count(),
            1,
            "one legend: {text}"
        );
        assert!(text.contains("of 6 trials"), "{text}");
        let bars: BTreeSet<&str> = shown
            .iter()
            .filter(|line| line.starts_with('[') && line.contains("░"))
            .filter_map(|line| line.split('░').next())
            .collect();
        assert!(bars.len() > 3, "bars: {text}");
        for arguments in [
            &["plan", "recipes/own.toml", "--out", &out][..],
            &["plan", "recipes/own.toml", "--out", "none"],
            &["status", &out],
            &["compare", &out, &out],
            &["table", &out],
            &[
                "table",
                &out,
                "--columns",
                "label,mAP,AP50,p,verdict,bootstrap,status,seeds",
            ],
            &["table", "nowhere"],
        ] {
            let (_, sent) = place.shows(width, arguments, &[]);
            assert!(!fits(width, &sent).is_empty(), "{arguments:?}");
        }
    }
}

#[test]
fn colours_are_for_terminals_and_go_with_no_color() {
    let place = Place::new();
    let (code, _) = place.shows(
        80,
        &["sweep", "recipes/own.toml", "--out", "out", "-q"],
        &[],
    );
    assert_eq!(code, 0);
    let (_, painted) = place.shows(80, &["table", "out"], &[]);
    assert!(painted.contains("\u{1b}[1m"), "headings: {painted}");
    let (_, plain) = place.shows(80, &["table", "out"], &[("NO_COLOR", "1")]);
    assert!(!plain.contains("\u{1b}["), "{plain}");
    assert_eq!(lines(&painted), lines(&plain));
    let piped = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args([
            "table",
            place.at("out").to_str().unwrap(),
            "--format",
            "text",
        ])
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap();
    assert!(!piped.stdout.contains(&0x1b));
}

#[test]
fn two_stages_never_have_one_name() {
    let place = Place::new();
    let (code, _) = place.shows(
        80,
        &["sweep", "recipes/own.toml", "--out", "out", "-q"],
        &[],
    );
    assert_eq!(code, 0);
    let plan = std::fs::read_to_string(place.at("out/.store/plans/own.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let stages = plan["stages"].as_array().unwrap();
    let titles: BTreeSet<&str> = stages
        .iter()
        .map(|one| one["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles.len(), stages.len(), "{titles:?}");
    assert!(titles.contains("burn-in, seed 0 (parts: b)"), "{titles:?}");
}

#[test]
fn a_failed_shared_stage_is_told_once_with_the_rows_that_it_costs() {
    let place = Place::new();
    for width in WIDTHS {
        let out = format!("out-{width}");
        let arguments = [
            "sweep",
            "recipes/own.toml",
            "--out",
            &out,
            "--set",
            "method.fail-at=15",
        ];
        let (code, sent) = place.shows(width, &arguments, &[("NO_COLOR", "1")]);
        assert_eq!(code, 1, "{sent}");
        let text = fits(width, &sent).join("\n");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        // Two seeds, each with a burn-in that two rows share; the row `b` fails in its own training.
        assert_eq!(flat.matches("it costs 2 trials:").count(), 2, "{text}");
        assert_eq!(flat.matches("parts: - the first part").count(), 2, "{text}");
        let (_, sent) = place.shows(width, &["status", &out], &[]);
        let status = fits(width, &sent).join(" ");
        assert!(status.contains("0 of 6 trials done"), "{status}");
        assert_eq!(status.matches("it costs 2 trials:").count(), 2, "{status}");
    }
}
