//! Why a message, or its payload, is set aside.

/// Why something was quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The topic does not fit the configured filter.
    Topic,
    /// The topic's device level is not a device id.
    DeviceId,
    /// The payload names another device than the topic.
    Identity,
    /// The registry is closed and does not know the device.
    ClosedRegistry,
    /// More new devices than the registry may take.
    Cardinality,
    /// The payload is larger than allowed, or has too many entries.
    Size,
    /// The payload is neither JSON nor CBOR, or not UTF-8.
    Encoding,
    /// The payload breaks the rules of its encoding.
    Syntax,
    /// The payload is nested too deeply.
    Depth,
    /// The payload is well-formed, but not a map (or an array of maps).
    Field,
    /// The database refused the row for its content.
    Refused,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::Topic,
        Self::DeviceId,
        Self::Identity,
        Self::ClosedRegistry,
        Self::Cardinality,
        Self::Size,
        Self::Encoding,
        Self::Syntax,
        Self::Depth,
        Self::Field,
        Self::Refused,
    ];

    /// The word used in the database, in metrics and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::DeviceId => "device_id",
            Self::Identity => "identity",
            Self::ClosedRegistry => "closed_registry",
            Self::Cardinality => "cardinality",
            Self::Size => "size",
            Self::Encoding => "encoding",
            Self::Syntax => "syntax",
            Self::Depth => "depth",
            Self::Field => "field",
            Self::Refused => "refused",
        }
    }

    /// Reads the word that [`Self::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// What it means, in words that follow "it is set aside because".
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Topic => "the topic does not fit the topic filter",
            Self::DeviceId => "the topic's device level is not a device id",
            Self::Identity => "the payload names another device than the topic",
            Self::ClosedRegistry => "the registry is closed and does not know the device",
            Self::Cardinality => "there are as many devices as registry.max_devices allows",
            Self::Size => "the payload is too large or has too many entries",
            Self::Encoding => "the payload is neither JSON nor CBOR",
            Self::Syntax => "the payload breaks the rules of its encoding",
            Self::Depth => "the payload is nested too deeply",
            Self::Field => "the payload is no map and no array of maps",
            Self::Refused => "the database refused it for what it holds",
        }
    }

    /// Whether the whole message is refused. Otherwise only its payload is set aside and the
    /// heartbeat counts as if it were empty: a bad payload does not silence a device.
    #[must_use]
    pub fn rejects_message(self) -> bool {
        matches!(
            self,
            Self::Topic
                | Self::DeviceId
                | Self::Identity
                | Self::ClosedRegistry
                | Self::Cardinality
                | Self::Refused
        )
    }
}
