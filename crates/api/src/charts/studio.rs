//! Where charts are drawn: on threads of their own, a few at a time, and the last ones are kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, FontResolver, Options, Tree};
use tokio::sync::Semaphore;
use xxhash_rust::xxh3::xxh3_128;

use super::draw::{Chart, Look, draw};
use super::fonts;
use crate::caching;
use crate::problem::Problem;

/// Charts that are drawn at once: each keeps a processor busy for some hundredths of a second, and
/// counting comes first.
const MAX_DRAWN_AT_ONCE: usize = 2;

/// Charts that are drawn or wait for it. Callers beyond them are told to come back.
const MAX_WAITING: usize = 32;

/// Pictures that are kept.
const MAX_KEPT: usize = 64;

/// What the kept pictures may take in memory.
const MAX_KEPT_BYTES: usize = 8 << 20;

/// An SVG runs nothing and loads nothing, also when it is opened as a page of its own.
const SVG_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// How a picture goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Svg,
    Png,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Svg => "image/svg+xml",
            Self::Png => "image/png",
        }
    }
}

/// A picture could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum RenderError {
    /// The SVG cannot be read: we wrote it wrongly.
    #[error("the chart's SVG cannot be read: {0}")]
    Svg(#[from] usvg::Error),
    /// There is no room for its pixels.
    #[error("no picture of {width} by {height} pixels can be made")]
    Size { width: u32, height: u32 },
    /// The pixels could not be written as PNG.
    #[error("the chart cannot be written as PNG: {0}")]
    Png(#[from] png::EncodingError),
}

/// Draws charts.
#[derive(Debug)]
pub(crate) struct Studio {
    waiting: Arc<Semaphore>,
    drawing: Arc<Semaphore>,
    kept: Arc<Mutex<Kept>>,
}

impl Default for Studio {
    fn default() -> Self {
        Self {
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            drawing: Arc::new(Semaphore::new(MAX_DRAWN_AT_ONCE)),
            kept: Arc::default(),
        }
    }
}

impl Studio {
    /// The answer to a request for a chart: the picture, or that the caller has it already.
    pub(crate) async fn answer(
        &self,
        request: &HeaderMap,
        chart: Chart,
        look: Look,
        format: Format,
    ) -> Result<Response, Problem> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned();
        let Ok(place) = waiting else {
            return Err(Problem::too_busy());
        };
        let Ok(turn) = Arc::clone(&self.drawing).acquire_owned().await else {
            return Err(Problem::too_busy());
        };
        let kept = Arc::clone(&self.kept);
        let request = request.clone();
        // A caller who leaves does not end it: place and turn are given back when it is done.
        let drawn = tokio::task::spawn_blocking(move || {
            let _held_until_drawn = (place, turn);
            let svg = draw(&chart, look);
            let tag = caching::tag(svg.as_bytes());
            if caching::has(&request, &tag) {
                return Ok(caching::not_modified(&tag));
            }
            let body = match format {
                Format::Svg => Bytes::from(svg),
                Format::Png => kept_png(&kept, &svg, look)?,
            };
            Ok(caching::tagged(format.content_type(), &tag, body))
        });
        let drawn: Result<Response, RenderError> =
            drawn.await.map_err(|panic| Problem::internal(&panic))?;
        let mut response = drawn.map_err(|error| Problem::internal(&error))?;
        if format == Format::Svg {
            response
                .headers_mut()
                .insert(header::CONTENT_SECURITY_POLICY, SVG_POLICY);
        }
        Ok(response)
    }
}

/// The PNG of an SVG: the one that is kept, or a new one, which is kept from then on.
fn kept_png(kept: &Mutex<Kept>, svg: &str, look: Look) -> Result<Bytes, RenderError> {
    let key = xxh3_128(svg.as_bytes());
    // Nothing that holds the lock can leave it half changed.
    let found = kept.lock().unwrap_or_else(PoisonError::into_inner).get(key);
    if let Some(png) = found {
        return Ok(png);
    }
    let png = Bytes::from(png(svg, look.width, look.height)?);
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.keep(key, png.clone());
    Ok(png)
}

/// The pictures made last, newest last.
#[derive(Debug, Default)]
struct Kept {
    pictures: VecDeque<(u128, Bytes)>,
    bytes: usize,
}

impl Kept {
    fn get(&self, key: u128) -> Option<Bytes> {
        let found = self.pictures.iter().find(|(other, _)| *other == key);
        found.map(|(_, png)| png.clone())
    }

    fn keep(&mut self, key: u128, png: Bytes) {
        if self.get(key).is_some() {
            return;
        }
        self.bytes += png.len();
        self.pictures.push_back((key, png));
        while self.pictures.len() > MAX_KEPT || self.bytes > MAX_KEPT_BYTES {
            let Some((_, oldest)) = self.pictures.pop_front() else {
                return;
            };
            self.bytes -= oldest.len();
        }
    }
}

/// How texts are set: with our fonts only, so that a picture is the same everywhere.
pub(super) fn options() -> Options<'static> {
    Options {
        font_family: fonts::FAMILY.to_owned(),
        fontdb: Arc::clone(&fonts::DATABASE),
        font_resolver: FontResolver {
            select_font: FontResolver::default_font_selector(),
            select_fallback: Box::new(|character, tried, database| {
                fonts::standing_in(character, tried, database)
            }),
        },
        ..Options::default()
    }
}

/// Rasterises an SVG of ours.
pub(super) fn png(svg: &str, width: u32, height: u32) -> Result<Vec<u8>, RenderError> {
    let tree = Tree::from_str(svg, &options())?;
    let mut pixels = Pixmap::new(width, height).ok_or(RenderError::Size { width, height })?;
    resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
    Ok(encoded(&pixels)?)
}

/// Pixels as PNG, written fast: the library's usual effort takes longer than all the rest, and saves
/// some 60 kB that nobody waits for. A chart covers everything behind it, so its pixels need no transparency.
fn encoded(pixels: &Pixmap) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let opaque: Vec<u8> = pixels
        .data()
        .chunks_exact(4)
        .flat_map(|pixel| pixel.iter().copied().take(3))
        .collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&opaque)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_pictures_are_kept() {
        let mut kept = Kept::default();
        let picture = |bytes| Bytes::from(vec![0; bytes]);
        for key in 0..100 {
            kept.keep(key, picture(10));
            kept.keep(key, picture(10));
        }
        assert_eq!(kept.pictures.len(), MAX_KEPT);
        assert_eq!(kept.bytes, MAX_KEPT * 10);
        assert!(kept.get(0).is_none() && kept.get(99).is_some());
        kept.keep(100, picture(MAX_KEPT_BYTES - 10));
        assert_eq!(kept.pictures.len(), 2);
        kept.keep(101, picture(MAX_KEPT_BYTES + 1));
        assert_eq!((kept.pictures.len(), kept.bytes), (0, 0));
    }
}
