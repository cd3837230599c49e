//! Serving cell areas and the regions they lie in.

use model::Plmn;
use store::import::CellImport;

use super::devices::printable;
use super::{ImportContext, Loader};
use crate::commands::rows::{OneOf, Row, shown};

/// Areas of one write.
const CHUNK_CELLS: usize = 2_000;

/// The longest area code; ingest reads none that is longer.
const MAX_TAC_BYTES: usize = 16;

/// Loads serving cell areas.
pub(super) struct Cells {
    context: ImportContext,
    cells: Vec<CellImport>,
}

impl Cells {
    pub(super) fn new(context: ImportContext) -> Self {
        Self {
            context,
            cells: Vec::new(),
        }
    }
}

fn read(row: &Row) -> Result<CellImport, String> {
    let required = |name| printable(row, name)?.ok_or_else(|| format!("no `{name}`"));
    let plmn = required("plmn")?;
    let network = Plmn::parse(&plmn).ok_or_else(|| {
        format!(
            "`plmn` is {}: three digits, `-`, and two or three digits, as in `515-02`",
            shown(&plmn)
        )
    })?;
    let tac = required("tac")?;
    if tac.len() > MAX_TAC_BYTES {
        return Err(format!(
            "`tac` is {}: at most {MAX_TAC_BYTES} characters",
            shown(&tac)
        ));
    }
    let time_zone = match printable(row, "zone")? {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            format!(
                "`zone` is {}: an IANA name, as in `Asia/Jayapura`",
                shown(&text)
            )
        })?),
    };
    Ok(CellImport {
        plmn: network.to_string(),
        tac,
        region: required("region")?,
        time_zone,
    })
}

impl Loader for Cells {
    const REQUIRED: &'static [OneOf] = &[&["plmn"], &["tac"], &["region"]];

    async fn take(&mut self, row: &Row) -> anyhow::Result<Result<(), String>> {
        Ok(read(row).map(|cell| self.cells.push(cell)))
    }

    fn is_full(&self) -> bool {
        self.cells.len() >= CHUNK_CELLS
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        let mut cells = std::mem::take(&mut self.cells);
        if !cells.is_empty() {
            // Two imports at once that meet the same areas meet them in one order. Of an area that
            // comes twice the later row still comes later.
            cells.sort_by(|a, b| (&a.plmn, &a.tac).cmp(&(&b.plmn, &b.tac)));
            self.context.store.import_cells(&cells).await?;
        }
        Ok(())
    }

    fn notes(self) -> Vec<String> {
        Vec::new()
    }
}
