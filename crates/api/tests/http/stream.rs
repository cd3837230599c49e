//! What changes, as it changes.

use axum::body::BodyDataStream;
use futures_util::StreamExt as _;

use super::*;

/// Long enough for a machine under load; an event takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// One who follows.
struct Follower {
    body: BodyDataStream,
    read: String,
}

impl Follower {
    async fn new(router: Router, last_seen: Option<&str>) -> Result<Self, Answer> {
        let mut request = Request::get("/api/v1/stream");
        if let Some(id) = last_seen {
            request = request.header("Last-Event-ID", id);
        }
        let answer = router
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let (parts, body) = answer.into_parts();
        if parts.status != StatusCode::OK {
            let body = to_bytes(body, 10 << 20).await.unwrap();
            return Err(Answer {
                status: parts.status,
                headers: parts.headers,
                text: String::from_utf8(body.to_vec()).unwrap(),
            });
        }
        assert_eq!(parts.headers[header::CONTENT_TYPE], "text/event-stream");
        assert_eq!(parts.headers[header::CACHE_CONTROL], "no-store");
        Ok(Self {
            body: body.into_data_stream(),
            read: String::new(),
        })
    }

    /// The next event with data: its name, id and data. `None` at the end.
    async fn next(&mut self) -> Option<(String, Option<String>, Value)> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim().to_owned())
                };
                let found = field("event:").map(|name| {
                    let data = serde_json::from_str(&field("data:").unwrap()).unwrap();
                    (name, field("id:"), data)
                });
                self.read = rest.to_owned();
                match found {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let more = tokio::time::timeout(PATIENCE, self.body.next())
                .await
                .unwrap()?;
            self.read
                .push_str(std::str::from_utf8(&more.unwrap()).unwrap());
        }
    }
}

#[tokio::test]
async fn who_follows_hears_of_counts_and_closed_hours() {
    let it = Fixture::with_hours().await;
    // As it is served, behind everything that could hold events back.
    let router = guarded_router(&config(Duration::from_secs(5)), it.context());
    let mut follower = Follower::new(router, None).await.ok().unwrap();
    let (name, id, counts) = follower.next().await.unwrap();
    assert_eq!((name.as_str(), id), ("counts", None));
    let ph = &counts["items"][1];
    assert_eq!((&ph["country"], &ph["now"]), (&json!("ph"), &json!(2)));

    // Hours that were closed before are not news; these are.
    it.close("in", "2026-11-21T00:30:00Z", Completeness::Complete)
        .await;
    let (name, id, hour) = follower.next().await.unwrap();
    assert_eq!(name, "hour");
    let id = id.unwrap();
    assert_eq!(id, at(NOW).timestamp_micros().to_string());
    assert_eq!(
        hour,
        json!({"country": "in", "time_zone": "Asia/Kolkata", "start": "2026-11-21T06:00:00+05:30",
            "end": "2026-11-21T07:00:00+05:30", "devices": 0, "carriers": hour["carriers"],
            "complete": true, "revision": 1})
    );
    it.hear("ph", "2026-11-21T00:50:00Z", &[("z", "globe")])
        .await;
    it.close("ph", "2026-11-21T00:00:00Z", Completeness::Complete)
        .await;
    let (_, _, again) = follower.next().await.unwrap();
    assert_eq!(
        (&again["devices"], &again["revision"]),
        (&json!(4), &json!(2))
    );
}

#[tokio::test]
async fn who_comes_back_is_told_what_was_missed() {
    let it = Fixture::with_hours().await;
    let before = (at(NOW) - TimeDelta::seconds(1))
        .timestamp_micros()
        .to_string();
    let mut follower = Follower::new(router(it.context()), Some(&before))
        .await
        .ok()
        .unwrap();
    for start in ["2026-11-21T08:00:00+08:00", "2026-11-21T09:00:00+08:00"] {
        let (name, _, hour) = follower.next().await.unwrap();
        assert_eq!(
            (name.as_str(), hour["start"].as_str().unwrap()),
            ("hour", start)
        );
    }
    let (name, ..) = follower.next().await.unwrap();
    assert_eq!(name, "counts", "and nothing twice");
    for id in ["yesterday", "1e99", "99999999999999999999", "-"] {
        let refusal = Follower::new(router(it.context()), Some(id))
            .await
            .err()
            .unwrap();
        refusal.problem(400);
    }
}

#[tokio::test]
async fn only_so_many_follow_at_once() {
    let it = Fixture::with_hours().await;
    let router = router(it.context());
    let mut followers = Vec::new();
    let refusal = loop {
        match Follower::new(router.clone(), None).await {
            Ok(follower) => followers.push(follower),
            Err(refusal) => break refusal,
        }
        assert!(followers.len() <= 256, "nobody is refused");
    };
    refusal.problem(503);
    assert_eq!(refusal.header(header::RETRY_AFTER), "5");
    assert_eq!(followers.len(), 256);
    // Whoever goes away makes place.
    drop(followers.pop());
    assert!(Follower::new(router, None).await.is_ok());
}

#[tokio::test]
async fn the_stream_ends_with_the_server() {
    let it = Fixture::with_hours().await;
    let config = config(Duration::from_secs(5));
    let listener = headcount_api::bind(&config).unwrap();
    let listen = listener.local_addr().unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let served = headcount_api::run(listener, config, it.context(), shutdown.clone());
    let client = async {
        let mut stream = tokio::net::TcpStream::connect(listen).await.unwrap();
        let request = "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.contains("event: counts") {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).await.unwrap();
            assert_ne!(read, 0, "{answer}");
            answer.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        shutdown.cancel();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    };
    let both = async { tokio::join!(served, client) };
    let (served, ()) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    served.unwrap();
}
