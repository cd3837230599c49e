//! Distinct devices over windows, splits, and the week in hours.

use super::*;

async fn ask(it: &Fixture, query: &str) -> Answer {
    it.get(&format!("/api/v1/countries/ph/{query}")).await
}

#[tokio::test]
async fn a_window_counts_every_device_once_and_says_whether_that_is_all() {
    let it = Fixture::with_hours().await;
    let complete = ask(&it, "distinct?from=2026-11-21T08:00&to=2026-11-21T09:00")
        .await
        .ok();
    assert_eq!(
        complete,
        json!({
            "country": "ph", "time_zone": "Asia/Manila", "from": "2026-11-21T08:00:00+08:00",
            "to": "2026-11-21T09:00:00+08:00", "devices": 3,
            "carriers": {"globe": 2, "smart": 2}, "complete": true, "hours": 1,
            "hours_complete": 1,
        })
    );
    // Three hours with 3, 1 and 2 devices are 3 devices; one of the hours has a gap, one runs.
    let window = ask(&it, "distinct?from=2026-11-21T08:00&to=2026-11-21T11:00")
        .await
        .ok();
    assert_eq!(
        (&window["devices"], &window["complete"]),
        (&json!(3), &json!(false))
    );
    assert_eq!(
        (&window["hours"], &window["hours_complete"]),
        (&json!(3), &json!(1))
    );
    let smart = ask(
        &it,
        "distinct?from=2026-11-21T08:00&to=2026-11-21T11:00&carrier=smart",
    );
    let smart = smart.await.ok();
    assert_eq!(
        (&smart["devices"], &smart["carriers"]),
        (&json!(2), &json!({"smart": 2}))
    );
    let day = ask(&it, "distinct").await.ok();
    assert_eq!(day["from"], "2026-11-20T10:00:00+08:00");
    assert_eq!(day["to"], "2026-11-21T10:00:00+08:00");
    assert_eq!(day["hours"], 24);
}

#[tokio::test]
async fn an_imported_number_is_no_presence() {
    let it = Fixture::with_hours().await;
    let hour = store::import::HourImport {
        country: country("ph"),
        hour: Hour {
            start: at("2026-11-20T00:00:00Z"),
            end: at("2026-11-20T01:00:00Z"),
        },
        devices: 70,
    };
    it.store.import_hours(&[hour], at(NOW)).await.unwrap();
    let window = ask(&it, "distinct?from=2026-11-20T08:00&to=2026-11-20T09:00")
        .await
        .ok();
    assert_eq!(
        (&window["devices"], &window["complete"]),
        (&json!(0), &json!(false))
    );
}

#[tokio::test]
async fn a_window_beyond_what_is_kept_is_refused_and_never_zero() {
    let it = Fixture::with_hours().await;
    let cases = [
        ("from=2026-10-01", "from", "`retention.presence_days`"),
        // Presence of the tests begins four days back, at midnight by UTC.
        (
            "from=2026-11-17T07:00",
            "from",
            "from 2026-11-17T08:00:00+08:00 on",
        ),
        ("from=2016-11-21", "from", "400 days"),
        ("from=2026-11-21&to=2026-11-20", "from", "swap them"),
        (
            "from=2026-11-21T08:30",
            "from",
            "2026-11-21T08:00:00+08:00 and 2026-11-21T09",
        ),
        ("to=2026-11-22", "to", "lies ahead"),
        ("carrier=nobody", "carrier", "globe, other, smart, unknown"),
    ];
    for (query, parameter, words) in cases {
        let answer = ask(&it, &format!("distinct?{query}")).await;
        let detail = answer.problem(400);
        assert!(detail.contains(words), "{query}: {detail}");
        assert_eq!(answer.json()["parameter"], parameter, "{query}");
    }
    ask(&it, "distinct?from=2026-11-17T08:00").await.ok();
}

#[tokio::test]
async fn a_count_is_split_without_losing_a_device() {
    let it = Fixture::new().await;
    it.add_country("ph", Tz::Asia__Manila, &["globe", "smart"])
        .await;
    it.register(&[("a", "acme", ""), ("b", "acme", ""), ("c", "zenith", "")])
        .await;
    let says = |fw: &str, rsrp_dbm| model::Heartbeat {
        fw: Some(fw.into()),
        rat: Some("lte".into()),
        rsrp_dbm,
        ..Default::default()
    };
    let (ten_past, long_ago) = ("2026-11-21T02:10:00Z", "2026-11-19T02:10:00Z");
    it.hear_saying(
        "ph",
        ten_past,
        &[("a", "globe")],
        &says("2.4", Some(-90)),
        Some("PH-00"),
    )
    .await;
    it.hear_saying(
        "ph",
        ten_past,
        &[("b", "globe")],
        &says("2.4", Some(-91)),
        Some("PH-00"),
    )
    .await;
    it.hear_saying("ph", ten_past, &[("d", "smart")], &says("2.3", None), None)
        .await;
    it.hear_saying(
        "ph",
        long_ago,
        &[("c", "smart")],
        &says("2.3", Some(-120)),
        Some("PH-07"),
    )
    .await;
    let groups = async |query: &str| -> Vec<Value> {
        let answer = ask(&it, &format!("splits?{query}")).await.ok();
        let items = answer["items"].as_array().unwrap().iter();
        items
            .map(|item| json!([item["value"], item["devices"], item["last_7_days"]]))
            .collect()
    };
    assert_eq!(
        groups("by=region").await,
        [
            json!(["PH-00", 2, 2]),
            json!([null, 1, 1]),
            json!(["PH-07", 0, 1])
        ]
    );
    assert_eq!(
        groups("by=partner").await,
        [
            json!(["acme", 2, 2]),
            json!([null, 1, 1]),
            json!(["zenith", 0, 1])
        ]
    );
    assert_eq!(
        groups("by=firmware").await,
        [json!(["2.4", 2, 2]), json!(["2.3", 1, 2])]
    );
    assert_eq!(groups("by=rat").await, [json!(["lte", 3, 4])]);
    assert_eq!(
        groups("by=signal").await,
        [
            json!(["good", 1, 1]),
            json!(["fair", 1, 1]),
            json!([null, 1, 1]),
            json!(["poor", 0, 1])
        ]
    );
    assert_eq!(
        groups("by=firmware&carrier=smart").await,
        [json!(["2.3", 1, 2])]
    );
    let signal = ask(&it, "splits?by=signal").await.ok();
    assert_eq!(signal["complete"], true);
    assert_eq!(
        (
            &signal["items"][0]["from_dbm"],
            &signal["items"][0]["to_dbm"]
        ),
        (&json!(-90), &json!(null))
    );

    // No hour is closed yet; then the last one can be split by partner.
    let detail = ask(&it, "splits?by=partner&of=hour").await.problem(400);
    assert!(detail.contains("no hour"), "{detail}");
    it.hear(
        "ph",
        "2026-11-21T01:10:00Z",
        &[("a", "globe"), ("c", "smart"), ("d", "smart")],
    )
    .await;
    it.close("ph", "2026-11-21T01:00:00Z", Completeness::Complete)
        .await;
    assert_eq!(
        groups("by=partner&of=hour").await,
        [
            json!(["acme", 1, null]),
            json!(["zenith", 1, null]),
            json!([null, 1, null])
        ]
    );
    assert_eq!(
        groups("by=partner&of=hour&carrier=globe").await,
        [json!(["acme", 1, null])]
    );
    for (query, words) in [
        ("by=region&of=hour", "`partner` only"),
        ("by=weather", "unknown variant `weather`"),
        ("", "missing field `by`"),
    ] {
        let detail = ask(&it, &format!("splits?{query}")).await.problem(400);
        assert!(detail.contains(words), "{query}: {detail}");
    }

    // What we could not see is unknown, in every group.
    let gap = GapChange::Over {
        country: None,
        cause: Cause::BrokerAway,
        from: at("2026-11-21T02:10:00Z"),
        to: at("2026-11-21T02:16:00Z"),
        detail: String::new(),
    };
    it.commit(Batch {
        gaps: vec![gap],
        ..Batch::default()
    })
    .await;
    let blind = ask(&it, "splits?by=rat").await.ok();
    assert_eq!(
        (&blind["complete"], &blind["items"][0]["devices"]),
        (&json!(false), &json!(null))
    );
}

#[tokio::test]
async fn the_week_is_made_of_complete_hours_by_the_countrys_clock() {
    let it = Fixture::with_hours().await;
    it.hear("ph", "2026-11-20T17:10:00Z", &[("a", "globe")])
        .await;
    it.close("ph", "2026-11-20T17:00:00Z", Completeness::Complete)
        .await;
    let week = ask(&it, "heatmap").await.ok();
    assert_eq!(week["weeks"], 4);
    // 08:00 and 01:00 of a Saturday; 09:00 has a gap.
    assert_eq!(
        week["items"],
        json!([
            {"weekday": 6, "hour": 1, "devices": 1, "lowest": 1, "highest": 1, "hours": 1},
            {"weekday": 6, "hour": 8, "devices": 3, "lowest": 3, "highest": 3, "hours": 1},
        ])
    );
    let smart = ask(&it, "heatmap?carrier=smart&weeks=1").await.ok();
    assert_eq!(smart["items"][1]["devices"], 2);
    for query in ["weeks=0", "weeks=14", "weeks=-1", "weeks=x"] {
        ask(&it, &format!("heatmap?{query}")).await.problem(400);
    }
}
