//! A fleet that keeps accounts: what it published, what the broker acknowledged, and whether the
//! database has it.
//!
//! It speaks MQTT 3.1.1 by its own few lines, so that no mistake of the library that headcount uses
//! can hide in the proof. Message number `seq` comes from device `seq % devices`. What was not
//! acknowledged when a connection ended is published again, so a message may reach the broker twice,
//! and never less often than once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use model::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::mqtt::{self, Packet, Packets};
use crate::world::World;
use crate::{PATIENCE, eventually_within};

/// Messages on their way to the broker at once.
const IN_FLIGHT: usize = 500;

/// How often the ledger looks whether more may be published.
const TICK: Duration = Duration::from_millis(5);

/// The pause before the broker is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// How long a broker may take to say that we are connected.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What is to be published.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Devices that send in turn.
    pub devices: u32,
    /// Messages in all, unless the ledger is finished before.
    pub messages: u32,
    /// Messages per second at most.
    pub per_sec: u32,
}

/// What became of one message.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// When it was first published.
    pub published_at: Instant,
    /// When the broker first acknowledged it.
    pub acknowledged_at: Option<Instant>,
}

/// The accounts.
#[derive(Debug, Default)]
pub struct Book {
    /// Devices that sent in turn.
    pub devices: u32,
    /// By `seq`: every message that was published.
    pub entries: Vec<Entry>,
    /// Messages acknowledged.
    pub acknowledged: u32,
    /// Messages that were published again after a connection had ended.
    pub repeated: u64,
    /// Connections made to the broker.
    pub connections: u32,
    no_more: bool,
}

impl Book {
    /// Messages published, acknowledged or not.
    #[must_use]
    pub fn published(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap()
    }
}

/// A fleet at work. Dropped, it stops.
pub struct Ledger {
    book: Arc<Mutex<Book>>,
    work: JoinSet<()>,
}

impl Ledger {
    /// Starts to publish heartbeats of a world to the broker that listens on this port, not
    /// through whatever stands between the broker and headcount.
    #[must_use]
    pub fn start(world: &World, broker_port: u16, plan: Plan) -> Self {
        let book = Arc::new(Mutex::new(Book {
            devices: plan.devices,
            ..Book::default()
        }));
        let topics = (0..plan.devices)
            .map(|device| world.topic(&format!("d{device}")))
            .collect();
        let fleet = Fleet {
            plan,
            topics,
            book: Arc::clone(&book),
            unacknowledged: VecDeque::new(),
            under_way: HashMap::new(),
            next_packet_id: 0,
            started: tokio::time::Instant::now(),
        };
        let mut work = JoinSet::new();
        work.spawn(fleet.run(broker_port));
        Self { book, work }
    }

    /// Messages acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u32 {
        self.book.lock().unwrap().acknowledged
    }

    /// Which messages were acknowledged before an instant, and when.
    #[must_use]
    pub fn acknowledged_before(&self, before: Instant) -> Vec<(u32, Instant)> {
        let book = self.book.lock().unwrap();
        let times = (0..).zip(&book.entries);
        times
            .filter_map(|(seq, entry)| Some((seq, entry.acknowledged_at?)))
            .filter(|(_, at)| *at < before)
            .collect()
    }

    /// Waits until the broker has acknowledged so many more messages.
    ///
    /// # Panics
    /// When that does not happen.
    pub async fn more(&self, messages: u32) {
        let goal = self.acknowledged() + messages;
        crate::eventually("more is acknowledged by the broker", async || {
            (self.acknowledged() >= goal).then_some(())
        })
        .await;
    }

    /// Publishes no further message, waits until the broker has acknowledged all there were, and
    /// closes the accounts.
    ///
    /// # Panics
    /// When that does not happen.
    pub async fn finish(mut self) -> Book {
        self.book.lock().unwrap().no_more = true;
        self.work.join_next().await.unwrap().unwrap();
        std::mem::take(&mut *self.book.lock().unwrap())
    }
}

struct Fleet {
    plan: Plan,
    topics: Vec<String>,
    book: Arc<Mutex<Book>>,
    /// Published over a connection that ended: these go first on the next one.
    unacknowledged: VecDeque<u32>,
    under_way: HashMap<u16, u32>,
    next_packet_id: u16,
    started: tokio::time::Instant,
}

impl Fleet {
    async fn run(mut self, broker_port: u16) {
        loop {
            // Whatever ended it, what was under way is published again.
            if let Ok(true) = self.converse(broker_port).await {
                return;
            }
            let mut again: Vec<u32> = self.under_way.drain().map(|(_, seq)| seq).collect();
            again.sort_unstable();
            self.book.lock().unwrap().repeated += again.len() as u64;
            for seq in again.into_iter().rev() {
                self.unacknowledged.push_front(seq);
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    /// One connection. Says whether all is done.
    async fn converse(&mut self, broker_port: u16) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", broker_port)).await?;
        stream.set_nodelay(true)?;
        let name = format!("ledger-{:016x}", fastrand::u64(..));
        stream.write_all(&mqtt::connect(&name, true)).await?;
        let mut packets = Packets::default();
        let mut welcome = [0; 4];
        tokio::time::timeout(CONNECT_TIMEOUT, stream.read_exact(&mut welcome)).await??;
        self.book.lock().unwrap().connections += 1;
        let mut out = Vec::new();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let done = self.fill(&mut out);
            if done {
                return Ok(true);
            }
            stream.write_all(&out).await?;
            out.clear();
            let Ok(read) = tokio::time::timeout(TICK, stream.read(&mut buffer)).await else {
                continue;
            };
            let length = read?;
            if length == 0 {
                return Ok(false);
            }
            packets.push(&buffer[..length]);
            self.settle(&mut packets);
        }
    }

    /// Writes what may be published now. Says whether there is nothing left to do.
    fn fill(&mut self, out: &mut Vec<u8>) -> bool {
        let mut book = self.book.lock().unwrap();
        let elapsed = self.started.elapsed();
        let allowed = elapsed.as_millis() * u128::from(self.plan.per_sec) / 1000;
        while self.under_way.len() < IN_FLIGHT {
            let seq = match self.unacknowledged.pop_front() {
                Some(seq) => seq,
                None => {
                    let seq = book.published();
                    if book.no_more || seq == self.plan.messages || u128::from(seq) >= allowed {
                        break;
                    }
                    book.entries.push(Entry {
                        published_at: now(),
                        acknowledged_at: None,
                    });
                    seq
                }
            };
            let mut payload = format!(r#"{{"mcc":"515","mnc":"02","seq":{seq},"sent_at":""#);
            let now = now().to_rfc3339_opts(SecondsFormat::Millis, true);
            write!(payload, "{now}\"}}").unwrap();
            self.next_packet_id = self.free_packet_id();
            self.under_way.insert(self.next_packet_id, seq);
            let topic = &self.topics[(seq % self.plan.devices) as usize];
            mqtt::publish(out, topic, self.next_packet_id, payload.as_bytes());
        }
        let no_more = book.no_more || book.published() == self.plan.messages;
        no_more && self.under_way.is_empty() && self.unacknowledged.is_empty()
    }

    fn free_packet_id(&self) -> u16 {
        let mut id = self.next_packet_id;
        loop {
            id = id.checked_add(1).unwrap_or(1);
            if !self.under_way.contains_key(&id) {
                return id;
            }
        }
    }

    /// Notes what the broker acknowledged.
    fn settle(&mut self, packets: &mut Packets) {
        let mut book = self.book.lock().unwrap();
        while let Some(packet) = packets.next_packet() {
            let Packet::PubAck { packet_id } = packet else {
                continue;
            };
            let Some(seq) = self.under_way.remove(&packet_id) else {
                continue;
            };
            let entry = &mut book.entries[seq as usize];
            if entry.acknowledged_at.is_none() {
                entry.acknowledged_at = Some(now());
                book.acknowledged += 1;
            }
        }
    }
}

/// The time of day, by this machine's clock.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a device has a clock of its own, and the ledger notes when things happened"
)]
pub fn now() -> Instant {
    Instant::from(std::time::SystemTime::now())
}

/// What a comparison of the accounts with the database found.
#[derive(Debug, Default)]
pub struct Audit {
    /// Messages that the database has, each counted once.
    pub stored: u32,
    /// Messages that a broker acknowledged and the database does not have.
    pub lost: Vec<u32>,
    /// Rows beyond the first of a message.
    pub stored_again: u32,
    /// Rows under another device's number, or that nobody published.
    pub strange: u32,
    /// Rows that count for no hour.
    pub unheard: u32,
    /// Devices in an hour in which no row says that they were heard, or missing from one.
    pub miscounted: u32,
    /// Devices in an hour in which they sent nothing, or missing from one in which they did, by the
    /// ledger alone.
    pub contradicted: u32,
}

/// The messages that the database has.
///
/// # Panics
/// When the database cannot be asked.
pub async fn stored(world: &World) -> HashSet<u32> {
    let found = world
        .sql("select distinct seq from heartbeats where seq is not null")
        .await;
    found.lines().map(|line| line.parse().unwrap()).collect()
}

/// Compares the accounts with the database.
///
/// # Panics
/// When the database cannot be asked.
pub async fn audit(world: &World, book: &Book) -> Audit {
    let stored = stored(world).await;
    let count = async |statement: &str| -> u32 { world.sql(statement).await.parse().unwrap() };
    let acknowledged = (0..book.published())
        .filter(|seq| book.entries[*seq as usize].acknowledged_at.is_some())
        .collect::<Vec<_>>();
    let of_another = format!(
        "select count(*) from heartbeats join devices using (device_no)
         where seq >= {} or device_id <> 'd' || (seq % {})",
        book.published(),
        book.devices
    );
    Audit {
        stored: u32::try_from(stored.len()).unwrap(),
        lost: acknowledged
            .into_iter()
            .filter(|seq| !stored.contains(seq))
            .collect(),
        stored_again: count("select count(seq) - count(distinct seq) from heartbeats").await,
        strange: count(&of_another).await,
        unheard: count("select count(*) from heartbeats where heard_at is null").await,
        // Hours of the Philippines begin with those of UTC.
        miscounted: count(
            "with heard as (
                 select distinct date_trunc('hour', heard_at, 'UTC') as hour, country, device_no
                 from heartbeats where heard_at is not null),
             counted as (select hour, country, device_no from presence)
             select count(*) from ((table heard except table counted)
                 union all (table counted except table heard)) differences",
        )
        .await,
        contradicted: contradicted(world, book, &stored).await,
    }
}

/// After its last copy was acknowledged, a message counts at most so much later: half a minute is the
/// most by which an arrival may lie behind the watermark and still count when it arrives, and as much
/// again is for a busy machine.
const HEARD_AT_MOST_LATER: TimeDelta = TimeDelta::seconds(60);

/// Compares presence with what the fleet did: a device has to be in the hour of a message that can
/// only have been heard in this one, and must not be in an hour in which none can have been heard.
async fn contradicted(world: &World, book: &Book, stored: &HashSet<u32>) -> u32 {
    let mut certain = HashSet::new();
    let mut possible = HashSet::new();
    for (seq, entry) in (0..).zip(&book.entries) {
        let device = seq % book.devices;
        let hour = |at: Instant| at.timestamp().div_euclid(3600);
        let first = hour(entry.published_at);
        let last = hour(entry.acknowledged_at.unwrap_or_else(now) + HEARD_AT_MOST_LATER);
        possible.extend((first..=last).map(|hour| (hour, device)));
        // What the broker has lost is told elsewhere.
        if first == last && stored.contains(&seq) {
            certain.insert((first, device));
        }
    }
    let present = world
        .sql(
            "select extract(epoch from hour)::bigint / 3600, substr(device_id, 2)
             from v_presence where device_id ~ '^d[0-9]+$'",
        )
        .await;
    let present: HashSet<(i64, u32)> = present
        .lines()
        .map(|line| {
            let (hour, device) = line.split_once('|').unwrap();
            (hour.parse().unwrap(), device.parse().unwrap())
        })
        .collect();
    let differences = certain.difference(&present).count() + present.difference(&possible).count();
    u32::try_from(differences).unwrap()
}

impl Audit {
    /// Holds the accounts to the promise: nothing acknowledged is lost, and what is counted is
    /// what was sent.
    ///
    /// # Panics
    /// When it is broken.
    pub fn must_be_whole(&self, book: &Book) {
        self.must_count_right();
        assert!(self.lost.is_empty(), "{self:?}");
        assert_eq!(self.stored, book.published(), "{self:?}");
        assert_eq!(self.unheard, 0, "{self:?}");
    }

    /// Holds redeliveries to storing nothing. A commit whose answer was lost is done again, so this
    /// does not hold where Postgres was broken; counts are right all the same.
    ///
    /// # Panics
    /// When more was stored twice than was published twice.
    pub fn must_store_once(&self, book: &Book) {
        let again = u64::from(self.stored_again);
        assert!(
            again <= book.repeated,
            "{self:?}, {} published again",
            book.repeated
        );
    }

    /// The part of it that holds even where the broker itself has lost messages.
    ///
    /// # Panics
    /// When it is broken.
    pub fn must_count_right(&self) {
        assert_eq!(self.strange, 0, "{self:?}");
        assert_eq!(self.miscounted, 0, "{self:?}");
        assert_eq!(self.contradicted, 0, "{self:?}");
    }
}

/// Waits until the database has every message of the accounts, and holds them to the promise.
///
/// # Panics
/// When a message does not come.
pub async fn settled(world: &World, book: &Book) -> Audit {
    settled_within(world, book, PATIENCE).await
}

/// The same, with more or less patience.
///
/// # Panics
/// When a message does not come.
pub async fn settled_within(world: &World, book: &Book, patience: Duration) -> Audit {
    let all = book.published().to_string();
    eventually_within(patience, "everything acknowledged is stored", async || {
        let found = world
            .try_sql("select count(distinct seq) from heartbeats")
            .await?;
        if found != all {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        (found == all).then_some(())
    })
    .await;
    let audit = audit(world, book).await;
    audit.must_be_whole(book);
    audit
}
