//! What the file system of a results folder does not do: locks that all nodes of a cluster see. A probe on one node can
//! only tell whether locks are refused, so the options of the mount tell the rest.

use std::path::Path;

/// The list of mounts on Linux.
const MOUNTS: &str = "/proc/self/mountinfo";
/// The options with which locks stay on one node, or are refused.
const OPTIONS: [&str; 5] = [
    "nolock",
    "local_lock=all",
    "local_lock=flock",
    "localflock",
    "noflock",
];

/// A warning if the file system of `folder`, an absolute path, has no locks that all nodes see.
pub fn warning(folder: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string(MOUNTS).ok()?;
    let option = without_locks(&mounts, folder)?;
    Some(format!(
        "{}: its file system is mounted with `{option}`, so nodes do not see each other's locks. Slurm gives every \
         stage to one job, but do not run `harness sweep` on several machines there at the same time",
        folder.display()
    ))
}

/// The option of the mount that holds `folder` which keeps locks on one node. `mounts` has the lines of `mountinfo`:
/// `36 35 98:0 /root /mount/point options - type source more,options`.
fn without_locks(mounts: &str, folder: &Path) -> Option<&'static str> {
    let mount = |line: &'_ str| -> Option<(usize, String)> {
        let (own, of_type) = line.split_once(" - ")?;
        let mut words = own.split(' ').skip(4);
        let point = unescaped(words.next()?);
        let options = format!("{},{}", words.next()?, of_type.split(' ').nth(2)?);
        let point = Path::new(&point);
        folder
            .starts_with(point)
            .then(|| (point.components().count(), options))
    };
    // Of two mounts at one point, the later one is seen.
    let (_, options) = mounts
        .lines()
        .filter_map(mount)
        .max_by_key(|(depth, _)| *depth)?;
    let has = |wanted: &&&str| options.split(',').any(|option| option == **wanted);
    OPTIONS.iter().find(has).copied()
}

/// A path in which a space is written as `\040`.
fn unescaped(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .into_iter()
    .fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        30 22 0:45 / /home rw,relatime shared:2 - nfs server:/home rw,vers=3,nolock,local_lock=all\n\
        31 22 0:46 / /home/me/my\\040data rw - lustre ost rw,flock\n\
        32 22 0:47 / /scratch rw - lustre ost rw,localflock\n";

    #[test]
    fn the_mount_that_holds_the_folder_decides() {
        let found = |folder: &str| without_locks(MOUNTS, Path::new(folder));
        assert_eq!(found("/home/me/results"), Some("nolock"));
        assert_eq!(found("/home/me/my data/results"), None);
        assert_eq!(found("/scratch/a"), Some("localflock"));
        assert_eq!(found("/homely"), None, "a name that only begins alike");
        assert_eq!(found("/srv"), None);
    }
}
