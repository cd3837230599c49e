//! Silent devices, one device, and who looked at them.

use super::*;

/// Three devices that fell silent, `c` last and `e` never heard; and `a`, which is not silent.
async fn with_silent_devices() -> Fixture {
    let it = Fixture::new().await;
    it.add_country("ph", Tz::Asia__Manila, &["globe", "smart"])
        .await;
    it.register(&[("b", "acme", "=cmd()"), ("e", "zenith", "never")])
        .await;
    it.hear("ph", "2026-11-21T02:10:00Z", &[("a", "globe")])
        .await;
    it.hear(
        "ph",
        "2026-11-18T04:10:00Z",
        &[("b", "globe"), ("d", "smart")],
    )
    .await;
    it.hear("ph", "2026-11-19T02:10:00Z", &[("c", "smart")])
        .await;
    it
}

fn ids(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["device"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn silent_devices_come_page_by_page_those_last_heard_first() {
    let it = with_silent_devices().await;
    let all = it.get("/api/v1/countries/ph/silent").await;
    assert_eq!(all.header(header::CACHE_CONTROL), "no-store");
    let all = all.ok();
    assert_eq!(ids(&all), ["c", "b", "d", "e"]);
    assert_eq!(all["next"], json!(null));
    let c = &all["items"][0];
    assert_eq!(c["heard_at"], "2026-11-19T10:10:00+08:00");
    assert_eq!(
        (&c["carrier"], &c["silent_secs"]),
        (&json!("smart"), &json!(173_441))
    );
    let e = &all["items"][3];
    assert_eq!(
        (&e["heard_at"], &e["partner"]),
        (&json!(null), &json!("zenith"))
    );
    assert_eq!(e["carrier"], "globe", "its registered home");
    let counted = it.get("/api/v1/countries/ph").await.ok();
    assert_eq!(counted["silent"], 4, "the count and the list agree");

    let mut cursor = String::new();
    for expected in [&["c"][..], &["b"], &["d"], &["e"]] {
        let page = it
            .get(&format!("/api/v1/countries/ph/silent?limit=1{cursor}"))
            .await
            .ok();
        assert_eq!(ids(&page), expected);
        cursor = match page["next"].as_str() {
            Some(next) => format!("&cursor={next}"),
            None => String::new(),
        };
    }
    assert_eq!(cursor, "", "the last page has no next");

    let smart = it
        .get("/api/v1/countries/ph/silent?carrier=smart")
        .await
        .ok();
    assert_eq!(ids(&smart), ["c", "d"]);
    let acme = it
        .get("/api/v1/countries/ph/silent?partner=acme")
        .await
        .ok();
    assert_eq!(ids(&acme), ["b"]);
}

#[tokio::test]
async fn a_list_refuses_limits_and_cursors_that_are_none() {
    let it = with_silent_devices().await;
    let page = it.get("/api/v1/countries/ph/silent?limit=1").await.ok();
    let next = page["next"].as_str().unwrap();
    let forged = format!("{}A", &next[..next.len() - 1]);
    let forged = if forged == next {
        format!("{}B", &next[..next.len() - 1])
    } else {
        forged
    };
    for (query, parameter) in [
        ("limit=-1".to_owned(), "limit"),
        ("limit=0".to_owned(), "limit"),
        ("limit=1000000000".to_owned(), "limit"),
        ("cursor=".to_owned(), "cursor"),
        (format!("cursor={forged}"), "cursor"),
        (format!("cursor={}", &next[..20]), "cursor"),
        // That of another list.
        (format!("carrier=smart&cursor={next}"), "cursor"),
    ] {
        let answer = it
            .get(&format!("/api/v1/countries/ph/silent?{query}"))
            .await;
        answer.problem(400);
        assert_eq!(answer.json()["parameter"], parameter, "{query}");
    }
}

#[tokio::test]
async fn silent_devices_are_a_table_in_which_nothing_is_a_formula() {
    let it = with_silent_devices().await;
    let table = it.get("/api/v1/countries/ph/silent.csv?limit=2").await;
    assert_eq!(table.status, 200);
    assert_eq!(table.header(header::CACHE_CONTROL), "no-store");
    let disposition = table.header(header::CONTENT_DISPOSITION);
    assert!(
        disposition.contains("headcount-ph-silent-20261121T1020.csv"),
        "{disposition}"
    );
    let mut reader = csv::Reader::from_reader(table.text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| {
        let column = names.iter().position(|n| n == name).unwrap();
        rows[row][column].to_owned()
    };
    assert_eq!(
        (cell(0, "device"), cell(1, "device")),
        ("c".into(), "b".into())
    );
    assert_eq!(cell(1, "label"), "'=cmd()");
    // The rest is behind the link.
    let link = table.header(header::LINK).to_owned();
    let uri = link.strip_prefix('<').unwrap().split_once('>').unwrap().0;
    let rest = it.get(uri).await;
    assert!(rest.text.contains("\nd,smart,"), "{}", rest.text);
    assert!(!rest.headers.contains_key(header::LINK));
}

#[tokio::test]
async fn a_device_is_shown_with_its_hours_and_heartbeats() {
    let it = Fixture::with_hours().await;
    let device = it.get("/api/v1/devices/a?from=2026-11-21T08:00").await.ok();
    assert_eq!(
        device["presence"][0],
        json!({"start": "2026-11-21T08:00:00+08:00", "end": "2026-11-21T09:00:00+08:00",
            "country": "ph", "carriers": ["globe", "smart"]})
    );
    assert_eq!(device["presence"].as_array().unwrap().len(), 3);
    let heartbeats = device["heartbeats"].as_array().unwrap();
    let times: Vec<_> = heartbeats.iter().map(|beat| &beat["heard_at"]).collect();
    assert_eq!(
        times,
        ["2026-11-21T10:10:00+08:00", "2026-11-21T09:10:00+08:00"]
    );
    assert_eq!(heartbeats[0]["rsrp_dbm"], -98);
    assert_eq!(heartbeats[0]["counts"], true);
    assert_eq!(heartbeats[0]["slot"], "default");
    let hour = it
        .get("/api/v1/devices/a?from=2026-11-21T09:00&to=2026-11-21T10:00")
        .await
        .ok();
    assert_eq!(hour["presence"].as_array().unwrap().len(), 1);
    assert_eq!(hour["presence"][0]["carriers"], json!(["globe"]));
    let detail = it
        .get("/api/v1/devices/a?from=2016-11-21")
        .await
        .problem(400);
    assert!(detail.contains("92 days"), "{detail}");
    it.get("/api/v1/devices/nobody").await.problem(404);
}

#[tokio::test]
async fn a_device_that_moved_is_shown_by_the_clocks_of_both_countries() {
    let it = Fixture::with_hours().await;
    it.hear("in", "2026-11-21T02:15:00Z", &[("a", "jio")]).await;
    let device = it
        .get("/api/v1/devices/a?from=2026-11-21T01:00:00Z")
        .await
        .ok();
    let strip: Vec<_> = device["presence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["country"].as_str().unwrap(),
                item["start"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        strip,
        [
            ("ph", "2026-11-21T09:00:00+08:00"),
            ("in", "2026-11-21T07:00:00+05:30"),
            ("ph", "2026-11-21T10:00:00+08:00")
        ]
    );
    assert_eq!(device["hours_heard"], json!(["2026-11-21T07:00:00+05:30"]));
}

#[tokio::test]
async fn every_look_is_noted_with_who_looked() {
    let it = with_silent_devices().await;
    let ask = async |uri: &str, authorization: &str| {
        let request = Request::get(uri).header(header::AUTHORIZATION, authorization);
        let request = request.body(Body::empty()).unwrap();
        send(guarded_router(&asking(), it.context()), request).await
    };
    for uri in [
        "/api/v1/devices/a",
        "/api/v1/countries/ph/silent",
        "/api/v1/countries/ph/silent.csv",
        "/api/v1/audit",
    ] {
        ask(uri, VIEWER).await.problem(403);
    }
    ask("/api/v1/devices/a", OPERATOR).await.ok();
    ask("/api/v1/devices/nobody", OPERATOR).await.problem(404);
    ask("/api/v1/countries/ph/silent", OPERATOR).await.ok();
    let audit = ask("/api/v1/audit", OPERATOR).await.ok();
    let deeds: Vec<_> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|deed| json!([deed["at"], deed["actor"], deed["action"], deed["subject"]]))
        .collect();
    assert_eq!(
        deeds,
        [
            json!([NOW, "ops", "silent.look", "ph"]),
            json!([NOW, "ops", "device.look", "nobody"]),
            json!([NOW, "ops", "device.look", "a"]),
        ]
    );
    let first = ask("/api/v1/audit?limit=1", OPERATOR).await.ok();
    let next = first["next"].as_str().unwrap();
    let second = ask(&format!("/api/v1/audit?limit=2&cursor={next}"), OPERATOR)
        .await
        .ok();
    assert_eq!(second["items"][1]["subject"], "a");
    assert_eq!(second["next"], json!(null));
}
