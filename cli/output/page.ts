// Parts of the pages that the command writes. A page is one file that loads nothing.

import { createHash } from 'node:crypto';

/** Escapes a text for HTML, also within the value of an attribute. */
export function escape(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => entities[character] as string);
}

export function isPageName(file: string): boolean {
  return /\.html?$/.test(file);
}

export interface Column {
  name: string;
  /** Numbers are to the right; names are what the filter looks at, beside the first column; long text has the width that it needs, also where a table is wider than the window. */
  kind?: 'number' | 'long' | 'name';
}

/** A column of numbers. */
export function numberColumn(name: string): Column {
  return { name, kind: 'number' };
}

/** Labels to list in a table of a page. More would make one that browsers are slow to show. */
export const MOST_LABELS = 5000;

export interface Cell {
  html: string;
  /** The number to sort by; null sorts last. */
  value?: number | null;
}

/**
 * A table whose headers are buttons that sort its rows, with a box that leaves out rows of other names.
 *
 * @param sorted the column that the rows are in ascending order of, or null for none
 */
export function sortableTable(
  caption: string,
  columns: readonly Column[],
  rows: readonly Cell[][],
  sorted: number | null,
): string {
  const header = columns.map(
    ({ name, kind }, i) =>
      `<th scope="col"${classOf(kind)}${i === sorted ? ' aria-sort="ascending"' : ''}>` +
      `<button type="button">${escape(name)}</button></th>`,
  );
  const attribute = ({ value }: Cell): string =>
    value === undefined || value === null ? '' : ` data-value="${value}"`;
  const body = rows.map((row) =>
    row.map((cell, i) => `<td${classOf(columns[i]?.kind)}${attribute(cell)}>${cell.html}</td>`).join(''),
  );
  return `<p class="filter"><label>Filter <input type="search" autocomplete="off"></label> <output></output></p>
${tableOf(caption, header, body, ' class="sortable"')}`;
}

/** Data for the script of the page, which no browser runs. */
export function dataOf(id: string, data: unknown): string {
  return `<script type="application/json" id="${id}">${JSON.stringify(data).replaceAll('<', '\\u003c')}</script>`;
}

/** A table whose first column names its rows. */
export function plainTable(caption: string, columns: readonly Column[], rows: readonly string[][]): string {
  const header = columns.map(({ name, kind }) => `<th scope="col"${classOf(kind)}>${escape(name)}</th>`);
  const body = rows.map((row) =>
    row
      .map((html, i) => (i === 0 ? `<th scope="row">${html}</th>` : `<td${classOf(columns[i]?.kind)}>${html}</td>`))
      .join(''),
  );
  return tableOf(caption, header, body, '');
}

function tableOf(caption: string, header: readonly string[], rows: readonly string[], attributes: string): string {
  return (
    `<div class="scroll" role="region" tabindex="0" aria-label="${escape(caption)}"><table${attributes}>` +
    `<caption>${escape(caption)}</caption>\n<thead><tr>${header.join('')}</tr></thead>\n` +
    `<tbody>\n${rows.map((row) => `<tr>${row}</tr>\n`).join('')}</tbody></table></div>`
  );
}

function classOf(kind: Column['kind']): string {
  return kind === undefined ? '' : ` class="${kind}"`;
}

/** A drawing in two widths, for wide windows and for those of telephones, where text would be too small otherwise. */
export interface Drawing {
  wide: string;
  narrow: string;
}

export function figure({ wide, narrow }: Drawing, caption: string): string {
  return `<figure><div class="wide">${wide}</div><div class="narrow">${narrow}</div><figcaption>${caption}</figcaption></figure>`;
}

export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${escape(title)}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
${body}
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

const STYLE = `
:root {
  --paper: #ffffff; --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --band: #f6f8fa;
  --first: #0a63c9; --second: #b3420c; --focus: #0a63c9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161b; --ink: #e6edf3; --quiet: #9aa5b1; --line: #343d47; --band: #1a2027;
    --first: #6cb0ff; --second: #ff9a66; --focus: #6cb0ff;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0.5rem 0 0.25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; }
p, figcaption { max-width: 46rem; }
.quiet, figcaption { color: var(--quiet); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 0.75rem; margin: 1.25rem 0; }
dl div { background: var(--band); border: 1px solid var(--line); border-radius: 6px; padding: 0.5rem 0.75rem; }
dt { color: var(--quiet); font-size: 0.875rem; }
dd { margin: 0; font-size: 1.375rem; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; }
figure svg { display: block; max-width: 100%; height: auto; color: var(--ink); }
figcaption { margin-top: 0.5rem; font-size: 0.9375rem; }
.narrow { display: none; }
.scroll { overflow-x: auto; }
.filter { display: flex; flex-wrap: wrap; gap: 0.25rem 0.75rem; align-items: baseline; margin: 0.5rem 0; }
input, select { font: inherit; color: inherit; background: var(--band); border: 1px solid var(--quiet); border-radius: 4px; padding: 0.125rem 0.375rem; max-width: 100%; }
input:focus-visible, select:focus-visible { outline: 2px solid var(--focus); outline-offset: 1px; }
dl.about { display: block; }
dl.about div { display: flex; flex-wrap: wrap; gap: 0 0.75rem; background: none; border: 0; padding: 0.125rem 0; }
.about dt { min-width: 5rem; font-size: 1rem; }
.about dd { font-size: 1rem; overflow-wrap: anywhere; flex: 1; min-width: 12rem; }
td.name { overflow-wrap: anywhere; min-width: 8rem; }
.tall .scroll { max-height: 32rem; overflow-y: auto; border: 1px solid var(--line); border-radius: 6px; }
.scroll:focus-visible, button:focus-visible, a:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
th, td { padding: 0.375rem 0.75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { position: sticky; top: 0; background: var(--band); white-space: nowrap; z-index: 1; }
tbody th { font-weight: inherit; }
th.number, td.number { text-align: right; }
.sortable thead th { padding: 0; }
th button {
  all: unset; box-sizing: border-box; display: block; width: 100%; padding: 0.375rem 0.75rem; cursor: pointer; font-weight: 600;
}
/* Arrows are for the eye alone: aria-sort says the same. */
th button::after { content: '\\2195' / ''; margin-left: 0.35em; color: var(--quiet); }
th[aria-sort=ascending] button::after { content: '\\2191' / ''; color: var(--ink); }
th[aria-sort=descending] button::after { content: '\\2193' / ''; color: var(--ink); }
.interval { display: inline-block; white-space: nowrap; color: var(--quiet); font-size: 0.9375em; }
td.long { min-width: 16rem; }
.right { color: var(--first); font-weight: 600; }
@media (max-width: 40rem) {
  .wide { display: none; }
  .narrow { display: block; }
  th, td, th button { padding-left: 0.5rem; padding-right: 0.5rem; }
  thead th { white-space: normal; }
}
@media print {
  .filter { display: none; }
  :root { --paper: #fff; --ink: #000; --quiet: #333; --line: #999; --band: #fff; --first: #0a63c9; --second: #b3420c; }
  main { max-width: none; padding: 0; }
  .tall .scroll { max-height: none; overflow: visible; }
  .wide { display: block; }
  .narrow { display: none; }
  thead th { position: static; }
  th button::after { content: none; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
`;

const SCRIPT = `
for (const table of document.querySelectorAll('table.sortable')) {
  const filter = table.parentElement.previousElementSibling;
  const box = filter.querySelector('input');
  box.addEventListener('input', () => {
    const wanted = box.value.trim().toLowerCase();
    let found = 0;
    for (const row of table.tBodies[0].rows) {
      const names = [row.cells[0], ...row.querySelectorAll('.name')].map((cell) => cell.textContent.toLowerCase());
      row.hidden = !names.some((name) => name.includes(wanted));
      if (!row.hidden) found++;
    }
    filter.querySelector('output').textContent = wanted === '' ? '' : found + ' of ' + table.tBodies[0].rows.length;
  });
  const headers = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  headers.forEach((header, column) => {
    header.querySelector('button').addEventListener('click', () => {
      const descending = header.getAttribute('aria-sort') === 'ascending';
      const rows = [...body.rows].map((row) => {
        const { value } = row.cells[column].dataset;
        return { row, value: value === undefined ? null : Number(value), text: row.cells[column].textContent };
      });
      const sign = descending ? -1 : 1;
      rows.sort((a, b) => {
        if (a.value !== null && b.value !== null) return sign * (a.value - b.value);
        if (a.value !== b.value) return a.value === null ? 1 : -1;
        return header.classList.contains('number') ? 0 : sign * a.text.localeCompare(b.text, 'en', { numeric: true });
      });
      headers.forEach((each) => each.removeAttribute('aria-sort'));
      header.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      body.append(...rows.map(({ row }) => row));
    });
  });
}
const chosen = document.getElementById('chosen');
if (chosen !== null) {
  const { labels } = JSON.parse(document.getElementById('curves').textContent);
  chosen.addEventListener('change', () => {
    const { best, points } = labels[chosen.value];
    document.getElementById('best').textContent = best;
    for (const path of document.querySelectorAll('path[data-x]')) {
      const { x, y, low, high, width, height } = path.dataset;
      const inside = points.filter((point) => point[x] >= Number(low) && point[x] <= Number(high));
      const places = inside.map(
        (point) => ((point[x] - low) / (high - low)) * width + ',' + (1 - point[y]) * height,
      );
      path.setAttribute('d', places.length === 0 ? '' : 'M' + places.join('L'));
    }
  });
}
`;

/** Nothing is loaded, and no other script runs than the one above. */
const POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  `script-src 'sha256-${createHash('sha256').update(SCRIPT).digest('base64')}'`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');
