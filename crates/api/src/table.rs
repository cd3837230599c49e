//! Tables as CSV that a spreadsheet can open without harm.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use crate::caching;
use crate::problem::Problem;

/// RFC 4180, with column names in the first row.
pub(crate) const CONTENT_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// Writes rows, the first of which names the columns.
pub(crate) fn csv(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let cells = row.iter().map(|cell| inert(cell));
        writer
            .write_record(cells.map(Cow::into_owned))
            .map_err(|error| Problem::internal(&error))?;
    }
    writer
        .into_inner()
        .map_err(|error| Problem::internal(error.error()))
}

/// The answer that a browser saves under `file_name`, which must be ASCII without quotation marks.
pub(crate) fn download(request: &HeaderMap, file_name: &str, csv: Vec<u8>) -> Response {
    let mut response = caching::answer(request, CONTENT_TYPE, csv);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{file_name}\"")) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// A cell that no spreadsheet takes for a formula.
fn inert(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for formula in ["=cmd()", "+1", "-1", "@sum(a1)", "\t=1", "\r=1"] {
            assert_eq!(inert(formula), format!("'{formula}"));
        }
        for harmless in [
            "globe",
            "2026-11-21T10:00:00+08:00",
            "17",
            "",
            "'=1",
            "smart-axiata",
        ] {
            assert_eq!(inert(harmless), harmless);
        }
        let rows = [
            vec!["start".to_owned(), "=a,\"b\"".to_owned()],
            vec![String::new(), "1".into()],
        ];
        let text = String::from_utf8(csv(rows).unwrap()).unwrap();
        assert_eq!(text, "start,\"'=a,\"\"b\"\"\"\n,1\n");
    }
}
