/** One line of a tooltip: what, and how many. */
export type TooltipRow = readonly [label: string, value: string];

export interface TooltipContent {
  /** The time by the clock that the axis follows. */
  when: string;
  /** The same by other clocks. */
  also: readonly string[];
  rows: readonly TooltipRow[];
  note?: string | null;
}

/** Built as elements: the page's policy allows no style in a text, and a name is no markup. */
export function tooltipElement(content: TooltipContent): HTMLElement {
  const root = document.createElement("div");
  root.append(line("when", content.when));
  for (const text of content.also) root.append(line("also", text));
  const table = document.createElement("table");
  for (const [label, value] of content.rows) {
    const row = table.insertRow();
    row.insertCell().textContent = label;
    row.insertCell().textContent = value;
  }
  root.append(table);
  if (content.note) root.append(line("note", content.note));
  return root;
}

function line(name: string, text: string): HTMLElement {
  const element = document.createElement("div");
  element.className = name;
  element.textContent = text;
  return element;
}
