//! `headcount init`: a commented configuration file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::config::DEFAULT_FILE;

/// Write a commented headcount.toml
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Where to write it; `-` prints it
    #[arg(default_value = DEFAULT_FILE)]
    file: PathBuf,
}

const TEMPLATE: &str = include_str!("init.toml");

/// Writes the file, unless there is one.
pub(crate) fn init(args: &InitArgs) -> anyhow::Result<()> {
    if args.file.as_os_str() == "-" {
        return Ok(std::io::stdout().write_all(TEMPLATE.as_bytes())?);
    }
    let name = args.file.display();
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.file)
        .and_then(|mut file| file.write_all(TEMPLATE.as_bytes()))
        .with_context(|| {
            format!("{name} cannot be written (an existing file is never replaced)")
        })?;
    writeln!(
        std::io::stdout(),
        "wrote {name}; `headcount validate` checks it"
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, File};
    use std::collections::HashMap;

    fn read(text: &str) -> File {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headcount.toml");
        std::fs::write(&path, text).unwrap();
        let file = File::read(Some(&path), &HashMap::new(), &[]).unwrap();
        Config::check(file.clone()).unwrap();
        file
    }

    /// The template with its examples in force.
    fn uncommented() -> String {
        let lines = TEMPLATE
            .lines()
            .map(|line| line.strip_prefix("#:").map_or(line, str::trim_start));
        let all: String = lines.flat_map(|line| [line, "\n"]).collect();
        // Certificates are for TLS only.
        all.replace("url = \"mqtt://", "url = \"mqtts://")
    }

    /// The template says what the defaults are, so it must be right about them, and it must name
    /// every key there is.
    #[test]
    fn the_template_is_the_defaults_in_full() {
        let as_json = |file: &File| serde_json::to_value(file).unwrap();
        assert_eq!(as_json(&read(TEMPLATE)), as_json(&File::default()));
        let mut all = as_json(&read(&uncommented()));
        assert!(
            all["countries"]
                .as_object()
                .is_some_and(|map| !map.is_empty())
        );
        all["countries"] = serde_json::json!({});
        let nulls = all
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(section, keys)| Some((section, keys.as_object()?)))
            .flat_map(|(section, keys)| keys.iter().map(move |(key, value)| (section, key, value)))
            .filter(|(_, _, value)| value.is_null());
        assert_eq!(
            nulls.collect::<Vec<_>>(),
            [],
            "keys the template does not mention"
        );
    }

    /// Where a key is itself a path, its variable is not taken for one that names a file with the
    /// value.
    #[test]
    fn keys_that_are_paths_can_be_set_by_variables() {
        let all = serde_json::to_value(read(&uncommented())).unwrap();
        let mut paths = 0;
        for (section, keys) in all.as_object().unwrap() {
            for key in keys.as_object().into_iter().flatten().map(|(key, _)| key) {
                if !key.ends_with("_file") {
                    continue;
                }
                let variable = format!("HEADCOUNT_{section}__{key}").to_ascii_uppercase();
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("headcount.toml");
                std::fs::write(&file, "").unwrap();
                let variables = HashMap::from([(variable, "/nonexistent".to_owned())]);
                let read = File::read(Some(&file), &variables, &[]).unwrap();
                let read = serde_json::to_value(read).unwrap();
                assert_eq!(read[section][key], "/nonexistent", "{section}.{key}");
                paths += 1;
            }
        }
        assert!(paths >= 4, "{paths}");
    }

    #[test]
    fn an_existing_file_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headcount.toml");
        std::fs::write(&file, "mine").unwrap();
        let error = init(&InitArgs { file: file.clone() }).unwrap_err();
        assert!(error.to_string().contains("headcount.toml"), "{error}");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
    }
}
