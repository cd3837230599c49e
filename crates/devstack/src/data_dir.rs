//! The folder in which private servers keep their data.

use std::env;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::Error;
use crate::error::Doing;

/// The kernel's limit for the path of a Unix socket is 104 bytes on macOS and 108 on Linux, the
/// closing zero byte included.
pub(crate) const MAX_SOCKET_PATH_BYTES: usize = 100;

/// Room for what a server adds to a temporary folder's path: `/postgres/.s.PGSQL.31999`.
const ROOM_FOR_SOCKET_BYTES: usize = 30;

/// Taken exclusively by the process that uses a folder which stays.
const LOCK_FILE: &str = "lock";

/// A folder for the data of private servers: a temporary one, or one that stays.
///
/// Clones mean the same folder. A temporary folder is removed when its last clone and the last
/// server in it are dropped.
#[derive(Debug, Clone)]
pub struct DataDir {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    server_user: Option<ServerUser>,
    lifetime: Lifetime,
}

#[derive(Debug)]
enum Lifetime {
    /// Removed when dropped.
    Temporary { _removed_on_drop: TempDir },
    /// Stays; unlocked when dropped.
    Kept { _lock: File },
}

/// Whether root runs this process: then the servers run as another user, who may not be able to
/// enter root's home.
#[must_use]
pub fn runs_as_root() -> bool {
    matches!(id(&["-u"]), Ok(Some(0)))
}

/// Who runs the servers when root starts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUser {
    pub(crate) name: &'static str,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl DataDir {
    /// A new folder that is removed after use, also when this process is killed while servers run
    /// in it.
    ///
    /// # Errors
    /// When no folder for temporary files can be written to, or none that the servers' user can
    /// reach.
    pub fn temporary() -> Result<Self, Error> {
        let server_user = ServerUser::needed()?;
        // A test runner's own folder for temporary files may be too long for a socket.
        let parents = [env::temp_dir(), PathBuf::from("/tmp")];
        let parent = parents.iter().find(|parent| {
            let short_enough = parent.as_os_str().len() + "/hc-xxxxxx".len()
                <= MAX_SOCKET_PATH_BYTES - ROOM_FOR_SOCKET_BYTES;
            let reachable = server_user
                .as_ref()
                .is_none_or(|user| user.can_reach(parent).is_ok());
            parent.is_absolute() && short_enough && reachable
        });
        let parent = parent.ok_or(Error::NoTemporaryFolder)?;
        let folder = tempfile::Builder::new()
            .prefix("hc-")
            .tempdir_in(parent)
            .doing(|| format!("create a folder in {}", parent.display()))?;
        let path = folder.path().to_owned();
        if let Some(user) = &server_user {
            user.own(&path)?;
        }
        let lifetime = Lifetime::Temporary {
            _removed_on_drop: folder,
        };
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                server_user,
                lifetime,
            }),
        })
    }

    /// A given folder, created if missing. It stays, and what is in it is used again.
    ///
    /// # Errors
    /// When the folder cannot be created or written to, when another process uses it, or when the
    /// servers' user cannot reach it.
    pub fn at(path: &Path) -> Result<Self, Error> {
        let server_user = ServerUser::needed()?;
        let is_new = !path.exists();
        fs::create_dir_all(path).doing(|| format!("create {}", path.display()))?;
        let path = path
            .canonicalize()
            .doing(|| format!("find {}", path.display()))?;
        if let Some(user) = &server_user {
            if is_new {
                // Whatever root's umask says, the servers must get through.
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                    .doing(|| format!("open {} to the servers", path.display()))?;
            }
            user.can_reach(&path)?;
        }
        let lock_path = path.join(LOCK_FILE);
        let lock =
            File::create(&lock_path).doing(|| format!("write to {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::FolderInUse { folder: path }),
            Err(TryLockError::Error(error)) => {
                return Err(error).doing(|| format!("lock {}", lock_path.display()));
            }
        }
        let lifetime = Lifetime::Kept { _lock: lock };
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                server_user,
                lifetime,
            }),
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self.inner.lifetime, Lifetime::Temporary { .. })
    }

    pub(crate) fn server_user(&self) -> Option<&ServerUser> {
        self.inner.server_user.as_ref()
    }

    /// A sub-folder for one server, created if missing, that only the server's user can enter.
    pub(crate) fn server_folder(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.path().join(name);
        DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&folder)
            .doing(|| format!("create {}", folder.display()))?;
        self.hand_over(&folder)?;
        Ok(folder)
    }

    /// Writes a file that the servers' user can read, and nobody else.
    pub(crate) fn write(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        fs::write(path, content)
            .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
            .doing(|| format!("write {}", path.display()))?;
        self.hand_over(path)
    }

    fn hand_over(&self, path: &Path) -> Result<(), Error> {
        self.server_user().map_or(Ok(()), |user| user.own(path))
    }
}

impl ServerUser {
    /// The users tried, in this order.
    const NAMES: [&'static str; 2] = ["postgres", "nobody"];

    /// The user to become: none for an ordinary user, who runs servers under their own name.
    fn needed() -> Result<Option<Self>, Error> {
        if !runs_as_root() {
            return Ok(None);
        }
        for name in Self::NAMES {
            if let (Some(uid), Some(gid)) = (id(&["-u", name])?, id(&["-g", name])?) {
                return Ok(Some(Self { name, uid, gid }));
            }
        }
        Err(Error::NoServerUser)
    }

    fn own(&self, path: &Path) -> Result<(), Error> {
        chown(path, Some(self.uid), Some(self.gid))
            .doing(|| format!("give {} to user {}", path.display(), self.name))
    }

    /// Checks that every folder on the way lets this user through.
    fn can_reach(&self, path: &Path) -> Result<(), Error> {
        let folders: Vec<&Path> = path.ancestors().collect();
        for folder in folders.into_iter().rev() {
            let metadata = folder
                .metadata()
                .doing(|| format!("look at {}", folder.display()))?;
            let may_enter = if metadata.uid() == self.uid {
                0o100
            } else if metadata.gid() == self.gid {
                0o010
            } else {
                0o001
            };
            if metadata.mode() & may_enter == 0 {
                return Err(Error::Unreachable {
                    user: self.name.to_owned(),
                    blocked_by: folder.to_owned(),
                    mode: metadata.mode() & 0o7777,
                });
            }
        }
        Ok(())
    }
}

/// Asks the `id` program for a number; `None` when there is no such user.
fn id(arguments: &[&str]) -> Result<Option<u32>, Error> {
    let output = Command::new("id")
        .args(arguments)
        .output()
        .doing(|| "run id".to_owned())?;
    let number = String::from_utf8_lossy(&output.stdout).trim().parse().ok();
    Ok(number.filter(|_| output.status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_with_its_last_clone_and_leaves_room_for_a_socket() {
        let folder = DataDir::temporary().unwrap();
        let path = folder.path().to_owned();
        let clone = folder.clone();
        drop(folder);
        assert!(path.is_dir());
        assert!(path.as_os_str().len() + ROOM_FOR_SOCKET_BYTES <= MAX_SOCKET_PATH_BYTES);
        drop(clone);
        assert!(!path.exists());
    }

    #[test]
    fn a_given_folder_stays_and_has_one_user_at_a_time() {
        let parent = DataDir::temporary().unwrap();
        let path = parent.path().join("demo");
        let folder = DataDir::at(&path).unwrap();
        let second = DataDir::at(&path);
        assert!(
            matches!(second, Err(Error::FolderInUse { .. })),
            "{second:?}"
        );
        drop(folder);
        DataDir::at(&path).unwrap();
        assert!(path.is_dir());
    }

    #[test]
    fn the_folder_that_bars_the_way_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let closed = parent.path().join("closed");
        let inside = closed.join("inside");
        fs::create_dir_all(&inside).unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = ServerUser {
            name: "stranger",
            uid: 4_000_000,
            gid: 4_000_000,
        };
        let Err(error) = stranger.can_reach(&inside) else {
            panic!("a closed folder was passed")
        };
        let message = error.to_string();
        let expected = format!(
            "user stranger, who cannot enter {} (mode 0700)",
            closed.display()
        );
        assert!(message.contains(&expected), "{message}");
        assert!(stranger.can_reach(parent.path()).is_ok());
    }
}
