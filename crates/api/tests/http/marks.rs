//! Annotations and maintenance.

use super::*;

fn post(uri: &str, body: &Value) -> Request<Body> {
    Request::post(uri)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

fn titles(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_marked_is_listed_until_it_is_taken_away() {
    let it = Fixture::with_hours().await;
    let firmware = json!({"kind": "firmware", "country": "ph", "carrier": "globe",
        "from": "2026-11-20T13:00", "to": "2026-11-21T09:00", "title": " 2.4.1 ",
        "link": "https://deploys.example/2.4.1"});
    let made = it.send(post("/api/v1/annotations", &firmware)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let id = made["id"].as_i64().unwrap();
    assert_eq!(
        made,
        json!({"id": id, "kind": "firmware", "country": "ph", "carrier": "globe",
            "from": "2026-11-20T13:00:00+08:00", "to": "2026-11-21T09:00:00+08:00",
            "time_zone": "Asia/Manila", "title": "2.4.1", "link": "https://deploys.example/2.4.1",
            "created_by": "unnamed", "created_at": "2026-11-21T10:20:41+08:00"})
    );
    let deploy = json!({"kind": "deploy", "title": "to all countries"});
    let everywhere = it.send(post("/api/v1/annotations", &deploy)).await.json();
    assert_eq!(
        (&everywhere["from"], &everywhere["to"]),
        (&json!(NOW), &json!(null))
    );
    let planned = json!({"country": "ph", "from": "2026-11-22T01:00", "to": "2026-11-22T05:00",
        "title": "Globe works in Luzon"});
    let planned = it.send(post("/api/v1/maintenance", &planned)).await;
    assert_eq!(planned.status, 201, "{}", planned.text);
    assert_eq!(planned.json()["kind"], "maintenance");

    let list = async |query: &str| it.get(&format!("/api/v1/{query}")).await.ok();
    assert_eq!(
        titles(&list("annotations").await),
        ["2.4.1", "to all countries"]
    );
    assert_eq!(titles(&list("maintenance").await), ["Globe works in Luzon"]);
    let india = list("annotations?country=in").await;
    assert_eq!(
        titles(&india),
        ["to all countries"],
        "what concerns all concerns India"
    );
    // A stretch is there while it touches what is asked for, a moment at that moment.
    let touching = list("annotations?country=ph&from=2026-11-21T08:59&to=2026-11-21T09:30").await;
    assert_eq!(titles(&touching), ["2.4.1"]);
    let after = list("annotations?country=ph&from=2026-11-21T09:00&to=2026-11-21T09:30").await;
    assert_eq!(titles(&after), [""; 0]);
    let moment = list("annotations?from=2026-11-21T02:20:41Z&to=2026-11-21T02:20:42Z").await;
    assert_eq!(titles(&moment), ["to all countries"]);
    let page = list("annotations?limit=1").await;
    let next = page["next"].as_str().unwrap();
    let page = list(&format!("annotations?limit=1&cursor={next}")).await;
    assert_eq!(
        (titles(&page), &page["next"]),
        (vec!["to all countries"], &json!(null))
    );

    // An annotation is not taken away as maintenance.
    let remove = async |uri: String| {
        it.send(Request::delete(uri).body(Body::empty()).unwrap())
            .await
    };
    remove(format!("/api/v1/maintenance/{id}"))
        .await
        .problem(404);
    let gone = remove(format!("/api/v1/annotations/{id}")).await;
    assert_eq!(
        (gone.status, gone.text.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    remove(format!("/api/v1/annotations/{id}"))
        .await
        .problem(404);
    remove("/api/v1/annotations/first".to_owned())
        .await
        .problem(400);
    assert_eq!(titles(&list("annotations").await), ["to all countries"]);

    let audit = list("audit").await;
    let last = &audit["items"][0];
    assert_eq!(
        (&last["action"], &last["subject"]),
        (&json!("mark.remove"), &json!(id.to_string()))
    );
    assert_eq!(
        last["detail"]["title"], "2.4.1",
        "what was taken away can be made again"
    );
    assert_eq!(audit["items"][3]["action"], "mark.add");
}

#[tokio::test]
async fn a_mark_that_makes_no_sense_is_refused_by_the_name_of_its_field() {
    let it = Fixture::with_hours().await;
    let cases = [
        (
            "annotations",
            json!({"kind": "maintenance", "title": "x"}),
            400,
            "kind",
        ),
        ("annotations", json!({"title": " "}), 400, "title"),
        ("annotations", json!({"title": "two\nlines"}), 400, "title"),
        (
            "annotations",
            json!({"title": "x".repeat(201)}),
            400,
            "title",
        ),
        (
            "annotations",
            json!({"title": "x", "link": "javascript:alert(1)"}),
            400,
            "link",
        ),
        (
            "annotations",
            json!({"title": "x", "country": "phl"}),
            400,
            "country",
        ),
        (
            "annotations",
            json!({"title": "x", "country": "de"}),
            404,
            "country",
        ),
        (
            "annotations",
            json!({"title": "x", "carrier": "globe"}),
            400,
            "carrier",
        ),
        (
            "annotations",
            json!({"title": "x", "country": "ph", "carrier": "jio"}),
            400,
            "carrier",
        ),
        (
            "annotations",
            json!({"title": "x", "from": "2026-11-21T10:00"}),
            400,
            "from",
        ),
        (
            "annotations",
            json!({"title": "x", "country": "ph", "from": "2026-11-21", "to": "2026-11-20"}),
            400,
            "to",
        ),
        (
            "maintenance",
            json!({"title": "x", "to": "2027-11-21T00:00:00Z"}),
            400,
            "to",
        ),
        ("maintenance", json!({"title": "x", "to": NOW}), 400, "to"),
    ];
    for (path, body, status, parameter) in cases {
        let answer = it.send(post(&format!("/api/v1/{path}"), &body)).await;
        answer.problem(status);
        assert_eq!(answer.json()["parameter"], parameter, "{body}");
    }
    for (body, words) in [
        (json!({"title": "x"}), "missing field `to`"),
        (json!({"titel": "x"}), "unknown field `titel`"),
        (json!([]), "invalid"),
    ] {
        let detail = it
            .send(post("/api/v1/maintenance", &body))
            .await
            .problem(400);
        assert!(detail.contains(words), "{detail}");
    }
    assert_eq!(it.get("/api/v1/maintenance").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn only_operators_change_anything_and_no_page_of_another_site_does() {
    let it = Fixture::with_hours().await;
    let note = json!({"title": "x"});
    let ask = async |authorization: Option<&str>, more: &[(&'static str, &str)]| {
        let mut request = post("/api/v1/annotations", &note);
        let headers = request.headers_mut();
        headers.insert(header::HOST, "headcount.example".parse().unwrap());
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        }
        for (name, value) in more {
            headers.insert(*name, value.parse().unwrap());
        }
        send(guarded_router(&asking(), it.context()), request).await
    };
    ask(None, &[]).await.problem(401);
    ask(Some(VIEWER), &[]).await.problem(403);
    for foreign in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let answer = ask(Some(OPERATOR), &[foreign]).await;
        answer.problem(403);
        assert_eq!(
            answer.json()["type"],
            "urn:headcount:problem:from-another-site"
        );
    }
    assert_eq!(it.get("/api/v1/annotations").await.ok()["items"], json!([]));
    let ours = [
        ("origin", "https://headcount.example"),
        ("sec-fetch-site", "same-origin"),
    ];
    let made = ask(Some(OPERATOR), &ours).await;
    assert_eq!(
        (made.status, &made.json()["created_by"]),
        (StatusCode::CREATED, &json!("ops"))
    );
}

#[tokio::test]
async fn a_body_is_json_and_not_without_end() {
    let it = Fixture::with_hours().await;
    let large = json!({"title": "x".repeat(2 << 20)});
    it.send(post("/api/v1/annotations", &large))
        .await
        .problem(413);
    let form = Request::post("/api/v1/annotations")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from("title=x"))
        .unwrap();
    it.send(form).await.problem(415);
    let untyped = Request::post("/api/v1/annotations")
        .body(Body::from("{}"))
        .unwrap();
    it.send(untyped).await.problem(415);
    let put = Request::put("/api/v1/annotations")
        .body(Body::empty())
        .unwrap();
    let answer = it.send(put).await;
    answer.problem(405);
    assert_eq!(answer.header(header::ALLOW), "GET,HEAD,POST");
}
