//! A chart as SVG.
//!
//! Everything but the line itself is measured in a unit that grows with the picture: a chat client
//! shrinks 1,200 pixels to 360, and whoever reads it there must still see how many, how bad, and
//! since when. So from top to bottom: who, how many with the verdict beside it, the line, the legend.

use std::fmt::Write as _;

use chrono::TimeDelta;
use chrono_tz::Tz;
use model::Instant;

use super::clock::{self, Step};
use super::fonts::{self, Weight, fitted};
use super::scale::Scale;
use super::series::{DROP_TO_NOTE, Hour, Known, Point, Since, Stretch};
use super::svg::{Px, Svg};
use super::theme::{Ink, Palette, Theme};
use super::words::{self, Language};

/// The picture for which all sizes are given: the usual one of previews in chats.
pub(crate) const DESIGN_WIDTH: u32 = 1_200;
pub(crate) const DESIGN_HEIGHT: u32 = 630;

/// The smallest unit: in smaller pictures texts would be read by nobody, so they are cut instead.
const MIN_UNIT: f64 = 0.3;

/// A picture with fewer units of height has a header of two lines and no legend.
const COMPACT_BELOW: f64 = 480.0;

/// About so many lines across, by the height of the plot in units.
const LINES: u32 = 4;
const FEW_LINES: u32 = 2;
const FEW_LINES_BELOW: f64 = 220.0;

// Sizes in units.
const MARGIN: f64 = 40.0;
const TITLE: f64 = 46.0;
/// A title that is too long has this part of its size at least.
const SMALLEST_TITLE: f64 = 0.65;
const NUMBER: f64 = 104.0;
const VERDICT: f64 = 46.0;
const NOTE: f64 = 32.0;
const LABEL: f64 = 29.0;
const LINE: f64 = 5.0;
const LAST_WEEK_LINE: f64 = 4.5;
const HATCH: f64 = 14.0;
const SIGN_WIDTH: f64 = 44.0;

/// What a chart shows.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    /// The country.
    pub(crate) title: String,
    /// The carrier, where it is of one.
    pub(crate) carrier: Option<String>,
    pub(crate) headline: Headline,
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    /// The zone of the axis and of all times.
    pub(crate) zone: Tz,
    pub(crate) nights: Vec<Stretch>,
    pub(crate) line: Vec<Point>,
    pub(crate) last_week: Vec<Point>,
    /// Stretches of which nothing is known.
    pub(crate) unknown: Vec<Stretch>,
    pub(crate) kind: Kind,
}

/// Which of the two charts.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Connected per hour, with the hours that are not whole.
    Hours(Vec<Hour>),
    /// Reachable by the minute, or by longer steps.
    Minutes,
}

/// How many, and whether that is bad.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Headline {
    /// `None` when it is not known.
    pub(crate) value: Option<i64>,
    pub(crate) counted: Counted,
    /// The instant for which it holds.
    pub(crate) at: Instant,
    /// Against last week, as a share.
    pub(crate) change: Option<f64>,
    /// Since when it has been a drop to note.
    pub(crate) since: Option<Since>,
}

/// What the number of a headline counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Devices reachable at its instant.
    Reachable,
    /// Devices connected in the hour that ends at its instant.
    InTheHour,
}

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) language: Language,
    pub(crate) theme: Theme,
}

/// Draws a chart.
pub(crate) fn draw(chart: &Chart, look: Look) -> String {
    Drawing::new(chart, look).draw()
}

/// The part of the picture in which the line is.
#[derive(Debug, Clone, Copy)]
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

struct Drawing<'a> {
    chart: &'a Chart,
    language: Language,
    palette: &'static Palette,
    width: f64,
    height: f64,
    unit: f64,
    svg: Svg,
}

/// Where a text stands on its line.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// How a text looks: its size in pixels.
#[derive(Clone, Copy)]
struct Type {
    size: f64,
    weight: Weight,
    ink: Ink,
}

/// One sign of the legend and what it means.
struct Sign {
    kind: SignKind,
    text: String,
}

#[derive(Clone, Copy)]
enum SignKind {
    Line,
    LastWeek,
    AtLeast,
    Unknown,
    Running,
    Night,
    /// A word about the axis, without a sign.
    Word,
}

impl<'a> Drawing<'a> {
    fn new(chart: &'a Chart, look: Look) -> Self {
        let (width, height) = (f64::from(look.width), f64::from(look.height));
        let unit = (width / f64::from(DESIGN_WIDTH))
            .min(height / f64::from(DESIGN_HEIGHT))
            .max(MIN_UNIT);
        Self {
            chart,
            language: look.language,
            palette: look.theme.palette(),
            width,
            height,
            unit,
            svg: Svg::default(),
        }
    }

    fn draw(mut self) -> String {
        let (width, height) = (Px(self.width), Px(self.height));
        let view = format!("0 0 {width} {height}");
        self.svg.open(
            "svg",
            &[
                ("xmlns", &"http://www.w3.org/2000/svg"),
                ("width", &width),
                ("height", &height),
                ("viewBox", &view),
                ("lang", &self.language.code()),
                ("role", &"img"),
                ("font-family", &fonts::FAMILIES),
            ],
        );
        // For those who do not see the picture.
        let told = self.told();
        self.svg.text("title", &[], &told);
        self.hatches();
        self.svg.leaf(
            "rect",
            &[
                ("width", &width),
                ("height", &height),
                ("fill", &self.palette.surface.color),
            ],
        );
        let is_compact = self.height / self.unit < COMPACT_BELOW;
        let top = if is_compact {
            self.compact_header()
        } else {
            self.header()
        };
        let below = if is_compact { 58.0 } else { 112.0 };
        let bottom = (self.height - self.u(below)).max(top + 1.0);
        let scale = self.scale((bottom - top) / self.unit);
        let labels = scale.lines().map(|line| words::count(whole(line)));
        let widest = labels
            .map(|label| fonts::width(&label, self.u(LABEL), Weight::Regular))
            .fold(0.0, f64::max);
        let plot = Plot {
            left: self.u(MARGIN) + widest + self.u(14.0),
            right: self.width - self.u(MARGIN),
            top,
            bottom,
        };
        self.plot(plot, scale);
        if !is_compact {
            self.legend(scale);
        }
        self.svg.finish()
    }

    fn u(&self, units: f64) -> f64 {
        units * self.unit
    }

    /// The chart in one sentence.
    fn told(&self) -> String {
        let Chart {
            title,
            carrier,
            headline,
            ..
        } = self.chart;
        let mut told = title.clone();
        if let Some(carrier) = carrier {
            let _ = write!(told, " · {carrier}");
        }
        let value = words::count_or_unknown(headline.value);
        let _ = write!(told, ": {value} · {}", self.counted());
        let (verdict, note) = self.verdict();
        for part in [verdict, note].into_iter().flatten() {
            let _ = write!(told, " · {part}");
        }
        told
    }

    /// What the number counts, and when.
    fn counted(&self) -> String {
        let Headline { counted, at, .. } = self.chart.headline;
        match counted {
            Counted::Reachable => self.language.reachable_at(at, self.chart.zone),
            Counted::InTheHour => self.language.in_the_hour_to(at, self.chart.zone),
        }
    }

    /// Whether it is bad, and since when.
    fn verdict(&self) -> (Option<String>, Option<String>) {
        let Headline {
            value,
            at,
            change,
            since,
            ..
        } = &self.chart.headline;
        if value.is_none() {
            let (no_count, note) = (self.language.no_count(), self.language.not_the_devices());
            return (Some(no_count.to_owned()), Some(note.to_owned()));
        }
        let zone = self.chart.zone;
        let since = since.map(|since| {
            if since.before {
                self.language.since_before(since.at, zone)
            } else {
                self.language.since(since.at, *at, zone)
            }
        });
        (
            change.map(|share| self.language.against_last_week(share)),
            since,
        )
    }

    fn is_bad(&self) -> bool {
        let change = self.chart.headline.change;
        change.is_some_and(|share| share <= DROP_TO_NOTE)
    }

    fn verdict_ink(&self) -> Ink {
        match self.chart.headline.value {
            None => self.palette.unknown,
            Some(_) if self.is_bad() => self.palette.bad,
            Some(_) => self.palette.text_soft,
        }
    }

    /// Who, as of when; then how many, with the verdict beside it. Returns where the plot begins.
    fn header(&mut self) -> f64 {
        let palette = self.palette;
        let (left, right) = (self.u(MARGIN), self.width - self.u(MARGIN));
        if self.is_bad() {
            // A bar of the colour of bad things along the edge is seen before anything is read.
            let bar = self.u(12.0);
            self.svg.leaf(
                "rect",
                &[
                    ("width", &Px(bar)),
                    ("height", &Px(self.height)),
                    ("fill", &palette.bad.color),
                ],
            );
        }
        let baseline = self.u(72.0);
        let counted = self.counted();
        let soft = self.soft(NOTE);
        let counted_width = fonts::width(&counted, soft.size, soft.weight);
        self.write(right, baseline, Anchor::End, soft, &counted);
        self.title(left, baseline, right - counted_width - self.u(32.0));

        let baseline = self.u(178.0);
        let number = self.bold(NUMBER, palette.text);
        let value = words::count_or_unknown(self.chart.headline.value);
        self.write(left, baseline, Anchor::Start, number, &value);
        let left = left + fonts::width(&value, number.size, number.weight) + self.u(36.0);
        // Two lines, as high as the number; one stands on its line.
        let (upper, lower) = (self.u(139.0), baseline);
        if let (Some(verdict), note) = self.verdict() {
            let baseline = if note.is_some() { upper } else { lower };
            let type_ = self.bold(VERDICT, self.verdict_ink());
            let start = if self.is_bad() {
                self.down_mark(left, baseline, type_)
            } else {
                left
            };
            self.write_fitted(start, baseline, right - start, type_, &verdict);
            let ink = if self.is_bad() {
                palette.text
            } else {
                palette.text_soft
            };
            let type_ = Type {
                ink,
                ..self.soft(NOTE + 2.0)
            };
            let note = note.unwrap_or_default();
            self.write_fitted(left, lower, right - left, type_, &note);
        }
        self.u(214.0)
    }

    /// The same in two lines, for low pictures.
    fn compact_header(&mut self) -> f64 {
        let palette = self.palette;
        let (left, right) = (self.u(MARGIN), self.width - self.u(MARGIN));
        let baseline = self.u(58.0);
        let ink = if self.is_bad() {
            palette.bad
        } else {
            palette.text
        };
        let number = self.bold(TITLE, ink);
        let value = words::count_or_unknown(self.chart.headline.value);
        let value_width = fonts::width(&value, number.size, number.weight);
        self.write(right, baseline, Anchor::End, number, &value);
        self.title(left, baseline, right - value_width - self.u(24.0));

        let baseline = self.u(102.0);
        let zone = self.zone();
        let soft = self.soft(LABEL);
        let zone_width = fonts::width(&zone, soft.size, soft.weight);
        self.write(right, baseline, Anchor::End, soft, &zone);
        let (verdict, note) = self.verdict();
        let verdict = match (verdict, note) {
            (Some(verdict), Some(note)) => format!("{verdict}, {note}"),
            (Some(verdict), None) => verdict,
            (None, _) => self.counted(),
        };
        let type_ = Type {
            ink: self.verdict_ink(),
            ..self.soft(LABEL)
        };
        self.write_fitted(
            left,
            baseline,
            right - zone_width - self.u(24.0) - left,
            type_,
            &verdict,
        );
        self.u(128.0)
    }

    /// The country and, softer, the carrier.
    fn title(&mut self, left: f64, baseline: f64, right: f64) {
        let mut type_ = self.bold(TITLE, self.palette.text);
        let gap = self.u(18.0);
        let width = |text: &str| fonts::width(text, type_.size, type_.weight);
        let carrier = self.chart.carrier.as_deref();
        let wanted = width(&self.chart.title) + carrier.map_or(0.0, |name| gap + width(name));
        // A long name is first made smaller, then cut.
        type_.size *= ((right - left) / wanted).clamp(SMALLEST_TITLE, 1.0);
        let title = fitted(&self.chart.title, type_.size, type_.weight, right - left);
        self.write(left, baseline, Anchor::Start, type_, &title);
        if let Some(carrier) = carrier {
            let left = left + fonts::width(&title, type_.size, type_.weight) + gap;
            let type_ = Type {
                ink: self.palette.text_soft,
                ..type_
            };
            self.write_fitted(left, baseline, right - left, type_, carrier);
        }
    }

    /// A triangle that points down, before a text. Returns where the text begins.
    fn down_mark(&mut self, left: f64, baseline: f64, type_: Type) -> f64 {
        let (width, height) = (type_.size * 0.62, type_.size * 0.52);
        let top = baseline - type_.size * 0.62;
        let path = format!(
            "M{} {}h{}L{} {}z",
            Px(left),
            Px(top),
            Px(width),
            Px(left + width / 2.0),
            Px(top + height)
        );
        self.svg
            .leaf("path", &[("d", &path), ("fill", &type_.ink.color)]);
        left + width + type_.size * 0.3
    }

    fn scale(&self, plot_units: f64) -> Scale {
        let lines = if plot_units < FEW_LINES_BELOW {
            FEW_LINES
        } else {
            LINES
        };
        let chart = self.chart;
        let drawn = chart.line.iter().chain(&chart.last_week);
        let drawn = drawn.filter_map(|(_, value)| *value);
        match &chart.kind {
            Kind::Minutes => Scale::for_dips(drawn, lines),
            Kind::Hours(hours) => {
                Scale::from_zero(drawn.chain(hours.iter().map(|hour| hour.devices)), lines)
            }
        }
    }

    fn plot(&mut self, plot: Plot, scale: Scale) {
        let palette = self.palette;
        for (from, to) in &self.chart.nights {
            self.band(
                plot,
                (*from, *to),
                palette.night.color,
                palette.night.opacity,
            );
        }
        for stretch in &self.chart.unknown {
            self.band(plot, *stretch, "url(#unseen)", 1.0);
        }
        if let Kind::Hours(hours) = &self.chart.kind {
            for hour in hours {
                let fill = match hour.known {
                    Known::Whole => continue,
                    Known::AtLeast => "url(#unseen)",
                    Known::Running => "url(#running)",
                };
                self.band(plot, (hour.start, hour.end), fill, 1.0);
            }
        }
        self.grid(plot, scale);
        self.ticks(plot);
        self.last_week(plot, scale);
        self.line(plot, scale);
        if let Kind::Hours(hours) = &self.chart.kind {
            self.lower_bounds(plot, scale, hours);
            self.running(plot, scale, hours);
        }
        let is_empty = self.chart.line.iter().all(|(_, value)| value.is_none());
        if is_empty && !matches!(&self.chart.kind, Kind::Hours(hours) if !hours.is_empty()) {
            let text = self.language.nothing_to_show();
            let type_ = Type {
                ink: palette.unknown,
                ..self.bold(NOTE, palette.unknown)
            };
            let text = fitted(text, type_.size, type_.weight, plot.right - plot.left);
            let middle = (
                (plot.left + plot.right) / 2.0,
                (plot.top + plot.bottom) / 2.0,
            );
            self.write(middle.0, middle.1, Anchor::Middle, type_, &text);
        }
    }

    fn x(&self, plot: Plot, at: Instant) -> f64 {
        let millis = |length: TimeDelta| length.as_seconds_f64();
        let length = millis(self.chart.to - self.chart.from).max(f64::EPSILON);
        let share = millis(at - self.chart.from) / length;
        plot.left + share.clamp(0.0, 1.0) * (plot.right - plot.left)
    }

    fn y(plot: Plot, scale: Scale, value: i64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a fleet has far fewer than 2^52 devices"
        )]
        let share = scale.share(value as f64);
        plot.bottom - share * (plot.bottom - plot.top)
    }

    fn band(&mut self, plot: Plot, (from, to): Stretch, fill: &str, opacity: f64) {
        let (left, right) = (self.x(plot, from), self.x(plot, to));
        if right <= left {
            return;
        }
        self.svg.leaf(
            "rect",
            &[
                ("x", &Px(left)),
                ("y", &Px(plot.top)),
                ("width", &Px(right - left)),
                ("height", &Px(plot.bottom - plot.top)),
                ("fill", &fill),
                ("fill-opacity", &Px(opacity)),
            ],
        );
    }

    /// The lines across, each with its number.
    fn grid(&mut self, plot: Plot, scale: Scale) {
        let type_ = self.soft(LABEL);
        for line in scale.lines() {
            let value = whole(line);
            let y = Self::y(plot, scale, value);
            let ink = if line == scale.min {
                self.palette.border
            } else {
                self.palette.grid
            };
            self.rule((plot.left, y), (plot.right, y), ink);
            let baseline = y + type_.size * 0.36;
            let right = plot.left - self.u(14.0);
            self.write(right, baseline, Anchor::End, type_, &words::count(value));
        }
    }

    fn rule(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink) {
        self.svg.leaf(
            "line",
            &[
                ("x1", &Px(from.0)),
                ("y1", &Px(from.1)),
                ("x2", &Px(to.0)),
                ("y2", &Px(to.1)),
                ("stroke", &ink.color),
                ("stroke-width", &Px(self.u(2.0).max(1.0))),
            ],
        );
    }

    /// Times below the plot. Days begin at a line, and their name stands right of it.
    fn ticks(&mut self, plot: Plot) {
        let Chart { from, to, zone, .. } = *self.chart;
        let type_ = self.soft(LABEL);
        let room = plot.right - plot.left;
        let places = |step: Step| {
            let label = self.tick_label(step, to);
            let width = fonts::width(&label, type_.size, type_.weight) * 1.25;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "labels beside each other on a picture of some thousand pixels"
            )]
            let places = (room / width).floor().max(1.0) as u32;
            places
        };
        let step = Step::fitting(to - from, places);
        let baseline = plot.bottom + self.u(38.0);
        let mut free_from = 0.0;
        for at in step.ticks(zone, from, to) {
            let x = self.x(plot, at);
            let label = self.tick_label(step, at);
            let width = fonts::width(&label, type_.size, type_.weight);
            let is_day = clock::is_midnight(zone, at);
            if is_day {
                self.rule((x, plot.top), (x, plot.bottom), self.palette.grid);
            }
            let tick = self.u(8.0);
            self.rule(
                (x, plot.bottom),
                (x, plot.bottom + tick),
                self.palette.border,
            );
            let left = match step {
                Step::Days(_) => x,
                Step::Minutes(_) => x - width / 2.0,
            };
            // What does not fit is left out: half a time is read as another.
            if left >= free_from && left + width <= self.width - self.u(12.0) {
                self.write(left, baseline, Anchor::Start, type_, &label);
                free_from = left + width + self.u(10.0);
            }
        }
    }

    fn tick_label(&self, step: Step, at: Instant) -> String {
        let zone = self.chart.zone;
        match step {
            Step::Minutes(_) if clock::is_midnight(zone, at) => self.language.short_day(at, zone),
            Step::Minutes(_) => words::clock(at, zone),
            Step::Days(1 | 2) => self.language.short_day(at, zone),
            Step::Days(_) => self.language.date(at, zone),
        }
    }

    fn last_week(&mut self, plot: Plot, scale: Scale) {
        let Lines { path, dots, .. } = self.lines(plot, scale, &self.chart.last_week);
        let (long, short) = (Px(self.u(4.0)), Px(self.u(8.0)));
        let dashes = format!("{long} {short}");
        let ink = self.palette.last_week;
        self.stroke(&path, ink, self.u(LAST_WEEK_LINE), Some(&dashes));
        for (x, y) in dots {
            self.dot(x, y, self.u(LAST_WEEK_LINE), ink);
        }
    }

    fn line(&mut self, plot: Plot, scale: Scale) {
        let Lines { path, areas, dots } = self.lines(plot, scale, &self.chart.line);
        let Palette { line, area, .. } = *self.palette;
        // An area's height would lie where the axis is cut.
        if scale.min == 0.0 && !areas.is_empty() {
            self.svg.leaf(
                "path",
                &[
                    ("d", &areas),
                    ("fill", &area.color),
                    ("fill-opacity", &Px(area.opacity)),
                ],
            );
        }
        self.stroke(&path, line, self.u(LINE), None);
        // A point between two holes has no line.
        for (x, y) in dots {
            self.dot(x, y, self.u(LINE), line);
        }
        if matches!(self.chart.kind, Kind::Minutes)
            && let Some((at, Some(value))) = self.chart.line.last()
        {
            // Where the line is now.
            let (x, y) = (self.x(plot, *at), Self::y(plot, scale, *value));
            self.dot(x, y, self.u(LINE * 1.9), line);
        }
    }

    fn stroke(&mut self, path: &str, ink: Ink, width: f64, dashes: Option<&str>) {
        if path.is_empty() {
            return;
        }
        self.svg.leaf(
            "path",
            &[
                ("d", &path),
                ("fill", &"none"),
                ("stroke", &ink.color),
                ("stroke-width", &Px(width.max(1.0))),
                ("stroke-linejoin", &"round"),
                ("stroke-dasharray", &dashes.unwrap_or("none")),
            ],
        );
    }

    fn dot(&mut self, x: f64, y: f64, radius: f64, ink: Ink) {
        self.svg.leaf(
            "circle",
            &[
                ("cx", &Px(x)),
                ("cy", &Px(y)),
                ("r", &Px(radius)),
                ("fill", &ink.color),
            ],
        );
    }

    fn lines(&self, plot: Plot, scale: Scale, points: &[Point]) -> Lines {
        let mut lines = Lines::default();
        let mut run: Vec<(f64, f64)> = Vec::new();
        for (at, value) in points {
            match value {
                Some(value) => run.push((self.x(plot, *at), Self::y(plot, scale, *value))),
                None => lines.add(&mut run, plot.bottom),
            }
        }
        lines.add(&mut run, plot.bottom);
        lines
    }

    /// Hours that we could not see whole: a dashed line at what there was at least.
    fn lower_bounds(&mut self, plot: Plot, scale: Scale, hours: &[Hour]) {
        let mut path = String::new();
        let mut marks = Vec::new();
        let mut previous: Option<&Hour> = None;
        for hour in hours.iter().filter(|hour| hour.known == Known::AtLeast) {
            let (left, right) = (self.x(plot, hour.start), self.x(plot, hour.end));
            let y = Self::y(plot, scale, hour.devices);
            let follows = previous.is_some_and(|previous| previous.end == hour.start);
            let start = if follows { 'L' } else { 'M' };
            let _ = write!(path, "{start}{} {}H{}", Px(left), Px(y), Px(right));
            if !follows {
                marks.push(((left + right) / 2.0, y));
            }
            previous = Some(hour);
        }
        let dashes = format!("{} {}", Px(self.u(9.0)), Px(self.u(6.0)));
        let ink = self.palette.unseen;
        self.stroke(&path, ink, self.u(LINE * 0.8), Some(&dashes));
        for (x, y) in marks {
            self.up_mark(x, y);
        }
    }

    /// A triangle that points up, from where a lower bound is: it may be more.
    fn up_mark(&mut self, x: f64, y: f64) {
        let (half, height) = (self.u(9.0), self.u(15.0));
        let path = format!(
            "M{} {}L{} {}H{}z",
            Px(x),
            Px(y - height),
            Px(x + half),
            Px(y),
            Px(x - half)
        );
        self.svg.leaf(
            "path",
            &[
                ("d", &path),
                ("fill", &self.palette.surface.color),
                ("stroke", &self.palette.unseen.color),
                ("stroke-width", &Px(self.u(3.0))),
            ],
        );
    }

    /// The hour that is running: so many until now.
    fn running(&mut self, plot: Plot, scale: Scale, hours: &[Hour]) {
        for hour in hours.iter().filter(|hour| hour.known == Known::Running) {
            let x = self.x(plot, hour.start + (hour.end - hour.start) / 2);
            let y = Self::y(plot, scale, hour.devices);
            self.ring(x, y);
        }
    }

    fn ring(&mut self, x: f64, y: f64) {
        self.svg.leaf(
            "circle",
            &[
                ("cx", &Px(x)),
                ("cy", &Px(y)),
                ("r", &Px(self.u(8.0))),
                ("fill", &self.palette.surface.color),
                ("stroke", &self.palette.line.color),
                ("stroke-width", &Px(self.u(4.0))),
            ],
        );
    }

    /// Slanted lines for what is no full count.
    fn hatches(&mut self) {
        // One slant across, and the corners that it cuts in the tiles beside.
        let (size, corner) = (self.u(HATCH), self.u(HATCH / 4.0));
        let slants = format!(
            "M{low} {high}L{high} {low}M{low} {corner}L{corner} {low}M{rest} {high}L{high} {rest}",
            low = Px(-corner),
            high = Px(size + corner),
            corner = Px(corner),
            rest = Px(size - corner),
        );
        let size = Px(size);
        self.svg.open("defs", &[]);
        let inks = [
            ("unseen", self.palette.unseen_hatch),
            ("running", self.palette.hatch),
        ];
        for (id, ink) in inks {
            self.svg.open(
                "pattern",
                &[
                    ("id", &id),
                    ("width", &size),
                    ("height", &size),
                    ("patternUnits", &"userSpaceOnUse"),
                ],
            );
            self.svg.leaf(
                "path",
                &[
                    ("d", &slants),
                    ("stroke", &ink.color),
                    ("stroke-opacity", &Px(ink.opacity)),
                    ("stroke-width", &Px(self.u(2.5))),
                ],
            );
            self.svg.close();
        }
        self.svg.close();
    }

    fn zone(&self) -> String {
        let Chart { zone, from, to, .. } = *self.chart;
        self.language.zone(zone, from, to)
    }

    /// What the signs mean, as far as there is room, the most important first; at the right where
    /// the clock is.
    fn legend(&mut self, scale: Scale) {
        let type_ = self.soft(LABEL);
        let baseline = self.height - self.u(26.0);
        let zone = self.zone();
        let right = self.width - self.u(MARGIN);
        let zone_type = Type {
            ink: self.palette.text,
            ..type_
        };
        self.write(right, baseline, Anchor::End, zone_type, &zone);
        let room = right - fonts::width(&zone, type_.size, type_.weight) - self.u(30.0);
        let mut left = self.u(MARGIN);
        for Sign { kind, text } in self.signs(scale) {
            let sign = match kind {
                SignKind::Word => 0.0,
                _ => self.u(SIGN_WIDTH + 12.0),
            };
            let width = sign + fonts::width(&text, type_.size, type_.weight);
            if left + width > room {
                break;
            }
            self.sign(kind, left, baseline - type_.size * 0.34);
            self.write(left + sign, baseline, Anchor::Start, type_, &text);
            left += width + self.u(34.0);
        }
    }

    fn signs(&self, scale: Scale) -> Vec<Sign> {
        let chart = self.chart;
        let language = self.language;
        let has = |known| match &chart.kind {
            Kind::Hours(hours) => hours.iter().any(|hour| hour.known == known),
            Kind::Minutes => false,
        };
        let line = match chart.kind {
            Kind::Hours(_) => language.per_hour(),
            Kind::Minutes => language.reachable(),
        };
        let signs = [
            (SignKind::Line, line, true),
            (
                SignKind::LastWeek,
                language.last_week(),
                chart.last_week.iter().any(|(_, value)| value.is_some()),
            ),
            (SignKind::Running, language.running(), has(Known::Running)),
            (SignKind::AtLeast, language.at_least(), has(Known::AtLeast)),
        ];
        let mut signs: Vec<_> = signs
            .into_iter()
            .filter(|(.., is_there)| *is_there)
            .map(|(kind, text, _)| Sign {
                kind,
                text: text.to_owned(),
            })
            .collect();
        if scale.min > 0.0 {
            let text = language.axis_starts_at(whole(scale.min));
            signs.push(Sign {
                kind: SignKind::Word,
                text,
            });
        }
        if !chart.unknown.is_empty() {
            let text = language.unseen().to_owned();
            signs.push(Sign {
                kind: SignKind::Unknown,
                text,
            });
        }
        if !chart.nights.is_empty() {
            let text = language.night().to_owned();
            signs.push(Sign {
                kind: SignKind::Night,
                text,
            });
        }
        signs
    }

    fn sign(&mut self, kind: SignKind, left: f64, middle: f64) {
        let palette = self.palette;
        let (width, half) = (self.u(SIGN_WIDTH), self.u(12.0));
        let across = format!("M{} {}h{}", Px(left), Px(middle), Px(width));
        let (fill, opacity) = match kind {
            SignKind::Word => return,
            SignKind::Line => {
                return self.stroke(&across, palette.line, self.u(LINE), None);
            }
            SignKind::LastWeek => {
                let dashes = format!("{} {}", Px(self.u(4.0)), Px(self.u(8.0)));
                let width = self.u(LAST_WEEK_LINE);
                return self.stroke(&across, palette.last_week, width, Some(&dashes));
            }
            SignKind::AtLeast | SignKind::Unknown => ("url(#unseen)", 1.0),
            SignKind::Running => ("url(#running)", 1.0),
            SignKind::Night => (palette.night.color, palette.night.opacity),
        };
        self.svg.leaf(
            "rect",
            &[
                ("x", &Px(left)),
                ("y", &Px(middle - half)),
                ("width", &Px(width)),
                ("height", &Px(2.0 * half)),
                ("rx", &Px(self.u(4.0))),
                ("fill", &fill),
                ("fill-opacity", &Px(opacity)),
                ("stroke", &palette.border.color),
                ("stroke-width", &Px(self.u(1.5))),
            ],
        );
        match kind {
            SignKind::Running => self.ring(left + width / 2.0, middle),
            SignKind::AtLeast => {
                let dashes = format!("{} {}", Px(self.u(9.0)), Px(self.u(6.0)));
                self.stroke(&across, palette.unseen, self.u(LINE * 0.8), Some(&dashes));
            }
            _ => {}
        }
    }

    fn bold(&self, units: f64, ink: Ink) -> Type {
        Type {
            size: self.u(units),
            weight: Weight::Bold,
            ink,
        }
    }

    fn soft(&self, units: f64) -> Type {
        Type {
            size: self.u(units),
            weight: Weight::Regular,
            ink: self.palette.text_soft,
        }
    }

    fn write_fitted(&mut self, left: f64, baseline: f64, max_width: f64, type_: Type, text: &str) {
        let text = fitted(text, type_.size, type_.weight, max_width);
        self.write(left, baseline, Anchor::Start, type_, &text);
    }

    fn write(&mut self, x: f64, baseline: f64, anchor: Anchor, type_: Type, text: &str) {
        if text.is_empty() {
            return;
        }
        self.svg.text(
            "text",
            &[
                ("x", &Px(x)),
                ("y", &Px(baseline)),
                ("font-size", &Px(type_.size)),
                ("font-weight", &type_.weight.number()),
                ("text-anchor", &anchor.name()),
                ("fill", &type_.ink.color),
            ],
            text,
        );
    }
}

/// The drawn parts of a series.
#[derive(Default)]
struct Lines {
    /// All lines, with jumps over holes.
    path: String,
    /// What is below them.
    areas: String,
    /// Points without a neighbour.
    dots: Vec<(f64, f64)>,
}

impl Lines {
    /// Adds a run of points without holes, and empties it.
    fn add(&mut self, run: &mut Vec<(f64, f64)>, bottom: f64) {
        match run.as_slice() {
            [] => {}
            [lonely] => self.dots.push(*lonely),
            [first, .., last] => {
                let mut line = String::new();
                for (x, y) in run.iter() {
                    let _ = write!(
                        line,
                        "{}{} {}",
                        if line.is_empty() { "" } else { "L" },
                        Px(*x),
                        Px(*y)
                    );
                }
                let _ = write!(self.path, "M{line}");
                let (left, right, bottom) = (Px(first.0), Px(last.0), Px(bottom));
                let _ = write!(self.areas, "M{left} {bottom}L{line}L{right} {bottom}z");
            }
        }
        run.clear();
    }
}

/// A number of whole devices on an axis.
#[expect(
    clippy::cast_possible_truncation,
    reason = "lines of an axis are whole and far from the limits"
)]
fn whole(value: f64) -> i64 {
    value.round() as i64
}
