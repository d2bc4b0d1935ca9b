// Loaded before a code block of the documentation: what its comments say comes out is compared with what does. Numbers
// are compared to 1e-6, since the comments are rounded.

const reached = new Set();
let written = 0;

globalThis.__check = (id, actual, expected, expression) => {
  reached.add(id);
  globalThis.__reached = reached.size;
  if (!same(actual, expected)) throw new Error(`${expression} is ${show(actual)}, not ${show(expected)}`);
};

/** @param count how many comments the block has: all of them are to be reached */
globalThis.__checks = (count) => {
  written = count;
};

const { console, process } = globalThis;
process?.on('exit', (code) => {
  if (code !== 0 || reached.size === written) return;
  console.error(`only ${reached.size} of ${written} comments were reached`);
  process.exitCode = 1;
});

function same(a, b) {
  if (typeof a === 'number' && typeof b === 'number') return Object.is(a, b) || Math.abs(a - b) <= 1e-6;
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b;
  return Object.keys({ ...a, ...b }).every((key) => same(a[key], b[key])) && a.length === b.length;
}

function show(value) {
  return JSON.stringify(value, (_, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner)) ?? String(value);
}
