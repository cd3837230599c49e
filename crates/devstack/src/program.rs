//! Finding the servers' programs.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A program that is not installed. The message says how to install it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the program {name} is not installed: run `make deps`{}",
    how_to_install(name)
)]
pub struct MissingProgram {
    /// The program's name.
    pub name: String,
}

/// Where servers hide beside `PATH`: Debian keeps them out of an ordinary user's, and Homebrew's
/// folders are missing from the `PATH` of programs that are not started by a login shell.
const FURTHER_FOLDERS: [&str; 5] = [
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
    "/opt/homebrew/sbin",
    "/usr/local/bin",
];

/// Folders with one sub-folder per version of Postgres, whose name starts with the given words.
const VERSIONED_FOLDERS: [(&str, &str); 3] = [
    ("/usr/lib/postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// Finds a program by name in `PATH`, in the system's folders, in Debian's folders of Postgres
/// versions (highest first) and in Homebrew's.
///
/// # Errors
/// When no such folder has an executable file of that name.
pub fn find_program(name: &str) -> Result<PathBuf, MissingProgram> {
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).filter(|folder| folder.is_absolute());
    let further = FURTHER_FOLDERS.into_iter().map(PathBuf::from);
    let versioned = VERSIONED_FOLDERS.into_iter().flat_map(|(folder, prefix)| {
        by_version(Path::new(folder), prefix)
            .into_iter()
            .map(|version| version.join("bin"))
    });
    in_path
        .chain(further)
        .chain(versioned)
        .map(|folder| folder.join(name))
        .find(|program| is_executable(program))
        .ok_or_else(|| MissingProgram {
            name: name.to_owned(),
        })
}

/// Whether this is a file that somebody may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The sub-folders named `{prefix}{number}`, the highest number first.
fn by_version(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path()))
        })
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, path)| path).collect()
}

/// The rest of the message: the command for those who do not have `make`.
fn how_to_install(program: &str) -> &'static str {
    match program {
        "initdb" | "postgres" | "psql" | "createdb" | "pg_isready" => {
            ", or `apt-get install postgresql` (Debian, Ubuntu), or `brew install postgresql@17`"
        }
        "mosquitto" | "mosquitto_passwd" => {
            ", or `apt-get install mosquitto` (Debian, Ubuntu), or `brew install mosquitto`"
        }
        "mosquitto_pub" | "mosquitto_sub" | "mosquitto_rr" => {
            ", or `apt-get install mosquitto-clients` (Debian, Ubuntu), or `brew install mosquitto`"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_how_to_install_it() {
        let missing = find_program("no-such-program").unwrap_err();
        assert_eq!(
            missing.to_string(),
            "the program no-such-program is not installed: run `make deps`"
        );
        let broker = MissingProgram {
            name: "mosquitto".to_owned(),
        }
        .to_string();
        assert!(broker.contains("`make deps`"), "{broker}");
        assert!(broker.contains("apt-get install mosquitto`"), "{broker}");
        assert!(broker.contains("brew install mosquitto`"), "{broker}");
    }

    #[test]
    fn the_highest_version_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "postgresql@9",
            "postgresql@17",
            "postgresql@15",
            "postgresql",
            "node@22",
        ] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let found = by_version(folder.path(), "postgresql@");
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["postgresql@17", "postgresql@15", "postgresql@9"]);
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_no_program() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("initdb");
        fs::write(&file, "").unwrap();
        assert!(!is_executable(&file));
        assert!(!is_executable(folder.path()));
        assert!(is_executable(&find_program("sh").unwrap()));
    }
}
