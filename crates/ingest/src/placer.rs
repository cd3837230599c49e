//! Who and where: gives every heartbeat its device's number, its country and carrier, and the
//! hour it counts in.

use std::time::Duration;

use model::{Country, Heard, Instant, Reason, Segment, ZoneHistory};
use store::batch::Writer as StoreWriter;
use store::last_heard::RowBefore;
use telemetry::Counter;

use crate::assemble::{Beat, Placed, Verdict};
use crate::place::place;
use crate::quarantine::{Limiter, SetAside};
use crate::retry::Retry;
use crate::roster::{Atlas, Devices, LastState, Said};
use crate::subscriber::{Arrival, Content};
use crate::{Config, Context, Registry};

/// Zones, carriers and the registry's revision are read anew this often.
const REFRESH_INTERVAL: Duration = Duration::from_secs(15);

/// A message that was taken into a batch.
pub(crate) struct Taken {
    /// When it arrived.
    pub(crate) received_at: Instant,
    /// The watermark that stood then.
    pub(crate) watermark: Instant,
    /// What it was.
    pub(crate) content: Content,
}

/// Places heartbeats, one batch after the other. What it learns of a device from one heartbeat
/// places the next, so it must see them in order.
pub(crate) struct Placer<'a> {
    config: &'a Config,
    context: &'a Context,
    devices: Devices,
    atlas: Atlas,
    limiter: Limiter,
    refreshed_at: Option<std::time::Instant>,
}

impl<'a> Placer<'a> {
    pub(crate) fn new(config: &'a Config, context: &'a Context) -> Self {
        Self {
            config,
            context,
            devices: Devices::default(),
            atlas: Atlas::default(),
            limiter: Limiter::default(),
            refreshed_at: None,
        }
    }

    /// The zones of a country in use.
    pub(crate) fn zones(&self, country: Country) -> Option<&ZoneHistory> {
        self.atlas.country(country).map(|row| &row.zones)
    }

    /// Reads anew what others may have changed, when it is time.
    pub(crate) async fn refresh(&mut self) {
        let due = |at: std::time::Instant| at.elapsed() >= REFRESH_INTERVAL;
        if !self.refreshed_at.is_none_or(due) {
            return;
        }
        match self.atlas.refresh(&self.context.store).await {
            Ok(registry_changed) => {
                if registry_changed {
                    self.devices.clear();
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the registry cannot be read now");
                if self.refreshed_at.is_none() {
                    return; // nothing is known yet: again with the next batch
                }
            }
        }
        self.refreshed_at = Some(std::time::Instant::now());
    }

    /// Places the messages of a batch. Waits for the database where it has to ask.
    pub(crate) async fn place_all(
        &mut self,
        database: &mut StoreWriter,
        taken: Vec<Taken>,
    ) -> Vec<Placed> {
        self.meet_devices(database, &taken).await;
        let mut placed = Vec::with_capacity(taken.len());
        for message in taken {
            let Taken {
                received_at,
                watermark,
                content,
            } = message;
            let verdict = match content {
                Content::Heartbeat(arrival) => {
                    self.place_one(received_at, watermark, arrival).await
                }
                Content::Rejected(set_aside) => Verdict::Rejected(set_aside),
                Content::Probe { .. } | Content::Nothing => continue,
            };
            placed.push(Placed {
                received_at,
                watermark,
                verdict,
            });
        }
        placed
    }

    /// Makes sure that every device of the batch is remembered, registering those nobody knew.
    async fn meet_devices(&mut self, database: &mut StoreWriter, taken: &[Taken]) {
        self.devices.make_room(taken.len());
        let mut strangers: Vec<&str> = taken
            .iter()
            .filter_map(|taken| match &taken.content {
                Content::Heartbeat(arrival) if !self.devices.contains(&arrival.device_id) => {
                    Some(arrival.device_id.as_str())
                }
                _ => None,
            })
            .collect();
        if strangers.is_empty() {
            return;
        }
        strangers.sort_unstable();
        strangers.dedup();
        let mut retry = Retry::new("devices cannot be looked up");
        while let Err(error) = self.introduce(database, &mut strangers).await {
            retry.wait(self.context, &error).await;
        }
    }

    async fn introduce(
        &mut self,
        database: &mut StoreWriter,
        strangers: &mut Vec<&str>,
    ) -> store::Result<()> {
        let found = database.find_devices(strangers, &self.atlas.bits).await?;
        strangers.retain(|id| !found.contains_key(*id));
        self.devices.extend(found, &self.atlas.bits);
        let Registry::Open { max_devices } = self.config.registry else {
            return Ok(());
        };
        if strangers.is_empty() {
            return Ok(());
        }
        let highest = database.highest_device_no().await?.0;
        let room = usize::try_from(max_devices.saturating_sub(highest)).unwrap_or(0);
        let newcomers = strangers.len().min(room);
        let newcomers = &mut strangers[..newcomers];
        database
            .register_devices(newcomers, self.context.clock.now())
            .await?;
        let found = database.find_devices(newcomers, &self.atlas.bits).await?;
        self.devices.extend(found, &self.atlas.bits);
        Ok(())
    }

    async fn place_one(
        &mut self,
        received_at: Instant,
        watermark: Instant,
        arrival: Box<Arrival>,
    ) -> Verdict {
        let Some(device) = self.devices.find(&arrival.device_id) else {
            Counter::MessagesQuarantined.add(1);
            let reason = match self.config.registry {
                Registry::Closed => Reason::ClosedRegistry,
                Registry::Open { .. } => Reason::Cardinality,
            };
            if self.limiter.keeps(received_at, reason) {
                let filter = &self.config.topic_filter;
                return Verdict::Rejected(SetAside::of(reason, None, &arrival, filter));
            }
            return Verdict::Rejected(SetAside {
                reason,
                evidence: None,
            });
        };
        let (last, bits) = (device.known.last, &self.atlas.bits);
        let last_segment = || {
            let LastState {
                country,
                carrier_bit,
                heard_at,
                ..
            } = last?;
            let carrier = bits.carrier(country, carrier_bit);
            Some((Segment { country, carrier }, heard_at))
        };
        let segment = place(
            &arrival.heartbeat,
            last_segment,
            device.home.segment.as_ref(),
            &self.context.catalogue,
            received_at,
        );
        let mut retry = Retry::new("a new carrier cannot be taken into use");
        let carrier_bit = loop {
            if let Some(bit) = self.atlas.bit(&segment) {
                break bit;
            }
            let added = self
                .atlas
                .add(&segment, self.config, self.context, received_at)
                .await;
            if let Err(error) = added {
                retry.wait(self.context, &error).await;
            }
        };
        let country = segment.country;
        let same_hour = |a, b| {
            let hour = self.atlas.hour_at(country, a);
            hour.is_some_and(|hour| hour.contains(b))
        };
        let heard =
            model::heard::heard(received_at, arrival.heartbeat.sent_at, watermark, same_hour);
        let hour = match heard {
            Heard::At(heard_at) => self.atlas.hour_at(country, heard_at),
            Heard::SomeTimeSince(_) => {
                Counter::HeartbeatsOfUnknownTime.add(1);
                None
            }
        };
        let region = self.atlas.region(&arrival.heartbeat);
        let region = region.or(device.home.region.as_deref());
        let (newest, moved) = match heard {
            Heard::At(heard_at) => {
                let state = LastState {
                    country,
                    carrier_bit,
                    heard_at,
                    said: None,
                };
                note_last(&mut device.known.last, state, || {
                    Said::of(device.hasher, &arrival.heartbeat, region)
                })
            }
            Heard::SomeTimeSince(_) => (None, false),
        };
        Verdict::Heartbeat(Beat {
            device_no: device.known.device_no,
            country,
            carrier_bit,
            region: region.map(Into::into),
            heard,
            hour,
            newest,
            moved,
            arrival,
        })
    }
}

/// Notes the state that a heartbeat tells. Returns what is known of the row that it replaces, if it
/// needs writing, and whether the device was in another segment before.
///
/// The state is noted before it is committed. Should it never be, the row in the database was heard
/// at another time than the one noted here, and so is not taken for one that says the same. That
/// holds because what is noted with what was said is later than all that was written before: of a
/// device that comes back to a segment within a minute the row stays as it was, so what it said is
/// not noted.
fn note_last(
    last: &mut Option<LastState>,
    state: LastState,
    said: impl FnOnce() -> Said,
) -> (Option<RowBefore>, bool) {
    let minute = model::hour::minute;
    let segment_of = |state: &LastState| (state.country, state.carrier_bit);
    let Some(before) = last else {
        let said = Some(said());
        *last = Some(LastState { said, ..state });
        return (Some(RowBefore::Absent), false);
    };
    if segment_of(before) != segment_of(&state) {
        if before.heard_at <= state.heard_at {
            *before = state;
        }
        return (Some(RowBefore::Absent), true);
    }
    if minute(state.heard_at) <= minute(before.heard_at) {
        return (None, false);
    }
    let said = Some(said());
    let row = match before.said == said {
        true => RowBefore::Alike(before.heard_at),
        false => RowBefore::Present,
    };
    *before = LastState { said, ..state };
    (Some(row), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{CarrierBit, Heartbeat, QuickState};

    #[test]
    fn a_state_is_alike_where_only_signal_and_battery_differ() {
        let hasher = QuickState::default();
        let mut last = None;
        let mut hear = |time: &str, carrier_bit, fw: &str, battery_mv, region| {
            let state = LastState {
                country: Country::UNPLACEABLE,
                carrier_bit,
                heard_at: format!("2026-11-21T05:{time}Z").parse().unwrap(),
                said: None,
            };
            let heartbeat = Heartbeat {
                fw: Some(fw.into()),
                battery_mv: Some(battery_mv),
                rsrp_dbm: Some(-98),
                ..Heartbeat::default()
            };
            note_last(&mut last, state, || Said::of(&hasher, &heartbeat, region))
        };
        let at = |time: &str| format!("2026-11-21T05:{time}Z").parse().unwrap();
        let (one, other) = (CarrierBit::UNKNOWN, CarrierBit::OTHER);
        let alike = |time| (Some(RowBefore::Alike(at(time))), false);
        let present = (Some(RowBefore::Present), false);
        for (time, carrier_bit, fw, battery_mv, region, expected) in [
            ("10:00", one, "1", 1, None, (Some(RowBefore::Absent), false)),
            ("10:59", one, "1", 2, None, (None, false)),
            ("11:00", one, "1", 3, None, alike("10:00")),
            ("12:00", one, "1", 4, None, alike("11:00")),
            ("13:00", one, "2", 4, None, present),
            ("14:00", one, "2", 4, None, alike("13:00")),
            ("15:00", one, "2", 4, Some("Cebu"), present),
            (
                "16:00",
                other,
                "2",
                4,
                Some("Cebu"),
                (Some(RowBefore::Absent), true),
            ),
            // perhaps the row of the other carrier was not written a second time in its minute
            ("17:00", other, "2", 4, Some("Cebu"), present),
            // late: written, and not remembered
            (
                "16:30",
                one,
                "2",
                4,
                Some("Cebu"),
                (Some(RowBefore::Absent), true),
            ),
            ("18:00", other, "2", 4, Some("Cebu"), alike("17:00")),
        ] {
            assert_eq!(
                hear(time, carrier_bit, fw, battery_mv, region),
                expected,
                "{time}"
            );
        }
    }
}
