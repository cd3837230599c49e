//! From the topic of a message to the device that sent it.

use model::{DeviceId, Reason};

/// The longest topic filter, in bytes: MQTT counts them in two bytes.
const MAX_FILTER_BYTES: usize = 65_535;

/// The level that stands for the device in configuration, besides `+`.
const DEVICE_LEVEL: &str = "{device_id}";

/// Which topics carry heartbeats, and which of their levels is the device's id.
///
/// Written as `devices/+/heartbeat` or, where that reads better, `devices/{device_id}/heartbeat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFilter {
    subscription: Box<str>,
    /// How much of `subscription` stands before its `+`, in bytes.
    prefix_bytes: usize,
}

/// Why a text is not a [`TopicFilter`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicFilterError {
    /// It has no characters.
    #[error("the topic filter is empty; write for example `devices/+/heartbeat`")]
    Empty,
    /// It is longer than MQTT can carry.
    #[error("the topic filter has more than {MAX_FILTER_BYTES} bytes, the most MQTT can carry")]
    TooLong,
    /// It holds NUL or another control character.
    #[error("the topic filter holds a control character, which brokers refuse; remove it")]
    ControlCharacter,
    /// It starts with `$`: the broker's own topics, or a shared subscription.
    #[error(
        "the topic filter starts with `$`, which is the broker's own; name the devices' topic \
         itself, without `$share` or `$SYS`"
    )]
    Reserved,
    /// It holds `#`.
    #[error("the topic filter holds `#`; write every level out, with one `+` for the device's id")]
    MultiLevel,
    /// No level stands for the device.
    #[error(
        "the topic filter has no level for the device's id; write it as `+` or `{{device_id}}`"
    )]
    NoDevice,
    /// More than one level is a wildcard.
    #[error(
        "the topic filter has {0} wildcard levels; keep the one that is the device's id and write \
         the others out"
    )]
    SeveralWildcards(usize),
    /// A level mixes a wildcard with other characters, or has braces around another name.
    #[error(
        "the level `{0}` of the topic filter mixes a wildcard with other characters; a level is \
         plain text, `+` or `{{device_id}}`"
    )]
    MixedLevel(String),
}

impl TopicFilter {
    /// Reads a filter from configuration.
    ///
    /// # Errors
    /// When the text is no filter that MQTT accepts, or does not have exactly one level for the
    /// device's id.
    pub fn parse(text: &str) -> Result<Self, TopicFilterError> {
        if text.is_empty() {
            return Err(TopicFilterError::Empty);
        }
        if text.len() > MAX_FILTER_BYTES {
            return Err(TopicFilterError::TooLong);
        }
        if text.contains(char::is_control) {
            return Err(TopicFilterError::ControlCharacter);
        }
        if text.starts_with('$') {
            return Err(TopicFilterError::Reserved);
        }
        if text.contains('#') {
            return Err(TopicFilterError::MultiLevel);
        }
        let is_device = |level: &str| matches!(level, "+" | DEVICE_LEVEL);
        let is_mixed = |level: &&str| level.contains(['+', '{', '}']) && !is_device(level);
        if let Some(level) = text.split('/').find(is_mixed) {
            return Err(TopicFilterError::MixedLevel(level.to_owned()));
        }
        match text.split('/').filter(|level| is_device(level)).count() {
            0 => Err(TopicFilterError::NoDevice),
            1 => {
                let subscription = text.replace(DEVICE_LEVEL, "+");
                let prefix_bytes = subscription.find('+').ok_or(TopicFilterError::NoDevice)?;
                Ok(Self {
                    subscription: subscription.into(),
                    prefix_bytes,
                })
            }
            several => Err(TopicFilterError::SeveralWildcards(several)),
        }
    }

    /// The filter as MQTT writes it, with `+` for the device.
    #[must_use]
    pub fn subscription(&self) -> &str {
        &self.subscription
    }

    /// The topic on which a device sends.
    #[must_use]
    pub fn topic_of(&self, device_id: &DeviceId) -> String {
        self.subscription.replacen('+', device_id.as_str(), 1)
    }

    /// The device that `topic` names.
    ///
    /// # Errors
    /// [`Reason::Topic`] when the topic does not fit the filter level by level,
    /// [`Reason::DeviceId`] when its device level is not an id.
    pub fn device_id(&self, topic: &str) -> Result<DeviceId, Reason> {
        let (prefix, rest) = self.subscription.split_at(self.prefix_bytes);
        let suffix = rest.strip_prefix('+').unwrap_or(rest);
        let level = topic
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix(suffix))
            .filter(|level| !level.contains('/'))
            .ok_or(Reason::Topic)?;
        DeviceId::parse(level).map_err(|_| Reason::DeviceId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_exactly_one_level_for_the_device() {
        for (text, subscription) in [
            ("devices/+/heartbeat", "devices/+/heartbeat"),
            ("devices/{device_id}/heartbeat", "devices/+/heartbeat"),
            ("v1/acme/{device_id}/hb", "v1/acme/+/hb"),
            ("/devices/+", "/devices/+"),
            ("+/hb", "+/hb"),
            ("+", "+"),
            ("{device_id}", "+"),
            ("端末/+/心拍", "端末/+/心拍"),
        ] {
            assert_eq!(
                TopicFilter::parse(text).unwrap().subscription(),
                subscription
            );
        }
        let mixed = |level: &str| TopicFilterError::MixedLevel(level.to_owned());
        let long = format!("{}/+", "x".repeat(MAX_FILTER_BYTES));
        for (text, why) in [
            ("", TopicFilterError::Empty),
            (&*long, TopicFilterError::TooLong),
            ("devices/+/\0", TopicFilterError::ControlCharacter),
            ("devices/+/heartbeat\n", TopicFilterError::ControlCharacter),
            (
                "$share/group/devices/+/heartbeat",
                TopicFilterError::Reserved,
            ),
            ("$SYS/+", TopicFilterError::Reserved),
            ("devices/#", TopicFilterError::MultiLevel),
            ("devices/+/#", TopicFilterError::MultiLevel),
            ("devices/heartbeat", TopicFilterError::NoDevice),
            ("+/+/heartbeat", TopicFilterError::SeveralWildcards(2)),
            ("{device_id}/+", TopicFilterError::SeveralWildcards(2)),
            ("devices/dev+/heartbeat", mixed("dev+")),
            ("devices/x{device_id}/heartbeat", mixed("x{device_id}")),
            ("devices/{device}/heartbeat", mixed("{device}")),
            (
                "devices/{device_id}{device_id}",
                mixed("{device_id}{device_id}"),
            ),
        ] {
            assert_eq!(TopicFilter::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn an_error_names_the_problem_and_the_fix() {
        assert_eq!(
            TopicFilter::parse("devices/heartbeat")
                .unwrap_err()
                .to_string(),
            "the topic filter has no level for the device's id; write it as `+` or `{device_id}`"
        );
        assert_eq!(
            TopicFilter::parse("a/{id}/b").unwrap_err().to_string(),
            "the level `{id}` of the topic filter mixes a wildcard with other characters; a level \
             is plain text, `+` or `{device_id}`"
        );
    }

    #[test]
    fn a_topic_names_its_device_or_is_refused_with_a_reason() {
        let filter = TopicFilter::parse("v1/acme/{device_id}/hb").unwrap();
        assert_eq!(
            filter.device_id("v1/acme/ph-0001/hb").unwrap().as_str(),
            "ph-0001"
        );
        let device = DeviceId::parse("ph-0001").unwrap();
        assert_eq!(filter.topic_of(&device), "v1/acme/ph-0001/hb");
        let long = format!("v1/acme/{}/hb", "x".repeat(10_240));
        for (topic, reason) in [
            ("v1/acme//hb", Reason::DeviceId),
            (&*long, Reason::DeviceId),
            ("v1/acme/a\0b/hb", Reason::DeviceId),
            ("v1/acme/'; drop table devices; --/hb", Reason::DeviceId),
            ("v1/acme/端末/hb", Reason::DeviceId),
            ("v1/acme/+/hb", Reason::DeviceId),
            ("v1/acme/ph-0001/hb/more", Reason::Topic),
            ("v1/acme/ph-0001/x/hb", Reason::Topic),
            ("v1/acme/hb", Reason::Topic),
            ("v1/acme/ph-0001", Reason::Topic),
            ("v1/acme/ph-0001/HB", Reason::Topic),
            ("v1/other/ph-0001/hb", Reason::Topic),
            ("/v1/acme/ph-0001/hb", Reason::Topic),
            ("", Reason::Topic),
        ] {
            assert_eq!(filter.device_id(topic), Err(reason), "{topic:?}");
        }
        let bare = TopicFilter::parse("+").unwrap();
        assert_eq!(bare.device_id("ph-0001").unwrap().as_str(), "ph-0001");
        assert_eq!(bare.device_id("ph/0001"), Err(Reason::Topic));
    }
}
