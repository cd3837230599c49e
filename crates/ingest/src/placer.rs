//! Who and where: gives every heartbeat its device's number, its country and carrier, and the
//! hour it counts in.

use std::time::Duration;

use model::{Carrier, Country, Heard, Instant, Reason, Segment, ZoneHistory};
use store::batch::Writer as StoreWriter;
use telemetry::Counter;

use crate::assemble::{Beat, Placed, Verdict};
use crate::place::place;
use crate::quarantine::{Limiter, SetAside};
use crate::retry::Retry;
use crate::roster::{Atlas, Devices};
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
        self.devices.extend(found);
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
        self.devices.extend(found);
        Ok(())
    }

    async fn place_one(
        &mut self,
        received_at: Instant,
        watermark: Instant,
        arrival: Box<Arrival>,
    ) -> Verdict {
        let Some(device) = self.devices.get_mut(&arrival.device_id) else {
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
        let mut segment = place(
            &arrival.heartbeat,
            device,
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
        if carrier_bit == model::CarrierBit::OTHER {
            segment.carrier = Carrier::other();
        }
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
        let region = self
            .atlas
            .region(&arrival.heartbeat)
            .or_else(|| device.region.clone());
        let is_known = device
            .last
            .as_ref()
            .is_some_and(|(last, _)| *last == segment);
        let (newest, moved) = match heard {
            Heard::At(heard_at) => note_last(&mut device.last, &segment, heard_at),
            Heard::SomeTimeSince(_) => (false, false),
        };
        Verdict::Heartbeat(Beat {
            device_no: device.device_no,
            country: segment.country,
            carrier_bit,
            region,
            heard,
            hour,
            newest,
            is_known,
            moved,
            arrival,
        })
    }
}

/// Notes where and when a device was heard. Returns whether its last state needs writing, and
/// whether it was in another segment before.
fn note_last(
    last: &mut Option<(Segment, Instant)>,
    segment: &Segment,
    heard_at: Instant,
) -> (bool, bool) {
    let minute = model::hour::minute;
    let (newest, moved) = match last {
        None => (true, false),
        Some((before, at)) if before == segment => (minute(heard_at) > minute(*at), false),
        Some(_) => (true, true),
    };
    if last.as_ref().is_none_or(|(_, at)| *at <= heard_at) {
        *last = Some((segment.clone(), heard_at));
    }
    (newest, moved)
}
