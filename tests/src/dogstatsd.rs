//! A strict reader of DogStatsD datagrams: what the Agent would drop or misread is an error.
//!
//! After the protocol's documentation, up to version 1.3 (timestamps). Events and service checks
//! are not sent by headcount yet and are refused.

use std::collections::BTreeMap;

/// The largest datagram that is not cut on its way over UDP.
const MAX_DATAGRAM_BYTES: usize = 1432;

/// One metric as received.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// `g`, `c`, `d`, …
    pub kind: String,
    /// Its tags; a key that comes twice is an error.
    pub tags: BTreeMap<String, String>,
    /// Its timestamp in Unix seconds.
    pub timestamp: Option<i64>,
}

impl Metric {
    /// Reads a datagram.
    ///
    /// # Errors
    /// With the reason for which the Agent would not take it.
    pub fn parse_datagram(bytes: &[u8]) -> Result<Vec<Self>, String> {
        if bytes.len() > MAX_DATAGRAM_BYTES {
            return Err(format!("a datagram of {} bytes", bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        text.lines()
            .map(|line| Self::parse(line).map_err(|why| format!("{line:?}: {why}")))
            .collect()
    }

    fn parse(line: &str) -> Result<Self, String> {
        let mut fields = line.split('|');
        let head = fields.next().unwrap_or_default();
        let (name, value) = head.split_once(':').ok_or("no value")?;
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(good) {
            return Err("a name Datadog would rewrite".to_owned());
        }
        let value: f64 = value.parse().map_err(|_| "the value is no number")?;
        if !value.is_finite() {
            return Err("the value is no finite number".to_owned());
        }
        let kind = fields.next().ok_or("no type")?;
        if !["g", "c", "d", "h", "ms", "s"].contains(&kind) {
            return Err(format!("unknown type {kind}"));
        }
        let mut metric = Self {
            name: name.to_owned(),
            value,
            kind: kind.to_owned(),
            tags: BTreeMap::new(),
            timestamp: None,
        };
        let mut seen_tags = false;
        for field in fields {
            if let Some(tags) = field.strip_prefix('#') {
                if std::mem::replace(&mut seen_tags, true) {
                    return Err("tags twice".to_owned());
                }
                metric.read_tags(tags)?;
            } else if let Some(at) = field.strip_prefix('T') {
                if !["g", "c"].contains(&kind) {
                    return Err(format!("a timestamp on type {kind}"));
                }
                let at: i64 = at.parse().map_err(|_| "the timestamp is no number")?;
                if at < 1 || metric.timestamp.replace(at).is_some() {
                    return Err("timestamp below 1, or twice".to_owned());
                }
            } else {
                return Err(format!("unexpected field {field}"));
            }
        }
        Ok(metric)
    }

    fn read_tags(&mut self, tags: &str) -> Result<(), String> {
        for tag in tags.split(',') {
            let (key, value) = tag
                .split_once(':')
                .ok_or(format!("the tag {tag} has no value"))?;
            if key.is_empty() || tag.to_lowercase() != tag || value.contains(':') {
                return Err(format!("the tag {tag} would be rewritten"));
            }
            if self.tags.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(format!("the tag {key} twice"));
            }
        }
        Ok(())
    }

    /// The value of a tag, or nothing.
    #[must_use]
    pub fn tag(&self, key: &str) -> &str {
        self.tags.get(key).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_takes_is_taken_and_nothing_else() {
        let metric = &Metric::parse_datagram(b"a.b:12|g|#env:x,host:|T1700000000").unwrap()[0];
        assert_eq!(
            (metric.name.as_str(), metric.value, metric.timestamp),
            ("a.b", 12.0, Some(1_700_000_000))
        );
        assert_eq!((metric.tag("env"), metric.tag("host")), ("x", ""));
        for bad in [
            "a.b|g",
            "a.b:x|g",
            "a.b:1",
            "a.b:1|q",
            "a b:1|g",
            "a.b:1|d|T5",
            "a.b:1|g|T0",
            "a.b:1|g|#x:1,x:2",
            "a.b:1|g|#Env:x",
            "a.b:1|g|#x",
            "a.b:NaN|g",
            "1a:1|g",
            "a.b:1|g|#x:1|#y:2",
            "_e{1,1}:a|b",
        ] {
            assert!(Metric::parse_datagram(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
