//! Signals and process ids, for ours and for anybody's processes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a process that is expected to end is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Please end.
    Terminate,
    /// Please end: what Ctrl-C sends; Postgres ends without waiting for its clients.
    Interrupt,
    /// Postgres ends at once, as after a crash.
    Quit,
    /// The kernel ends the process; it cannot object.
    Kill,
    /// The kernel stops running the process; it cannot object.
    Stop,
    /// The kernel runs the process again.
    Continue,
}

impl Signal {
    /// The name that the `kill` command knows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// Sends a signal to processes and says whether all of them got it. A process that has ended, or
/// that belongs to somebody else, does not.
pub fn signal(signal: Signal, pids: &[u32]) -> bool {
    if pids.is_empty() {
        return true;
    }
    // The shell's own `kill`: a system without the package that has the program still has this.
    Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$@\"", signal.name()])
        .args(pids.iter().map(u32::to_string))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether a process runs or is paused. One that has ended and only waits to be noticed by its
/// parent does not.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    list()
        .into_iter()
        .any(|process| process.pid == pid && !process.ended)
}

/// The processes that a process started and that have not ended.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let living = list()
        .into_iter()
        .filter(|process| process.parent == pid && !process.ended);
    living.map(|process| process.pid).collect()
}

/// Waits until none of the processes is alive, and says whether that came true in time.
#[must_use]
pub fn wait_until_ended(pids: &[u32], timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if !list()
            .iter()
            .any(|process| pids.contains(&process.pid) && !process.ended)
        {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}

struct Process {
    pid: u32,
    parent: u32,
    ended: bool,
}

/// All processes: from `/proc` where that exists (Linux), else from `ps`.
fn list() -> Vec<Process> {
    if Path::new("/proc/self/stat").exists() {
        list_proc()
    } else {
        list_ps()
    }
}

fn list_proc() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
        .collect()
}

/// Reads `/proc/PID/stat`: "PID (name) STATE PARENT ...". The name may hold anything, brackets and
/// spaces included, so the fields are counted from the last bracket.
fn parse_stat(pid: u32, stat: &str) -> Option<Process> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let ended = matches!(fields.next()?, "Z" | "X");
    Some(Process {
        pid,
        parent: fields.next()?.parse().ok()?,
        ended,
    })
}

fn list_ps() -> Vec<Process> {
    let listing = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid=,stat="])
        .output();
    let Ok(listing) = listing else {
        return Vec::new();
    };
    String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter_map(parse_ps)
        .collect()
}

fn parse_ps(line: &str) -> Option<Process> {
    let mut fields = line.split_whitespace();
    let pid = fields.next()?.parse().ok()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        ended: fields.next()?.starts_with('Z'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_until_it_ends_even_if_nobody_noticed() {
        let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = sleeper.id();
        assert!(is_alive(pid));
        assert!(children(std::process::id()).contains(&pid));
        assert!(signal(Signal::Stop, &[pid]));
        assert!(is_alive(pid), "a paused process has not ended");
        assert!(signal(Signal::Kill, &[pid]));
        assert!(wait_until_ended(&[pid], Duration::from_secs(10)));
        assert!(
            !is_alive(pid),
            "it has ended although its parent has not noticed yet"
        );
        sleeper.wait().unwrap();
        assert!(!signal(Signal::Terminate, &[pid]));
    }

    #[test]
    fn odd_names_do_not_shift_the_fields() {
        let process = parse_stat(7, "7 (a) b) S 3 7 7 0 -1").unwrap();
        assert_eq!((process.parent, process.ended), (3, false));
        assert!(parse_stat(7, "7 (sh) Z 3 7").unwrap().ended);
        assert!(parse_stat(7, "").is_none());
    }

    #[test]
    fn ps_tells_the_same_where_there_is_no_proc() {
        let process = parse_ps("  501   1 Ss+").unwrap();
        assert_eq!(
            (process.pid, process.parent, process.ended),
            (501, 1, false)
        );
        assert!(parse_ps("501 1 Z").unwrap().ended);
    }
}
