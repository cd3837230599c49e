//! What is refused, how often one may ask, and what may be kept.

use std::num::NonZeroU32;

use super::*;

async fn ask(router: &Router, uri: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut request = Request::get(uri).header(header::HOST, "headcount.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router.clone(), request.body(Body::empty()).unwrap()).await
}

/// Nobody is let in by a token or by what a proxy would say: such things are not asked for, so they
/// are not looked at.
#[tokio::test]
async fn what_nobody_asks_for_lets_nobody_in() {
    let it = Fixture::with_hours().await;
    let unsigned = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcHMifQ.";
    let signed = "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJvcHMiLCJleHAiOjk5OTk5OTk5OTl9.c2lnbmVk";
    for headers in [
        &[][..],
        &[("authorization", unsigned)],
        &[("authorization", signed)],
        &[("authorization", "Bearer ")],
        &[
            ("x-forwarded-user", "ops"),
            ("x-auth-request-email", "ops@example.com"),
        ],
        &[("x-forwarded-for", "127.0.0.1"), ("x-real-ip", "127.0.0.1")],
        &[("x_forwarded_user", "ops"), ("cookie", "session=ops")],
    ] {
        let router = guarded_router(&asking(), it.context());
        for uri in ["/api/v1/countries", "/api/v1/devices/a", "/"] {
            ask(&router, uri, headers).await.problem(401);
        }
    }
}

#[tokio::test]
async fn who_was_wrong_too_often_waits_whatever_they_show() {
    let it = Fixture::with_hours().await;
    let router = guarded_router(&asking(), it.context());
    let wrong = [("authorization", "Basic b3BzOm9wZW4gc2VzYW1lIQ==")];
    let right = [("authorization", OPERATOR)];
    let uri = "/api/v1/countries";
    for _ in 0..9 {
        ask(&router, uri, &wrong).await.problem(401);
    }
    ask(&router, uri, &right).await.ok();
    ask(&router, uri, &wrong).await.problem(401);
    for headers in [wrong, right] {
        let refused = ask(&router, uri, &headers).await;
        let detail = refused.problem(429);
        assert!(detail.contains("wrong names or passwords"), "{detail}");
        let wait: u32 = refused.header(header::RETRY_AFTER).parse().unwrap();
        assert!((1..=30).contains(&wait), "{wait}");
    }
    // Strangers without a password, and probes, are answered as ever.
    ask(&router, uri, &[]).await.problem(401);
    ask(&router, "/livez", &wrong).await.ok();
}

#[tokio::test]
async fn one_caller_asks_so_often_in_a_second_and_no_more() {
    let config = Config {
        limits: Limits {
            requests_per_second: NonZeroU32::new(100),
        },
        ..config(Duration::from_secs(5))
    };
    let router = guarded_router(&config, away());
    let mut answered = 0;
    let refused = loop {
        let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
        let answer = send(router.clone(), request).await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        answered += 1;
        // On a slow machine some more come back while these are asked.
        assert!(answered < 100_000, "nobody is refused");
    };
    assert!(answered >= 100, "{answered}");
    refused.problem(429);
    assert_eq!(refused.header(header::RETRY_AFTER), "1");
    let request = Request::get("/livez").body(Body::empty()).unwrap();
    send(router, request).await.ok();
}

/// Every connection to the database is busy: whoever asks is told so, and soon.
#[tokio::test]
async fn who_finds_the_database_busy_is_told_to_come_back() {
    let it = Fixture::with_hours().await;
    let busy = store_at(it.url.clone());
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(busy.begin_closing().await.unwrap());
    }
    let router = guarded_router(&config(Duration::from_secs(60)), context(busy));
    let questions = [
        "countries",
        "countries/ph",
        "countries/ph/hours",
        "countries/ph/distinct",
    ];
    let asked = questions.map(|path| {
        let router = router.clone();
        async move {
            let request = Request::get(format!("/api/v1/{path}"))
                .header(header::HOST, "localhost")
                .body(Body::empty())
                .unwrap();
            send(router, request).await
        }
    });
    for answer in futures_util::future::join_all(asked).await {
        answer.problem(503);
        assert_eq!(answer.header(header::RETRY_AFTER), "5");
    }
    let status = get(router, "/api/v1/status").await.ok();
    assert_eq!(status["postgres"], json!({"ok": false}));
}

#[tokio::test]
async fn closed_hours_are_kept_for_good_until_one_is_counted_again() {
    let it = Fixture::with_hours().await;
    let uri = "/api/v1/countries/ph/hours?from=2026-11-21T08:00&to=2026-11-21T10:00";
    let first = it.get(uri).await;
    assert_eq!(first.header(header::CACHE_CONTROL), "private, no-cache");
    let version = first.ok()["version"].as_str().unwrap().to_owned();
    let pinned = format!("{uri}&version={version}");
    let kept = it.get(&pinned).await;
    assert_eq!(
        kept.header(header::CACHE_CONTROL),
        "private, max-age=31536000, immutable"
    );
    assert_eq!(kept.text, first.text);
    assert_eq!(kept.header(header::ETAG), first.header(header::ETAG));
    // The hour that runs is in no version, and a version without both ends is none to keep.
    let running = it
        .get("/api/v1/countries/ph/hours?from=2026-11-21T09:00")
        .await
        .ok();
    assert_eq!(running["version"], json!(null));
    for loose in [
        format!("/api/v1/countries/ph/hours?from=2026-11-21T08:00&version={version}"),
        format!("{uri}&version=0000000000000000"),
        format!("{uri}&carrier=globe&version={version}"),
    ] {
        let answer = it.get(&loose).await;
        answer.ok();
        assert_eq!(
            answer.header(header::CACHE_CONTROL),
            "private, no-cache",
            "{loose}"
        );
    }

    it.hear("ph", "2026-11-21T00:50:00Z", &[("z", "globe")])
        .await;
    it.close("ph", "2026-11-21T00:00:00Z", Completeness::Complete)
        .await;
    let again = it.get(&pinned).await;
    assert_eq!(again.header(header::CACHE_CONTROL), "private, no-cache");
    assert_ne!(again.ok()["version"], json!(version));
}

#[tokio::test]
async fn answers_are_compressed_as_the_caller_can_read() {
    let router = guarded_router(&config(Duration::from_secs(5)), away());
    for (accepted, encoding) in [
        ("gzip", Some("gzip")),
        ("br, gzip", Some("br")),
        ("x", None),
    ] {
        let request = Request::get("/openapi.json")
            .header(header::ACCEPT_ENCODING, accepted)
            .body(Body::empty())
            .unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let found = answer.headers().get(header::CONTENT_ENCODING);
        assert_eq!(found.map(|value| value.to_str().unwrap()), encoding);
        let vary = answer.headers()[header::VARY].to_str().unwrap();
        assert!(vary.contains("accept-encoding"), "{vary}");
    }
}

/// Everything that the page of the description needs comes from here, and may.
#[tokio::test]
async fn the_description_can_be_read_in_a_browser_without_asking_anybody_else() {
    let page = get(router(away()), "/docs").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header(header::CONTENT_TYPE),
        "text/html; charset=utf-8"
    );
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; "),
        "{policy}"
    );
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    assert!(
        !page.text.contains("//") && !page.text.contains("<script>"),
        "{}",
        page.text
    );
    let named = |attribute: &str| -> Vec<String> {
        let parts = page.text.split(attribute).skip(1);
        parts
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    };
    let mut parts = named("src=\"");
    parts.extend(named("href=\"/").into_iter().map(|path| format!("/{path}")));
    assert!(parts.len() >= 4, "{parts:?}");
    for uri in parts {
        let request = Request::get(&uri).body(Body::empty()).unwrap();
        let answer = router(away()).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{uri}");
        let kind = answer.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        let expected = match uri.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "application/json",
        };
        assert_eq!(kind, expected, "{uri}");
        let is_packed = answer.headers().contains_key(header::CONTENT_ENCODING);
        let body = to_bytes(answer.into_body(), 10 << 20).await.unwrap();
        let begins_as_gzip = body.starts_with(&[0x1f, 0x8b]);
        assert_eq!(is_packed, begins_as_gzip, "{uri}");
    }
    for other in ["/docs/", "/docs/start.js"] {
        assert_eq!(get(router(away()), other).await.status, 200, "{other}");
    }
    // What Swagger UI brings along beside that is not shown.
    for other in [
        "index.html",
        "oauth2-redirect.html",
        "swagger-initializer.js",
        "..%2flib.rs",
    ] {
        get(router(away()), &format!("/docs/{other}"))
            .await
            .problem(404);
    }
}
