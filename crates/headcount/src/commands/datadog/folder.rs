//! Writing files into a folder that others may write into, too.
//!
//! A list of what was written, with a hash of each file, lies beside it. So a file that somebody
//! changed is known from one that may be written anew, and one that is not needed any more from one
//! that is somebody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use xxhash_rust::xxh3::xxh3_64;

/// The list of what was written.
const LIST: &str = ".headcount-assets";

/// What became of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Written {
    /// New, or other than before.
    pub(super) written: usize,
    /// The same as before.
    pub(super) unchanged: usize,
    /// Made by us once, and no longer part of it.
    pub(super) removed: usize,
}

/// Writes the files, and removes what was written here before and is none of them. Nothing is
/// written when a file in the way is not as we left it, unless `force` is set; what is no longer
/// needed is then left alone if it was changed.
pub(super) fn write(
    folder: &Path,
    files: &BTreeMap<String, String>,
    force: bool,
) -> anyhow::Result<Written> {
    let listed = read_list(folder)?;
    let mut strange = BTreeSet::new();
    let mut outdated = Vec::new();
    let mut written = Written::default();
    let mut new = Vec::new();
    for (name, text) in files {
        match read(&folder.join(name))? {
            Some(found) if found == text.as_bytes() => written.unchanged += 1,
            Some(found) => {
                if listed.get(name) != Some(&xxh3_64(&found)) {
                    strange.insert(name.as_str());
                }
                new.push((name, text));
            }
            None => new.push((name, text)),
        }
    }
    for (name, hash) in listed.iter().filter(|(name, _)| !files.contains_key(*name)) {
        match read(&folder.join(name))? {
            Some(found) if xxh3_64(&found) == *hash => outdated.push(name),
            Some(_) => {
                strange.insert(name.as_str());
            }
            None => {}
        }
    }
    if !strange.is_empty() && !force {
        let strange: Vec<_> = strange.into_iter().collect();
        bail!(
            "{}: not made by this command, or changed since: {}; nothing was written. Move them \
             away, or add --force",
            folder.display(),
            strange.join(", ")
        );
    }
    for (name, text) in new {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        written.written += 1;
    }
    for name in outdated {
        let path = folder.join(name);
        fs::remove_file(&path).with_context(|| path.display().to_string())?;
        written.removed += 1;
    }
    let list: String = files
        .iter()
        .map(|(name, text)| format!("{:016x} {name}\n", xxh3_64(text.as_bytes())))
        .collect();
    let path = folder.join(LIST);
    if read(&path)?.as_deref() != Some(list.as_bytes()) {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        fs::write(&path, list).with_context(|| path.display().to_string())?;
    }
    Ok(written)
}

/// A file's content, if there is one.
fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Names and hashes of what was written before. A line that we did not write, or that leads out of
/// the folder, names nothing of ours.
fn read_list(folder: &Path) -> anyhow::Result<BTreeMap<String, u64>> {
    let bytes = read(&folder.join(LIST))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    Ok(text
        .lines()
        .filter_map(|line| {
            let (hash, name) = line.split_once(' ')?;
            let stays_inside = Path::new(name)
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            let hash = u64::from_str_radix(hash, 16).ok()?;
            stays_inside.then(|| (name.to_owned(), hash))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_ours_is_kept_up_to_date_and_what_is_not_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let first = files(&[("a.json", "1"), ("monitors/b.json", "2")]);
        let done = |written, unchanged, removed| Written {
            written,
            unchanged,
            removed,
        };
        assert_eq!(write(&out, &first, false).unwrap(), done(2, 0, 0));
        assert_eq!(write(&out, &first, false).unwrap(), done(0, 2, 0));

        // Of another make, or gone: both are ours to change.
        fs::write(out.join("mine.txt"), "not theirs").unwrap();
        let second = files(&[("a.json", "one"), ("c.json", "3")]);
        assert_eq!(write(&out, &second, false).unwrap(), done(2, 0, 1));
        assert!(!out.join("monitors/b.json").exists());
        assert!(out.join("mine.txt").exists());

        // Changed by hand, or never ours: said by name, and nothing happens.
        fs::write(out.join("a.json"), "by hand").unwrap();
        fs::write(out.join("d.json"), "somebody's").unwrap();
        let third = files(&[("a.json", "I"), ("d.json", "4")]);
        let error = write(&out, &third, false).unwrap_err().to_string();
        assert!(error.contains("a.json, d.json"), "{error}");
        assert_eq!(fs::read_to_string(out.join("a.json")).unwrap(), "by hand");
        assert!(out.join("c.json").exists());
        assert_eq!(write(&out, &third, true).unwrap(), done(2, 0, 1));

        // What is not needed any more and was changed is somebody's now.
        fs::write(out.join("d.json"), "by hand").unwrap();
        let fourth = files(&[("a.json", "I")]);
        let error = write(&out, &fourth, false).unwrap_err().to_string();
        assert!(error.contains("d.json"), "{error}");
        assert_eq!(write(&out, &fourth, true).unwrap(), done(0, 1, 0));
        assert!(out.join("d.json").exists());
    }

    #[test]
    fn a_list_that_leads_elsewhere_removes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, "x").unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        let hash = xxh3_64(b"x");
        let absolute = outside.display();
        fs::write(
            out.join(LIST),
            format!("{hash:016x} ../outside\n{hash:016x} {absolute}\nodd\n"),
        )
        .unwrap();
        write(&out, &files(&[("a", "1")]), false).unwrap();
        assert!(outside.exists());
    }
}
