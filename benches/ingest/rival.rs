//! The ordinary alternative: a Python consumer, in the same steady state.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Servers;
use crate::fleet::Fleet;
use crate::side::{Paced, Side, rate};

/// Fewer, because it takes its time.
const MESSAGES: u64 = 60_000;
const DEVICES: u64 = 20_000;

pub(crate) fn compare(servers: &mut Servers) {
    println!("\nsteady state against a Python consumer (paho, psycopg); ratio at least 10");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let python = Command::new(format!("{root}/scripts/python-with"))
        .args(["paho.mqtt.client", "psycopg"])
        .output()
        .unwrap();
    assert!(
        python.status.success(),
        "run `make bench`, which installs them"
    );
    let python = String::from_utf8(python.stdout).unwrap();
    let url = servers.broker.url();
    let fleet = Fleet::of(DEVICES);
    let (database, name) = servers.database();
    let mut durable = Side::durable(&url, &database, &name, Paced::MinutePer(DEVICES));
    durable.hear(DEVICES, || fleet.publish(&url, &name, DEVICES));
    let ours = durable.hear(crate::MESSAGES, || {
        fleet.publish(&url, &name, crate::MESSAGES);
    });
    durable.end();

    let (database, name) = servers.database();
    let (host, port) = url.trim_start_matches("mqtt://").split_once(':').unwrap();
    let mut child = Command::new(python.trim())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/ingest/consumer.py"))
        .args([host, port, &name, &database, &MESSAGES.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(answers.next().unwrap().unwrap(), "ready");
    let started = Instant::now();
    fleet.publish(&url, &name, MESSAGES);
    assert_eq!(answers.next().unwrap().unwrap(), "done");
    let theirs = rate(MESSAGES, started);
    child.wait().unwrap();
    println!("{:>14} {:>14} {:>8}", "python /s", "durable /s", "ratio");
    println!("{theirs:>14.0} {ours:>14.0} {:>8.1}", ours / theirs);
}
