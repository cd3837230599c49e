//! Charts drawn here rather than in a browser: for chats, mails and slides.
//!
//! A [`Chart`] is drawn as SVG ([`draw`]), which is deterministic: the same counts make the same
//! text. Its hash is the picture's `ETag`, so a caller who holds the picture is told so before a
//! single pixel is computed. What is left is rasterised by resvg with the fonts in the binary. See
//! `docs/adr/0022-charts-drawn-on-the-server.md`.

mod clock;
mod draw;
mod fonts;
mod scale;
pub(crate) mod series;
mod studio;
mod svg;
mod theme;
mod words;

pub(crate) use clock::{days_later, nights};
pub(crate) use draw::{Chart, Counted, DESIGN_HEIGHT, DESIGN_WIDTH, Headline, Kind, Look};
pub(crate) use studio::{Format, Studio};
pub(crate) use theme::Theme;
pub(crate) use words::Language;

#[cfg(test)]
mod tests;
