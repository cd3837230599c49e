//! Real servers: they start, talk, pause, die and come back, and nothing outlives its parent.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests may panic like tests"
)]

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use devstack::process::{self, Signal};
use devstack::{
    DataDir, Error, Mosquitto, MosquittoOptions, Postgres, PostgresOptions, find_program,
};

/// Set for the child process of [`a_killed_parent_leaves_nothing_behind`]: where to write what it
/// started.
const REPORT_ENV: &str = "DEVSTACK_TEST_REPORT";

/// Set in addition when the child is to pause its servers.
const PAUSE_ENV: &str = "DEVSTACK_TEST_PAUSE";

/// Generous: other tests keep the processors busy.
const SOON: Duration = Duration::from_secs(30);

/// What `psql` prints for a statement, or the error.
fn ask(postgres: &Postgres, database: &str, sql: &str) -> Result<String, String> {
    let output = Command::new(find_program("psql").unwrap())
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
        .arg(postgres.url(database))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// A command that talks to the broker.
fn client(broker: &Mosquitto, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(find_program(program).unwrap());
    command
        .args(["-h", "127.0.0.1", "-p", &broker.port().to_string()])
        .args(arguments);
    command
}

fn publish(broker: &Mosquitto, topic: &str, payload: &str) -> bool {
    let arguments = ["-q", "1", "-t", topic, "-m", payload];
    client(broker, "mosquitto_pub", &arguments)
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// Opens a session that outlives its connection, or takes what waits in it.
fn session(broker: &Mosquitto, further: &[&str]) -> String {
    let arguments = [
        &["-i", "test", "-c", "-q", "1", "-t", "devices/+/heartbeat"],
        further,
    ];
    let output = client(broker, "mosquitto_sub", &arguments.concat())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn ends_within(child: &mut Child, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

#[test]
fn a_port_that_is_taken_is_replaced_and_a_database_is_there_or_not() {
    let folder = DataDir::temporary().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let asked = taken.local_addr().unwrap().port();
    let mut options = PostgresOptions::fast();
    options.port = Some(asked);
    let postgres = Postgres::start(&folder, options).unwrap();
    assert_ne!(postgres.port(), asked);
    assert!(!postgres.has_database("headcount").unwrap());
    postgres.create_database("headcount").unwrap();
    assert!(postgres.has_database("headcount").unwrap());

    drop(taken);
    let options = MosquittoOptions {
        port: Some(asked),
        ..MosquittoOptions::default()
    };
    let broker = Mosquitto::start(&folder, options).unwrap();
    assert_eq!(broker.port(), asked);
}

#[test]
fn postgres_answers_and_keeps_its_data_across_restarts() {
    let folder = DataDir::temporary().unwrap();
    let options = PostgresOptions::durable().with_setting("work_mem", "5MB");
    let mut postgres = Postgres::start(&folder, options).unwrap();
    let (port, first_pid) = (postgres.port(), postgres.pid());
    assert_eq!(
        ask(&postgres, "postgres", "show server_encoding").unwrap(),
        "UTF8"
    );
    assert_eq!(
        ask(&postgres, "postgres", "show max_connections").unwrap(),
        "200"
    );
    assert_eq!(ask(&postgres, "postgres", "show fsync").unwrap(), "on");
    assert_eq!(ask(&postgres, "postgres", "show work_mem").unwrap(), "5MB");

    postgres.create_database("one").unwrap();
    ask(&postgres, "one", "create table t as select 7 as n").unwrap();
    postgres
        .create_database_from_template("two", "one")
        .unwrap();
    assert_eq!(ask(&postgres, "two", "select n from t").unwrap(), "7");
    let twice = postgres.create_database("one").unwrap_err().to_string();
    assert!(twice.contains("already exists"), "{twice}");

    postgres.restart().unwrap();
    assert_eq!(postgres.port(), port);
    assert_ne!(postgres.pid(), first_pid);
    assert_eq!(ask(&postgres, "two", "select n from t").unwrap(), "7");

    ask(&postgres, "two", "insert into t values (8)").unwrap();
    let family = [process::children(postgres.pid()), vec![postgres.pid()]].concat();
    assert!(family.len() > 1, "a server without processes: {family:?}");
    postgres.kill().unwrap();
    assert!(!family.iter().any(|&pid| process::is_alive(pid)));
    assert!(ask(&postgres, "two", "select 1").is_err());
    assert!(matches!(postgres.pause(), Err(Error::NotRunning { .. })));
    postgres.restart().unwrap();
    assert_eq!(ask(&postgres, "two", "select sum(n) from t").unwrap(), "15");

    let log = fs::read_to_string(postgres.log_path()).unwrap();
    assert!(log.contains("not properly shut down"), "{log}");
}

#[test]
fn postgres_listens_on_a_socket_in_its_folder() {
    let folder = DataDir::temporary().unwrap();
    let postgres = Postgres::start(&folder, PostgresOptions::fast()).unwrap();
    let socket_folder = postgres.socket_folder().unwrap();
    assert!(socket_folder.starts_with(folder.path()));
    assert!(
        socket_folder
            .join(format!(".s.PGSQL.{}", postgres.port()))
            .exists()
    );
    assert_eq!(ask(&postgres, "postgres", "show fsync").unwrap(), "off");
}

#[test]
fn a_paused_postgres_answers_later() {
    let folder = DataDir::temporary().unwrap();
    let mut postgres = Postgres::start(&folder, PostgresOptions::fast()).unwrap();
    let mut connected = Command::new(find_program("psql").unwrap())
        .args(["-X", "-q", "-c", "select pg_sleep(1)"])
        .arg(postgres.url("postgres"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let sleeping = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    while ask(&postgres, "postgres", sleeping).unwrap() == "0" {
        assert!(
            connected.try_wait().unwrap().is_none(),
            "the statement ended unseen"
        );
    }
    postgres.pause().unwrap();
    assert!(
        !ends_within(&mut connected, Duration::from_secs(2)),
        "a paused server answered"
    );
    postgres.resume().unwrap();
    assert!(ends_within(&mut connected, SOON));
    assert_eq!(ask(&postgres, "postgres", "select 1").unwrap(), "1");

    postgres.pause().unwrap();
    postgres.stop().unwrap();
    assert!(!process::is_alive(postgres.pid()));
}

#[test]
fn a_server_that_cannot_start_shows_its_log() {
    let folder = DataDir::temporary().unwrap();
    let options = PostgresOptions::fast().with_setting("no_such_setting", "1");
    let error = Postgres::start(&folder, options).unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");

    let options = MosquittoOptions {
        extra: vec!["no_such_line 1".to_owned()],
        ..Default::default()
    };
    let error = Mosquitto::start(&folder, options).unwrap_err().to_string();
    assert!(error.contains("no_such_line"), "{error}");
}

#[test]
fn a_port_that_is_taken_while_the_server_is_down_is_reported() {
    let folder = DataDir::temporary().unwrap();
    let mut broker = Mosquitto::start(&folder, MosquittoOptions::default()).unwrap();
    broker.stop().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", broker.port())).unwrap();
    let error = broker.restart().unwrap_err().to_string();
    assert!(error.contains("taken by others"), "{error}");
    drop(listener);
    broker.restart().unwrap();
}

#[test]
fn a_broker_keeps_a_session_until_its_store_is_lost() {
    let folder = DataDir::temporary().unwrap();
    let mut broker = Mosquitto::start(&folder, MosquittoOptions::default()).unwrap();
    let port = broker.port();
    assert_eq!(broker.url(), format!("mqtt://127.0.0.1:{port}"));
    session(&broker, &["-E"]);

    assert!(publish(&broker, "devices/a/heartbeat", "one"));
    broker.restart().unwrap();
    assert_eq!(broker.port(), port);
    assert_eq!(session(&broker, &["-C", "1", "-W", "30"]), "one");

    assert!(publish(&broker, "devices/a/heartbeat", "two"));
    // Longer than the interval in which the store is saved.
    thread::sleep(Duration::from_secs(3));
    broker.kill().unwrap();
    assert!(!publish(&broker, "devices/a/heartbeat", "nobody hears"));
    broker.restart().unwrap();
    assert_eq!(session(&broker, &["-C", "1", "-W", "30"]), "two");

    assert!(publish(&broker, "devices/a/heartbeat", "three"));
    broker.restart_without_persistence().unwrap();
    assert_eq!(session(&broker, &["-W", "1"]), "");
}

#[test]
fn a_paused_broker_answers_later() {
    let folder = DataDir::temporary().unwrap();
    let options = MosquittoOptions {
        persistence: false,
        ..Default::default()
    };
    let mut broker = Mosquitto::start(&folder, options).unwrap();
    broker.pause().unwrap();
    let arguments = ["-q", "1", "-t", "devices/a/heartbeat", "-m", "late"];
    let mut publisher = client(&broker, "mosquitto_pub", &arguments)
        .spawn()
        .unwrap();
    assert!(
        !ends_within(&mut publisher, Duration::from_secs(1)),
        "a paused broker answered"
    );
    broker.resume().unwrap();
    assert!(ends_within(&mut publisher, SOON));
    assert!(!folder.path().join("mosquitto/mosquitto.db").exists());
}

/// What another broker is set up with, tried here.
#[test]
fn a_broker_runs_a_configuration_as_it_is_given() {
    let folder = DataDir::temporary().unwrap();
    let options = MosquittoOptions {
        configuration: Some(
            "listener {address}\nallow_anonymous true\n\
             persistence true\npersistence_location {folder}/\npersistence_file kept.db"
                .to_owned(),
        ),
        extra: vec!["message_size_limit 5".to_owned()],
        ..Default::default()
    };
    let mut broker = Mosquitto::start(&folder, options).unwrap();
    assert!(publish(&broker, "devices/a/heartbeat", "five!"));
    broker.stop().unwrap();
    assert!(folder.path().join("mosquitto/kept.db").exists());
}

#[test]
fn a_broker_asks_for_passwords_and_limits_what_was_asked_for() {
    let folder = DataDir::temporary().unwrap();
    let secrets = tempfile::tempdir().unwrap();
    let (passwords, acl) = (secrets.path().join("passwords"), secrets.path().join("acl"));
    let created = Command::new(find_program("mosquitto_passwd").unwrap())
        .args(["-b", "-c", passwords.to_str().unwrap(), "fleet", "secret"])
        .status();
    assert!(created.unwrap().success());
    fs::write(&acl, "user fleet\ntopic readwrite devices/#\n").unwrap();
    let options = MosquittoOptions {
        password_file: Some(passwords),
        acl_file: Some(acl),
        message_size_limit_bytes: Some(10),
        ..Default::default()
    };
    let broker = Mosquitto::start(&folder, options).unwrap();
    assert!(!publish(&broker, "devices/a/heartbeat", "anonymous"));

    let send = |topic: &str, payload: &str| {
        let login = ["-u", "fleet", "-P", "secret", "-V", "5", "-q", "1", "-r"];
        let mut command = client(&broker, "mosquitto_pub", &login);
        assert!(
            command
                .args(["-t", topic, "-m", payload])
                .output()
                .unwrap()
                .status
                .success()
        );
    };
    send("elsewhere", "forbidden");
    send("devices/big", "eleven char");
    send("devices/small", "ten chars.");
    let login = ["-u", "fleet", "-P", "secret", "-t", "#", "-W", "1"];
    let heard = client(&broker, "mosquitto_sub", &login).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&heard.stdout).trim(), "ten chars.");
}

#[test]
fn a_given_folder_is_used_again() {
    let parent = DataDir::temporary().unwrap();
    let path = parent.path().join("demo");
    {
        let folder = DataDir::at(&path).unwrap();
        let postgres = Postgres::start(&folder, PostgresOptions::durable()).unwrap();
        ask(&postgres, "postgres", "create table t as select 7 as n").unwrap();
    }
    let folder = DataDir::at(&path).unwrap();
    let postgres = Postgres::start(&folder, PostgresOptions::durable()).unwrap();
    assert_eq!(ask(&postgres, "postgres", "select n from t").unwrap(), "7");
    let log = fs::read_to_string(postgres.log_path()).unwrap();
    assert!(!log.contains("not properly shut down"), "{log}");
}

#[test]
fn a_path_too_long_for_a_socket_leaves_the_port() {
    let parent = DataDir::temporary().unwrap();
    let folder = DataDir::at(&parent.path().join("long".repeat(25))).unwrap();
    let postgres = Postgres::start(&folder, PostgresOptions::fast()).unwrap();
    assert!(postgres.socket_folder().is_none());
    assert_eq!(ask(&postgres, "postgres", "select 1").unwrap(), "1");
}

#[test]
fn a_server_that_dies_by_itself_takes_its_guard_along() {
    let folder = DataDir::temporary().unwrap();
    let mut broker = Mosquitto::start(&folder, MosquittoOptions::default()).unwrap();
    assert!(process::signal(Signal::Kill, &[broker.pid()]));
    let deadline = Instant::now() + SOON;
    while !matches!(broker.resume(), Err(Error::NotRunning { .. })) {
        assert!(Instant::now() < deadline, "the guard did not notice");
        thread::sleep(Duration::from_millis(10));
    }
    broker.restart().unwrap();
    assert!(publish(&broker, "devices/a/heartbeat", "again"));
}

#[test]
fn stacks_run_side_by_side() {
    let stack = || {
        let folder = DataDir::temporary().unwrap();
        let postgres = Postgres::start(&folder, PostgresOptions::fast()).unwrap();
        let broker = Mosquitto::start(&folder, MosquittoOptions::default()).unwrap();
        assert_eq!(ask(&postgres, "postgres", "select 1").unwrap(), "1");
        assert!(publish(&broker, "devices/a/heartbeat", ""));
        vec![postgres.pid(), broker.pid()]
    };
    let pids = thread::scope(|scope| {
        let stacks: Vec<_> = (0..3).map(|_| scope.spawn(stack)).collect();
        stacks
            .into_iter()
            .flat_map(|stack| stack.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(
        process::wait_until_ended(&pids, SOON),
        "dropped servers run on: {pids:?}"
    );
}

/// Not a test: the child process of the next one, which kills it.
#[test]
#[ignore = "runs only as the child process of another test"]
fn child_that_is_killed() {
    let Some(report) = env::var_os(REPORT_ENV) else {
        return;
    };
    let folder = DataDir::temporary().unwrap();
    let mut postgres = Postgres::start(&folder, PostgresOptions::durable()).unwrap();
    let mut broker = Mosquitto::start(&folder, MosquittoOptions::default()).unwrap();
    let pids = [
        process::children(std::process::id()),
        process::children(postgres.pid()),
        vec![postgres.pid(), broker.pid()],
    ];
    if env::var_os(PAUSE_ENV).is_some() {
        postgres.pause().unwrap();
        broker.pause().unwrap();
    }
    let pids: Vec<String> = pids.concat().iter().map(u32::to_string).collect();
    let unfinished = Path::new(&report).with_extension("unfinished");
    fs::write(
        &unfinished,
        format!("{}\n{}", folder.path().display(), pids.join(" ")),
    )
    .unwrap();
    fs::rename(&unfinished, &report).unwrap();
    thread::sleep(Duration::from_secs(600));
}

fn kill_a_parent(paused: bool) {
    let reports = tempfile::tempdir().unwrap();
    let report = reports.path().join("report");
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "child_that_is_killed", "--ignored"])
        .env(REPORT_ENV, &report);
    if paused {
        command.env(PAUSE_ENV, "1");
    }
    let mut parent = command.stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + 2 * SOON;
    while !report.exists() {
        assert!(
            parent.try_wait().unwrap().is_none(),
            "the child ended by itself"
        );
        assert!(
            Instant::now() < deadline,
            "the child did not start its servers"
        );
        thread::sleep(Duration::from_millis(20));
    }
    let report = fs::read_to_string(report).unwrap();
    let (folder, pids) = report.split_once('\n').unwrap();
    let pids: Vec<u32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    // Two guards, two servers, and what Postgres starts.
    assert!(pids.len() > 4, "{pids:?}");
    assert!(pids.iter().all(|&pid| process::is_alive(pid)), "{pids:?}");

    // Like `kill -9`: the child has no chance to tidy up.
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(
        process::wait_until_ended(&pids, SOON),
        "left running: {pids:?}"
    );
    assert!(!Path::new(folder).exists(), "left behind: {folder}");
}

#[test]
fn a_killed_parent_leaves_nothing_behind() {
    kill_a_parent(false);
}

#[test]
fn a_killed_parent_leaves_no_paused_server_behind() {
    kill_a_parent(true);
}
