/**
 * Times forward + gradient through the public API on one thread, all copies included (Float32Array in, loss and
 * Float32Array gradient out), beside a plain TypeScript loop and the floor: copying the scores into WebAssembly's linear
 * memory and as much out again.
 *
 *     npm run bench [-- --seconds 0.5]
 */
import os from 'node:os';
import { parseArgs } from 'node:util';
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';

const { values: flags } = parseArgs({ options: { seconds: { type: 'string', default: '0.5' } } });
const seconds = Number(flags.seconds);
if (!(seconds > 0)) {
  console.error(`bench: --seconds must be a number above 0, got '${flags.seconds}'`);
  process.exit(2);
}

const GRID = [
  [32, 10, 3],
  [128, 80, 3],
  [128, 1000, 5],
  [1024, 1000, 10],
  [256, 9600, 5],
  [64, 20_000, 10],
  [64, 20_000, 50],
  [64, 20_000, 1000],
  [16, 100_000, 200],
  [8, 670_000, 5],
] as const;

interface Input {
  scores: Float32Array;
  targets: Int32Array;
}

/** N(0, 1) scores and K different targets a row, another set each time. */
function makeInput(rows: number, classes: number, width: number): Input {
  const scores = Float32Array.from(
    { length: rows * classes },
    () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()),
  );
  // One target in each of K equal stretches of the classes: different ones, without a search for duplicates.
  const targets = Int32Array.from({ length: rows * width }, (_, i) =>
    Math.floor((((i % width) + Math.random()) * classes) / width),
  );
  return { scores, targets };
}

/** What one would write without this package: a double loop over targets and classes. */
function plainLoop({ scores, targets }: Input, rows: number, classes: number, width: number): Float32Array {
  const grad = new Float32Array(scores.length);
  const isTarget = new Uint8Array(classes);
  const step = 1 / (rows * classes);
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const at = row * classes;
    isTarget.fill(0);
    for (let k = row * width; k < (row + 1) * width; k++) isTarget[targets[k]!] = 1;
    for (let k = row * width; k < (row + 1) * width; k++) {
      const threshold = 1 - scores[at + targets[k]!]!;
      let violations = 0;
      for (let j = 0; j < classes; j++) {
        const hinge = threshold + scores[at + j]!;
        if (hinge > 0 && isTarget[j] === 0) {
          sum += hinge;
          grad[at + j]! += step;
          violations++;
        }
      }
      grad[at + targets[k]!]! -= violations * step;
    }
  }
  return sum < 0 ? new Float32Array() : grad;
}

/** Milliseconds a call: the median over a time, of batches long enough to time, each call on another input. */
function time(inputs: readonly Input[], call: (input: Input) => unknown): number {
  let next = 0;
  const run = (calls: number): number => {
    const start = performance.now();
    for (let i = 0; i < calls; i++) call(inputs[next++ % inputs.length]!);
    return performance.now() - start;
  };
  let calls = 1;
  while (run(calls) < 5 && calls < 1e6) calls *= 2;
  const samples: number[] = [];
  for (const end = performance.now() + seconds * 1000; samples.length < 1 || performance.now() < end;) {
    samples.push(run(calls) / calls);
  }
  return samples.sort((a, b) => a - b)[samples.length >> 1]!;
}

const lossFn = new MultiLabelMarginLoss();
const memory = new WebAssembly.Memory({ initial: 512 });

console.log(`${os.cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}, one thread, float32, N(0, 1) scores`);
console.log('forward + gradient, milliseconds a call (median); ratio = the other time / this package\n');
console.log('     N       C     K   this package   forward only   plain loop   ratio    floor   over floor');
for (const [rows, classes, width] of GRID) {
  // Enough inputs that the branch predictor cannot learn them by heart, within 64 MB.
  const size = rows * classes;
  const inputs = Array.from({ length: Math.max(1, Math.min(64, Math.floor(16e6 / size))) }, () =>
    makeInput(rows, classes, width),
  );
  if (process.stderr.isTTY) process.stderr.write(`\rtiming ${rows} x ${classes}, ${width} targets ...\x1b[K`);
  const shaped = new Map(
    inputs.map((input) => [
      input,
      [
        { data: input.scores, shape: [rows, classes] },
        { data: input.targets, shape: [rows, width] },
      ] as const,
    ]),
  );
  const ours = time(inputs, (input) => lossFn.valueAndGrad(...shaped.get(input)!));
  const forward = time(inputs, (input) => lossFn.forward(...shaped.get(input)!));
  const plain = time(inputs, (input) => plainLoop(input, rows, classes, width));
  const staged = new Float32Array(memory.buffer, 0, Math.min(size, memory.buffer.byteLength / 4));
  const floor = time(inputs, ({ scores }) => {
    const out = new Float32Array(size);
    for (let at = 0; at < size; at += staged.length) {
      const end = Math.min(size, at + staged.length);
      staged.set(scores.subarray(at, end));
      out.set(staged.subarray(0, end - at), at);
    }
    return out;
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const cell = (value: number, widthOf: number, digits: number): string => value.toFixed(digits).padStart(widthOf);
  console.log(
    `${String(rows).padStart(6)}${String(classes).padStart(8)}${String(width).padStart(6)}` +
      `${cell(ours, 15, 4)}${cell(forward, 15, 4)}${cell(plain, 13, 4)}${cell(plain / ours, 8, 1)}` +
      `${cell(floor, 9, 4)}${cell(ours / floor, 13, 1)}`,
  );
}
