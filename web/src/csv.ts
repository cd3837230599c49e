// Tables for a spreadsheet, where the page has them together and the server has not.

export type Cell = string | number | null;

/** A text that begins like this is taken for a formula, and a name of a device is anybody's to choose. */
const FORMULA = /^[=+\-@\t\r]/;

/** RFC 4180. Null is empty: in a spreadsheet "—" would be a text among numbers. */
export function csvText(rows: readonly (readonly Cell[])[]): string {
  return rows.map((row) => row.map(cellText).join(",") + "\r\n").join("");
}

function cellText(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  const safe = FORMULA.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Spreadsheets take a file for UTF-8 only if it begins so. */
const BYTE_ORDER_MARK = "\ufeff";
/** Long enough for the browser to have begun. */
const KEPT_MS = 10_000;

/** Lets the browser keep a table as a file. */
export function downloadCsv(name: string, rows: readonly (readonly Cell[])[]) {
  const file = new Blob([BYTE_ORDER_MARK + csvText(rows)], { type: "text/csv;charset=utf-8" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
