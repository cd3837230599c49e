//! What is deployed with containers, without containers: the same files on private servers.
//!
//! Mosquitto runs with the very `deploy/mosquitto/*`, the binary with the very environment that
//! `docker-compose.yml` gives to each service. Only addresses and folders are exchanged.

#![expect(clippy::panic, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use devstack::process::{Signal, signal};
use devstack::{DataDir, Mosquitto, MosquittoOptions, Postgres, PostgresOptions, find_program};
use headcount_tests::agent::Agent;
use headcount_tests::http::{get, get_as};
use headcount_tests::world::free_address;
use headcount_tests::{binary, eventually};
use serde_json::Value;

/// What a person would write into `.env`.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("POSTGRES_PASSWORD", "postgres-0123456789"),
    ("MQTT_INGEST_PASSWORD", "ingest-0123456789"),
    ("MQTT_FLEET_PASSWORD", "fleet-0123456789"),
    ("HEADCOUNT_VIEWER", "finance:viewer-0123456789"),
    ("HEADCOUNT_OPERATOR", "ops:operator-0123456789"),
    ("DD_API_KEY", "0123456789abcdef0123456789abcdef"),
];

/// The services that are ours.
const OURS: [&str; 5] = ["migrate", "ingest", "exporter", "api", "simulator"];

/// The one service that may write to its root file system and start as root.
const AGENT: &str = "datadog-agent";

/// How long a role may take to end in order.
const DRAIN_SECS: u64 = 20;

/// Keys of the Compose specification that we use: any other may be a typing mistake, which Compose
/// itself would refuse.
const SERVICE_KEYS: [&str; 24] = [
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "entrypoint",
    "environment",
    "healthcheck",
    "image",
    "init",
    "logging",
    "mem_limit",
    "networks",
    "pids_limit",
    "ports",
    "profiles",
    "read_only",
    "restart",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "tmpfs",
    "ulimits",
    "user",
    "volumes",
];
const HEALTHCHECK_KEYS: [&str; 6] = [
    "disable",
    "interval",
    "retries",
    "start_period",
    "test",
    "timeout",
];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

fn file(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The variables of a file such as `.env`.
fn variables(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// `.env.example`, filled in.
fn filled_in() -> BTreeMap<String, String> {
    let mut all = variables(&file(".env.example"));
    for (name, value) in ENVIRONMENT {
        let empty = all.insert(name.to_owned(), value.to_owned());
        assert_eq!(empty.as_deref(), Some(""), "{name} is asked for, and empty");
    }
    all
}

/// A reference `${NAME}`, `${NAME:-default}` or `${NAME:?what to do}`.
struct Reference<'a> {
    name: &'a str,
    default: Option<&'a str>,
    required: Option<&'a str>,
}

/// Takes a text apart: texts as they are, each with the reference that follows it.
fn references(text: &str) -> Vec<(&str, Option<Reference<'_>>)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (inner, behind) = after.split_once('}').unwrap();
        let name_end = inner.find(':').unwrap_or(inner.len());
        let (name, tail) = inner.split_at(name_end);
        let reference = Reference {
            name,
            default: tail.strip_prefix(":-"),
            required: tail.strip_prefix(":?"),
        };
        parts.push((before, Some(reference)));
        rest = behind;
    }
    parts.push((rest, None));
    parts
}

/// Fills variables in as Compose does. What is missing is told as the file says.
fn interpolated(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut whole = String::new();
    for (before, reference) in references(text) {
        whole.push_str(before);
        let Some(reference) = reference else { continue };
        let value = variables
            .get(reference.name)
            .filter(|value| !value.is_empty());
        match (value, reference.default, reference.required) {
            (Some(value), _, _) => whole.push_str(value),
            (None, Some(default), _) => whole.push_str(default),
            (None, None, Some(message)) => return Err(message.to_owned()),
            (None, None, None) => panic!("{text}: no default, and nothing said when missing"),
        }
    }
    Ok(whole)
}

/// Every text in a value.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.values().for_each(|item| texts(item, found)),
        _ => {}
    }
}

/// `docker-compose.yml`, with its anchors resolved and its variables not yet filled in.
struct Compose(Value);

impl Compose {
    fn read() -> Self {
        Self(serde_saphyr::from_str(&file("docker-compose.yml")).unwrap())
    }

    fn services(&self) -> impl Iterator<Item = (&str, &Value)> {
        let services = self.0["services"].as_object().unwrap();
        services
            .iter()
            .map(|(name, service)| (name.as_str(), service))
    }

    fn service(&self, name: &str) -> &Value {
        let service = &self.0["services"][name];
        assert!(service.is_object(), "there is no service {name}");
        service
    }

    fn environment(&self, service: &str) -> BTreeMap<String, String> {
        let environment = self.service(service)["environment"].as_object().unwrap();
        let variables = filled_in();
        environment
            .iter()
            .map(|(name, value)| {
                let value = value.as_str().unwrap();
                (name.clone(), interpolated(value, &variables).unwrap())
            })
            .collect()
    }

    fn list(&self, service: &str, pointer: &str) -> Vec<String> {
        let list = self.service(service).pointer(pointer);
        let list = list.and_then(Value::as_array);
        let items = list.unwrap_or_else(|| panic!("{service}{pointer} is no list"));
        items
            .iter()
            .map(|item| item.as_str().unwrap().to_owned())
            .collect()
    }
}

/// Private servers in place of the services that are not ours, and addresses for those that are.
struct Deployment {
    compose: Compose,
    postgres: Postgres,
    broker: Mosquitto,
    agent: Agent,
    api: SocketAddr,
    /// Where roles without the API answer probes. In containers each has an address of its own.
    probes: BTreeMap<&'static str, SocketAddr>,
    broker_files: tempfile::TempDir,
}

impl Deployment {
    fn start() -> Self {
        let compose = Compose::read();
        let folder = DataDir::temporary().unwrap();
        let postgres = Postgres::start(&folder, PostgresOptions::fast()).unwrap();
        postgres.create_database("headcount").unwrap();
        // As the image of Postgres makes user and database from its environment.
        let made = Command::new(find_program("psql").unwrap())
            .args(["-XAtq", "-c"])
            .arg("create role headcount login; alter database headcount owner to headcount")
            .args(["-c", "alter schema public owner to headcount"])
            .arg(postgres.url("headcount"))
            .status();
        assert!(made.unwrap().success());
        let broker_files = tempfile::tempdir().unwrap();
        let broker = broker(&compose, &folder, broker_files.path());
        Self {
            compose,
            postgres,
            broker,
            agent: Agent::listen(),
            api: free_address(),
            probes: [("ingest", free_address()), ("exporter", free_address())].into(),
            broker_files,
        }
    }

    /// The binary, as a service's container runs it. In the container it listens on all addresses
    /// (`0.0.0.0`); here on `listen`.
    fn command(&self, service: &str, arguments: &[String], listen: &str) -> Command {
        let port = self.probes.get(service).unwrap_or(&self.api).port();
        let exchanged = [
            (
                "@postgres:5432/".to_owned(),
                format!("@127.0.0.1:{}/", self.postgres.port()),
            ),
            (
                "@mosquitto:1883".to_owned(),
                format!("@127.0.0.1:{}", self.broker.port()),
            ),
            ("udp://datadog-agent:8125".to_owned(), self.agent.url()),
            ("0.0.0.0:8080".to_owned(), format!("{listen}:{port}")),
            ("0.0.0.0:8081".to_owned(), format!("{listen}:{port}")),
        ];
        let mut command = Command::new(binary::path());
        command
            .args(arguments)
            .current_dir(self.broker_files.path())
            .env_clear();
        for (name, mut value) in self.compose.environment(service) {
            for (there, here) in &exchanged {
                value = value.replace(there, here);
            }
            command.env(name, value);
        }
        command
    }

    fn role(&self, service: &str) -> binary::Running {
        let arguments = self.compose.list(service, "/command");
        binary::Running::start(self.command(service, &arguments, "127.0.0.1"))
    }

    /// The health check of a service, as the file has it: it is told the address that the container
    /// listens on, and finds its own way to it.
    fn health(&self, service: &str, further: &str) -> Output {
        let mut check = self.compose.list(service, "/healthcheck/test");
        assert_eq!(check[..2], ["CMD", "/usr/local/bin/headcount"]);
        check.extend((!further.is_empty()).then(|| further.to_owned()));
        let mut command = self.command(service, &check[2..], "0.0.0.0");
        command.output().unwrap()
    }

    /// `mosquitto_pub` or `mosquitto_sub`, with a login if one is given.
    fn client(&self, program: &str, login: Option<(&str, &str)>, arguments: &[&str]) -> Output {
        self.client_command(program, login, arguments)
            .output()
            .unwrap()
    }

    fn client_command(
        &self,
        program: &str,
        login: Option<(&str, &str)>,
        arguments: &[&str],
    ) -> Command {
        let mut command = Command::new(find_program(program).unwrap());
        command
            .args(["-h", "127.0.0.1", "-p"])
            .arg(self.broker.port().to_string());
        if let Some((name, password)) = login {
            command.args(["-u", name, "-P", password]);
        }
        command.args(arguments);
        command
    }

    /// Publishes a heartbeat; whether the broker let it through.
    fn publish(&self, login: Option<(&str, &str)>, topic: &str) -> bool {
        let payload = r#"{"mcc":"515","mnc":"02"}"#;
        let arguments = ["-V", "5", "-q", "1", "-t", topic, "-m", payload];
        let output = self.client("mosquitto_pub", login, &arguments);
        let refused = String::from_utf8_lossy(&output.stderr).to_lowercase();
        output.status.success() && !refused.contains("not authori")
    }

    /// Publishes each line as a message over one connection. Fails where the broker ends it.
    fn publish_lines(&self, protocol: &str, topic: &str, lines: &[&str]) -> Output {
        let arguments = ["-V", protocol, "-q", "1", "-t", topic, "-l"];
        let mut child = self
            .client_command("mosquitto_pub", Some(FLEET), &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        for line in lines {
            writeln!(input, "{line}").unwrap();
        }
        drop(input);
        child.wait_with_output().unwrap()
    }

    /// What a statement gives, by `psql`.
    fn sql(&self, statement: &str) -> String {
        let output = Command::new(find_program("psql").unwrap())
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement])
            .arg(self.postgres.url("headcount"))
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statement}: {error}");
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Everything that somebody is sent within two seconds.
    fn heard(&self, login: (&str, &str)) -> String {
        let arguments = ["-v", "-W", "2", "-t", "#", "-t", "$SYS/#"];
        let output = self.client("mosquitto_sub", Some(login), &arguments);
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A login of a device, in the file that a person adds devices to.
const DEVICE: (&str, &str) = ("ph-0002", "device-0123456789");
const FLEET: (&str, &str) = ("fleet", "fleet-0123456789");
const INGEST: (&str, &str) = ("headcount-ingest", "ingest-0123456789");

/// The broker of the deployment, with its files made by its own script.
fn broker(compose: &Compose, folder: &DataDir, files: &Path) -> Mosquitto {
    let (deploy, run) = broker_folders(files);
    let passwd = Command::new(find_program("mosquitto_passwd").unwrap())
        .args(["-b", "-c"])
        .arg(deploy.join("devices.passwd"))
        .args([DEVICE.0, DEVICE.1])
        .status();
    assert!(passwd.unwrap().success());

    let entrypoint = compose.list("mosquitto", "/entrypoint");
    assert_eq!(
        entrypoint,
        ["/bin/sh", "/etc/headcount-mosquitto/entrypoint.sh"]
    );
    let made = entrypoint_command(&deploy, &run)
        .envs(compose.environment("mosquitto"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{error}");

    assert_eq!(
        compose.list("mosquitto", "/command"),
        ["mosquitto", "-c", "/run/mosquitto/mosquitto.conf"]
    );
    Mosquitto::start(folder, broker_options(&run)).unwrap()
}

/// The broker's files as they come, in a folder of their own, and a folder for those that its script
/// makes of them.
pub(crate) fn broker_folders(files: &Path) -> (PathBuf, PathBuf) {
    let (deploy, run) = (files.join("mosquitto"), files.join("run"));
    std::fs::create_dir_all(&deploy).unwrap();
    std::fs::create_dir_all(&run).unwrap();
    for name in [
        "acl",
        "entrypoint.sh",
        "mosquitto.conf",
        "tls-devices.conf",
        "tls-services.conf",
    ] {
        let from = root().join("deploy/mosquitto").join(name);
        std::fs::copy(&from, deploy.join(name)).unwrap();
    }
    (deploy, run)
}

/// What the broker's script has made, on this machine's folders and ports.
pub(crate) fn broker_options(run: &Path) -> MosquittoOptions {
    let configuration = std::fs::read_to_string(run.join("mosquitto.conf")).unwrap();
    let exchanged = [
        ("listener 1883\n", "listener {address}\n"),
        ("/run/mosquitto/", "{folder}/"),
        ("/mosquitto/data/", "{folder}/"),
    ];
    let configuration = exchanged.iter().fold(configuration, |text, (there, here)| {
        assert!(text.contains(there), "{there} is not in the configuration");
        text.replace(there, here)
    });
    MosquittoOptions {
        password_file: Some(run.join("passwords")),
        acl_file: Some(run.join("acl")),
        configuration: Some(configuration),
        ..MosquittoOptions::default()
    }
}

pub(crate) fn entrypoint_command(deploy: &Path, run: &Path) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .arg(deploy.join("entrypoint.sh"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("MOSQUITTO_RUN", run);
    command
}

/// A heartbeat of a gateway walks through all of it, and nobody gets further than they should.
#[tokio::test(flavor = "multi_thread")]
async fn the_deployment_counts_and_keeps_strangers_out() {
    let mut deployment = tokio::task::spawn_blocking(Deployment::start)
        .await
        .unwrap();
    let it = &deployment;

    for role in ["ingest", "exporter", "api"] {
        let health = it.health(role, "");
        assert_eq!(health.status.code(), Some(1), "nothing runs yet");
        let said = String::from_utf8(health.stdout).unwrap();
        assert!(said.contains("nobody answers"), "{said}");
    }

    let migrate = it.compose.list("migrate", "/command");
    let migrated = it.command("migrate", &migrate, "127.0.0.1").output();
    let migrated = migrated.unwrap();
    let log = String::from_utf8_lossy(&migrated.stderr);
    assert!(migrated.status.success(), "{log}");

    let roles = ["ingest", "exporter", "api"];
    let mut running = roles.map(|role| it.role(role));
    for role in roles {
        eventually(&format!("{role} is healthy and ready"), async || {
            let well = it.health(role, "").status.success();
            (well && it.health(role, "--ready").status.success()).then_some(())
        })
        .await;
    }

    assert!(it.publish(Some(FLEET), "devices/ph-0001/heartbeat"));
    assert!(it.publish(Some(DEVICE), "devices/ph-0002/heartbeat"));
    let (viewer, operator) = (ENVIRONMENT[3].1, ENVIRONMENT[4].1);
    eventually("both devices are counted", async || {
        let hours = get_as(it.api, "/api/v1/countries/ph/hours", viewer).await;
        let hours = (hours.status == 200).then(|| hours.json())?;
        let items = hours["items"].as_array().unwrap();
        items.iter().any(|hour| hour["devices"] == 2).then_some(())
    })
    .await;
    eventually("the Agent hears of it", async || {
        let heard = it.agent.named("headcount.pipeline.blind");
        (!heard.is_empty()).then_some(())
    })
    .await;

    for path in [
        "/",
        "/metrics",
        "/api/v1/countries",
        "/api/v1/devices/ph-0001",
    ] {
        assert_eq!(get(it.api, path).await.status, 401, "{path}");
        let wrong = get_as(it.api, path, "ops:operator-9876543210").await;
        assert_eq!(wrong.status, 401, "{path}");
        assert_eq!(get_as(it.api, path, operator).await.status, 200, "{path}");
    }
    let device = get_as(it.api, "/api/v1/devices/ph-0001", viewer).await;
    assert_eq!(device.status, 403, "{}", device.body);
    assert_eq!(get(it.api, "/livez").await.status, 200);

    // Who may not publish what.
    let stranger = Some((FLEET.0, "no-such-password"));
    for (login, topic) in [
        (Some(DEVICE), "devices/ph-0003/heartbeat"),
        (Some(DEVICE), "devices/ph-0002/state/forged"),
        (Some(DEVICE), "headcount/probe/main"),
        (Some(FLEET), "headcount/probe/main"),
        (Some(FLEET), "elsewhere"),
        (Some(INGEST), "devices/ph-0003/heartbeat"),
        (stranger, "devices/ph-0003/heartbeat"),
        (None, "devices/ph-0003/heartbeat"),
    ] {
        assert!(!it.publish(login, topic), "{login:?} published {topic}");
    }
    for login in [FLEET, DEVICE] {
        let heard = it.heard(login);
        assert_eq!(heard, "", "{login:?} reads what is not theirs");
    }
    // Probes come every few seconds, and on a busy machine when they can.
    let mut listened = (0..10).map(|_| it.heard(INGEST));
    assert!(listened.any(|heard| heard.contains("headcount/probe/main")));

    // The broker's own check, as its container runs it.
    let check = it.compose.list("mosquitto", "/healthcheck/test");
    let run = it.broker_files.path().join("run");
    let arguments = std::fs::read_to_string(run.join("mosquitto_pub")).unwrap();
    let here = format!("-p {}\n", it.broker.port());
    std::fs::write(
        run.join("mosquitto_pub"),
        arguments.replace("-p 1883\n", &here),
    )
    .unwrap();
    let shell = check[1].replace("/run/mosquitto", run.to_str().unwrap());
    let well = Command::new("/bin/sh").args(["-c", &shell]).status();
    assert!(well.unwrap().success(), "{shell}");

    // Without its broker ingest lives, and says what it lacks.
    deployment.broker.stop().unwrap();
    let said = eventually("ingest misses its broker", async || {
        let health = deployment.health("ingest", "--ready");
        let said = String::from_utf8(health.stdout).unwrap();
        (health.status.code() == Some(1)).then_some(said)
    })
    .await;
    assert!(said.contains("status 503\nbroker: "), "{said}");
    assert!(deployment.health("ingest", "").status.success());

    for role in &mut running {
        assert!(signal(Signal::Terminate, &[role.pid()]));
        assert_eq!(role.wait(), Some(0));
    }
    // Servers block while they end.
    tokio::task::spawn_blocking(move || drop(deployment))
        .await
        .unwrap();
}

/// What the broker itself keeps out, and that it does so without harm to whoever sent it: a device
/// that is disconnected for a message sends the same one again, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn the_broker_refuses_what_is_no_heartbeat_and_keeps_the_device() {
    let deployment = tokio::task::spawn_blocking(Deployment::start)
        .await
        .unwrap();
    let it = &deployment;
    let migrate = it.compose.list("migrate", "/command");
    let migrated = it.command("migrate", &migrate, "127.0.0.1").output();
    assert!(migrated.unwrap().status.success());
    let mut ingest = it.role("ingest");
    eventually("ingest is ready", async || {
        it.health("ingest", "--ready")
            .status
            .success()
            .then_some(())
    })
    .await;

    // 11 KiB are not taken, and the connection stands: the next message of it counts. What is too
    // large for a heartbeat and not for the broker is set aside.
    let (too_large, large) = ("x".repeat(11 * 1024), "x".repeat(8_000));
    for (protocol, device) in [("5", "large-5"), ("311", "large-311")] {
        let topic = format!("devices/{device}/heartbeat");
        let output = it.publish_lines(protocol, &topic, &[&too_large, &large, "{}"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{protocol}: {said}");
    }

    // Nothing is retained. MQTT 5 tells the client so, which then sends an ordinary heartbeat; with
    // 3.1.1 the broker can only cut it off.
    for (protocol, device, is_taken) in [("5", "told", true), ("311", "cut-off", false)] {
        let topic = format!("devices/{device}/heartbeat");
        let arguments = ["-V", protocol, "-q", "1", "-r", "-t", &topic, "-m", "{}"];
        let output = it.client("mosquitto_pub", Some(FLEET), &arguments);
        assert_eq!(output.status.success(), is_taken, "MQTT {protocol}");
    }
    let heard = it.heard(INGEST);
    assert!(!heard.contains("devices/"), "nothing was kept: {heard}");

    // A client id is a name and gives no right: one that holds a wildcard gets none at all.
    for client_id in ["+", "#", "ph-0002/+", "a#"] {
        let topic = "devices/ph-0002/heartbeat";
        let arguments = [
            "-V", "5", "-q", "1", "-i", client_id, "-t", topic, "-m", "{}",
        ];
        let output = it.client("mosquitto_pub", Some(DEVICE), &arguments);
        let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
        assert!(said.contains("not authori"), "{client_id}: {said}");
        let arguments = ["-W", "1", "-i", client_id, "-t", "devices/+/heartbeat"];
        let output = it.client("mosquitto_sub", Some(DEVICE), &arguments);
        assert_eq!(output.stdout, b"", "{client_id}");
    }

    assert!(it.publish(Some(FLEET), "devices/last/heartbeat"));
    let devices = "select string_agg(distinct device_id, ' ' order by device_id) from v_presence";
    eventually("all that is a heartbeat is there", async || {
        it.sql(devices).contains("last").then_some(())
    })
    .await;
    assert_eq!(it.sql(devices), "large-311 large-5 last told");
    let set_aside = "select reason, payload_bytes, count(*) from quarantine group by 1, 2";
    assert_eq!(it.sql(set_aside), "size|8000|2");

    assert!(signal(Signal::Terminate, &[ingest.pid()]));
    assert_eq!(ingest.wait(), Some(0));
    tokio::task::spawn_blocking(move || drop(deployment))
        .await
        .unwrap();
}

/// Passwords that are missing, too short or would not survive a URL are refused before anything
/// starts, and so are devices with the name of a service.
#[test]
fn the_brokers_script_refuses_what_would_be_open() {
    let files = tempfile::tempdir().unwrap();
    let (deploy, run) = broker_folders(files.path());
    let attempt = |ingest: &str, fleet: &str| {
        let output = entrypoint_command(&deploy, &run)
            .env("MQTT_INGEST_PASSWORD", ingest)
            .env("MQTT_FLEET_PASSWORD", fleet)
            .arg("true")
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!error.contains("hunter2"), "{error}");
        (output.status.success(), error)
    };
    let (fine, error) = attempt("ingest-0123456789", "fleet-0123456789");
    assert!(fine, "{error}");
    let passwords = std::fs::read_to_string(run.join("passwords")).unwrap();
    assert!(!passwords.contains("0123456789"), "hashed: {passwords}");
    assert_eq!(passwords.lines().count(), 3);

    for (ingest, fleet, named) in [
        ("", "fleet-0123456789", "MQTT_INGEST_PASSWORD"),
        ("hunter2", "fleet-0123456789", "MQTT_INGEST_PASSWORD"),
        (
            "ingest-0123456789",
            "hunter2 hunter2",
            "MQTT_FLEET_PASSWORD",
        ),
        (
            "ingest-0123456789",
            "hunter2@elsewhere",
            "MQTT_FLEET_PASSWORD",
        ),
    ] {
        let (fine, error) = attempt(ingest, fleet);
        assert!(!fine && error.contains(named), "{error}");
    }

    std::fs::write(deploy.join("devices.passwd"), "fleet:$7$x\n").unwrap();
    let (fine, error) = attempt("ingest-0123456789", "fleet-0123456789");
    assert!(!fine && error.contains("no devices"), "{error}");
    let device = "ph-0001:$7$101$x$y";
    std::fs::write(deploy.join("devices.passwd"), device).unwrap();
    assert!(attempt("ingest-0123456789", "fleet-0123456789").0);
    let passwords = std::fs::read_to_string(run.join("passwords")).unwrap();
    assert!(passwords.lines().any(|line| line == device), "{passwords}");
    assert_eq!(passwords.lines().count(), 4);

    // An authority switches a listener with TLS on, and the broker then needs a certificate.
    let settings = || std::fs::read_to_string(run.join("mosquitto.conf")).unwrap();
    assert_eq!(settings(), file("deploy/mosquitto/mosquitto.conf"));
    let tls = deploy.join("tls");
    std::fs::create_dir(&tls).unwrap();
    std::fs::write(tls.join("devices-ca.pem"), "").unwrap();
    let (fine, error) = attempt("ingest-0123456789", "fleet-0123456789");
    assert!(!fine && error.contains("tls/server.pem"), "{error}");
    std::fs::write(tls.join("server.pem"), "").unwrap();
    std::fs::write(tls.join("server.key"), "").unwrap();
    assert!(attempt("ingest-0123456789", "fleet-0123456789").0);
    assert!(settings().contains("\nlistener 8883\n"), "{}", settings());
    assert!(!settings().contains("\nlistener 8884\n"), "{}", settings());
}

/// The promises that the file makes in its comments, kept by every service.
#[test]
fn every_service_is_locked_down_and_published_on_loopback_only() {
    let compose = Compose::read();
    for key in compose.0.as_object().unwrap().keys() {
        let known = ["name", "services", "networks", "volumes"].contains(&key.as_str());
        assert!(known || key.starts_with("x-"), "{key}");
    }
    for (name, service) in compose.services() {
        for key in service.as_object().unwrap().keys() {
            assert!(SERVICE_KEYS.contains(&key.as_str()), "{name}: {key}");
        }
        let image = service["image"].as_str().unwrap();
        let tag = image.rsplit_once(':').map(|(_, tag)| tag);
        assert!(
            tag.is_some_and(|tag| tag.starts_with(|c: char| c.is_ascii_digit())),
            "{name}: {image} names no version"
        );
        let text = |key: &str| service[key].as_str().unwrap_or_default();
        assert!(
            !text("mem_limit").is_empty(),
            "{name} has no bound on memory"
        );
        assert!(
            ["unless-stopped", "on-failure"].contains(&text("restart")),
            "{name}"
        );
        let log_bytes = &service["logging"]["options"]["max-size"];
        assert!(log_bytes.is_string(), "{name}'s logs fill the disk");
        let options = compose.list(name, "/security_opt");
        assert_eq!(options, ["no-new-privileges:true"], "{name}");
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().unwrap();
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port}");
        }
        for network in compose.list(name, "/networks") {
            assert!(compose.0["networks"][&network].is_object(), "{network}");
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            let there = match source.strip_prefix("./") {
                Some(path) => root().join(path).exists(),
                None => compose.0["volumes"][source].is_object(),
            };
            assert!(there, "{name}: {source}");
        }
        for (other, needs) in service["depends_on"].as_object().into_iter().flatten() {
            let wanted = needs["condition"].as_str().unwrap();
            let check = &compose.service(other)["healthcheck"];
            let can_be = match wanted {
                "service_healthy" => check["test"].is_array(),
                "service_completed_successfully" => other == "migrate",
                "service_started" => true,
                _ => false,
            };
            assert!(can_be, "{name} waits for {other}: {wanted}");
        }
        for key in service["healthcheck"]
            .as_object()
            .into_iter()
            .flat_map(|c| c.keys())
        {
            assert!(HEALTHCHECK_KEYS.contains(&key.as_str()), "{name}: {key}");
        }
        if name == AGENT {
            continue;
        }
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(compose.list(name, "/cap_drop"), ["ALL"], "{name}");
        let user = text("user").split_once(':').unwrap();
        for id in [user.0, user.1] {
            assert!(id.parse::<u32>().unwrap() > 0, "{name} runs as root");
        }
    }
    let broker = compose.service("mosquitto")["image"].as_str().unwrap();
    let said = file("docs/containers.md").contains(broker);
    assert!(said, "docs/containers.md names another broker");
    for name in OURS {
        let service = compose.service(name);
        let grace = service["stop_grace_period"].as_str().unwrap();
        let grace: u64 = grace.strip_suffix('s').unwrap().parse().unwrap();
        assert!(grace > DRAIN_SECS, "{name} is killed while it ends");
        let image = format!("headcount:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(service["image"], *image, "{name}");
    }
}

/// Nothing secret stands in the file; what is asked for is in `.env.example`, with the same
/// defaults; and a missing password is named.
#[test]
fn settings_come_from_the_environment_and_missing_ones_are_named() {
    let compose = Compose::read();
    let example = variables(&file(".env.example"));
    let mut found = Vec::new();
    texts(&compose.0, &mut found);
    let mut used = BTreeMap::new();
    for text in &found {
        for reference in references(text).into_iter().filter_map(|(_, it)| it) {
            let name = reference.name;
            let value = example.get(name).map(String::as_str);
            match (reference.default, reference.required) {
                (Some(default), None) => assert_eq!(value, Some(default), "{name}"),
                (None, Some(message)) => {
                    assert_eq!(value, Some(""), "{name}");
                    assert!(
                        message.contains(name) && message.contains(".env"),
                        "{message}"
                    );
                }
                _ => panic!("{name} has neither a default nor a message"),
            }
            used.insert(name.to_owned(), ());
        }
    }
    assert!(
        used.keys().eq(example.keys()),
        "used: {:?}, in .env.example: {:?}",
        used.keys(),
        example.keys()
    );
    for (name, service) in compose.services() {
        for (key, value) in service["environment"].as_object().into_iter().flatten() {
            let value = value
                .as_str()
                .unwrap_or_else(|| panic!("{name}: {key} is no text"));
            let secret = ["PASSWORD", "KEY", "BASIC_AUTH"]
                .iter()
                .any(|word| key.contains(word))
                || value.contains('@');
            assert!(!secret || value.contains(":?"), "{name}: {key} is secret");
        }
    }
    let filled = filled_in();
    for text in &found {
        interpolated(text, &filled).unwrap();
        for (_, reference) in references(text) {
            let Some(Reference {
                name,
                required: Some(message),
                ..
            }) = reference
            else {
                continue;
            };
            let mut without = filled.clone();
            without.remove(name);
            let refused = interpolated(text, &without).unwrap_err();
            assert_eq!(refused, message);
        }
    }
}

/// Compose agrees, where it is installed.
#[test]
fn compose_itself_takes_the_file() {
    let version = Command::new("docker").args(["compose", "version"]).output();
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: `docker compose` is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let environment = folder.path().join("env");
    let lines: Vec<_> = filled_in()
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    std::fs::write(&environment, lines.concat()).unwrap();
    let config = |environment: &Path| {
        let mut command = Command::new("docker");
        command
            .args(["compose", "--profile", "simulate", "--env-file"])
            .arg(environment)
            .args(["--file", "docker-compose.yml", "config", "--quiet"])
            .current_dir(root());
        // What is set in the shell would win over the file.
        for name in filled_in().keys() {
            command.env_remove(name);
        }
        command.output().unwrap()
    };
    let taken = config(&environment);
    let error = String::from_utf8_lossy(&taken.stderr);
    assert!(taken.status.success(), "{error}");
    let refused = config(&root().join(".env.example"));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && error.contains("in .env"),
        "{error}"
    );
}

/// The image checks its health, and is entered, as the services that run it expect.
#[test]
fn the_image_is_what_the_services_expect() {
    let text = file("Dockerfile").replace("\\\n", " ");
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.starts_with('#'))
        .collect();
    let last_from = lines
        .iter()
        .rposition(|line| line.starts_with("FROM "))
        .unwrap();
    let image = &lines[last_from..];
    let given = |instruction: &str| {
        let found: Vec<_> = image
            .iter()
            .filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '))
            .collect();
        assert_eq!(found.len(), 1, "{instruction}: {found:?}");
        found[0].to_owned()
    };
    let json = |text: &str| serde_json::from_str::<Vec<String>>(text).unwrap();

    let compose = Compose::read();
    for name in OURS {
        assert_eq!(compose.service(name)["user"], *given("USER"), "{name}");
        let check = &compose.service(name)["healthcheck"];
        if check["disable"] == true {
            continue;
        }
        let (_, command) = given("HEALTHCHECK").split_once("CMD ").map_or_else(
            || panic!("no health check"),
            |(options, command)| (options.to_owned(), json(command)),
        );
        assert_eq!(
            compose.list(name, "/healthcheck/test")[1..],
            command,
            "{name}"
        );
    }
    assert_eq!(json(&given("ENTRYPOINT")), ["/usr/local/bin/headcount"]);
    let exposed = given("EXPOSE");
    let environments = OURS.map(|name| compose.environment(name));
    for address in environments.iter().flat_map(|all| all.values()) {
        let Some(port) = address.strip_prefix("0.0.0.0:") else {
            continue;
        };
        assert!(exposed.split(' ').any(|it| it == port), "{port}");
    }

    for from in lines.iter().filter_map(|line| line.strip_prefix("FROM ")) {
        let (_, tag) = from.split(' ').next().unwrap().rsplit_once(':').unwrap();
        assert_ne!(tag, "latest", "{from}");
    }
    let manifest = file("Cargo.toml");
    let needed = manifest.split("rust-version = \"1.").nth(1).unwrap();
    let needed: u32 = needed.split('"').next().unwrap().parse().unwrap();
    let built_with = text.split("FROM rust:1.").nth(1).unwrap();
    let built_with: u32 = built_with.split('-').next().unwrap().parse().unwrap();
    assert!(
        built_with >= needed,
        "1.{built_with} is older than 1.{needed}"
    );

    // What is copied is not left out.
    let ignored = file(".dockerignore");
    let let_in: Vec<_> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    for needed in [
        "Cargo.toml",
        "Cargo.lock",
        "crates",
        "migrations",
        "tests",
        "benches",
        "web",
    ] {
        assert!(let_in.contains(&needed), "{needed}");
    }
    assert!(ignored.lines().any(|line| line == "*"));
}
