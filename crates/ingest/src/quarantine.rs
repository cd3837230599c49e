//! Which of the messages set aside are kept, and which are only counted.

use std::collections::HashMap;

use model::{Instant, Reason};
use store::quarantine::MAX_KEPT_BYTES;

use crate::encode::encode;
use crate::subscriber::Arrival;
use crate::topic::TopicFilter;

/// Messages kept per reason and minute; the rest is only counted. A fleet with a broken firmware
/// would otherwise fill the disk with copies of the same mistake.
const MAX_KEPT_PER_MINUTE: u32 = 200;

/// A message or payload that was set aside.
#[derive(Debug, Clone)]
pub struct SetAside {
    /// Why.
    pub reason: Reason,
    /// Topic and payload, where they are kept.
    pub evidence: Option<Evidence>,
}

impl SetAside {
    /// For a message whose bytes are gone: a payload is kept that says the same, so that the
    /// message can be counted once its reason is mended.
    pub(crate) fn of(
        reason: Reason,
        detail: Option<String>,
        arrival: &Arrival,
        filter: &TopicFilter,
    ) -> Self {
        let original = arrival.set_aside.as_ref();
        let evidence = match original.and_then(|original| original.evidence.clone()) {
            Some(evidence) => Evidence { detail, ..evidence },
            None => {
                let payload = encode(&arrival.heartbeat, &arrival.older);
                Evidence {
                    topic: filter.topic_of(&arrival.device_id),
                    payload_bytes: payload.len(),
                    payload,
                    detail,
                }
            }
        };
        Self {
            reason,
            evidence: Some(evidence),
        }
    }
}

/// What is kept of a message that was set aside.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The topic, as far as it is text.
    pub topic: String,
    /// The payload, or its beginning.
    pub payload: Vec<u8>,
    /// The payload's whole length.
    pub payload_bytes: usize,
    /// What else is known, such as what the database said.
    pub detail: Option<String>,
}

/// Decides which are kept.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    minute: Instant,
    kept: HashMap<Reason, u32>,
}

impl Limiter {
    /// Whether one more message with this reason is kept.
    pub(crate) fn keeps(&mut self, now: Instant, reason: Reason) -> bool {
        let minute = model::hour::minute(now);
        if minute != self.minute {
            self.minute = minute;
            self.kept.clear();
        }
        let kept = self.kept.entry(reason).or_default();
        if *kept >= MAX_KEPT_PER_MINUTE {
            return false;
        }
        *kept += 1;
        true
    }

    pub(crate) fn set_aside(
        &mut self,
        now: Instant,
        reason: Reason,
        topic: &[u8],
        payload: &[u8],
    ) -> SetAside {
        let is_kept = self.keeps(now, reason);
        if reason == Reason::Identity && self.kept.get(&reason) == Some(&1) && is_kept {
            // Broken firmware, or somebody who speaks for others: worth a look in either case.
            tracing::warn!(
                topic = %topic.escape_ascii(),
                "a payload names another device than its topic; said once a minute, the table \
                 `quarantine` has them"
            );
        }
        let evidence = is_kept.then(|| Evidence {
            topic: String::from_utf8_lossy(&topic[..topic.len().min(MAX_KEPT_BYTES)]).into_owned(),
            payload: payload[..payload.len().min(MAX_KEPT_BYTES)].to_vec(),
            payload_bytes: payload.len(),
            detail: None,
        });
        SetAside { reason, evidence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hundred_a_minute_are_kept_for_each_reason() {
        let mut limiter = Limiter::default();
        let now: Instant = "2026-11-21T01:02:03Z".parse().unwrap();
        let mut kept = |now, reason| {
            let all = (0..300).map(|_| limiter.set_aside(now, reason, b"t", b"p"));
            all.filter(|message| message.evidence.is_some()).count()
        };
        assert_eq!(kept(now, Reason::Syntax), 200);
        assert_eq!(kept(now, Reason::Depth), 200);
        assert_eq!(
            kept(now + chrono::TimeDelta::minutes(1), Reason::Syntax),
            200
        );
    }
}
