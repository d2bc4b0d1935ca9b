import type { DType, TypedArray } from './dtypes.js';
import { type Shape, sizeOf } from './shapes.js';

// The defaults of torch.set_printoptions().
const PRECISION = 4;
const THRESHOLD = 1000;
const EDGE_ITEMS = 3;
const LINE_WIDTH = 80;

const BEGIN = 'tensor(';
const DEFAULT_DTYPES: readonly DType[] = ['float32', 'int64'];

/**
 * A tensor as PyTorch prints it, with the same digits, line breaks and suffixes.
 *
 * @param suffix what PyTorch says of autograd, `requires_grad=True` for one; null for nothing
 */
export function printTensor(data: TypedArray, shape: Shape, dtype: DType, suffix: string | null): string {
  const size = sizeOf(shape);
  const suffixes: string[] = [];
  if (size === 0 && shape.length !== 1) suffixes.push(`size=(${shape.join(', ')})`);
  if (size === 0 ? dtype !== 'float32' : !DEFAULT_DTYPES.includes(dtype)) suffixes.push(`dtype=torch.${dtype}`);
  if (suffix !== null) suffixes.push(suffix);

  let text = BEGIN + (size === 0 ? '[]' : printElements(data, shape, dtype));
  // One more than the characters of the last line, as PyTorch counts.
  let lineLength = text.length - text.lastIndexOf('\n') + 1;
  for (const each of suffixes) {
    const fits = lineLength + each.length + 2 <= LINE_WIDTH;
    text += (fits ? ', ' : `,\n${' '.repeat(BEGIN.length)}`) + each;
    lineLength = (fits ? lineLength + 2 : BEGIN.length) + each.length;
  }
  return `${text})`;
}

/** Where the elements of a dimension are that are printed; null stands for those left out. */
function placesOf(length: number, isSummary: boolean): (number | null)[] {
  if (!isSummary || length <= 2 * EDGE_ITEMS) return Array.from({ length }, (_, i) => i);
  return [0, 1, 2, null, length - 3, length - 2, length - 1];
}

function printElements(data: TypedArray, shape: Shape, dtype: DType): string {
  const rank = shape.length;
  const places = shape.map((length) => placesOf(length, sizeOf(shape) > THRESHOLD));
  const steps = shape.map((_, depth) => sizeOf(shape.slice(depth + 1)));
  const shown: (number | bigint)[] = [];
  const collect = (depth: number, at: number): void => {
    if (depth === rank) shown.push(data[at] as number | bigint);
    else for (const i of places[depth] ?? []) if (i !== null) collect(depth + 1, at + i * (steps[depth] as number));
  };
  collect(0, 0);
  const { width, format } = dtype.startsWith('float') ? floatFormat(shown as number[]) : integerFormat(shown);

  const print = (depth: number, at: number): string => {
    if (depth === rank) return format(data[at] as number).padStart(width);
    const isRow = depth === rank - 1;
    const parts = (places[depth] ?? []).map((i) => {
      if (i === null) return isRow ? ' ...' : '...';
      return print(depth + 1, at + i * (steps[depth] as number));
    });
    const indent = ' '.repeat(BEGIN.length + depth + 1);
    if (!isRow) return `[${parts.join(`,${'\n'.repeat(rank - depth - 1)}${indent}`)}]`;
    const perLine = Math.max(1, Math.floor((LINE_WIDTH - BEGIN.length - depth) / (width + 2)));
    const lines: string[] = [];
    for (let i = 0; i < parts.length; i += perLine) lines.push(parts.slice(i, i + perLine).join(', '));
    return `[${lines.join(`,\n${indent}`)}]`;
  };
  return print(0, 0);
}

interface Format {
  width: number;
  format: (value: number) => string;
}

function integerFormat(values: readonly (number | bigint)[]): Format {
  return { width: longest(values.map(String)), format: String };
}

/** Scientific where the sizes of the numbers are too different, whole numbers with a point and no digits, else 4 digits. */
function floatFormat(values: readonly number[]): Format {
  const counted = values.filter((value) => Number.isFinite(value) && value !== 0);
  let [least, most] = [Infinity, 0];
  for (const value of counted) [least, most] = [Math.min(least, Math.abs(value)), Math.max(most, Math.abs(value))];
  const isWhole = counted.every(Number.isInteger);
  const isScientific = counted.length > 0 && (most / least > 1000 || most > 1e8 || (!isWhole && least < 1e-4));
  const finite = isScientific ? scientific : isWhole ? whole : fixed;
  const format = (value: number): string => {
    if (Number.isFinite(value)) return (Object.is(value, -0) ? '-' : '') + finite(value);
    return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  };
  return { width: longest(counted.map(format)), format };
}

function longest(texts: readonly string[]): number {
  return texts.reduce((length, text) => Math.max(length, text.length), 1);
}

function whole(value: number): string {
  return `${value.toFixed(0)}.`;
}

function fixed(value: number): string {
  return halfToEven(value.toFixed(EXACT)) ?? value.toFixed(PRECISION);
}

function scientific(value: number): string {
  const [digits, exponent] = value.toExponential(EXACT).split('e') as [string, string];
  const even = halfToEven(digits);
  const text = even === null ? value.toExponential(PRECISION) : `${even}e${exponent}`;
  return text.replace(/e([+-])(\d)$/, 'e$10$2');
}

// More decimals than a float of four decimals and a half has: it ends in zeros with these.
const EXACT = 30;
const HALF = `5${'0'.repeat(EXACT - PRECISION - 1)}`;

/** The digits of a number that lies halfway between two of them, if the lower is even: JavaScript would take the higher. */
function halfToEven(exact: string): string | null {
  const lower = exact.slice(0, -HALF.length);
  return exact.endsWith(HALF) && /[02468]$/.test(lower) ? lower : null;
}
