//! Colours, those of the page's style sheet (`web/src/app.css`; a test holds them to it).

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Theme {
    /// Dark on white.
    #[default]
    Light,
    /// Light on near black.
    Dark,
}

/// A colour and how much of it there is, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ink {
    pub(super) color: &'static str,
    pub(super) opacity: f64,
}

const fn full(color: &'static str) -> Ink {
    Ink {
        color,
        opacity: 1.0,
    }
}

/// The colours of a theme, by what they are for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    pub(super) surface: Ink,
    pub(super) border: Ink,
    pub(super) text: Ink,
    pub(super) text_soft: Ink,
    pub(super) bad: Ink,
    pub(super) unknown: Ink,
    pub(super) line: Ink,
    pub(super) area: Ink,
    pub(super) last_week: Ink,
    pub(super) grid: Ink,
    pub(super) night: Ink,
    pub(super) hatch: Ink,
    pub(super) unseen: Ink,
    pub(super) unseen_hatch: Ink,
}

const LIGHT: Palette = Palette {
    surface: full("#ffffff"),
    border: full("#dce2ea"),
    text: full("#17202c"),
    text_soft: full("#556274"),
    bad: full("#b23c0b"),
    unknown: full("#5b5470"),
    line: full("#1d5fae"),
    area: Ink {
        color: "#1d5fae",
        opacity: 0.09,
    },
    last_week: full("#8b95a3"),
    grid: full("#e3e8ee"),
    night: Ink {
        color: "#303e63",
        opacity: 0.07,
    },
    hatch: Ink {
        color: "#1d5fae",
        opacity: 0.28,
    },
    unseen: full("#6d6685"),
    unseen_hatch: Ink {
        color: "#6d6685",
        opacity: 0.38,
    },
};

const DARK: Palette = Palette {
    surface: full("#161d27"),
    border: full("#2a3543"),
    text: full("#e8edf4"),
    text_soft: full("#a0adbf"),
    bad: full("#ff9a6b"),
    unknown: full("#bdb3dc"),
    line: full("#7db4f5"),
    area: Ink {
        color: "#7db4f5",
        opacity: 0.11,
    },
    last_week: full("#75839a"),
    grid: full("#263140"),
    night: Ink {
        color: "#00040e",
        opacity: 0.28,
    },
    hatch: Ink {
        color: "#7db4f5",
        opacity: 0.32,
    },
    unseen: full("#a79cc9"),
    unseen_hatch: Ink {
        color: "#a79cc9",
        opacity: 0.38,
    },
};

impl Theme {
    pub(super) fn palette(self) -> &'static Palette {
        match self {
            Self::Light => &LIGHT,
            Self::Dark => &DARK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `#rrggbb`, or `rgb(r g b / p%)`, as the style sheet writes it.
    fn css(ink: Ink) -> String {
        if ink.opacity == 1.0 {
            return ink.color.to_owned();
        }
        let part = |at: usize| u8::from_str_radix(&ink.color[at..at + 2], 16).unwrap();
        let percent = ink.opacity * 100.0;
        format!("rgb({} {} {} / {percent:.0}%)", part(1), part(3), part(5))
    }

    #[test]
    fn the_colours_are_the_pages() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/src/app.css");
        let sheet = std::fs::read_to_string(path).unwrap();
        let (light, dark) = sheet.split_once(":root[data-theme=\"dark\"]").unwrap();
        for (css_of_theme, palette) in [(light, LIGHT), (dark, DARK)] {
            for (name, ink) in [
                ("surface", palette.surface),
                ("border", palette.border),
                ("text", palette.text),
                ("text-soft", palette.text_soft),
                ("bad", palette.bad),
                ("unknown", palette.unknown),
                ("chart-line", palette.line),
                ("chart-area", palette.area),
                ("chart-last-week", palette.last_week),
                ("chart-grid", palette.grid),
                ("chart-night", palette.night),
                ("chart-hatch", palette.hatch),
                ("chart-unseen", palette.unseen),
                ("chart-unseen-hatch", palette.unseen_hatch),
            ] {
                let wanted = format!("--{name}: {};", css(ink));
                assert!(css_of_theme.contains(&wanted), "{wanted}");
            }
        }
    }
}
