//! `headcount health`: is the process that runs with this configuration well?
//!
//! A container's health check, made by the binary itself: its image has neither a shell nor curl.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::config::Config;

/// How long an address may take to answer in full.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// The most that is read of an answer: a probe says little.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// The port of a URL without one.
const HTTP_PORT: u16 = 80;

/// Ask a running process on this machine how it is: a container's health check
///
/// Exits with 0 when it is well, and with 1 when it is not or does not answer. It asks at
/// `api.probes_listen`, if that is set, and else at `api.listen`; where one file is for several
/// processes, say with --url which of them is meant.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Also ask whether it can work, with what it needs: database and broker. Without this, only
    /// whether it lives: restarting a process does not bring back a database
    #[arg(long)]
    ready: bool,
    /// Where to ask, such as http://127.0.0.1:8081
    #[arg(long, value_name = "URL", value_parser = authority)]
    url: Option<String>,
}

/// What an address said.
struct Answer {
    status: u16,
    body: String,
}

/// Asks, and prints what was found.
pub(crate) async fn health(args: &HealthArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let path = if args.ready { "/readyz" } else { "/livez" };
    // One address and no second: another process at another address would answer for ours.
    let address = args
        .url
        .clone()
        .unwrap_or_else(|| reachable(config.probes.unwrap_or(config.api.listen)).to_string());
    let asked = tokio::time::timeout(ANSWER_TIMEOUT, ask(&address, path)).await;
    match asked.unwrap_or_else(|_elapsed| Err(anyhow::anyhow!("no answer in time"))) {
        Ok(answer) if answer.status == 200 => {
            say(&format!("http://{address}{path}: well"));
            return Ok(ExitCode::SUCCESS);
        }
        Ok(answer) => {
            say(&format!("http://{address}{path}: status {}", answer.status));
            for trouble in troubles(&answer.body) {
                say(&trouble);
            }
        }
        Err(error) => say(&format!("http://{address}{path}: {error:#}")),
    }
    Ok(ExitCode::FAILURE)
}

fn say(line: &str) {
    // Nobody reads the output any more: the exit code says it.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Where a process that listens at an address can be reached from its own machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The `host:port` of an `http://` URL.
fn authority(url: &str) -> Result<String, String> {
    const FORM: &str = "a URL looks like http://host:port";
    let authority = url.strip_prefix("http://").ok_or(FORM)?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if authority.is_empty() || !authority.chars().all(is_plain) {
        return Err(FORM.to_owned());
    }
    match authority.rsplit_once(':') {
        // The last colon of a bare `[::1]` is inside the brackets.
        Some((_, port)) if !port.ends_with(']') => {
            port.parse::<u16>().map_err(|_| FORM)?;
            Ok(authority.to_owned())
        }
        _ => Ok(format!("{authority}:{HTTP_PORT}")),
    }
}

/// One request over one connection.
async fn ask(address: &str, path: &str) -> anyhow::Result<Answer> {
    let mut stream = TcpStream::connect(address)
        .await
        .context("nobody answers")?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream
        .take(MAX_ANSWER_BYTES)
        .read_to_end(&mut bytes)
        .await?;
    read(&String::from_utf8_lossy(&bytes))
}

fn read(text: &str) -> anyhow::Result<Answer> {
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok());
    let (Some(status), Some((_, body))) = (status, text.split_once("\r\n\r\n")) else {
        bail!("whatever answers does not speak HTTP/1.1");
    };
    Ok(Answer {
        status,
        body: body.to_owned(),
    })
}

/// The `troubles` of a problem, a line each.
fn troubles(body: &str) -> Vec<String> {
    let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let troubles = problem["troubles"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    troubles
        .iter()
        .filter_map(|trouble| {
            let (part, why) = (trouble["part"].as_str()?, trouble["why"].as_str()?);
            Some(format!("{part}: {why}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybodys_address_is_reached_over_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8081", "[::1]:8081"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("10.1.2.3:80", "10.1.2.3:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }

    #[test]
    fn a_url_names_a_host_and_perhaps_a_port() {
        for (url, expected) in [
            ("http://127.0.0.1:8081", "127.0.0.1:8081"),
            ("http://ingest:8081/", "ingest:8081"),
            ("http://ingest", "ingest:80"),
            ("http://[::1]", "[::1]:80"),
            ("http://[::1]:81", "[::1]:81"),
        ] {
            assert_eq!(authority(url).as_deref(), Ok(expected), "{url}");
        }
        for url in [
            "https://ingest",
            "ingest:8081",
            "http://",
            "http://ingest/livez",
            "http://ingest:port",
            "http://user@ingest",
            "http://ingest\r\nX: y",
        ] {
            assert!(authority(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_answer_is_read_with_its_troubles() {
        let answer = read(
            "HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\n\
             {\"troubles\":[{\"part\":\"database\",\"why\":\"refused\"}, 5]}",
        )
        .unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(troubles(&answer.body), ["database: refused"]);
        assert_eq!(troubles("{}"), [""; 0]);
        assert_eq!(troubles("no JSON"), [""; 0]);
        for text in [
            "",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 2",
            "HTTP/1.1 200 OK\r\n",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
