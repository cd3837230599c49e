//! Over TLS: a private authority, devices and headcount with certificates of their own, and the very
//! files that the containers' broker is set up with.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use devstack::{DataDir, Mosquitto, MosquittoOptions, find_program};
use headcount_tests::binary;
use headcount_tests::certificates::{Authority, Certified};
use headcount_tests::http::get;
use headcount_tests::world::World;
use ingest::broker::{BrokerError, BrokerUrl, Connection, SessionOptions};
use ingest::tls::{TlsFiles, Watch};
use ingest::topic::TopicFilter;

use super::containers::{broker_folders, broker_options, entrypoint_command};

/// The listeners of the deployment, in the order in which the script appends them.
const LISTENERS: [&str; 2] = ["8883", "8884"];
const DEVICES: usize = 0;
const SERVICES: usize = 1;

/// The topics that the deployment's rights are about.
const FILTER: &str = "devices/+/heartbeat";

/// Generous: other tests keep the processors busy.
const SOON: Duration = Duration::from_secs(60);

const BEAT: &str = r#"{"mcc":"515","mnc":"02"}"#;

/// A broker with TLS, those who vouch for its clients, and a folder for certificates.
struct Stage {
    broker: Mosquitto,
    devices: Authority,
    services: Authority,
    folder: tempfile::TempDir,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (deploy, run) = broker_folders(folder.path());
        let tls = deploy.join("tls");
        std::fs::create_dir(&tls).unwrap();
        let server = Authority::new("Servers");
        let (devices, services) = (Authority::new("Devices"), Authority::new("Services"));
        server.server().write(&tls, "server");
        std::fs::write(tls.join("devices-ca.pem"), devices.certificate()).unwrap();
        std::fs::write(tls.join("services-ca.pem"), services.certificate()).unwrap();

        let broker = start(&deploy, &run);
        std::fs::write(folder.path().join("ca.pem"), server.certificate()).unwrap();
        Self {
            broker,
            devices,
            services,
            folder,
        }
    }

    async fn ready() -> Self {
        tokio::task::spawn_blocking(Self::set).await.unwrap()
    }

    /// Servers block while they end.
    async fn end(self) {
        tokio::task::spawn_blocking(move || drop(self))
            .await
            .unwrap();
    }

    fn url(&self, listener: usize) -> String {
        let port = self.broker.further_port(listener).unwrap();
        format!("mqtts://127.0.0.1:{port}")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a client with this certificate connects with.
    fn files(&self, certified: &Certified, name: &str) -> TlsFiles {
        let (certificate, key) = certified.write(self.folder.path(), name);
        TlsFiles {
            ca_file: Some(self.path("ca.pem")),
            client_certificate_file: Some(certificate),
            client_key_file: Some(key),
        }
    }

    /// A world whose ingest speaks TLS, under its name among the services.
    async fn world(&self) -> (World, ingest::Config) {
        let world = World::with_broker("2026-11-21T01:10:00Z", self.url(SERVICES)).await;
        let mut config = world.ingest_config();
        config.topic_filter = TopicFilter::parse(FILTER).unwrap();
        config.tls = self.files(&self.services.client("headcount-ingest"), "headcount");
        (world, config)
    }

    /// Publishes a heartbeat by another implementation of TLS and MQTT than ours.
    fn publish(&self, listener: usize, client: Option<&TlsFiles>, more: &[&str]) -> Output {
        let mut command = Command::new(find_program("mosquitto_pub").unwrap());
        command
            .args(["-V", "5", "-q", "1", "-m", BEAT, "-h", "127.0.0.1", "-p"])
            .arg(self.broker.further_port(listener).unwrap().to_string())
            .arg("--cafile")
            .arg(self.path("ca.pem"));
        if let Some(files) = client {
            let path = |path: &Option<PathBuf>| path.clone().unwrap();
            command
                .arg("--cert")
                .arg(path(&files.client_certificate_file))
                .arg("--key")
                .arg(path(&files.client_key_file));
        }
        command.args(more).output().unwrap()
    }

    /// The binary, with these files.
    fn command(&self, world: &World, arguments: &[&str], files: &TlsFiles) -> Command {
        let mut command = binary::command(world, arguments);
        command.env("HEADCOUNT_MQTT__TOPIC_FILTER", FILTER);
        for (variable, path) in [
            ("CA_FILE", &files.ca_file),
            ("CLIENT_CERTIFICATE_FILE", &files.client_certificate_file),
            ("CLIENT_KEY_FILE", &files.client_key_file),
        ] {
            if let Some(path) = path {
                command.env(format!("HEADCOUNT_MQTT__{variable}"), path);
            }
        }
        command
    }
}

/// A broker as its container starts it, with the certificates in its folder.
fn start(deploy: &Path, run: &Path) -> Mosquitto {
    let made = entrypoint_command(deploy, run)
        .env("MQTT_INGEST_PASSWORD", "ingest-0123456789")
        .env("MQTT_FLEET_PASSWORD", "fleet-0123456789")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{error}");

    let mut options = broker_options(run);
    let mut configuration = options.configuration.take().unwrap();
    for (number, port) in LISTENERS.iter().enumerate() {
        let (there, here) = (
            format!("listener {port}\n"),
            format!("listener {}\n", MosquittoOptions::further_address(number)),
        );
        assert!(configuration.contains(&there), "{there}");
        configuration = configuration.replace(&there, &here);
    }
    options.configuration =
        Some(configuration.replace("/etc/headcount-mosquitto/tls/", "{folder}/"));
    options.further_listeners = LISTENERS.len();
    let files = std::fs::read_dir(deploy.join("tls")).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    });
    options.files = files.collect();
    Mosquitto::start(&DataDir::temporary().unwrap(), options).unwrap()
}

fn published(output: &Output) -> bool {
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    output.status.success() && !said.contains("not authori")
}

async fn run(mut command: Command) -> (Option<i32>, String) {
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// Each device is who its certificate says, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_speaks_for_itself_alone() {
    let stage = Stage::ready().await;
    let (world, config) = stage.world().await;
    let client_id = config.client_id.clone();
    let roles = world.run_with(Some(config), None).await;
    let api = roles.api.unwrap();
    world.caught_up().await;

    let device = |id: &str| stage.files(&stage.devices.client(id), id);
    let (first, second) = (device("ph-0001"), device("ph-0002"));
    let publish = |files: &TlsFiles, topic: &str| {
        published(&stage.publish(DEVICES, Some(files), &["-t", topic]))
    };
    assert!(publish(&first, "devices/ph-0001/heartbeat"));
    assert!(publish(&second, "devices/ph-0002/heartbeat"));
    for topic in [
        "devices/ph-0002/heartbeat",
        "devices/ph-0003/heartbeat",
        "headcount/probe/main",
    ] {
        assert!(!publish(&first, topic), "{topic}");
    }
    // A user name, a password and a client id of somebody else are of no use.
    let session = ["-i", &client_id, "-t", "devices/ph-0001/heartbeat"];
    assert!(published(&stage.publish(DEVICES, Some(&first), &session)));
    let login = ["-u", "fleet", "-P", "fleet-0123456789"];
    let forged = [&login[..], &["-t", "devices/ph-0002/heartbeat"]].concat();
    assert!(!published(&stage.publish(DEVICES, Some(&first), &forged)));

    // Nobody gets in without a certificate, or with one of another authority.
    let topic = ["-t", "devices/ph-0001/heartbeat"];
    assert!(!published(&stage.publish(DEVICES, None, &topic)));
    let forged = stage.files(&Authority::new("Devices").client("ph-0001"), "forged");
    assert!(!published(&stage.publish(DEVICES, Some(&forged), &topic)));
    assert!(!published(&stage.publish(SERVICES, Some(&first), &topic)));

    world.caught_up().await;
    let hours = get(api, "/api/v1/countries/ph/hours").await.json();
    assert_eq!(hours["items"][0]["devices"], 2, "{hours:#}");
    // Nobody took the session over: that would be a second gap.
    assert_eq!(world.sql("select cause from gaps").await, "first_start");
    roles.end().await;
    stage.end().await;
}

/// The commands that talk to the broker do so over TLS, and say what is wrong with it.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_speak_tls_and_say_what_is_wrong_with_it() {
    let stage = Stage::ready().await;
    let (mut world, config) = stage.world().await;
    let fleet = stage.files(&stage.services.client("fleet"), "fleet");
    let rows = stage.path("rows.csv");
    std::fs::write(&rows, "device_id,mcc,mnc\nph-0001,515,02\nph-0002,515,02\n").unwrap();
    let rows = rows.to_str().unwrap();
    let (code, said) = run(stage.command(&world, &["publish", rows], &fleet)).await;
    assert_eq!(code, Some(0), "{said}");
    let simulate = ["simulate", "--devices=5", "--interval=1s", "--duration=2s"];
    let (code, said) = run(stage.command(&world, &simulate, &fleet)).await;
    assert_eq!(code, Some(0), "{said}");

    let (_, said) = run(stage.command(&world, &["validate"], &config.tls)).await;
    assert!(said.contains("our own probe came back"), "{said}");

    // With what is wrong, and what to change.
    let ours = &config.tls;
    let write = |name: &str, content: &str| {
        std::fs::write(stage.path(name), content).unwrap();
        Some(stage.path(name))
    };
    let other = Authority::new("Others");
    let others = stage.files(&other.client("headcount-ingest"), "others");
    let cases = [
        (
            TlsFiles {
                ca_file: write("other-ca.pem", &other.certificate()),
                ..ours.clone()
            },
            "mqtt.ca_file",
        ),
        (
            TlsFiles {
                client_certificate_file: None,
                client_key_file: None,
                ..ours.clone()
            },
            "mqtt.client_certificate_file",
        ),
        (others, "mqtt.client_certificate_file"),
        (
            TlsFiles {
                client_key_file: write("nothing.key", "hunter2"),
                ..ours.clone()
            },
            "mqtt.client_key_file",
        ),
    ];
    for (files, key) in cases {
        let (code, said) = run(stage.command(&world, &["validate"], &files)).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(key), "{files:?}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let (code, said) = run(stage.command(&world, &["publish", rows], &TlsFiles::default())).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("mqtt.ca_file"), "{said}");

    // Who may not write our probes. Mosquitto 2.0.11 refuses one and closes the connection, and its
    // end may be seen before the refusal.
    for name in ["fleet", "stranger"] {
        let files = stage.files(&stage.services.client(name), name);
        let (code, said) = run(stage.command(&world, &["validate"], &files)).await;
        assert_eq!(code, Some(1), "{said}");
        let fix = "let the name in our certificate, and nobody else, write headcount/#";
        assert!(said.contains(fix), "{name}: {said}");
    }
    let port = stage.broker.port();
    world.broker_url = format!("mqtt://headcount-ingest:hunter2hunter2@127.0.0.1:{port}");
    let (code, said) = run(stage.command(&world, &["validate"], &TlsFiles::default())).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("user and password in mqtt.url"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    world.broker_url = format!("mqtts://127.0.0.1:{port}");
    let (_, said) = run(stage.command(&world, &["validate"], &TlsFiles::default())).await;
    assert!(
        said.contains("mqtt:// for none") || said.contains("that the broker runs"),
        "{said}"
    );
    world.broker_url = stage.url(SERVICES);

    // Half of a certificate, and one without TLS, are mistakes that need no broker.
    let half = TlsFiles {
        client_key_file: None,
        ..ours.clone()
    };
    let (code, said) = run(stage.command(&world, &["validate"], &half)).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("mqtt.client_key_file"), "{said}");
    world.broker_url = "mqtt://127.0.0.1:1883".to_owned();
    let (code, said) = run(stage.command(&world, &["validate"], ours)).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("mqtts://"), "{said}");
    stage.end().await;
}

/// Certificates by the script that the documentation has people run.
#[tokio::test(flavor = "multi_thread")]
async fn the_script_certifies_broker_devices_and_services() {
    if find_program("openssl").is_err() {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let deploy = folder.path().join("deploy");
    let (broker_files, run_folder) = broker_folders(&deploy);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/certify.sh");
    std::fs::copy(script, deploy.join("certify.sh")).unwrap();
    let certify = |arguments: [&str; 2]| {
        let mut command = Command::new(deploy.join("certify.sh"));
        let output = command.args(arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), error)
    };
    for arguments in [
        ["broker", "127.0.0.1"],
        ["device", "ph-0001"],
        ["service", "headcount-ingest"],
    ] {
        let (code, error) = certify(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {error}");
    }
    for (arguments, named) in [
        // It would have the rights of headcount itself.
        (["device", "headcount-ingest"], "rights of its own"),
        (["device", "../ph-0001"], "no device id"),
        (["device", "ph/0001"], "no device id"),
        (["service", "ph-0001"], "no user"),
        (["broker", "a b"], "no host"),
    ] {
        let (code, error) = certify(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {error}");
        assert!(error.contains(named), "{arguments:?}: {error}");
    }
    assert_eq!(certify(["authority", "devices"]).0, Some(2));

    let broker = tokio::task::spawn_blocking(move || start(&broker_files, &run_folder))
        .await
        .unwrap();
    let authorities = folder.path().join("authorities");
    std::fs::copy(
        authorities.join("servers.pem"),
        folder.path().join("ca.pem"),
    )
    .unwrap();
    let stage = Stage {
        broker,
        devices: Authority::new("Unused"),
        services: Authority::new("Unused"),
        folder,
    };
    let files = |name: &str| TlsFiles {
        ca_file: Some(stage.path("ca.pem")),
        client_certificate_file: Some(authorities.join(format!("{name}.pem"))),
        client_key_file: Some(authorities.join(format!("{name}.key"))),
    };
    let topic = ["-t", "devices/ph-0001/heartbeat"];
    let device = stage.publish(DEVICES, Some(&files("devices/ph-0001")), &topic);
    assert!(published(&device), "{device:?}");
    let world = World::with_broker("2026-11-21T01:10:00Z", stage.url(SERVICES)).await;
    let ours = files("services/headcount-ingest");
    let (_, said) = run(stage.command(&world, &["validate"], &ours)).await;
    assert!(said.contains("our own probe came back"), "{said}");
    stage.end().await;
}

/// Makes a connection and gives what the broker answers.
async fn connect(url: &str, watch: &mut Watch) -> Result<(), BrokerError> {
    let broker = BrokerUrl::parse(url).unwrap();
    let session = SessionOptions {
        client_id: "rotation".to_owned(),
        expiry: Duration::ZERO,
        receive_maximum: 10,
        keep_alive: Duration::from_secs(5),
    };
    let target = broker.target_with(watch.config());
    Connection::open(&target, None, &session).await.map(drop)
}

/// A certificate that is replaced on the disk is noticed and used, without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_certificate_is_noticed_and_used() {
    let stage = Stage::ready().await;
    let url = stage.url(SERVICES);
    let broker = BrokerUrl::parse(&url).unwrap();
    let stranger = Authority::new("Strangers").client("headcount-ingest");
    let files = stage.files(&stranger, "ours");
    let mut watch = Watch::start(&broker, &files, Duration::from_millis(20)).unwrap();
    let refused = connect(&url, &mut watch).await.unwrap_err().to_string();
    assert!(
        refused.contains("mqtt.client_certificate_file"),
        "{refused}"
    );

    let replaced = stage.services.client("headcount-ingest");
    replaced.write(stage.folder.path(), "ours");
    tokio::time::timeout(SOON, watch.changed()).await.unwrap();
    connect(&url, &mut watch).await.unwrap();

    // A broken file changes nothing: what was read before is good for further connections.
    std::fs::write(files.client_key_file.unwrap(), "broken").unwrap();
    connect(&url, &mut watch).await.unwrap();
    stage.end().await;
}
