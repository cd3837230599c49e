//! Topic filters: whether two of them share a topic.
//!
//! Each ingest slot has a session of its own. A message whose topic fits the filters of two slots
//! reaches both, and the second copy is not a redelivery that either could recognise. So the
//! filters of slots must be disjoint.

/// Matches one level of a topic.
const ONE_LEVEL: &str = "+";

/// Matches the level before it and all below; the last level of its filter.
const ALL_LEVELS: &str = "#";

/// Whether some topic fits both MQTT topic filters.
///
/// As in MQTT `a/#` also takes `a`, and a wildcard at the beginning takes no topic that begins with
/// `$`.
#[must_use]
pub fn overlap(one: &str, other: &str) -> bool {
    let is_wild = |filter: &str| filter.starts_with(['+', '#']);
    let is_reserved = |filter: &str| filter.starts_with('$');
    if is_wild(one) && is_reserved(other) || is_reserved(one) && is_wild(other) {
        return false;
    }
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (None, None) | (Some(ALL_LEVELS), _) | (_, Some(ALL_LEVELS)) => return true,
            (Some(a), Some(b)) if a == b || a == ONE_LEVEL || b == ONE_LEVEL => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn filters_overlap_when_a_topic_fits_both() {
        for (one, other, both) in [
            ("devices/+/heartbeat", "devices/+/heartbeat", true),
            ("devices/+/heartbeat", "devices/+/hb", false),
            ("ph/+/heartbeat", "jp/+/heartbeat", false),
            ("+/devices/heartbeat", "ph/+/heartbeat", true),
            ("devices/+", "devices/+/heartbeat", false),
            ("devices/#", "devices/+/heartbeat", true),
            ("devices/#", "devices", true),
            ("#", "a/b/c", true),
            ("a/#", "b/#", false),
            ("a/+/#", "a", false),
            ("a//b", "a/+/b", true),
            ("+/x", "$SYS/x", false),
            ("#", "$SYS/#", false),
            ("$SYS/+", "$SYS/#", true),
            ("", "+", true),
        ] {
            assert_eq!(overlap(one, other), both, "{one} {other}");
            assert_eq!(overlap(other, one), both, "{other} {one}");
        }
    }

    /// Whether a topic fits a filter, straight from MQTT's rules and on its own.
    fn fits(topic: &[&str], filter: &[&str]) -> bool {
        match (topic, filter) {
            (_, ["#"]) | ([], []) => true,
            ([_, topic @ ..], ["+", filter @ ..]) => fits(topic, filter),
            ([a, topic @ ..], [b, filter @ ..]) if a == b => fits(topic, filter),
            _ => false,
        }
    }

    fn filter() -> impl Strategy<Value = Vec<&'static str>> {
        let level = prop_oneof![Just("a"), Just("b"), Just(""), Just("+")];
        (prop::collection::vec(level, 1..4), any::<bool>()).prop_map(|(mut levels, all)| {
            if all {
                levels.push("#");
            }
            levels
        })
    }

    /// Every topic of up to five levels, of names that the filters know and one that they do not.
    fn topics() -> Vec<Vec<&'static str>> {
        let mut all: Vec<Vec<&str>> = vec![Vec::new()];
        let mut longest = all.clone();
        for _ in 0..5 {
            longest = longest
                .iter()
                .flat_map(|topic| ["a", "b", "", "c"].map(|level| [&topic[..], &[level]].concat()))
                .collect();
            all.extend(longest.iter().cloned());
        }
        all.remove(0);
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_overlaps_is_what_shares_a_topic(one in filter(), other in filter()) {
            let shared = topics()
                .into_iter()
                .find(|topic| fits(topic, &one) && fits(topic, &other));
            let said = overlap(&one.join("/"), &other.join("/"));
            prop_assert_eq!(said, shared.is_some(), "{:?} {:?}: {:?}", one, other, shared);
        }
    }
}
