//! Rows of a file: CSV with a header, or one JSON object per line (NDJSON).
//!
//! The file is read on a thread of its own, row by row: never the whole of it is in memory, and a
//! pipe that is slow holds nothing else up. What is wrong with a row costs that row.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use chrono::DateTime;
use indicatif::ProgressBar;
use model::{DeviceId, Instant};
use tokio::sync::mpsc;

/// The longest row; a longer one is a quotation mark that nobody closed, or no row at all.
const MAX_ROW_BYTES: usize = 256 * 1024;

/// How much of a file is read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Rows read ahead of the command.
const ROWS_AHEAD: usize = 1000;

/// The most characters of a cell that are repeated in a message.
const MAX_SHOWN_CHARS: usize = 40;

/// From this magnitude on a number counts milliseconds, below it seconds.
const MILLISECONDS_FROM: f64 = 100_000_000_000.0;

/// What a byte order mark looks like in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Comma-separated, with the columns' names in the first line.
    Csv,
    /// One JSON object per line.
    Ndjson,
}

impl Format {
    fn of_extension(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// Where rows come from.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// A file, or `-` for standard input.
    pub(super) file: PathBuf,
    /// How it is written; told from the file's name or else from its first character without.
    pub(super) format: Option<Format>,
}

impl Input {
    fn is_standard_input(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    /// How many bytes there are, where that can be known.
    pub(super) fn bytes(&self) -> Option<u64> {
        if self.is_standard_input() {
            return None;
        }
        let metadata = std::fs::metadata(&self.file).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// The name for messages.
    pub(super) fn name(&self) -> String {
        if self.is_standard_input() {
            "standard input".to_owned()
        } else {
            self.file.display().to_string()
        }
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        if self.is_standard_input() {
            Ok(Box::new(io::stdin()))
        } else {
            Ok(Box::new(File::open(&self.file)?))
        }
    }
}

/// Columns of which a file needs at least one.
pub(super) type OneOf = &'static [&'static str];

/// A row, and where it stands.
#[derive(Debug)]
pub(super) struct Line {
    /// The line it begins on, counted from 1.
    pub(super) number: u64,
    /// The row, or why there is none.
    pub(super) row: Result<Row, String>,
}

/// Rows as they are read by another thread.
#[derive(Debug)]
pub(super) struct RowStream {
    /// `None` is the end, told apart from a reader that stopped for another reason.
    rows: mpsc::Receiver<anyhow::Result<Option<Line>>>,
}

impl RowStream {
    /// Starts to read. The bar is moved by bytes.
    ///
    /// # Errors
    /// When no thread can be started. What is wrong with the file is said by [`Self::next`].
    pub(super) fn start(
        input: Input,
        required: &'static [OneOf],
        bar: ProgressBar,
    ) -> anyhow::Result<Self> {
        let (sender, rows) = mpsc::channel(ROWS_AHEAD);
        // Not a task of the runtime, which would wait for a read from a terminal at its end.
        std::thread::Builder::new()
            .name("rows".to_owned())
            .spawn(move || {
                let name = input.name();
                let outcome = read_all(&input, required, &bar, &sender);
                let last = outcome.map(|()| None).with_context(|| name);
                // Nobody listening any more is not an error.
                let _nobody_listens = sender.blocking_send(last);
            })
            .context("a thread for reading rows cannot be started")?;
        Ok(Self { rows })
    }

    /// The next row; `None` after the last. May be called in a `select!`: no row is lost.
    ///
    /// # Errors
    /// When the file cannot be read, or lacks a column that is needed.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Line>> {
        match self.rows.recv().await {
            Some(line) => line,
            None => bail!("reading stopped before the end"),
        }
    }
}

fn read_all(
    input: &Input,
    required: &'static [OneOf],
    bar: &ProgressBar,
    sender: &mpsc::Sender<anyhow::Result<Option<Line>>>,
) -> anyhow::Result<()> {
    let reader = bar.wrap_read(input.open()?);
    let format = input.format.or_else(|| Format::of_extension(&input.file));
    let mut rows = Rows::new(reader, format)?;
    rows.require(required)?;
    while let Some(line) = rows.next().transpose()? {
        if sender.blocking_send(Ok(Some(line))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The rows of a file.
pub(super) struct Rows<R: Read> {
    inner: Inner<R>,
}

enum Inner<R: Read> {
    Csv(Box<CsvRows<R>>),
    Ndjson(JsonRows<R>),
}

struct CsvRows<R: Read> {
    reader: csv::Reader<Guarded<BufReader<R>>>,
    columns: Arc<Columns>,
    record: csv::ByteRecord,
}

struct JsonRows<R: Read> {
    reader: BufReader<R>,
    line: Vec<u8>,
    number: u64,
}

/// The columns of a CSV file.
#[derive(Debug)]
struct Columns {
    names: Vec<String>,
    index: HashMap<String, usize>,
}

impl<R: Read> Rows<R> {
    /// Looks at the first bytes, and at a CSV file's header. Without a format, a file whose first
    /// character is `{` is NDJSON.
    pub(super) fn new(reader: R, format: Option<Format>) -> anyhow::Result<Self> {
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        let first = reader.fill_buf()?;
        if first.starts_with(&[0xFF, 0xFE]) || first.starts_with(&[0xFE, 0xFF]) {
            bail!("the file is UTF-16; save it as UTF-8");
        }
        if first.starts_with(&[0x1F, 0x8B]) || first.starts_with(b"PK\x03\x04") {
            bail!("the file is compressed; unpack it first, for example with `zcat FILE.gz | …`");
        }
        if first.starts_with(BYTE_ORDER_MARK) {
            reader.consume(BYTE_ORDER_MARK.len());
        }
        let starts_with_brace = || {
            let mut bytes = reader.buffer().iter();
            bytes.find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
        };
        let format = format.unwrap_or_else(|| {
            if starts_with_brace() {
                Format::Ndjson
            } else {
                Format::Csv
            }
        });
        let inner = match format {
            Format::Csv => Inner::Csv(Box::new(CsvRows::new(reader)?)),
            Format::Ndjson => Inner::Ndjson(JsonRows {
                reader,
                line: Vec::new(),
                number: 0,
            }),
        };
        Ok(Self { inner })
    }

    /// Whether a CSV file has the columns that are needed: of each list at least one. The lines
    /// of an NDJSON file are looked at one by one.
    pub(super) fn require(&self, required: &[OneOf]) -> anyhow::Result<()> {
        let Inner::Csv(rows) = &self.inner else {
            return Ok(());
        };
        let columns = &rows.columns;
        for one_of in required {
            if !one_of.iter().any(|name| columns.index.contains_key(*name)) {
                let wanted: Vec<_> = one_of.iter().map(|name| format!("`{name}`")).collect();
                let found: Vec<_> = columns.names.iter().map(|name| shown(name)).collect();
                bail!(
                    "there is no column {}; the columns are {}",
                    wanted.join(" or "),
                    found.join(", ")
                );
            }
        }
        Ok(())
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = anyhow::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.inner {
            Inner::Csv(rows) => rows.next().transpose(),
            Inner::Ndjson(rows) => rows.next().transpose(),
        }
    }
}

impl<R: Read> CsvRows<R> {
    fn new(reader: BufReader<R>) -> anyhow::Result<Self> {
        let guarded = Guarded {
            reader,
            handed_out: 0,
            row_start: 0,
            lines: 0,
            line_ends: VecDeque::new(),
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(guarded);
        let mut header = csv::StringRecord::new();
        let has_header = match reader.read_record(&mut header) {
            Ok(has_header) => has_header,
            Err(error) => return Err(csv_error(error)),
        };
        if !has_header {
            bail!("the file is empty; the first line names the columns");
        }
        let names: Vec<String> = header
            .iter()
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        let mut index = HashMap::new();
        for (position, name) in names.iter().enumerate() {
            if !name.is_empty() && index.insert(name.clone(), position).is_some() {
                bail!("the column {} is there twice", shown(name));
            }
        }
        let end = reader.position().byte();
        reader.get_mut().pass(end);
        Ok(Self {
            reader,
            columns: Arc::new(Columns { names, index }),
            record: csv::ByteRecord::new(),
        })
    }

    fn next(&mut self) -> anyhow::Result<Option<Line>> {
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(csv_error(error)),
        }
        let end = self.reader.position().byte();
        let last_line = self.reader.get_mut().pass(end);
        let line_breaks = self
            .record
            .as_slice()
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        // A cell that is still open at the end of the file takes in the end of the last line too.
        let is_open = self.record.as_slice().ends_with(b"\n")
            && self.record.len() != self.columns.names.len()
            && end == self.reader.get_ref().handed_out;
        Ok(Some(Line {
            number: (last_line + u64::from(is_open)).saturating_sub(line_breaks as u64),
            row: self.row(line_breaks),
        }))
    }

    fn row(&self, line_breaks: usize) -> Result<Row, String> {
        let (found, expected) = (self.record.len(), self.columns.names.len());
        if found != expected {
            let hint = if line_breaks > 0 {
                format!("; a quotation mark takes in {line_breaks} more lines")
            } else {
                String::new()
            };
            return Err(format!(
                "{found} cells where there must be {expected}{hint}"
            ));
        }
        let record = csv::StringRecord::from_byte_record(self.record.clone())
            .map_err(|_| "not UTF-8".to_owned())?;
        Ok(Row {
            cells: Cells::Csv {
                columns: Arc::clone(&self.columns),
                record,
            },
        })
    }
}

fn csv_error(error: csv::Error) -> anyhow::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        csv::ErrorKind::Utf8 { .. } => anyhow::anyhow!("the first line is not UTF-8"),
        kind => anyhow::anyhow!("{kind:?}"),
    }
}

/// Stops a reader that takes in more and more for one row: a quotation mark that nobody closes
/// would otherwise bring the whole file into memory. Also counts lines; the reader's own count is
/// off by the empty lines before a row.
struct Guarded<R> {
    reader: R,
    handed_out: u64,
    /// The byte up to which all is read as rows.
    row_start: u64,
    /// How many lines end before the last byte of the last row.
    lines: u64,
    /// Where lines end after that.
    line_ends: VecDeque<u64>,
}

impl<R> Guarded<R> {
    /// A row ends before the byte `end`, its own line's end included. Returns its last line.
    fn pass(&mut self, end: u64) -> u64 {
        self.row_start = end;
        let is_before = |line_end: &u64| line_end + 1 < end;
        while self.line_ends.front().is_some_and(is_before) {
            self.line_ends.pop_front();
            self.lines += 1;
        }
        self.lines + 1
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.handed_out.saturating_sub(self.row_start) > MAX_ROW_BYTES as u64 {
            return Err(io::Error::other(format!(
                "a row has more than {MAX_ROW_BYTES} bytes, from line {} on: is a quotation mark \
                 not closed?",
                self.lines + 2
            )));
        }
        let count = self.reader.read(buffer)?;
        let bytes = buffer.get(..count).unwrap_or_default();
        let line_ends = (self.handed_out..)
            .zip(bytes)
            .filter(|(_, byte)| **byte == b'\n');
        self.line_ends
            .extend(line_ends.map(|(position, _)| position));
        self.handed_out += count as u64;
        Ok(count)
    }
}

impl<R: Read> JsonRows<R> {
    fn next(&mut self) -> anyhow::Result<Option<Line>> {
        loop {
            let Some(is_whole) = self.read_line()? else {
                return Ok(None);
            };
            self.number += 1;
            let text = self.line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let row = if is_whole {
                serde_json::from_slice(text)
                    .map(|object| Row {
                        cells: Cells::Json(object),
                    })
                    .map_err(|error| format!("not a JSON object: {error}"))
            } else {
                Err(format!("more than {MAX_ROW_BYTES} bytes"))
            };
            return Ok(Some(Line {
                number: self.number,
                row,
            }));
        }
    }

    /// Reads a line into the buffer; of one that is too long only the beginning is kept. `None` at
    /// the end, otherwise whether the line is whole.
    fn read_line(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        let mut is_whole = true;
        let mut is_end = true;
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok(if is_end { None } else { Some(is_whole) });
            }
            is_end = false;
            let line_end = available.iter().position(|byte| *byte == b'\n');
            let taken = line_end.map_or(available.len(), |position| position + 1);
            if self.line.len() + taken <= MAX_ROW_BYTES {
                self.line.extend_from_slice(&available[..taken]);
            } else {
                is_whole = false;
            }
            self.reader.consume(taken);
            if line_end.is_some() {
                return Ok(Some(is_whole));
            }
        }
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    cells: Cells,
}

#[derive(Debug)]
enum Cells {
    Csv {
        columns: Arc<Columns>,
        record: csv::StringRecord,
    },
    Json(serde_json::Map<String, serde_json::Value>),
}

/// What stands in a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'r> {
    /// A text without blanks around it.
    Text(&'r str),
    /// What NDJSON has besides texts.
    Json(&'r serde_json::Value),
}

impl Row {
    /// What stands under a column's name; `None` where there is nothing: no such column, an empty
    /// cell, `null`.
    pub(super) fn cell(&self, name: &str) -> Option<Cell<'_>> {
        let cell = match &self.cells {
            Cells::Csv { columns, record } => Cell::Text(record.get(*columns.index.get(name)?)?),
            Cells::Json(object) => match object.get(name)? {
                serde_json::Value::Null => return None,
                serde_json::Value::String(text) => Cell::Text(text),
                value => Cell::Json(value),
            },
        };
        match cell {
            Cell::Text(text) => Some(text.trim())
                .filter(|text| !text.is_empty())
                .map(Cell::Text),
            Cell::Json(_) => Some(cell),
        }
    }

    /// A text; a number is taken as it is written.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'_, str>>, String> {
        match self.cell(name) {
            None => Ok(None),
            Some(Cell::Text(text)) => Ok(Some(Cow::Borrowed(text))),
            Some(Cell::Json(serde_json::Value::Number(number))) => {
                Ok(Some(Cow::Owned(number.to_string())))
            }
            Some(Cell::Json(value)) => Err(format!("`{name}` is {}: no text", shown_json(value))),
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&self, name: &str) -> Result<Cow<'_, str>, String> {
        self.text(name)?.ok_or_else(|| format!("no `{name}`"))
    }

    /// The id of a device, which must be there.
    pub(super) fn device_id(&self) -> Result<DeviceId, String> {
        let text = self.required_text("device_id")?;
        DeviceId::parse(&text).map_err(|error| format!("`device_id` is {}: {error}", shown(&text)))
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, name: &str) -> Result<Option<i32>, String> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(count @ 0..) => Ok(Some(count)),
            _ => Err(format!(
                "`{name}` is {}: a whole number from 0 to {}",
                shown(&text),
                i32::MAX
            )),
        }
    }

    /// An instant: RFC 3339 with an offset, or Unix seconds or milliseconds.
    pub(super) fn instant(&self, name: &str) -> Result<Option<Instant>, String> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match instant(&text) {
            Some(instant) => Ok(Some(instant)),
            None => Err(format!(
                "`{name}` is {}: RFC 3339 with an offset (2026-11-21T09:00:00+08:00), or Unix \
                 seconds or milliseconds",
                shown(&text)
            )),
        }
    }
}

/// Reads RFC 3339 with an offset, or Unix seconds or milliseconds.
pub(super) fn instant(text: &str) -> Option<Instant> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let number: f64 = text.parse().ok()?;
    let micros_per_unit = if number.abs() >= MILLISECONDS_FROM {
        1_000.0
    } else {
        1_000_000.0
    };
    // A float holds every microsecond of our time; one that is no number ends outside the range.
    let micros = (number * micros_per_unit).round();
    if micros.abs() < i64::MAX as f64 {
        Instant::from_timestamp_micros(micros as i64)
    } else {
        None
    }
}

/// A text as a message may repeat it: short, and without anything that could steer a terminal.
pub(super) fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let beginning: String = characters.by_ref().take(MAX_SHOWN_CHARS).collect();
    let rest = if characters.next().is_some() {
        "…"
    } else {
        ""
    };
    format!("`{}{rest}`", beginning.escape_debug())
}

fn shown_json(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Array(_) => "an array".to_owned(),
        serde_json::Value::Object(_) => "an object".to_owned(),
        value => shown(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], format: Option<Format>) -> anyhow::Result<Vec<Line>> {
        Rows::new(text, format)?.collect()
    }

    /// Line numbers, and `a` or the reason.
    fn read(text: &[u8]) -> Vec<(u64, Result<String, String>)> {
        rows(text, None)
            .unwrap()
            .into_iter()
            .map(|line| {
                let a = line
                    .row
                    .and_then(|row| row.required_text("a").map(Cow::into_owned));
                (line.number, a)
            })
            .collect()
    }

    fn ok(number: u64, text: &str) -> (u64, Result<String, String>) {
        (number, Ok(text.to_owned()))
    }

    fn bad(number: u64, reason: &str) -> (u64, Result<String, String>) {
        (number, Err(reason.to_owned()))
    }

    #[test]
    fn csv_has_columns_in_any_order_quotes_and_a_byte_order_mark() {
        let text = "\u{feff}b, A ,c\n1,x,\n\"2,\"\"\",\"y\nz\",\n3, w ,\n";
        assert_eq!(
            read(text.as_bytes()),
            [ok(2, "x"), ok(3, "y\nz"), ok(5, "w")]
        );
    }

    #[test]
    fn lines_are_counted_whatever_their_ends_and_with_empty_ones() {
        for text in [
            "a,b\nx,1\n\ny,2\n\n\nz,3",
            "a,b\r\nx,1\r\n\r\ny,2\r\n\r\n\r\nz,3\r\n",
        ] {
            assert_eq!(
                read(text.as_bytes()),
                [ok(2, "x"), ok(4, "y"), ok(7, "z")],
                "{text:?}"
            );
        }
        let text = "{\"a\":\"x\"}\r\n\r\n {\"a\":\"y\"}";
        assert_eq!(read(text.as_bytes()), [ok(1, "x"), ok(3, "y")]);
    }

    #[test]
    fn a_bad_row_costs_itself() {
        let csv = b"a,b\nx,1\ny\nz,1,2\n\xff,1\n,1\nw,1\n\"q,1\nr,1\n";
        assert_eq!(
            read(csv),
            [
                ok(2, "x"),
                bad(3, "1 cells where there must be 2"),
                bad(4, "3 cells where there must be 2"),
                bad(5, "not UTF-8"),
                bad(6, "no `a`"),
                ok(7, "w"),
                bad(
                    8,
                    "1 cells where there must be 2; a quotation mark takes in 2 more lines"
                ),
            ]
        );
        let json =
            b"{\"a\":1}\n[1]\n{\"a\":\n{\"a\":true}\n{\"a\":null}\n{\"a\":\"\xff\"}\n{\"a\":\"w\"}";
        let lines = read(json);
        assert_eq!(lines[0], ok(1, "1"));
        for line in [1, 2, 5] {
            let reason = lines[line].1.as_ref().unwrap_err();
            assert!(reason.starts_with("not a JSON object: "), "{reason}");
        }
        assert_eq!(lines[3], bad(4, "`a` is `true`: no text"));
        assert_eq!(lines[4], bad(5, "no `a`"));
        assert_eq!(lines[6], ok(7, "w"));
    }

    #[test]
    fn what_has_no_end_is_not_taken_in() {
        let mut json = vec![b'x'; MAX_ROW_BYTES * 2];
        json.extend(b"\n{\"a\":\"y\"}\n");
        json.splice(0..0, b"{\"a\":\"x\"}\n".iter().copied());
        assert_eq!(
            read(&json),
            [ok(1, "x"), bad(2, "more than 262144 bytes"), ok(3, "y")]
        );
        let mut csv = b"a,b\nx,1\n\"".to_vec();
        csv.extend(std::iter::repeat_n(b"y,1\n", MAX_ROW_BYTES).flatten());
        let error = rows(&csv, None).unwrap_err().to_string();
        assert!(
            error.ends_with("from line 3 on: is a quotation mark not closed?"),
            "{error}"
        );
    }

    #[test]
    fn files_of_another_kind_are_named() {
        let error = |text: &[u8]| rows(text, None).unwrap_err().to_string();
        assert!(error(b"").contains("the first line names the columns"));
        assert!(error(b"\xff\xfea\0").contains("UTF-16"));
        assert!(error(b"\x1f\x8b\x08").contains("compressed"));
        assert!(error(b"a,b,a\n").contains("`a` is there twice"));
        assert!(error(b"a,\xff\n").contains("not UTF-8"));
    }

    #[test]
    fn a_missing_column_is_named_with_those_found() {
        let rows = Rows::new(&b"imei,when\n"[..], None).unwrap();
        rows.require(&[&["imei"]]).unwrap();
        let error = rows
            .require(&[&["heard_at", "ts"]])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "there is no column `heard_at` or `ts`; the columns are `imei`, `when`"
        );
        Rows::new(&b"{}"[..], None)
            .unwrap()
            .require(&[&["imei"]])
            .unwrap();
    }

    #[test]
    fn the_format_is_told_by_name_or_first_character() {
        let of = |name: &str| Format::of_extension(Path::new(name));
        assert_eq!(of("a.CSV"), Some(Format::Csv));
        assert_eq!(of("a.jsonl"), Some(Format::Ndjson));
        assert_eq!(of("a.ndjson"), Some(Format::Ndjson));
        assert_eq!(of("-"), None);
        // Said to be CSV, so the brace is a column's name.
        assert!(rows(b"{\"a\":1}\n", Some(Format::Csv)).unwrap().is_empty());
        assert_eq!(rows(b"\n {\"a\":1}\n", None).unwrap().len(), 1);
    }

    #[test]
    fn instants_have_an_offset_or_count_since_1970() {
        let cases = [
            ("2026-11-21T09:02:03+08:00", Some("2026-11-21T01:02:03Z")),
            ("1795222923", Some("2026-11-21T01:02:03Z")),
            ("1795222923123", Some("2026-11-21T01:02:03.123Z")),
            ("1795222923.25", Some("2026-11-21T01:02:03.250Z")),
            ("2026-11-21T09:02:03", None),
            ("NaN", None),
            ("inf", None),
            ("1e300", None),
            ("yesterday", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|text| text.parse::<Instant>().unwrap());
            assert_eq!(instant(text), expected, "{text}");
        }
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        let lines = rows(b"a\n12\n-1\n1.5\nx\n\"\"\n", None).unwrap();
        let counts: Vec<_> = lines
            .iter()
            .map(|line| line.row.as_ref().unwrap().count("a").ok())
            .collect();
        assert_eq!(counts, [Some(Some(12)), None, None, None, Some(None)]);
    }

    #[test]
    fn messages_repeat_little_and_nothing_that_steers_a_terminal() {
        assert_eq!(shown("a\u{1b}[31m"), "`a\\u{1b}[31m`");
        assert_eq!(
            shown(&"x".repeat(1000)).chars().count(),
            MAX_SHOWN_CHARS + 3
        );
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let input = Input {
            file: "/nowhere/rows.csv".into(),
            format: None,
        };
        let mut rows = RowStream::start(input, &[], ProgressBar::hidden()).unwrap();
        let error = format!("{:#}", rows.next().await.unwrap_err());
        assert!(error.starts_with("/nowhere/rows.csv: "), "{error}");
    }
}
