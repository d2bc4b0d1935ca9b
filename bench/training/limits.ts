/** The physical limits of one thread of WebAssembly with SIMD128: operations a second, and bytes read from memory. */

// A module written by hand: what a compiler would make of C++ for it is not for certain.
const I32 = 0x7f;
const F32 = 0x7d;
const V128 = 0x7b;
const CHAINS = 12;
const LOADS = 8;
const BYTES = 256 * 2 ** 20;

const leb = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >> 7)]);
const section = (id: number, content: number[]): number[] => [id, ...leb(content.length), ...content];
const counted = (items: number[][]): number[] => [...leb(items.length), ...items.flat()];
const body = (vectors: number, code: number[]): number[] => {
  const content = [1, ...leb(vectors), V128, ...code, 0x0b];
  return [...leb(content.length), ...content];
};
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const constant = (value: number): number[] => [0x41, ...leb(value)];
const SPLAT = [0xfd, 0x13];
const MULTIPLY = [0xfd, 0xe6, 0x01];
const ADD = [0xfd, 0xe4, 0x01];
const FIRST_LANE = [0xfd, 0x1f, 0];
const load = (offset: number): number[] => [0xfd, 0x00, 4, ...leb(offset)];
const times = (count: number, code: (i: number) => number[]): number[] =>
  Array.from({ length: count }, (_, i) => code(i)).flat();
/** A loop that counts local 0 down by `step`. */
const countDown = (step: number, code: number[]): number[] => [
  ...[0x03, 0x40],
  ...code,
  ...[...get(0), ...constant(step), 0x6b, 0x22, 0],
  ...[0x0d, 0, 0x0b],
];

/** (rounds: i32, a: f32, b: f32) -> f32: CHAINS independent chains of x = x a + b */
const operations = body(CHAINS + 2, [
  ...[...get(1), ...SPLAT, ...set(3)],
  ...[...get(2), ...SPLAT, ...set(4)],
  ...countDown(
    1,
    times(CHAINS, (i) => [...get(5 + i), ...get(3), ...MULTIPLY, ...get(4), ...ADD, ...set(5 + i)]),
  ),
  ...get(5),
  ...times(CHAINS - 1, (i) => [...get(6 + i), ...ADD]),
  ...FIRST_LANE,
]);

/** (bytes: i32) -> f32: the sum of the memory below, from its end */
const reading = body(LOADS, [
  ...countDown(
    16 * LOADS,
    times(LOADS, (i) => [
      ...get(1 + i),
      ...get(0),
      ...constant(16 * LOADS),
      0x6b,
      ...load(16 * i),
      ...ADD,
      ...set(1 + i),
    ]),
  ),
  ...get(1),
  ...times(LOADS - 1, (i) => [...get(2 + i), ...ADD]),
  ...FIRST_LANE,
]);

const name = (text: string): number[] => counted([...text].map((character) => [character.charCodeAt(0)]));

const MODULE = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...section(
    1,
    counted([
      [0x60, 3, I32, F32, F32, 1, F32],
      [0x60, 1, I32, 1, F32],
    ]),
  ),
  ...section(3, counted([[0], [1]])),
  ...section(5, counted([[0, ...leb(BYTES / 65536)]])),
  ...section(
    7,
    counted([
      [...name('operations'), 0, 0],
      [...name('reading'), 0, 1],
      [...name('memory'), 2, 0],
    ]),
  ),
  ...section(10, counted([operations, reading])),
]);

export interface Limits {
  operationsPerSecond: number;
  bytesPerSecond: number;
}

/** Takes a second. Each is the best of several runs: a limit. */
export function measureLimits(): Limits {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(MODULE));
  const { operations, reading, memory } = exports as unknown as {
    operations: (rounds: number, a: number, b: number) => number;
    reading: (bytes: number) => number;
    memory: WebAssembly.Memory;
  };
  new Uint8Array(memory.buffer).fill(0); // pages of its own
  const best = (work: number, run: () => void): number => {
    let milliseconds = Infinity;
    for (let i = 0; i < 7; i++) {
      const begin = performance.now();
      run();
      milliseconds = Math.min(milliseconds, performance.now() - begin);
    }
    return (work / milliseconds) * 1000;
  };
  const rounds = 5e6;
  return {
    operationsPerSecond: best(rounds * CHAINS * 8, () => operations(rounds, 0.5, 1)),
    bytesPerSecond: best(BYTES, () => reading(BYTES)),
  };
}
