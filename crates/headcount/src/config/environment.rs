//! Configuration from the environment.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;

use figment::value::{Dict, Value};

use super::{ConfigError, wrong};

/// The variables that other programs have named before us, and what they set here.
const WELL_KNOWN_VARIABLES: [(&str, &str); 5] = [
    ("DATABASE_URL", "database.url"),
    ("DD_DOGSTATSD_URL", "datadog.url"),
    ("DD_ENV", "datadog.env"),
    ("DD_SERVICE", "datadog.service"),
    ("DD_VERSION", "datadog.version"),
];

/// In a variable's name, what says that it names a file that holds the value.
const FROM_FILE: &str = "_FILE";

/// Keys that are themselves paths: a variable of such a name gives the path and is not read.
const PATHS: [&str; 4] = [
    "mqtt.ca_file",
    "mqtt.client_certificate_file",
    "mqtt.client_key_file",
    "placing.networks_file",
];

/// Keys, or sections of keys, whose values are text whatever they look like.
const SECRETS: [&str; 4] = [
    "api.basic_auth.",
    "api.oidc.client_id",
    "api.oidc.client_secret",
    "api.signing_key",
];

/// The largest file that a value is read from.
const MAX_VALUE_BYTES: u64 = 64 * 1024;

/// Where a value comes from.
enum Source<'a> {
    /// A variable.
    Variable(&'a str),
    /// A file that a variable of this name names.
    File { variable: &'a str, path: &'a str },
}

/// The environment as a tree of sections and keys.
pub(super) fn environment(variables: &HashMap<String, String>) -> Result<Dict, ConfigError> {
    let mut tree = Dict::new();
    // The Agent's host and port are two variables for one setting.
    if let Some(host) = variables
        .get("DD_AGENT_HOST")
        .filter(|host| !host.is_empty())
    {
        let port = variables
            .get("DD_DOGSTATSD_PORT")
            .map_or("8125", String::as_str);
        set(&mut tree, "datadog.url", &format!("udp://{host}:{port}"));
    } else if let Some(port) = variables.get("DD_DOGSTATSD_PORT") {
        set(&mut tree, "datadog.url", &format!("udp://127.0.0.1:{port}"));
    }
    let mut sources = BTreeMap::new();
    for (variable, key) in WELL_KNOWN_VARIABLES {
        let file = format!("{variable}{FROM_FILE}");
        if let Some((variable, path)) = variables.get_key_value(&file) {
            either_or(variables, variable)?;
            sources.insert(key.to_owned(), Source::File { variable, path });
        } else if let Some(value) = variables.get(variable) {
            sources.insert(key.to_owned(), Source::Variable(value));
        }
    }
    // Our own names come after those, and so win.
    for (variable, value) in variables {
        let Some(name) = variable.strip_prefix("HEADCOUNT_") else {
            continue;
        };
        // Without a section it is not ours, such as a HEADCOUNT_IMAGE_TAG of a deployment; but for
        // the one key that has none.
        if !name.contains("__") && name != "REACH_WINDOW_SECS" {
            continue;
        }
        let key = |name: &str| name.to_ascii_lowercase().replace("__", ".");
        match name.strip_suffix(FROM_FILE) {
            Some(of_value) if !PATHS.contains(&key(name).as_str()) => {
                either_or(variables, variable)?;
                let path = value;
                sources.insert(key(of_value), Source::File { variable, path });
            }
            _ => {
                // An empty variable beside a file is none; see `either_or`.
                if !variables.contains_key(&format!("{variable}{FROM_FILE}")) {
                    sources.insert(key(name), Source::Variable(value));
                }
            }
        }
    }
    for (key, source) in sources {
        match source {
            Source::Variable(value) => set(&mut tree, &key, value),
            Source::File { variable, path } => set(&mut tree, &key, &value_in(variable, path)?),
        }
    }
    Ok(tree)
}

/// Refuses a variable that names a file where the value is given as well. An empty one counts as
/// not given, which is how a deployment's file leaves out what it offers.
fn either_or(variables: &HashMap<String, String>, file: &str) -> Result<(), ConfigError> {
    let value = file.strip_suffix(FROM_FILE).unwrap_or(file);
    match variables.get(value) {
        Some(given) if !given.is_empty() => Err(wrong(
            file,
            format!("{value} is set as well; keep one of the two"),
        )),
        _ => Ok(()),
    }
}

/// The value that a file holds: all of it but the end of its last line. Errors name the variable
/// and the path, and show nothing of what the file holds.
fn value_in(variable: &str, path: &str) -> Result<String, ConfigError> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_VALUE_BYTES + 1).read_to_string(&mut text))
        .map_err(|error| wrong(variable, format!("{path} cannot be read: {error}")))?;
    if text.len() as u64 > MAX_VALUE_BYTES {
        let problem = format!("{path} has more than {MAX_VALUE_BYTES} bytes");
        return Err(wrong(variable, problem));
    }
    let value = text.trim_end_matches(['\n', '\r']);
    if value.is_empty() {
        return Err(wrong(variable, format!("{path} is empty")));
    }
    Ok(value.to_owned())
}

fn set(tree: &mut Dict, key: &str, text: &str) {
    let value = if SECRETS.iter().any(|secret| key.starts_with(secret)) {
        Value::from(text)
    } else {
        // Parsed as the library parses variables: `true`, numbers and lists are what they look like.
        text.parse().unwrap_or_else(|never| match never {})
    };
    let mut tree = tree;
    let mut sections = key.split('.').collect::<Vec<_>>();
    let Some(last) = sections.pop() else { return };
    for section in sections {
        let entry = tree
            .entry(section.to_owned())
            .or_insert_with(|| Value::from(Dict::new()));
        if !matches!(entry, Value::Dict(..)) {
            *entry = Value::from(Dict::new());
        }
        let Value::Dict(_, inner) = entry else { return };
        tree = inner;
    }
    tree.insert(last.to_owned(), value);
}
