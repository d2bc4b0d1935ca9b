/** Numbers and tables as text. */
import type { Spread } from './spread.js';

/** A time with three significant digits, in the unit that suits it. */
export function formatTime(milliseconds: number): string {
  if (milliseconds < 1) return `${threeDigits(milliseconds * 1000)} µs`;
  return milliseconds < 1000 ? `${threeDigits(milliseconds)} ms` : `${threeDigits(milliseconds / 1000)} s`;
}

export const formatRatio = (ratio: number): string => `${threeDigits(ratio)}x`;

/** A ratio and the quartiles of its turns, where there were several. */
export function formatSpread({ median, low, high }: Spread): string {
  return formatRatio(median) + (low === high ? '' : ` (${threeDigits(low)} to ${threeDigits(high)})`);
}

/** A time, with how many times that of this package it is. */
export function formatTiming({ time, ratio }: { time: Spread; ratio: Spread }, isOurs: boolean): string {
  return isOurs ? formatTime(time.median) : `${formatTime(time.median)}, ${formatSpread(ratio)}`;
}

/** A whole number with its thousands apart. */
export const formatWhole = (value: number): string => Math.round(value).toLocaleString('en');

export const formatError = (error: number): string => (error === 0 ? '0' : error.toExponential(1));

const threeDigits = (value: number): string =>
  value.toFixed(value < 0.995 ? 3 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0);

export interface Table {
  title: string;
  head: readonly string[];
  /** Number of columns, from the left, that hold text; 1 by default. The others hold numbers. */
  textColumns?: number;
  rows: readonly (readonly string[])[];
}

export function toText({ title, textColumns = 1, head, rows }: Table): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i < textColumns ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [title, line(head), ...rows.map(line)].join('\n');
}

export const toMarkdown = (table: Table): string => `### ${table.title}\n\n${rowsOf(table)}`;

/** A table of Markdown without a heading. */
export function rowsOf({ textColumns = 1, head, rows }: Omit<Table, 'title'>): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, i) => (i < textColumns ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
