//! The API as a client sees it, on a real Postgres.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use chrono::TimeDelta;
use chrono_tz::Tz;
use devstack::{DataDir, Postgres, PostgresOptions};
use headcount_api::{Access, Account, BasicAuth, Config, Context, Limits, guarded_router, router};
use model::{
    Carrier, CarrierSet, Catalogue, Cause, Completeness, Country, DeviceId, Hour, Instant,
    ManualClock, Segment,
};
use serde_json::{Value, json};
use store::batch::Batch;
use store::countries::CountrySettings;
use store::gaps::GapChange;
use store::heartbeats::{Delivery, HeartbeatRow};
use store::import::DeviceImport;
use store::job_runs::CLOSE_HOURS;
use store::last_heard::{LastHeardRow, RowBefore};
use store::leases::{EXPORTER, Lease};
use store::presence::{Counts, PresenceRow};
use store::{Retention, Settings, Store};
use telemetry::Health;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

#[path = "http/devices.rs"]
mod devices;
#[path = "http/examples.rs"]
mod examples;
#[path = "http/manners.rs"]
mod manners;
#[path = "http/marks.rs"]
mod marks;
#[path = "http/stream.rs"]
mod stream;
#[path = "http/windows.rs"]
mod windows;

/// 10:20 in Manila, 07:50 in India.
const NOW: &str = "2026-11-21T02:20:41Z";
const LEASE: Duration = Duration::from_secs(60);

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

/// A database of its own on the one server of this test binary.
struct Fixture {
    url: String,
    store: Store,
}

fn context(store: Store) -> Context {
    context_with(store, Health::default())
}

fn context_with(store: Store, health: Health) -> Context {
    Context::new(
        store,
        Arc::new(ManualClock::at(at(NOW))),
        Arc::new(Catalogue::builtin()),
        health,
    )
}

fn store_at(url: String) -> Store {
    store_with_timeout(url, Duration::from_secs(5))
}

fn store_with_timeout(url: String, statement_timeout: Duration) -> Store {
    Store::new(&Settings {
        url,
        max_connections: 4,
        statement_timeout,
        application_name: "headcount-api tests".to_owned(),
    })
    .unwrap()
}

impl Fixture {
    async fn new() -> Self {
        let url = tokio::task::spawn_blocking(new_database).await.unwrap();
        let store = store_at(url.clone());
        store.migrate().await.unwrap();
        let retention = Retention {
            heartbeats_days: 2,
            heartbeats_max_bytes: u64::MAX,
            presence_days: 90,
            quarantine_days: 7,
        };
        store.maintain(at(NOW), retention).await.unwrap();
        Self { url, store }
    }

    /// Puts a country to use, and gives it carriers.
    async fn add_country(&self, code: &str, time_zone: Tz, carriers: &[&str]) {
        let settings = CountrySettings {
            time_zone,
            reach_window: Duration::from_secs(900),
        };
        let since = at(NOW) - TimeDelta::days(3);
        self.store
            .add_country(country(code), settings, since)
            .await
            .unwrap();
        for carrier in carriers {
            let segment = Segment {
                country: country(code),
                carrier: Carrier::slug(carrier),
            };
            self.store.add_carrier(&segment, since).await.unwrap();
        }
    }

    /// Lets devices be heard at an instant of their country, as ingest would write it.
    async fn hear(&self, code: &str, heard_at: &str, devices: &[(&str, &str)]) {
        let heartbeat = model::Heartbeat {
            rsrp_dbm: Some(-98),
            rat: Some("lte".into()),
            ..Default::default()
        };
        self.hear_saying(code, heard_at, devices, &heartbeat, None)
            .await;
    }

    /// The same with what they say, and the region they are in.
    async fn hear_saying(
        &self,
        code: &str,
        heard_at: &str,
        devices: &[(&str, &str)],
        heartbeat: &model::Heartbeat,
        region: Option<&str>,
    ) {
        let country = country(code);
        let heard_at = at(heard_at);
        let bits = self.store.carrier_bits().await.unwrap();
        let hour = self.store.countries().await.unwrap()[&country]
            .zones
            .hour_at(heard_at);
        let mut ids: Vec<_> = devices.iter().map(|(id, _)| *id).collect();
        let mut writer = self.store.writer();
        let known = writer.find_devices(&ids, &bits).await.unwrap();
        let mut new: Vec<_> = ids
            .iter()
            .copied()
            .filter(|id| !known.contains_key(&DeviceId::parse(id).unwrap()))
            .collect();
        writer.register_devices(&mut new, heard_at).await.unwrap();
        ids.dedup();
        let numbers = writer.find_devices(&ids, &bits).await.unwrap();
        let mut batch = Batch {
            started_at: Some(at(NOW) - TimeDelta::days(3)),
            watermark: Some(at(NOW)),
            ..Batch::default()
        };
        for (id, carrier) in devices {
            let device_no = numbers[&DeviceId::parse(id).unwrap()].device_no;
            let segment = Segment {
                country,
                carrier: Carrier::slug(carrier),
            };
            let carrier_bit = bits.bit(&segment).unwrap();
            let carriers = CarrierSet::of(carrier_bit);
            batch.presence.push(PresenceRow {
                hour,
                country,
                device_no,
                carriers,
            });
            // Evidence of earlier days is gone.
            if heard_at > at(NOW) - TimeDelta::days(1) {
                batch.heartbeats.push(HeartbeatRow {
                    received_at: heard_at,
                    heard_at: Some(heard_at),
                    device_no,
                    country,
                    carrier_bit,
                    region,
                    delivery: Some(Delivery {
                        packet_id: 1,
                        fingerprint: 1,
                    }),
                    heartbeat,
                });
            }
            batch.last_heard.push(LastHeardRow {
                device_no,
                country,
                carrier_bit,
                heard_at,
                region: region.map(Into::into),
                heartbeat: std::borrow::Cow::Borrowed(heartbeat),
                before: RowBefore::Absent,
            });
            batch.moved.push(device_no);
        }
        self.commit(batch).await;
    }

    async fn commit(&self, mut batch: Batch<'_>) {
        let slot = self
            .store
            .acquire_slot(
                "default",
                "test",
                "client",
                "devices/+/heartbeat",
                LEASE,
                at(NOW),
            )
            .await
            .unwrap()
            .unwrap();
        self.store
            .writer()
            .commit(&slot, LEASE, at(NOW), &mut batch)
            .await
            .unwrap();
    }

    /// Keeps the count of one minute, as the exporter would.
    async fn keep_now(&self, minute: &str, devices: i64, carriers: &[(&str, i64)]) {
        let [code] = self
            .store
            .countries()
            .await
            .unwrap()
            .into_keys()
            .collect::<Vec<_>>()[..]
        else {
            panic!("one country")
        };
        let carriers = carriers
            .iter()
            .map(|(carrier, devices)| (Carrier::slug(carrier), *devices))
            .collect();
        let counts = BTreeMap::from([(code, Counts { devices, carriers })]);
        let lease = self.exporter_lease().await;
        self.store
            .keep_now(&lease, at(minute), &counts)
            .await
            .unwrap();
    }

    async fn exporter_lease(&self) -> Lease {
        self.store
            .acquire_lease(EXPORTER, "test", LEASE)
            .await
            .unwrap()
            .unwrap()
    }

    async fn close(&self, code: &str, start: &str, completeness: Completeness) {
        let country = country(code);
        let hour = Hour {
            start: at(start),
            end: at(start) + TimeDelta::hours(1),
        };
        let lease = self.exporter_lease().await;
        let run = self
            .store
            .begin_run(&lease, CLOSE_HOURS, at(NOW))
            .await
            .unwrap();
        let mut closing = self.store.begin_closing().await.unwrap();
        let counts = closing.count(country, hour).await.unwrap();
        closing
            .write(country, hour, &counts, &completeness, false, at(NOW))
            .await
            .unwrap();
        closing
            .commit(&lease, LEASE, run, 1, at(NOW))
            .await
            .unwrap();
    }

    /// A context of its own for every request: what is reachable now is shown for a second, and
    /// tests are faster than that.
    fn context(&self) -> Context {
        context(self.store.clone())
    }

    async fn get(&self, uri: &str) -> Answer {
        get(router(self.context()), uri).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        send(router(self.context()), request).await
    }

    /// Registers devices of the Philippines with a partner and a label.
    async fn register(&self, devices: &[(&str, &str, &str)]) {
        let rows: Vec<_> = devices
            .iter()
            .map(|(id, partner, label)| DeviceImport {
                device_id: DeviceId::parse(id).unwrap(),
                status: None,
                country: Some(country("ph")),
                carrier: Some("globe".to_owned()),
                partner: Some((*partner).to_owned()),
                region: None,
                model: None,
                label: Some((*label).to_owned()),
            })
            .collect();
        let since = at(NOW) - TimeDelta::days(3);
        self.store.import_devices(&rows, since).await.unwrap();
    }

    /// Three hours of the Philippines: 08:00 complete, 09:00 not, 10:00 running; and India's
    /// running hour.
    async fn with_hours() -> Self {
        let it = Self::new().await;
        it.add_country("ph", Tz::Asia__Manila, &["globe", "smart"])
            .await;
        it.add_country("in", Tz::Asia__Kolkata, &["jio"]).await;
        it.hear(
            "ph",
            "2026-11-21T00:10:00Z",
            &[("a", "globe"), ("b", "smart"), ("c", "globe")],
        )
        .await;
        it.hear("ph", "2026-11-21T00:40:00Z", &[("a", "smart")])
            .await;
        it.hear("ph", "2026-11-21T01:10:00Z", &[("a", "globe")])
            .await;
        it.hear(
            "ph",
            "2026-11-21T02:10:00Z",
            &[("a", "globe"), ("b", "globe")],
        )
        .await;
        it.hear("in", "2026-11-21T02:10:00Z", &[("i", "jio")]).await;
        it.close("ph", "2026-11-21T00:00:00Z", Completeness::Complete)
            .await;
        let gap = Completeness::Incomplete {
            gap_secs: 420,
            causes: vec![Cause::BrokerAway],
        };
        it.close("ph", "2026-11-21T01:00:00Z", gap).await;
        it
    }
}

static SERVER: OnceLock<Postgres> = OnceLock::new();

fn new_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(|| {
        let folder = DataDir::temporary().unwrap();
        Postgres::start(&folder, PostgresOptions::fast()).unwrap()
    });
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name).unwrap();
    server.url(&name)
}

/// A server that nobody runs: port 1 refuses connections.
fn away() -> Context {
    away_with(Health::default())
}

fn away_with(health: Health) -> Context {
    let store = store_at("postgres://nobody@127.0.0.1:1/nothing".to_owned());
    context_with(store, health)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The detail of a problem with this status.
    fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(
            self.header(header::CONTENT_TYPE),
            "application/problem+json"
        );
        let body = self.json();
        assert_eq!(body["status"], status);
        assert!(
            body["type"]
                .as_str()
                .unwrap()
                .starts_with("urn:headcount:problem:"),
            "{body}"
        );
        body["detail"].as_str().unwrap().to_owned()
    }

    fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }
}

async fn send(router: Router, request: Request<Body>) -> Answer {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 10 << 20).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
    }
}

async fn get(router: Router, uri: &str) -> Answer {
    send(router, Request::get(uri).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn an_empty_database_has_empty_answers() {
    let it = Fixture::new().await;
    assert_eq!(
        it.get("/api/v1/countries").await.ok(),
        json!({"items": [], "next": null})
    );
    let detail = it.get("/api/v1/countries/ph/hours").await.problem(404);
    assert!(detail.contains("nor is any other country yet"), "{detail}");
    it.get("/api/v1/devices/a").await.problem(404);
    let status = it.get("/api/v1/status").await.ok();
    assert_eq!(status["can_count"], false);
    assert_eq!(
        status["why"],
        json!(["no ingest slot is in use: none was ever started, or all are retired"])
    );
    assert_eq!(status["postgres"], json!({"ok": true}));
    assert_eq!(status["agent"], json!({"last_sent_at": null}));
    assert_eq!(status["last_close"], json!(null));
    assert_eq!(it.get("/readyz").await.ok(), json!({"status": "ready"}));
}

#[tokio::test]
async fn a_country_is_unknown_until_it_is_counted_and_never_falsely_zero() {
    let it = Fixture::new().await;
    it.add_country("ph", Tz::Asia__Manila, &["globe", "smart"])
        .await;
    let list = it.get("/api/v1/countries").await.ok();
    assert_eq!(
        list["items"],
        json!([{
            "country": "ph", "name": "Philippines", "name_ja": "フィリピン",
            "time_zone": "Asia/Manila", "now": null, "expected": null, "expected_low": null,
            "missing": null, "week_ago": null, "silent": 0, "status": "unknown", "as_of": null,
            "last_heard_at": null,
        }])
    );
    let one = it.get("/api/v1/countries/ph").await.ok();
    assert_eq!(one["carriers"][0]["now"], json!(null));

    it.hear(
        "ph",
        "2026-11-21T02:10:00Z",
        &[("a", "globe"), ("b", "globe")],
    )
    .await;
    it.hear("ph", "2026-11-19T02:10:00Z", &[("c", "smart")])
        .await;
    it.keep_now("2026-11-14T02:20:00Z", 5, &[("globe", 3), ("smart", 3)])
        .await;
    let one = it.get("/api/v1/countries/PH").await.ok();
    assert_eq!(one["now"], 2);
    assert_eq!(one["week_ago"], 5);
    assert_eq!(one["silent"], 1);
    assert_eq!(one["status"], "learning");
    assert_eq!(one["as_of"], "2026-11-21T10:20:41+08:00");
    assert_eq!(one["last_heard_at"], "2026-11-21T10:10:00+08:00");
    assert_eq!(one["reach_window_secs"], 900);
    assert_eq!(
        one["carriers"],
        json!([
            {"carrier": "globe", "name": "Globe", "now": 2, "week_ago": 3,
             "last_heard_at": "2026-11-21T10:10:00+08:00"},
            {"carrier": "smart", "name": "Smart", "now": 0, "week_ago": 3,
             "last_heard_at": "2026-11-19T10:10:00+08:00"},
        ])
    );

    // A gap over a third of the window makes it unknown, not lower.
    let gap = GapChange::Over {
        country: None,
        cause: Cause::BrokerAway,
        from: at("2026-11-21T02:10:00Z"),
        to: at("2026-11-21T02:16:00Z"),
        detail: String::new(),
    };
    let gaps = vec![gap];
    it.commit(Batch {
        gaps,
        ..Batch::default()
    })
    .await;
    let one = it.get("/api/v1/countries/ph").await.ok();
    assert_eq!((&one["now"], &one["as_of"]), (&json!(null), &json!(null)));
    assert_eq!(one["status"], "unknown");
    assert_eq!(one["carriers"][0]["now"], json!(null));
    assert_eq!(one["last_heard_at"], "2026-11-21T10:10:00+08:00");
}

#[tokio::test]
async fn the_series_of_now_keeps_dips_and_says_what_is_unknown() {
    let it = Fixture::new().await;
    it.add_country("in", Tz::Asia__Kolkata, &["jio", "airtel"])
        .await;
    for (minute, devices, jio, airtel) in [
        ("02:00", 10, 6, 5),
        ("02:01", 9, 6, 4),
        ("02:04", 4, 1, 4),
        ("02:05", 8, 3, 5),
        ("02:19", 10, 5, 6),
    ] {
        let minute = format!("2026-11-21T{minute}:00Z");
        it.keep_now(&minute, devices, &[("jio", jio), ("airtel", airtel)])
            .await;
    }
    let series = async |query: &str| {
        let answer = it
            .get(&format!(
                "/api/v1/countries/in/now?from=2026-11-21T07:30&{query}"
            ))
            .await
            .ok();
        let items = answer["items"].as_array().unwrap().clone();
        let devices: Vec<_> = items.iter().map(|item| item["devices"].as_i64()).collect();
        (answer, devices)
    };
    let (answer, devices) = series("to=2026-11-21T07:36").await;
    assert_eq!(
        devices,
        [Some(10), Some(9), None, None, Some(4), Some(8)],
        "what was not counted is unknown"
    );
    assert_eq!(answer["step_secs"], 60);
    assert_eq!(answer["time_zone"], "Asia/Kolkata");
    assert_eq!(
        answer["items"][0],
        json!({"at": "2026-11-21T07:30:00+05:30", "devices": 10,
            "carriers": {"airtel": 5, "jio": 6}, "expected": null, "expected_low": null})
    );
    // The minute that runs is under way, not unknown; 07:49 is the last that was counted.
    let (answer, devices) = series("step=5").await;
    assert_eq!(devices, [Some(4), Some(8), None, Some(10)]);
    assert_eq!(answer["items"][1]["at"], "2026-11-21T07:35:00+05:30");
    // The lowest minute of the carrier asked for, which is another than the country's.
    let (answer, devices) = series("step=10&carrier=jio&to=2026-11-21T07:40").await;
    assert_eq!(devices, [Some(1)]);
    assert_eq!(answer["items"][0]["carriers"], json!({"jio": 1}));
    let (_, devices) = series("step=5&carrier=airtel&to=2026-11-21T07:35").await;
    assert_eq!(devices, [Some(4)]);

    for (query, word) in [
        ("step=0", "`step` is 0"),
        ("from=2026-11-01", "more than 8 days"),
        ("from=2026-08-01&step=60", "more than 92 days"),
        ("carrier=globe", "`in`, which has: "),
    ] {
        let uri = format!("/api/v1/countries/in/now?{query}");
        let detail = it.get(&uri).await.problem(400);
        assert!(detail.contains(word), "{query}: {detail}");
    }
}

#[tokio::test]
async fn hours_are_exact_where_closed_and_counted_on_the_spot_where_not() {
    let it = Fixture::with_hours().await;
    let hours = it
        .get("/api/v1/countries/ph/hours?from=2026-11-21T08:00")
        .await
        .ok();
    assert_eq!(
        hours,
        json!({
            "country": "ph", "time_zone": "Asia/Manila", "next": null, "version": null,
            "items": [
                {
                    "start": "2026-11-21T08:00:00+08:00", "end": "2026-11-21T09:00:00+08:00",
                    "devices": 3, "carriers": {"globe": 2, "smart": 2},
                    "complete": true, "revision": 1, "open": false, "imported": false,
                },
                {
                    "start": "2026-11-21T09:00:00+08:00", "end": "2026-11-21T10:00:00+08:00",
                    "devices": 1, "carriers": {"globe": 1, "smart": 0},
                    "complete": false, "revision": 1, "open": false, "imported": false,
                    "gap_secs": 420, "causes": ["broker_away"],
                },
                {
                    "start": "2026-11-21T10:00:00+08:00", "end": "2026-11-21T11:00:00+08:00",
                    "devices": 2, "carriers": {"globe": 2},
                    "complete": false, "revision": 0, "open": true, "imported": false,
                    "gap_secs": 0, "causes": [],
                },
            ],
        })
    );
    let smart = it
        .get("/api/v1/countries/ph/hours?from=2026-11-21T08:00&carrier=smart")
        .await
        .ok();
    let devices: Vec<_> = smart["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| &i["devices"])
        .collect();
    assert_eq!(devices, [2, 0, 0]);
    assert_eq!(smart["items"][0]["carriers"], json!({"smart": 2}));

    let day = it.get("/api/v1/countries/ph/hours").await.ok();
    let day = day["items"].as_array().unwrap();
    assert_eq!(day.len(), 24, "the running hour and the 23 before it");
    assert_eq!(day[0]["start"], "2026-11-20T11:00:00+08:00");
    assert_eq!(day[0]["devices"], 0);
    assert_eq!(day[0]["open"], false);
    assert_eq!(day[0]["complete"], false, "nobody has closed it");
    let future = it
        .get("/api/v1/countries/ph/hours?from=2026-12-01&to=2026-12-02")
        .await
        .ok();
    assert_eq!(future["items"], json!([]));
}

#[tokio::test]
async fn hours_before_anybody_listened_are_left_out() {
    let it = Fixture::with_hours().await;
    let hours = it
        .get("/api/v1/countries/ph/hours?from=2026-11-01")
        .await
        .ok();
    // The country was first seen at 10:20:41 on the 18th.
    assert_eq!(hours["items"][0]["start"], "2026-11-18T10:00:00+08:00");
    assert_eq!(hours["items"].as_array().unwrap().len(), 3 * 24 + 1);
}

#[tokio::test]
async fn indias_hours_start_at_half_past_by_utc() {
    let it = Fixture::with_hours().await;
    let uri = "/api/v1/countries/in/hours?from=2026-11-21T02:00:00Z&to=2026-11-21T05:00:00Z";
    let hours = it.get(uri).await.ok();
    assert_eq!(hours["time_zone"], "Asia/Kolkata");
    // 07:50 now: the hour from 08:00 has not begun, that from 07:00 began before `from`.
    assert_eq!(hours["items"], json!([]));
    let hours = it
        .get("/api/v1/countries/in/hours?from=2026-11-21T01:30:00Z")
        .await
        .ok();
    assert_eq!(hours["items"].as_array().unwrap().len(), 1);
    let item = &hours["items"][0];
    assert_eq!(item["start"], "2026-11-21T07:00:00+05:30");
    assert_eq!(
        at(item["start"].as_str().unwrap()),
        at("2026-11-21T01:30:00Z")
    );
    assert_eq!((&item["devices"], &item["open"]), (&json!(1), &json!(true)));
}

#[tokio::test]
async fn the_table_says_the_same_as_the_json() {
    let it = Fixture::with_hours().await;
    let query = "from=2026-11-21T08:00&to=2026-11-21T11:00";
    let json = it
        .get(&format!("/api/v1/countries/ph/hours?{query}"))
        .await
        .ok();
    let csv = it
        .get(&format!("/api/v1/countries/ph/hours.csv?{query}"))
        .await;
    assert_eq!(csv.status, 200);
    assert!(csv.header(header::CONTENT_TYPE).starts_with("text/csv"));
    assert_eq!(
        csv.header(header::CONTENT_DISPOSITION),
        "attachment; filename=\"headcount-ph-hours-20261121T0800-20261121T1100.csv\""
    );
    let mut reader = csv::Reader::from_reader(csv.text.as_bytes());
    let names = reader.headers().unwrap().clone();
    assert_eq!(
        names.iter().collect::<Vec<_>>(),
        [
            "start", "end", "devices", "complete", "revision", "open", "globe", "smart"
        ]
    );
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let items = json["items"].as_array().unwrap();
    assert_eq!(rows.len(), items.len());
    for (row, item) in rows.iter().zip(items) {
        let cells: BTreeMap<_, _> = names.iter().zip(row).collect();
        for name in ["start", "end", "devices", "complete", "revision", "open"] {
            assert_eq!(
                cells[name],
                item[name].to_string().trim_matches('"'),
                "{name}"
            );
        }
        for carrier in ["globe", "smart"] {
            let devices = item["carriers"].get(carrier).cloned().unwrap_or(json!(0));
            assert_eq!(cells[carrier], devices.to_string(), "{carrier}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_did_not_change_is_not_sent_again() {
    let it = Fixture::with_hours().await;
    for path in ["hours", "hours.csv"] {
        let uri = format!("/api/v1/countries/ph/{path}?from=2026-11-21T08:00&to=2026-11-21T09:00");
        let first = it.get(&uri).await;
        assert_eq!(first.header(header::CACHE_CONTROL), "private, no-cache");
        let held = first.header(header::ETAG).to_owned();
        let request = Request::get(&uri).header(header::IF_NONE_MATCH, &held);
        let request = request.body(Body::empty()).unwrap();
        let again = send(router(it.context()), request).await;
        assert_eq!(
            (again.status, again.text.as_str()),
            (StatusCode::NOT_MODIFIED, "")
        );
        assert_eq!(again.header(header::ETAG), held);
    }
}

#[tokio::test]
async fn a_wrong_question_is_told_what_is_wrong_with_it() {
    let it = Fixture::with_hours().await;
    let long = format!("/api/v1/countries/ph/hours?carrier={}", "x".repeat(5000));
    let cases: [(&str, u16, &[&str]); 16] = [
        (
            "?from=2026-11-21&to=2026-11-20",
            400,
            &["`from` (2026-11-21T00", "`to` (2026-11-20T00"],
        ),
        ("?from=2016-11-21", 400, &["92 days"]),
        (
            "?from=2026-11-20T00:00%20Asia/Nowhere",
            400,
            &["`from`", "is no time", "RFC 3339"],
        ),
        (
            "?to=2026-11-20T00:00:00%2B99:00",
            400,
            &["`to`", "is no time"],
        ),
        ("?to=", 400, &["`to` `` is no time"]),
        ("?from=%00%ff", 400, &["`from`"]),
        (
            "?carrier=nobody",
            400,
            &["`nobody`", "globe, other, smart, unknown"],
        ),
        (
            "?carrier=Globe%27%20or%201=1",
            400,
            &["globe, other, smart, unknown"],
        ),
        (
            "?tz=Asia/Nowhere",
            400,
            &["unknown field `tz`", "`from`", "`to`", "`carrier`"],
        ),
        ("?limit=-1", 400, &["unknown field `limit`"]),
        (
            "?from=2026-11-20&from=2026-11-21",
            400,
            &["duplicate field `from`"],
        ),
        ("/../../de/hours", 404, &["/openapi.json"]),
        ("?x", 400, &["unknown field `x`"]),
        ("/", 404, &["nothing is at"]),
        (".csv?from=2026-11-21&to=2026-11-20", 400, &["is after"]),
        (".gif", 404, &["nothing is at"]),
    ];
    for (suffix, status, words) in cases {
        let detail = it
            .get(&format!("/api/v1/countries/ph/hours{suffix}"))
            .await
            .problem(status);
        for word in words {
            assert!(detail.contains(word), "{suffix}: {detail}");
        }
    }
    assert!(it.get(&long).await.problem(400).len() < 1000);
    let unused = it.get("/api/v1/countries/de").await.problem(404);
    assert!(unused.contains("in use are: in, ph"), "{unused}");
    for malformed in ["phl", "p", "1a", "%F0%9F%87%B5", "%ff"] {
        it.get(&format!("/api/v1/countries/{malformed}/hours"))
            .await
            .problem(400);
    }
    it.get("/api/v1/countries?limit=1000000000")
        .await
        .problem(400);
    it.get("/api/v1/devices/a%27%3B--").await.problem(400);
    it.get("/api/v1/nothing").await.problem(404);
}

#[tokio::test]
async fn only_reading_is_possible() {
    let it = Fixture::new().await;
    for method in ["POST", "PUT", "DELETE", "TRACE", "OPTIONS"] {
        let request = Request::builder().method(method).uri("/api/v1/countries");
        let answer = send(router(it.context()), request.body(Body::empty()).unwrap()).await;
        answer.problem(405);
        assert_eq!(answer.header(header::ALLOW), "GET,HEAD", "{method}");
    }
    let request = Request::builder()
        .method("TRACE")
        .uri("/nothing")
        .body(Body::empty())
        .unwrap();
    send(router(it.context()), request).await.problem(405);
    let request = Request::head("/api/v1/countries")
        .body(Body::empty())
        .unwrap();
    let head = send(router(it.context()), request).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn a_device_is_shown_with_where_and_when_it_was_heard() {
    let it = Fixture::with_hours().await;
    let device = it.get("/api/v1/devices/a").await.ok();
    assert_eq!(device["id"], "a");
    assert_eq!(device["status"], "active");
    assert_eq!(device["home"], json!(null));
    assert_eq!(device["first_seen_at"], "2026-11-21T08:10:00+08:00");
    assert_eq!(
        device["hours_heard"],
        json!([
            "2026-11-21T08:00:00+08:00",
            "2026-11-21T09:00:00+08:00",
            "2026-11-21T10:00:00+08:00"
        ])
    );
    let segments = device["segments"].as_array().unwrap();
    assert_eq!(segments.len(), 2);
    assert_eq!(segments[0]["carrier"], "globe");
    assert_eq!(segments[0]["heard_at"], "2026-11-21T10:10:00+08:00");
    assert_eq!(segments[0]["rsrp_dbm"], -98);
    assert_eq!(segments[1]["carrier"], "smart");
    assert!(device.get("iccid").is_none());
}

#[tokio::test]
async fn the_status_says_why_it_cannot_count() {
    let it = Fixture::with_hours().await;
    let good = it.get("/api/v1/status").await.ok();
    assert_eq!(good["can_count"], true, "{good}");
    assert_eq!(good["ingest"][0]["watermark_lag_secs"], 0);
    assert_eq!(good["ingest"][0]["connected"], true);
    assert_eq!(good["last_close"], NOW);
    assert_eq!(good["hours_incomplete_24h"], 1);
    let from = at("2026-11-21T02:19:41Z");
    let gap = GapChange::Open {
        cause: Cause::BrokerAway,
        from,
        detail: "connection refused".to_owned(),
    };
    it.commit(Batch {
        gaps: vec![gap],
        ..Batch::default()
    })
    .await;
    let blind = it.get("/api/v1/status").await.ok();
    assert_eq!(blind["can_count"], false);
    assert_eq!(
        blind["why"],
        json!(["slot `default`: broker_away since 2026-11-21T02:19:41Z"])
    );
    assert_eq!(blind["ingest"][0]["connected"], false);
    assert_eq!(
        blind["gaps"],
        json!([{
            "slot": "default", "cause": "broker_away", "country": null,
            "from": "2026-11-21T02:19:41Z", "to": null, "seconds": 60,
            "detail": "connection refused",
        }])
    );
    let hours = it
        .get("/api/v1/countries/ph/hours?from=2026-11-21T10:00")
        .await
        .ok();
    assert_eq!(hours["items"][0]["gap_secs"], 60);
    assert_eq!(hours["items"][0]["causes"], json!(["broker_away"]));
}

#[tokio::test]
async fn without_a_database_it_says_so_and_lives() {
    for path in [
        "countries",
        "countries/ph",
        "countries/ph/hours",
        "devices/a",
    ] {
        let answer = get(router(away()), &format!("/api/v1/{path}")).await;
        answer.problem(503);
        assert_eq!(answer.header(header::RETRY_AFTER), "5");
        assert!(!answer.text.contains("127.0.0.1"), "{}", answer.text);
    }
    let status = get(router(away()), "/api/v1/status").await.ok();
    assert_eq!(status["postgres"], json!({"ok": false}));
    assert_eq!(
        (&status["can_count"], &status["as_of"]),
        (&json!(false), &json!(NOW))
    );
    get(router(away()), "/livez").await.ok();
    let health = Health::default();
    health.not_ready("broker", "connection refused");
    let ready = get(router(away_with(health)), "/readyz").await;
    let detail = ready.problem(503);
    assert_eq!(detail, "not ready: broker, database");
    assert_eq!(ready.json()["troubles"][0]["why"], "connection refused");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_and_said_so() {
    let it = Fixture::with_hours().await;
    // Nothing real is answered within a millisecond for ever.
    for _ in 0..200 {
        let hurried = store_with_timeout(it.url.clone(), Duration::from_millis(1));
        let uri = "/api/v1/countries/ph/hours?from=2026-08-22";
        let answer = get(router(context(hurried.clone())), uri).await;
        hurried.close().await;
        if answer.status != StatusCode::OK {
            let detail = answer.problem(504);
            assert!(detail.contains("shorter range"), "{detail}");
            return;
        }
    }
    panic!("200 statements were faster than a millisecond");
}

#[tokio::test]
async fn the_probes_and_the_description_need_no_data() {
    let welcome = get(router(away()), "/").await;
    assert!(welcome.text.contains("/api/v1/countries"));
    let metrics = get(router(away()), "/metrics").await;
    assert!(
        metrics
            .header(header::CONTENT_TYPE)
            .starts_with("application/openmetrics-text")
    );
    assert!(metrics.text.ends_with("# EOF\n"));
    let described = get(router(away()), "/openapi.json").await.ok();
    assert!(described["paths"]["/api/v1/countries/{cc}/hours.csv"].is_object());
    assert_eq!(welcome.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}

fn config(request_timeout: Duration) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        access: Access::Unasked,
        public_url: None,
        signing_key: None,
        insecure_open: false,
        request_timeout,
        limits: Limits::default(),
    }
}

#[tokio::test]
async fn a_web_page_of_another_host_reads_nothing() {
    let ask = async |config: &Config, host: &str| {
        let request = Request::get("/livez")
            .header(header::HOST, host)
            .body(Body::empty())
            .unwrap();
        send(guarded_router(config, away()), request).await
    };
    let closed = config(Duration::from_secs(5));
    ask(&closed, "localhost:8080").await.ok();
    let detail = ask(&closed, "evil.example:8080").await.problem(421);
    assert!(detail.contains("`evil.example:8080`"), "{detail}");
    let open = Config {
        insecure_open: true,
        ..closed
    };
    ask(&open, "headcount.example").await.ok();
}

/// `finance:correct horse`, a viewer; and `ops:battery staple`, an operator.
fn asking() -> Config {
    let account = |text| Some(Account::parse(text).unwrap());
    let accounts = BasicAuth::new(
        account("finance:correct horse"),
        account("ops:battery staple"),
    );
    Config {
        listen: "0.0.0.0:0".parse().unwrap(),
        access: accounts.unwrap().into(),
        ..config(Duration::from_secs(5))
    }
}

const VIEWER: &str = "Basic ZmluYW5jZTpjb3JyZWN0IGhvcnNl";
const OPERATOR: &str = "Basic b3BzOmJhdHRlcnkgc3RhcGxl";

/// Counts for viewers, devices for operators, probes for everybody, and the rest for nobody. The
/// host does not matter any more.
#[tokio::test]
async fn who_asks_is_known_by_name_and_password() {
    let it = Fixture::with_hours().await;
    let ask = async |uri: &str, authorization: Option<&str>| {
        let mut request = Request::get(uri).header(header::HOST, "headcount.example");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Body::empty()).unwrap();
        send(guarded_router(&asking(), it.context()), request).await
    };
    for uri in [
        "/",
        "/metrics",
        "/openapi.json",
        "/api/v1/status",
        "/api/v1/countries",
        "/api/v1/countries/ph/hours.csv",
    ] {
        assert_eq!(ask(uri, Some(VIEWER)).await.status, 200, "{uri}");
        assert_eq!(ask(uri, Some(OPERATOR)).await.status, 200, "{uri}");
    }
    for uri in [
        "/",
        "/metrics",
        "/openapi.json",
        "/api/v1/status",
        "/api/v1/devices/a",
        "/api/v1/nothing",
        "/livez/",
        "/livez%2f..%2fmetrics",
    ] {
        for stranger in [None, Some("Basic b3BzOm9wZW4gc2VzYW1lIQ=="), Some("ops")] {
            let answer = ask(uri, stranger).await;
            answer.problem(401);
            assert_eq!(
                answer.header(header::WWW_AUTHENTICATE),
                "Basic realm=\"headcount\", charset=\"UTF-8\"",
            );
            assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
        }
    }
    for uri in ["/livez", "/readyz"] {
        for authorization in [None, Some("Basic b3Bz"), Some(VIEWER)] {
            ask(uri, authorization).await.ok();
        }
    }
    ask("/api/v1/devices/a", Some(OPERATOR)).await.ok();
    // A viewer is not even told whether there is such a device.
    for uri in ["/api/v1/devices/a", "/api/v1/devices/nobody"] {
        let detail = ask(uri, Some(VIEWER)).await.problem(403);
        assert!(detail.contains("operators"), "{detail}");
    }
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let router = guarded_router(&config(Duration::from_millis(50)), away());
    get(router, "/api/v1/countries").await.problem(504);
}

#[tokio::test]
async fn it_refuses_to_be_open_and_serves_until_it_is_told_to_stop() {
    let open = Config {
        listen: "0.0.0.0:0".parse().unwrap(),
        ..config(Duration::from_secs(5))
    };
    let shutdown = tokio_util::sync::CancellationToken::new();
    let error = headcount_api::bind(&open).unwrap_err();
    assert!(error.to_string().contains("`--insecure-open`"), "{error}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let config = Config {
        listen,
        ..config(Duration::from_secs(5))
    };
    let error = headcount_api::bind(&config).unwrap_err();
    assert!(format!("{error:#}").contains("`api.listen`"), "{error:#}");
    drop(taken);

    // Before there is data, it says what is being prepared; then the same address serves it.
    let listener = headcount_api::bind(&config).unwrap();
    let health = Health::default();
    health.working("loading history", Some(43));
    let prepared = tokio_util::sync::CancellationToken::new();
    let clock = Arc::new(ManualClock::at(at(NOW)));
    let preparing = headcount_api::run_preparing(
        listener.try_clone().unwrap(),
        config.clone(),
        clock,
        health.clone(),
        prepared.clone(),
    );
    let client = async {
        let status = fetch(listen, "/api/v1/status").await;
        assert!(
            status.contains(r#"{"what":"loading history","percent":43}"#),
            "{status}"
        );
        let countries = fetch(listen, "/api/v1/countries").await;
        assert!(countries.starts_with("HTTP/1.1 503"), "{countries}");
        assert!(countries.contains("getting ready"), "{countries}");
        let page = fetch(listen, "/").await;
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        prepared.cancel();
    };
    let (served, ()) = tokio::join!(preparing, client);
    served.unwrap();

    let client = async {
        let answer = fetch(listen, "/livez").await;
        shutdown.cancel();
        answer
    };
    let served = headcount_api::run(listener, config, away_with(health), shutdown.clone());
    let (served, answer) = tokio::join!(served, client);
    served.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

async fn fetch(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The body of a picture, which is no text.
async fn picture(router: Router, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, 10 << 20).await.unwrap();
    (parts.status, parts.headers, body.to_vec())
}

#[tokio::test]
async fn hours_are_drawn_as_they_are_answered() {
    let it = Fixture::with_hours().await;
    let drawn = async |query: &str| {
        let answer = it
            .get(&format!("/api/v1/countries/ph/hours.svg{query}"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer
    };
    let svg = drawn("?lang=en").await;
    assert_eq!(svg.header(header::CONTENT_TYPE), "image/svg+xml");
    assert_eq!(
        svg.header(header::CONTENT_SECURITY_POLICY),
        "default-src 'none'; frame-ancestors 'none'"
    );
    for part in [
        "viewBox=\"0 0 1200 630\"",
        ">Philippines</text>",
        ">2</text>",
        "Reachable as of Sat 21 Nov, 10:20",
        "Manila, UTC+8",
        "Hourly count",
        "At least",
        "Running",
        "url(#running)",
    ] {
        assert!(svg.text.contains(part), "{part}: {}", svg.text);
    }
    let globe = drawn("?lang=ja&carrier=globe&tz=Asia/Tokyo&theme=dark&w=600&h=315").await;
    for part in [
        ">フィリピン</text>",
        ">Globe</text>",
        "東京、UTC+9",
        "#161d27",
        "width=\"600\"",
    ] {
        assert!(globe.text.contains(part), "{part}: {}", globe.text);
    }
    // A past range has no running hour, and says what its last whole hour had.
    let past = drawn("?lang=en&from=2026-11-21T08:00&to=2026-11-21T09:00").await;
    assert!(past.text.contains("In the hour to") && past.text.contains("09:00"));
    assert!(!past.text.contains("Running"), "{}", past.text);
    // The reader's language, where none is asked for.
    let request = Request::get("/api/v1/countries/ph/hours.svg").header("accept-language", "ja");
    let reader = send(router(it.context()), request.body(Body::empty()).unwrap()).await;
    assert!(reader.text.contains("フィリピン"));
    assert_eq!(reader.header(header::VARY), "accept-language");
}

#[tokio::test]
async fn a_chart_that_is_held_already_is_not_drawn_again() {
    let it = Fixture::with_hours().await;
    let context = it.context();
    let ask = async |held: Option<&str>| {
        let mut request = Request::get("/api/v1/countries/ph/hours.png?w=400&h=210");
        if let Some(held) = held {
            request = request.header(header::IF_NONE_MATCH, held);
        }
        let request = request.body(Body::empty()).unwrap();
        picture(router(context.clone()), request).await
    };
    let (status, headers, png) = ask(None).await;
    assert_eq!(status, 200);
    assert_eq!(headers[header::CONTENT_TYPE], "image/png");
    assert_eq!(headers[header::CACHE_CONTROL], "private, no-cache");
    // The signature, then width and height.
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    assert_eq!(png[16..24], [0, 0, 1, 144, 0, 0, 0, 210]);
    let (_, _, again) = ask(None).await;
    assert!(png == again);
    let tag = headers[header::ETAG].to_str().unwrap();
    let (status, headers, nothing) = ask(Some(tag)).await;
    assert_eq!((status, nothing.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(headers[header::ETAG], tag);
    // What is heard changes the picture.
    it.hear("ph", "2026-11-21T02:12:00Z", &[("d", "globe")])
        .await;
    let request = Request::get("/api/v1/countries/ph/hours.png?w=400&h=210");
    let request = request.header(header::IF_NONE_MATCH, tag);
    let request = request.body(Body::empty()).unwrap();
    let (status, ..) = picture(router(it.context()), request).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn minutes_are_drawn_with_last_week_and_since_when() {
    let it = Fixture::new().await;
    it.add_country("ph", Tz::Asia__Manila, &["globe"]).await;
    let drawn = async |query: &str| {
        let answer = it
            .get(&format!("/api/v1/countries/ph/now.svg?lang=en{query}"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.text
    };
    let unknown = drawn("").await;
    assert!(unknown.contains(">—</text>"), "{unknown}");
    assert!(unknown.contains("We could not see enough to count"));
    assert!(!unknown.contains(">0</text>") || unknown.contains("Nothing is known"));

    for mins in 0..30 {
        let minute = |start: &str| (at(start) + TimeDelta::minutes(mins)).to_rfc3339();
        it.keep_now(&minute("2026-11-14T01:51:00Z"), 100, &[("globe", 90)])
            .await;
        let left = if mins < 10 { 101 } else { 57 };
        it.keep_now(
            &minute("2026-11-21T01:51:00Z"),
            left,
            &[("globe", left - 10)],
        )
        .await;
    }
    let drop = drawn("").await;
    for part in [
        ">57</text>",
        "–43\u{a0}% vs. last week",
        "since 10:01, for 19 min",
        "Last week",
    ] {
        assert!(drop.contains(part), "{part}: {drop}");
    }
    let carrier = drawn("&carrier=globe&step=1").await;
    assert!(
        carrier.contains(">47</text>") && carrier.contains("–48\u{a0}%"),
        "{carrier}"
    );
    let alone = drawn("&last_week=false").await;
    assert!(
        !alone.contains("Last week") && !alone.contains("vs. last week"),
        "{alone}"
    );
    let request = Request::get("/api/v1/countries/ph/now.png?w=400&h=200").body(Body::empty());
    let (status, headers, png) = picture(router(it.context()), request.unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(headers[header::CONTENT_TYPE], "image/png");
    assert_eq!(png[16..24], [0, 0, 1, 144, 0, 0, 0, 200]);
}

#[tokio::test]
async fn a_chart_that_cannot_be_drawn_says_why() {
    let it = Fixture::with_hours().await;
    for (query, parameter) in [
        ("w=199", "w"),
        ("w=2401", "w"),
        ("h=99", "h"),
        ("h=1601", "h"),
        ("w=wide", "w"),
        ("lang=fr", "lang"),
        ("theme=sepia", "theme"),
        ("tz=PST", "tz"),
        ("last_week=yes", "last_week"),
        ("carrier=dito", "carrier"),
        ("from=2026-01-01", "from"),
    ] {
        for chart in ["hours.svg", "hours.png", "now.svg", "now.png"] {
            let answer = it
                .get(&format!("/api/v1/countries/ph/{chart}?{query}"))
                .await;
            let detail = answer.problem(400);
            assert!(
                detail.contains(&format!("`{parameter}`")),
                "{query}: {detail}"
            );
            assert_eq!(answer.json()["parameter"], parameter, "{query}");
        }
    }
    let unknown = it.get("/api/v1/countries/ph/now.png?width=3").await;
    assert!(unknown.problem(400).contains("unknown field `width`"));
    it.get("/api/v1/countries/jp/hours.png").await.problem(404);
}

#[tokio::test]
async fn charts_are_for_those_who_may_see_the_counts() {
    let it = Fixture::with_hours().await;
    // An unoptimised build on a busy machine takes its time.
    let config = Config {
        request_timeout: Duration::from_secs(120),
        ..asking()
    };
    for chart in ["hours.svg", "hours.png", "now.svg", "now.png"] {
        for (authorization, status) in [
            (None, 401),
            (Some("Basic bm9ib2R5OndyaXRlcw=="), 401),
            (Some(VIEWER), 200),
            (Some(OPERATOR), 200),
        ] {
            let mut request = Request::get(format!("/api/v1/countries/ph/{chart}?w=200&h=100"));
            if let Some(authorization) = authorization {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let request = request.body(Body::empty()).unwrap();
            let router = guarded_router(&config, it.context());
            let (got, ..) = picture(router, request).await;
            assert_eq!(got, status, "{chart} {authorization:?}");
        }
    }
}
