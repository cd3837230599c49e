//! Whether the parts of this process can do their work.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The readiness of every part of the process, by the part's name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health {
    parts: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
    work: Arc<Mutex<Option<Work>>>,
}

/// A piece of work that has to be done before anything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// What is being done, in words.
    pub what: String,
    /// How much of it is done, 0 to 100; `None` when that cannot be told.
    pub percent: Option<u8>,
}

impl Health {
    /// Says that a part exists and is not ready yet.
    pub fn expect(&self, part: &'static str) {
        self.not_ready(part, "starting");
    }

    /// Says that a part is ready.
    pub fn ready(&self, part: &'static str) {
        self.set(part, None);
    }

    /// Says that a part cannot work, and why.
    pub fn not_ready(&self, part: &'static str, why: impl Into<String>) {
        self.set(part, Some(why.into()));
    }

    /// Says what the process is doing before it can start its parts.
    pub fn working(&self, what: impl Into<String>, percent: Option<u8>) {
        let what = what.into();
        let percent = percent.map(|percent| percent.min(100));
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(Work { what, percent });
    }

    /// What the process is doing before it can start its parts, if it is.
    #[must_use]
    pub fn work(&self) -> Option<Work> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.clone()
    }

    fn set(&self, part: &'static str, state: Option<String>) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(part, state);
    }

    /// The parts that cannot work, with the reason.
    #[must_use]
    pub fn troubles(&self) -> BTreeMap<&'static str, String> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts
            .iter()
            .filter_map(|(part, why)| Some((*part, why.clone()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_all_its_parts_are() {
        let health = Health::default();
        health.expect("broker");
        health.expect("database");
        health.ready("database");
        assert_eq!(
            health.troubles().into_keys().collect::<Vec<_>>(),
            ["broker"]
        );
        health.not_ready("broker", "connection refused");
        assert_eq!(health.troubles()["broker"], "connection refused");
        health.ready("broker");
        assert!(health.troubles().is_empty());
    }
}
