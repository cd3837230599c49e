//! The commands of `docs/api.md` answer what is printed there.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

/// What the commands are written for.
const WRITTEN_FOR: &str = "http://127.0.0.1:8080";

/// A command, and what it is said to print: the kind of that and the text.
struct Example {
    command: String,
    printed: Option<(String, String)>,
}

/// The fenced blocks of a document: where their text begins and ends, and what they are.
fn blocks(document: &str) -> Vec<(usize, usize, &str)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, &str)> = None;
    let mut at = 0;
    for line in document.split_inclusive('\n') {
        if let Some(kind) = line.strip_prefix("```") {
            open = match open {
                None => Some((at + line.len(), kind.trim())),
                Some((start, kind)) => {
                    blocks.push((start, at, kind));
                    None
                }
            };
        }
        at += line.len();
    }
    blocks
}

fn examples(document: &str) -> Vec<Example> {
    let blocks = blocks(document);
    let text = |(start, end, _): &(usize, usize, &str)| document[*start..*end].to_owned();
    let mut examples = Vec::new();
    for (at, block) in blocks
        .iter()
        .enumerate()
        .filter(|(_, block)| block.2 == "sh")
    {
        let next = blocks.get(at + 1).filter(|next| next.2 != "sh");
        examples.push(Example {
            command: text(block),
            printed: next.map(|next| (next.2.to_owned(), text(next))),
        });
    }
    examples
}

fn shell(command: &str, server: SocketAddr) -> Command {
    let mut shell = Command::new("sh");
    let command = command.replace(WRITTEN_FOR, &format!("http://{server}"));
    // The shell becomes the command, so that it can be ended.
    shell.arg("-c").arg(format!("exec {command}"));
    shell
}

async fn run(command: &str, server: SocketAddr) -> String {
    let mut shell = shell(command, server);
    let done = tokio::task::spawn_blocking(move || shell.output());
    let done = done.await.unwrap().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// The first event of a command that goes on until it is ended.
async fn first_event(command: &str, server: SocketAddr) -> String {
    let mut shell = shell(command, server);
    let read = move || {
        let mut child = shell.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let event = lines.find(|line| line.starts_with("event:"));
        child.kill().unwrap();
        child.wait().unwrap();
        event.unwrap()
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

/// With UPDATE_EXAMPLES=1, what is printed there is written anew.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_document_answer_what_it_says() {
    let it = Fixture::with_hours().await;
    it.register(&[("quiet", "acme-finance", "tricycle 42")])
        .await;
    it.hear("ph", "2026-11-20T01:10:00Z", &[("quiet", "smart")])
        .await;
    for (minute, devices) in [("02:04", 3), ("02:07", 2), ("02:14", 2)] {
        let carriers = BTreeMap::from([(Carrier::slug("globe"), devices)]);
        let counts = BTreeMap::from([(country("ph"), Counts { devices, carriers })]);
        let minute = at(&format!("2026-11-21T{minute}:00Z"));
        let lease = it.exporter_lease().await;
        it.store.keep_now(&lease, minute, &counts).await.unwrap();
    }
    let config = config(Duration::from_secs(30));
    let listener = headcount_api::bind(&config).unwrap();
    let server = listener.local_addr().unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let served = headcount_api::run(listener, config, it.context(), shutdown.clone());

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let examples = examples(&document);
    assert!(
        examples.len() > 10,
        "only {} commands are found",
        examples.len()
    );
    let asked = async {
        let mut printed = Vec::new();
        for example in &examples {
            printed.push(match example.printed {
                Some(_) => run(&example.command, server).await,
                None => first_event(&example.command, server).await,
            });
        }
        shutdown.cancel();
        printed
    };
    let (served, printed) = tokio::join!(served, asked);
    served.unwrap();

    let mut updated = document.clone();
    for (example, printed) in examples.iter().zip(printed) {
        let command = &example.command;
        match &example.printed {
            None => assert_eq!(printed, "event: counts", "{command}"),
            Some((kind, said)) => {
                let printed = match kind.as_str() {
                    "json" => {
                        let value: Value = serde_json::from_str(&printed).unwrap();
                        serde_json::to_string_pretty(&value).unwrap()
                    }
                    _ => printed.trim_end().to_owned(),
                };
                if std::env::var_os("UPDATE_EXAMPLES").is_none() {
                    assert_eq!(printed, said.trim_end(), "{command}");
                }
                let block = format!("{command}```\n\n```{kind}\n");
                updated = updated.replacen(
                    &format!("{block}{said}```"),
                    &format!("{block}{printed}\n```"),
                    1,
                );
            }
        }
    }
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        std::fs::write(&path, updated).unwrap();
    }
}
