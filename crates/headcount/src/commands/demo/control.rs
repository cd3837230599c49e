//! How `demo stage` reaches the demo that runs: over a port on loopback, whose number and secret
//! are in a file that only the user who started it can read.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::folder::Folder;
use super::stage::{MAX_LASTS, Stage, Story};

/// The file, in the demo's folder.
pub(super) const FILE: &str = "control";

/// No question is longer.
const MAX_LINE_BYTES: u64 = 200;

/// How long a question and its answer may take: stopping a broker saves its store first.
const PATIENCE: Duration = Duration::from_secs(40);

fn file(folder: &Folder) -> PathBuf {
    folder.path().join(FILE)
}

/// Listens to `demo stage` until it is dropped.
pub(super) struct Control {
    listener: TcpListener,
    secret: String,
    file: PathBuf,
}

impl Control {
    /// Opens the port and writes the file.
    ///
    /// # Errors
    /// When one of the two cannot be done.
    pub(super) async fn open(folder: &Folder) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("cannot listen on 127.0.0.1")?;
        let address = listener.local_addr().context("cannot tell a port")?;
        let secret = format!("{:032x}", fastrand::u128(..));
        let file = file(folder);
        // One that a killed demo left behind may have other rights.
        let _was_not_there = fs::remove_file(&file);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut open| writeln!(open, "{address} {secret}"))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self {
            listener,
            secret,
            file,
        })
    }

    /// Answers, one at a time, and says what was done. Never ends.
    pub(super) async fn serve(&self, stage: &Stage, say: impl Fn(&str)) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            // Whoever asks sees that there is no answer.
            let _no_answer = tokio::time::timeout(PATIENCE, self.answer(stream, stage, &say)).await;
        }
    }

    async fn answer(
        &self,
        stream: TcpStream,
        stage: &Stage,
        say: &impl Fn(&str),
    ) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        (&mut stream)
            .take(MAX_LINE_BYTES)
            .read_line(&mut line)
            .await?;
        let answer = match self.read(&line) {
            Some((story, lasts)) => stage.begin(story, lasts).await,
            None => Err("this demo does not understand".to_owned()),
        };
        let line = match answer {
            Ok(done) => {
                say(&done);
                format!("done {done}\n")
            }
            Err(why) => format!("failed {why}\n"),
        };
        stream.write_all(line.as_bytes()).await
    }

    fn read(&self, line: &str) -> Option<(Story, Duration)> {
        let mut words = line.split_whitespace();
        if words.next()? != self.secret {
            return None;
        }
        let story = Story::parse(words.next()?)?;
        let lasts = Duration::from_secs(words.next()?.parse().ok()?);
        (lasts <= MAX_LASTS).then_some((story, lasts))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // The port is closed in any case, which says the same.
        let _stays = fs::remove_file(&self.file);
    }
}

/// Asks the demo that runs in a folder to let something go wrong. Returns what it says.
///
/// # Errors
/// When none runs there, or it does not do it.
pub(super) async fn ask(folder: &Folder, story: Story, lasts: Duration) -> anyhow::Result<String> {
    let none = || format!("no demo runs in {}", folder.path().display());
    let text = fs::read_to_string(file(folder)).with_context(none)?;
    let (address, secret) = text.trim().split_once(' ').with_context(none)?;
    let address: SocketAddr = address.parse().with_context(none)?;
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let line = format!("{secret} {} {}\n", story.name(), lasts.as_secs());
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, asking)
        .await
        .context("the demo does not answer")?
        .with_context(none)?;
    match answer.trim().split_once(' ') {
        Some(("done", what)) => Ok(what.to_owned()),
        Some((_, why)) => bail!("{why}"),
        None => bail!("the demo does not answer"),
    }
}
