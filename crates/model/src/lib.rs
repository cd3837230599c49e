//! The words of headcount, and the rules that need nothing but those words.
//!
//! Everything here is pure: no sockets, no SQL, no clock. Time comes in as an argument (see
//! [`Clock`]), so every rule can be tested with a table. Read in this order:
//!
//! 1. [`device`], [`segment`], [`plmn`]: who sent a heartbeat, and through which network.
//! 2. [`heartbeat`], [`quarantine`]: what a heartbeat says, and why one is set aside.
//! 3. [`catalogue`]: which country and carrier a network code means.
//! 4. [`hour`], [`heard`]: which hour of which country it counts in.
//! 5. [`gap`], [`horizon`]: what we could not see, how far we have heard, and which counts that
//!    leaves untrue.
//! 6. [`closing`]: which hours are to be closed, and which are overdue.
//! 7. [`filter`]: which topics a session of the broker takes.

pub mod catalogue;
pub mod clock;
pub mod closing;
pub mod device;
pub mod filter;
pub mod gap;
pub mod heard;
pub mod heartbeat;
pub mod horizon;
pub mod hour;
pub mod plmn;
pub mod quarantine;
pub mod segment;

pub use catalogue::Catalogue;
pub use clock::{Clock, ManualClock};
pub use device::{DeviceId, DeviceNo, DeviceStatus};
pub use gap::{Cause, Completeness, Gap};
pub use heard::Heard;
pub use heartbeat::Heartbeat;
pub use horizon::Horizon;
pub use hour::{Hour, ZoneHistory};
pub use plmn::{Mcc, Mnc, Plmn};
pub use quarantine::Reason;
pub use segment::{Carrier, CarrierBit, CarrierSet, Country, Segment};

/// A map for what every heartbeat is looked up in. The standard library's hasher withstands whoever
/// chooses keys to collide by being slow; this one does so by a secret of the process, at a third
/// of the cost.
pub type QuickMap<K, V> = std::collections::HashMap<K, V, QuickState>;

/// A set of the same kind.
pub type QuickSet<K> = std::collections::HashSet<K, QuickState>;

/// What makes the hashes of [`QuickMap`].
pub type QuickState = foldhash::fast::RandomState;

/// An instant, to the microsecond: what Postgres keeps and what every rule here compares.
pub type Instant = chrono::DateTime<chrono::Utc>;
