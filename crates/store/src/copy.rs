//! Rows in the binary format of COPY, which the server reads several times faster than text.
//!
//! The format is PostgreSQL's: a signature, then per row a count of fields and per field its
//! length (-1 for null) and its bytes in network order; a count of -1 ends it. Described under
//! "Binary Format" in the manual page of COPY.

use model::Instant;

/// Seconds from the Unix epoch to the one Postgres counts from (2000-01-01).
const POSTGRES_EPOCH_SECS: i64 = 946_684_800;

/// A growing COPY stream.
pub(crate) struct Rows {
    bytes: Vec<u8>,
    fields: i16,
}

impl Rows {
    /// A stream of rows with this many fields each.
    pub(crate) fn new(fields: i16, expected_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(expected_bytes);
        bytes.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
        bytes.extend_from_slice(&[0; 8]); // no flags, no header extension
        Self { bytes, fields }
    }

    pub(crate) fn start_row(&mut self) {
        self.bytes.extend_from_slice(&self.fields.to_be_bytes());
    }

    fn field(&mut self, value: Option<&[u8]>) {
        let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap_or(i32::MAX));
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    pub(crate) fn timestamp(&mut self, value: Option<Instant>) {
        let micros = value.map(|at| at.timestamp_micros() - POSTGRES_EPOCH_SECS * 1_000_000);
        self.field(
            micros
                .map(i64::to_be_bytes)
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
    }

    pub(crate) fn bigint(&mut self, value: Option<i64>) {
        self.field(
            value
                .map(i64::to_be_bytes)
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
    }

    pub(crate) fn integer(&mut self, value: Option<i32>) {
        self.field(
            value
                .map(i32::to_be_bytes)
                .as_ref()
                .map(<[u8; 4]>::as_slice),
        );
    }

    pub(crate) fn smallint(&mut self, value: Option<i16>) {
        self.field(
            value
                .map(i16::to_be_bytes)
                .as_ref()
                .map(<[u8; 2]>::as_slice),
        );
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.field(Some(&[u8::from(value)]));
    }

    pub(crate) fn text(&mut self, value: Option<&str>) {
        self.field(value.map(str::as_bytes));
    }

    /// `jsonb` in version 1 of its binary format: the version, then the text.
    pub(crate) fn json(&mut self, value: &serde_json::Value) {
        let mut bytes = vec![1];
        bytes.extend_from_slice(value.to_string().as_bytes());
        self.field(Some(&bytes));
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        self.bytes
    }
}
