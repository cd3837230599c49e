//! The folder in which a demo keeps what the next start goes on with.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use devstack::DataDir;
use serde::{Deserialize, Serialize};

use super::DemoArgs;

/// What a demo's folder says about its fleet. A folder without it is not ours to remove.
const FLEET_FILE: &str = "fleet.json";

/// What a demo makes in its folder, beside that. Nothing else is ever removed.
const OURS: [&str; 5] = [
    "postgres",
    "mosquitto",
    "lock",
    super::control::FILE,
    FLEET_FILE,
];

/// Where root's demos are: the servers run as another user, who cannot enter root's home.
const ROOT_FOLDER: &str = "/var/lib/headcount-demo";

/// A demo's folder, which may not be there yet.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
}

/// The fleet that a folder's history belongs to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptFleet {
    devices: u32,
    seed: u64,
    interval_secs: u64,
}

impl Folder {
    /// The folder of this name, or the one where demos are kept without a name.
    ///
    /// # Errors
    /// When there is no name and the user has no home.
    pub(super) fn named(name: Option<PathBuf>) -> anyhow::Result<Self> {
        let path = match name {
            Some(path) => std::path::absolute(path).context("`--data-dir` is no path")?,
            None => default_path()?,
        };
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the folder, created if it is missing, for this process.
    ///
    /// # Errors
    /// When it cannot be used, another demo uses it, or it holds something else.
    pub(super) fn take(&self) -> anyhow::Result<DataDir> {
        let has_entries = |entries: fs::ReadDir| entries.flatten().next().is_some();
        if !self.has_fleet() && fs::read_dir(&self.path).is_ok_and(has_entries) {
            bail!(
                "{} is not empty and no demo's folder (it has no {FLEET_FILE}): name an empty or a \
                 new one with `--data-dir`",
                self.path.display()
            );
        }
        Ok(DataDir::at(&self.path)?)
    }

    fn has_fleet(&self) -> bool {
        self.path.join(FLEET_FILE).exists()
    }

    /// Notes which fleet is in the folder.
    ///
    /// # Errors
    /// When there is another one in it.
    pub(super) fn keep_fleet(&self, args: &DemoArgs) -> anyhow::Result<()> {
        let ours = KeptFleet {
            devices: args.devices,
            seed: args.seed,
            interval_secs: args.interval.as_secs(),
        };
        let path = self.path.join(FLEET_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let kept: KeptFleet = serde_json::from_str(&text)
                    .with_context(|| format!("{} cannot be read", path.display()))?;
                if kept != ours {
                    let KeptFleet {
                        devices,
                        seed,
                        interval_secs,
                    } = kept;
                    bail!(
                        "{} holds another fleet: go on with it (`--devices {devices} --seed {seed} \
                         --interval {interval_secs}s`), remove it (`headcount demo clean`), or \
                         name another folder (`--data-dir`)",
                        self.path.display()
                    );
                }
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let text = serde_json::to_string(&ours)?;
                fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Removes the folder. Returns what to say about it.
    ///
    /// # Errors
    /// When a demo runs in it, or it is none of ours.
    pub(super) fn remove(&self) -> anyhow::Result<String> {
        let shown = self.path.display();
        if !self.path.exists() {
            return Ok(format!("there is nothing in {shown}"));
        }
        if !self.has_fleet() {
            bail!("{shown} is no demo's folder: it has no {FLEET_FILE}");
        }
        let taken = self.take()?;
        for name in OURS {
            let path = self.path.join(name);
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", path.display()));
                }
                _ => {}
            }
        }
        drop(taken);
        Ok(match fs::remove_dir(&self.path) {
            Ok(()) => format!("removed {shown}"),
            Err(_) => format!("removed the demo from {shown}; what else is in it stays"),
        })
    }
}

fn default_path() -> anyhow::Result<PathBuf> {
    if devstack::runs_as_root() {
        return Ok(PathBuf::from(ROOT_FOLDER));
    }
    let home = env::home_dir().filter(|home| home.is_absolute());
    let data = env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| home.map(|home| home.join(".local/share")))
        .context("there is no home folder; name one with `--data-dir`")?;
    Ok(data.join("headcount/demo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_demos_folder_is_removed() {
        let parent = DataDir::temporary().unwrap();
        let folder = Folder::named(Some(parent.path().join("demo"))).unwrap();
        assert!(folder.remove().unwrap().contains("nothing"));
        fs::create_dir(folder.path()).unwrap();
        fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
        for error in [folder.remove().unwrap_err(), folder.take().unwrap_err()] {
            assert!(error.to_string().contains("no demo's folder"), "{error}");
        }
        fs::create_dir(folder.path().join("postgres")).unwrap();
        fs::write(folder.path().join(FLEET_FILE), "{}").unwrap();
        assert!(folder.remove().unwrap().contains("stays"));
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");

        fs::remove_file(folder.path().join("thesis.txt")).unwrap();
        fs::write(folder.path().join(FLEET_FILE), "{}").unwrap();
        assert!(folder.remove().unwrap().contains("removed"));
        assert!(!folder.path().exists());
    }
}
