//! The committed description of the API is the one that the code makes, and it explains itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;

use serde_json::Value;

fn generated() -> String {
    headcount_api::openapi().to_pretty_json().unwrap() + "\n"
}

#[test]
fn the_committed_description_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let generated = generated();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &generated).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let same = committed
        .lines()
        .zip(generated.lines())
        .take_while(|(a, b)| a == b)
        .count();
    assert!(
        committed == generated,
        "{} differs from the code from line {} on; if the change is meant, refresh it with\n\n    \
         UPDATE_OPENAPI=1 cargo test -p headcount-api --test openapi\n",
        path.display(),
        same + 1,
    );
}

#[test]
fn everything_is_described_and_has_an_example() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for field in ["summary", "description", "operationId"] {
                assert!(
                    operation[field].is_string(),
                    "{method} {path} has no {field}"
                );
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                // A cursor is not made up.
                if parameter["name"] != "cursor" {
                    explained(&format!("{method} {path} {}", parameter["name"]), parameter);
                }
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        // A flattened schema is a list of parts.
        let parts = schema["allOf"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![schema.clone()]);
        assert!(
            schema["description"].is_string(),
            "{name} has no description"
        );
        for part in parts {
            for (field, property) in part["properties"].as_object().into_iter().flatten() {
                let is_elsewhere =
                    property.get("$ref").is_some() || property.get("oneOf").is_some();
                if !is_elsewhere && property["items"].get("$ref").is_none() {
                    explained(&format!("{name}.{field}"), property);
                }
            }
        }
    }
}

fn explained(what: &str, value: &Value) {
    assert!(
        value["description"].is_string(),
        "{what} has no description"
    );
    let has_example = value.get("example").is_some() || value.get("examples").is_some();
    assert!(has_example, "{what} has no example");
}
