//! Configuration from the environment.

use std::collections::{BTreeMap, HashMap};

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

/// The section of names and passwords, in a variable's name and in that of a key.
const ACCOUNTS: &str = "API__BASIC_AUTH__";
const ACCOUNTS_SECTION: &str = "api.basic_auth.";

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
    let mut settings: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for (variable, key) in WELL_KNOWN_VARIABLES {
        let file = format!("{variable}_FILE");
        for (name, value) in variables
            .iter()
            .filter(|(name, _)| **name == variable || **name == file)
        {
            settings.insert(key.to_owned(), (name, value));
        }
    }
    // Our own names come after those, and so win.
    let ours: BTreeMap<_, _> = variables.iter().collect();
    for (name, value) in ours {
        let Some(key) = name.strip_prefix("HEADCOUNT_") else {
            continue;
        };
        // Without a section it is not ours, such as a HEADCOUNT_IMAGE_TAG of a deployment; but for
        // the one key that has none.
        if !key.contains("__") && key != "REACH_WINDOW_SECS" {
            continue;
        }
        let key = key
            .strip_suffix("_FILE")
            .filter(|_| names_a_secret(key))
            .unwrap_or(key);
        settings.insert(key.to_ascii_lowercase().replace("__", "."), (name, value));
    }
    for (key, (name, value)) in settings {
        if name.ends_with("_FILE") && (names_a_secret(name) || !name.starts_with("HEADCOUNT_")) {
            let text = std::fs::read_to_string(value)
                .map_err(|error| wrong(name, format!("the file cannot be read: {error}")))?;
            set(&mut tree, &key, text.trim_end());
        } else {
            set(&mut tree, &key, value);
        }
    }
    Ok(tree)
}

/// Whether a variable names a file with a secret: URLs and accounts hold some, while `CA_FILE` is a
/// key of its own.
fn names_a_secret(name: &str) -> bool {
    name.ends_with("URL_FILE") || (name.contains(ACCOUNTS) && name.ends_with("_FILE"))
}

fn set(tree: &mut Dict, key: &str, text: &str) {
    let value = if key.starts_with(ACCOUNTS_SECTION) {
        // Whatever a password looks like, it is text.
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
