//! Pictures of invented weeks: held to golden files, and looked at as pixels.

use std::path::Path;

use chrono::TimeDelta;
use chrono_tz::Tz;
use model::Instant;
use resvg::tiny_skia::Pixmap;
use resvg::usvg::{Group, Node, Tree};

use super::draw::{Chart, Counted, Headline, Kind, Look, draw};
use super::nights;
use super::series::{Hour, Known, Point, Since, hour_line, missing_hours, unknown_stretches};
use super::studio::{options, png};
use super::theme::Theme;
use super::words::Language;

const MANILA: Tz = Tz::Asia__Manila;

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// 10:20 in Manila.
fn now() -> Instant {
    at("2026-11-21T02:20:00Z")
}

fn look(width: u32, height: u32, language: Language, theme: Theme) -> Look {
    Look {
        width,
        height,
        language,
        theme,
    }
}

fn usual(language: Language) -> Look {
    look(1_200, 630, language, Theme::Light)
}

/// Devices at an hour of the day: fewer at night, and a little unrest that repeats itself.
fn usually(index: i64) -> i64 {
    let by_day = [
        96, 95, 95, 95, 96, 98, 100, 103, 105, 106, 106, 107, 106, 106, 107, 107, 106, 105, 104,
        103, 101, 99, 98, 97,
    ];
    let place = usize::try_from(index.rem_euclid(24)).unwrap();
    by_day[place] * 12 + index * 7 % 11
}

/// Seven days of hours: two that we did not see whole, three of which nothing is known, one running;
/// since 08:00 of the last day half of the devices are missing.
fn week() -> Chart {
    let from = at("2026-11-14T03:00:00Z");
    let mut hours = Vec::new();
    for index in 0..168 {
        let start = from + TimeDelta::hours(index);
        let usual = usually(index + 11);
        let (devices, known) = match index {
            40..=41 => (usual * 2 / 3, Known::AtLeast),
            90..=92 => continue,
            165..=166 => (usual * 6 / 10, Known::Whole),
            167 => (usual / 3, Known::Running),
            _ => (usual, Known::Whole),
        };
        let end = start + TimeDelta::hours(1);
        hours.push(Hour {
            start,
            end,
            devices,
            known,
        });
    }
    let to = from + TimeDelta::hours(168);
    let last_week = (0..168)
        .map(|index| {
            let middle = from + TimeDelta::minutes(index * 60 + 30);
            (middle, Some(usually(index + 11) + index % 5 * 4))
        })
        .collect();
    Chart {
        title: "Philippines".to_owned(),
        carrier: None,
        headline: Headline {
            value: Some(712),
            counted: Counted::Reachable,
            at: now(),
            change: Some(-0.43),
            since: Some(Since {
                at: at("2026-11-21T00:35:00Z"),
                before: false,
            }),
        },
        from,
        to,
        zone: MANILA,
        nights: nights(MANILA, from, to),
        line: hour_line(&hours),
        last_week,
        unknown: missing_hours(&hours),
        kind: Kind::Hours(hours),
    }
}

/// Three hours by the minute. From `drop_from` on a part of the devices is missing; ten minutes are
/// not known.
fn minutes(drop_from: i64, percent_left: i64) -> Chart {
    let (from, to) = (now() - TimeDelta::hours(3), now());
    let unrest = |index: i64| index * 5 % 7;
    let line: Vec<Point> = (0..=180)
        .map(|index| {
            let devices = 1_203 + unrest(index);
            let left = match index {
                50..60 => None,
                dropped if dropped >= drop_from => Some(devices * percent_left / 100),
                _ => Some(devices),
            };
            (from + TimeDelta::minutes(index), left)
        })
        .collect();
    let last_week = (0..=180)
        .map(|index| {
            (
                from + TimeDelta::minutes(index),
                Some(1_190 + unrest(index + 3)),
            )
        })
        .collect();
    Chart {
        title: "Philippines".to_owned(),
        carrier: Some("Globe".to_owned()),
        headline: Headline {
            value: line.last().unwrap().1,
            counted: Counted::Reachable,
            at: to,
            change: Some(0.0112),
            since: None,
        },
        from,
        to,
        zone: MANILA,
        nights: Vec::new(),
        unknown: unknown_stretches(&line, from, to, TimeDelta::minutes(1)),
        line,
        last_week,
        kind: Kind::Minutes,
    }
}

fn incident() -> Chart {
    let chart = minutes(75, 70);
    Chart {
        headline: Headline {
            change: Some(-0.295),
            since: Some(Since {
                at: at("2026-11-21T00:35:00Z"),
                before: false,
            }),
            ..chart.headline.clone()
        },
        ..chart
    }
}

/// We could not see for the last hour.
fn blind() -> Chart {
    let mut chart = minutes(181, 100);
    for point in &mut chart.line[121..] {
        point.1 = None;
    }
    chart.unknown = unknown_stretches(&chart.line, chart.from, chart.to, TimeDelta::minutes(1));
    chart.headline = Headline {
        value: None,
        change: None,
        ..chart.headline
    };
    chart
}

fn japanese(chart: Chart) -> Chart {
    Chart {
        title: "フィリピン".to_owned(),
        ..chart
    }
}

/// The pictures of the golden files.
fn pictures() -> Vec<(&'static str, Chart, Look)> {
    let en = usual(Language::En);
    let ja = usual(Language::Ja);
    let dark = |look| Look {
        theme: Theme::Dark,
        ..look
    };
    vec![
        ("hours-en", week(), en),
        ("hours-ja-dark", japanese(week()), dark(ja)),
        ("now-ok-en", minutes(181, 100), en),
        ("now-incident-en", incident(), en),
        ("now-incident-ja-dark", japanese(incident()), dark(ja)),
        ("now-unknown-ja", japanese(blind()), ja),
        (
            "now-incident-low",
            incident(),
            Look {
                height: 120,
                width: 700,
                ..en
            },
        ),
        (
            "hours-small",
            week(),
            Look {
                height: 200,
                width: 360,
                ..en
            },
        ),
    ]
}

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn pictures_are_those_that_were_looked_at() {
    for (name, chart, look) in pictures() {
        let svg = draw(&chart, look);
        let path = folder("src/charts/golden").join(format!("{name}.svg"));
        if std::env::var_os("UPDATE_CHARTS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &svg).unwrap();
            // To be looked at.
            let pictures = folder("../../target/charts");
            std::fs::create_dir_all(&pictures).unwrap();
            let png = png(&svg, look.width, look.height).unwrap();
            std::fs::write(pictures.join(format!("{name}.png")), png).unwrap();
            continue;
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        let same = svg.lines().zip(golden.lines()).take_while(|(a, b)| a == b);
        assert!(
            svg == golden,
            "{} differs from line {} on; if the change is meant, run\n\n    \
             UPDATE_CHARTS=1 cargo test -p headcount-api --lib pictures\n\nand look at target/charts",
            path.display(),
            same.count() + 1
        );
    }
}

#[test]
fn a_png_has_its_size_and_something_on_it() {
    for (width, height) in [(200, 100), (360, 189), (1_200, 630)] {
        for theme in [Theme::Light, Theme::Dark] {
            let look = look(width, height, Language::En, theme);
            let png = png(&draw(&incident(), look), width, height).unwrap();
            let picture = Pixmap::decode_png(&png).unwrap();
            assert_eq!((picture.width(), picture.height()), (width, height));
            let colours: std::collections::HashSet<_> = picture.data().chunks(4).collect();
            assert!(colours.len() > 20, "{}", colours.len());
            assert!(picture.pixels().iter().all(|pixel| pixel.alpha() == 255));
        }
    }
}

#[test]
fn the_largest_pictures_can_be_drawn() {
    let look = look(2_400, 1_600, Language::Ja, Theme::Dark);
    let svg = draw(&japanese(week()), look);
    assert!(png(&svg, look.width, look.height).unwrap().len() > 10_000);
}

/// Every glyph of every text of a picture.
fn glyphs(group: &Group, found: &mut Vec<(u32, String)>) {
    for node in group.children() {
        match node {
            Node::Group(group) => glyphs(group, found),
            Node::Text(text) => {
                let spans = text.layouted().iter();
                let glyphs = spans.flat_map(|span| &span.positioned_glyphs);
                found.extend(glyphs.map(|glyph| (glyph.id.0, glyph.text.clone())));
            }
            Node::Path(_) | Node::Image(_) => {}
        }
    }
}

fn boxes(svg: &str) -> (usize, Vec<String>) {
    let tree = Tree::from_str(svg, &options()).unwrap();
    let mut found = Vec::new();
    glyphs(tree.root(), &mut found);
    let all = found.len();
    let boxes = found.into_iter().filter(|(glyph, _)| *glyph == 0);
    (all, boxes.map(|(_, text)| text).collect())
}

#[test]
fn no_text_is_drawn_as_boxes() {
    for (name, chart, look) in pictures() {
        let (all, boxes) = boxes(&draw(&chart, look));
        assert!(all > 40, "{name}: {all} glyphs");
        assert!(boxes.is_empty(), "{name}: {boxes:?}");
    }
    // Names that somebody may give to carriers: rare kanji, Vietnamese, Thai, Khmer.
    for carrier in [
        "鷗 靑森 髙",
        "Mạng Điện thoại",
        "ดีแทค ไตรเน็ต",
        "សែលកាត",
        "携帯電話 鬱",
    ] {
        let chart = Chart {
            carrier: Some(carrier.to_owned()),
            ..incident()
        };
        let (_, boxes) = boxes(&draw(&chart, usual(Language::Ja)));
        // Of these, two are not in JIS X 0208, and that is known.
        let known = boxes
            .iter()
            .all(|text| ["靑", "髙"].contains(&text.as_str()));
        assert!(known, "{carrier}: {boxes:?}");
    }
}

#[test]
fn nothing_that_is_given_becomes_markup() {
    let chart = Chart {
        title: "</text><script>alert(1)</script>".to_owned(),
        carrier: Some("a\" onload=\"x\u{0}".to_owned()),
        ..incident()
    };
    let svg = draw(&chart, usual(Language::En));
    assert!(
        !svg.contains("<script") && !svg.contains("a\" onload"),
        "{svg}"
    );
    assert!(Tree::from_str(&svg, &options()).is_ok());
}

#[test]
fn what_is_unknown_is_neither_zero_nor_drawn() {
    let svg = draw(&blind(), usual(Language::En));
    assert!(svg.contains(">—<") && svg.contains("We could not see enough to count"));
    assert!(!svg.contains(">0<"), "an axis from 0 would not be cut here");
    let empty = Chart {
        line: Vec::new(),
        last_week: Vec::new(),
        unknown: Vec::new(),
        ..blind()
    };
    assert!(draw(&empty, usual(Language::En)).contains("Nothing is known of this time"));
    // A line goes up to a hole and begins anew behind it.
    let line = |svg: &str| {
        let at = svg.find("stroke=\"#1d5fae\" stroke-width=\"5\"").unwrap();
        svg[..at]
            .rsplit(" d=\"")
            .next()
            .unwrap()
            .matches('M')
            .count()
    };
    assert_eq!(line(&draw(&minutes(181, 100), usual(Language::En))), 2);
    assert_eq!(line(&draw(&week(), usual(Language::En))), 3);
}

#[test]
fn a_drop_is_said_in_words_and_a_good_day_is_quiet() {
    let bad = draw(&incident(), usual(Language::En));
    assert!(
        bad.contains("vs. last week") && bad.contains("since 08:35, for 1 h 45 min"),
        "{bad}"
    );
    assert!(bad.contains("Manila, UTC+8") && bad.contains("Reachable as of Sat 21 Nov, 10:20"));
    assert!(bad.contains("#b23c0b"));
    let good = draw(&minutes(181, 100), usual(Language::En));
    assert!(
        !good.contains("#b23c0b") && !good.contains("since"),
        "{good}"
    );
}
