//! The fonts of the charts, in the binary: see `crates/api/fonts/README.md`.

use std::sync::{Arc, LazyLock};

use resvg::usvg::fontdb::{Database, ID, Source};
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider as _};

/// The first family of every text. Others follow for what it lacks.
pub(super) const FAMILY: &str = "Noto Sans";

/// The families of a text in an SVG: where it is shown, other fonts may be at hand than here.
pub(super) const FAMILIES: &str = "'Noto Sans', 'Noto Sans CJK JP', 'Noto Sans JP', system-ui, \
    'Hiragino Sans', 'Yu Gothic UI', Meiryo, sans-serif";

/// What follows a text that was cut.
const ELLIPSIS: char = '…';

/// How wide a character counts that no font has, as a part of the font size.
const UNKNOWN_WIDTH: f64 = 1.0;

/// In the order in which they are asked for a character.
const REGULAR: [&[u8]; 4] = [
    include_bytes!("../../fonts/NotoSans-Regular.ttf"),
    include_bytes!("../../fonts/NotoSansCJKjp-Regular.otf"),
    include_bytes!("../../fonts/NotoSansThai-Regular.ttf"),
    include_bytes!("../../fonts/NotoSansKhmer-Regular.ttf"),
];

const BOLD: [&[u8]; 2] = [
    include_bytes!("../../fonts/NotoSans-Bold.ttf"),
    include_bytes!("../../fonts/NotoSansCJKjp-Bold.otf"),
];

/// How heavy a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

impl Weight {
    /// As SVG and fonts have it.
    pub(super) fn number(self) -> u16 {
        match self {
            Self::Regular => 400,
            Self::Bold => 700,
        }
    }

    /// Fonts of this weight; those of the other stand in for what they lack.
    fn fonts(self) -> impl Iterator<Item = &'static FontRef<'static>> {
        let (first, second) = match self {
            Self::Regular => (&PARSED.regular, &PARSED.bold),
            Self::Bold => (&PARSED.bold, &PARSED.regular),
        };
        first.iter().chain(second)
    }
}

/// The fonts as the renderer wants them.
pub(super) static DATABASE: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut database = Database::new();
    for font in REGULAR.into_iter().chain(BOLD) {
        database.load_font_source(Source::Binary(Arc::new(font)));
    }
    database.set_sans_serif_family(FAMILY);
    database.set_serif_family(FAMILY);
    Arc::new(database)
});

/// The font that draws a character which those that were tried lack: one of their weight before one
/// of another.
pub(super) fn standing_in(character: char, tried: &[ID], database: &Database) -> Option<ID> {
    let weight = tried.first().and_then(|id| database.face(*id))?.weight;
    let untried = || database.faces().filter(|face| !tried.contains(&face.id));
    let (same, other): (Vec<_>, Vec<_>) = untried().partition(|face| face.weight == weight);
    same.into_iter()
        .chain(other)
        .map(|face| face.id)
        .find(|id| has(database, *id, character))
}

fn has(database: &Database, font: ID, character: char) -> bool {
    let found = database.with_face_data(font, |bytes, index| {
        let font = FontRef::from_index(bytes, index).ok()?;
        font.charmap().map(character)
    });
    found.flatten().is_some()
}

struct Parsed {
    regular: Vec<FontRef<'static>>,
    bold: Vec<FontRef<'static>>,
}

static PARSED: LazyLock<Parsed> = LazyLock::new(|| {
    let parse = |fonts: &[&'static [u8]]| {
        fonts
            .iter()
            .filter_map(|font| FontRef::new(font).ok())
            .collect()
    };
    Parsed {
        regular: parse(&REGULAR),
        bold: parse(&BOLD),
    }
});

/// How wide a text is at a font size, both in pixels. Pairs of letters are not moved together, so
/// it may be a little less.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    text.chars().map(|c| advance(c, weight)).sum::<f64>() * size
}

/// The advance of a character as a part of the font size.
fn advance(character: char, weight: Weight) -> f64 {
    weight
        .fonts()
        .find_map(|font| {
            let glyph = font.charmap().map(character)?;
            let metrics = font.glyph_metrics(Size::new(1.0), LocationRef::default());
            metrics.advance_width(glyph)
        })
        .map_or(UNKNOWN_WIDTH, f64::from)
}

/// A text cut to a width, with an ellipsis where something is missing.
pub(super) fn fitted(text: &str, size: f64, weight: Weight, max_width: f64) -> String {
    if width(text, size, weight) <= max_width {
        return text.to_owned();
    }
    let mut left = max_width - advance(ELLIPSIS, weight) * size;
    let mut kept: String = text
        .chars()
        .take_while(|character| {
            left -= advance(*character, weight) * size;
            left >= 0.0
        })
        .collect();
    kept.truncate(kept.trim_end().len());
    if kept.is_empty() {
        return kept;
    }
    kept.push(ELLIPSIS);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a character is drawn as itself.
    fn is_drawn(character: char) -> bool {
        let mut fonts = Weight::Regular.fonts();
        fonts.any(|font| font.charmap().map(character).is_some())
    }

    #[test]
    fn every_name_of_a_country_can_be_drawn() {
        for country in model::Catalogue::builtin().countries() {
            let names = country.name_en.chars().chain(country.name_ja.chars());
            let missing: Vec<_> = names.filter(|character| !is_drawn(*character)).collect();
            assert!(missing.is_empty(), "{country:?}: {missing:?}");
        }
    }

    #[test]
    fn every_font_is_there() {
        assert_eq!(DATABASE.len(), REGULAR.len() + BOLD.len());
        assert_eq!(PARSED.regular.len(), REGULAR.len());
        assert_eq!(PARSED.bold.len(), BOLD.len());
    }

    #[test]
    fn a_bold_text_stays_bold_where_it_can() {
        let weight_of = |character| {
            let bold = DATABASE
                .faces()
                .find(|face| face.weight.0 == Weight::Bold.number())
                .unwrap();
            let id = standing_in(character, &[bold.id], &DATABASE)?;
            Some(DATABASE.face(id)?.weight.0)
        };
        assert_eq!(weight_of('台'), Some(700));
        // Of the second level, in regular only.
        assert_eq!(weight_of('鷗'), None);
        assert_eq!(weight_of('彌'), Some(400));
        assert_eq!(weight_of('ก'), Some(400));
        assert_eq!(weight_of('\u{10ffff}'), None);
    }

    #[test]
    fn texts_are_measured() {
        let ten = width("1234567890", 100.0, Weight::Regular);
        assert!((550.0..600.0).contains(&ten), "digits are 0.57 em: {ten}");
        assert_eq!(
            width("111", 50.0, Weight::Bold),
            width("888", 50.0, Weight::Bold)
        );
        assert!((width("端末台数", 10.0, Weight::Regular) - 40.0).abs() < 0.1);
        assert!(width("WWW", 10.0, Weight::Bold) > width("iii", 10.0, Weight::Bold));
    }

    #[test]
    fn a_text_is_cut_where_it_must_be() {
        let fit = |text, width| fitted(text, 10.0, Weight::Regular, width);
        assert_eq!(fit("Philippines", 100.0), "Philippines");
        let cut = fit("Philippines", 40.0);
        assert!(cut.starts_with("Phil") && cut.ends_with('…'), "{cut}");
        assert!(width(&cut, 10.0, Weight::Regular) <= 40.0);
        assert_eq!(fit("Philippines", 5.0), "");
    }
}
