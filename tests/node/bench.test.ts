// The benchmark on batches so small that it takes no time: what it says, not how fast it is.

import '../webgpu/node-gpu.js';
import { readFileSync } from 'node:fs';
import { createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
import { expect, test } from 'vitest';
import { chartOf } from '../../bench/chart.js';
import { NAMES } from '../../bench/contenders/contender.js';
import { floor } from '../../bench/contenders/floor.js';
import { plainLoop } from '../../bench/contenders/plain-loop.js';
import { thisPackage } from '../../bench/contenders/this-package.js';
import { detailsPage } from '../../bench/details.js';
import { GRID } from '../../bench/grid.js';
import { headlinePage, withTable } from '../../bench/headline.js';
import { webgpuReport } from '../../bench/report.js';
import type { WholeRun } from '../../bench/run.js';
import { spreadOf } from '../../bench/spread.js';
import { timeAll } from '../../bench/timing.js';
import { OURS, TORCH } from '../../bench/training/run.js';
import { timeWebGPU } from '../../bench/webgpu.js';

const EFFORT = { warmUpMilliseconds: 0, rounds: 2, turnMilliseconds: 0, budgetMilliseconds: 0 };
const POINTS = [
  { rows: 3, classes: 20, width: 2 },
  { rows: 2, classes: 15, width: 15 },
];

test('npm run bench -- --webgpu times what it says, and computes it right', async () => {
  using backend = await createWebGPUBackend();
  const run = await timeWebGPU(backend, POINTS, EFFORT, true);

  expect(run.measurements.map(({ point, gradient }) => [point, gradient])).toEqual(
    POINTS.flatMap((point) => [
      [point, true],
      [point, false],
    ]),
  );
  for (const { gradient, timings } of run.measurements) {
    for (const name of [NAMES.ours, NAMES.threads, NAMES.threadsShared, NAMES.webgpu, NAMES.webgpuResident]) {
      const { time, errors } = timings.get(name)!;
      expect(time.low).toBeGreaterThan(0);
      // A loss is rounded to float32 once, and so are 1 / (N * C) and its product with a count.
      expect(errors.loss).toBeLessThanOrEqual(2.01 * 2 ** -24);
      if (gradient) expect(errors.grad).toBeLessThanOrEqual(2.01 * 2 ** -24);
      else expect(errors.grad).toBeNull();
    }
    expect(timings.has(NAMES.webgpuFloor)).toBe(gradient);
  }

  const { isFallbackAdapter, vendor } = backend.adapterInfo;
  expect(run.isSoftware).toBe(isFallbackAdapter);
  expect(run.adapter).toContain(vendor);
  expect(webgpuReport(run)).toContain(run.adapter);
  expect(webgpuReport(run)).toMatch(/3 x 20, K = 2 .*\d (µs|ms)/);
  const onHardware = webgpuReport({ ...run, isSoftware: false });
  expect(onHardware).toMatch(/Goals: 0 of 2 reached/);
  expect(onHardware).not.toContain('software');
  const inSoftware = webgpuReport({ ...run, isSoftware: true });
  expect(inSoftware).toContain('This adapter is software');
  expect(inSoftware).not.toContain('Goals');
});

test('a spread is the median and the quartiles of turns', () => {
  expect(spreadOf([5, 1, 4, 2, 3, 7, 6])).toEqual({ median: 4, low: 2, high: 6 });
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
  expect(spreadOf([8])).toEqual({ median: 8, low: 8, high: 8 });
});

test('npm run bench writes pages that say what was measured', async () => {
  const [point] = GRID;
  const plans = (['random', 'trained'] as const).map((scoreSet) => ({
    point: point!,
    dtype: 'float32' as const,
    scoreSet,
    gradients: [true, false],
  }));
  const measured = await timeAll(plans, [...thisPackage(), plainLoop(), ...floor()], EFFORT, true);
  const step = (time: number, ratio: number) => ({
    time: spreadOf([time]),
    ratio: spreadOf([ratio / 2, ratio, ratio * 2]),
  });
  // The contenders run. Fixed times replace theirs, so that the pages have the same text on every machine.
  const [ours, loop, copies] = [step(0.0359, 1), step(8.886, 247.53), step(0.00718, 0.2)];
  const measurements = measured.map(({ timings, ...rest }) => ({
    ...rest,
    timings: new Map(
      [...timings].map(([name, timing]) => {
        expect(timing.time.low).toBeGreaterThan(0);
        const fixed = name === NAMES.plain ? loop : name === NAMES.floor ? copies : ours;
        return [name, { ...timing, ...fixed }] as const;
      }),
    ),
  }));
  const part = { versions: { 'Node.js': process.versions.node }, leftOut: [] };
  const job = { byOperations: 1, byBytes: 2 };
  const run: WholeRun = {
    date: new Date(0),
    loadBefore: 0.125,
    loss: { ...part, measurements, leftOut: ['PyTorch: it is not here'] },
    training: {
      ...part,
      limits: { operationsPerSecond: 1e9, bytesPerSecond: 1e9 },
      jobs: (['epoch 1', 'later', 'genre', 'image', 'random', 'trained'] as const).map((key) => ({
        ...job,
        key,
        name: key === 'image' ? 'image head' : key,
        steps: new Map([
          [OURS, step(4, 1)],
          [TORCH[0]!, step(20, 5)],
          [TORCH[1]!, step(12, 3)],
        ]),
      })),
    },
    evaluation: {
      ...part,
      metrics: [
        {
          point: { rows: 100_000, classes: 100, width: 4 },
          time: spreadOf([100]),
          lossTime: spreadOf([20]),
          peerTime: spreadOf([9000]),
          ratio: spreadOf([80, 90, 95]),
          difference: 1e-16,
        },
      ],
      readings: [{ format: '.npy', rows: 1e6, threads: 1, rowsPerSecond: spreadOf([5e5]), megabytes: 100 }],
    },
  };

  const page = headlinePage(run);
  expect(page).toContain('| 32 x 10, K = 3 | 35.9 µs | 248x (124 to 495) |');
  // PyTorch's better number of threads, and scikit-learn.
  expect(page).toContain('| image head | 4.00 ms | 3.00x (1.50 to 6.00) |');
  expect(page).toContain('| 100,000 x 100, K = 4 | 100 ms | 90.0x (80.0 to 95.0) |');
  // Of this package, as a multiple of the floor: the inverse of what was measured, whose ends change places.
  expect(page).toContain('| 32 x 10, K = 3 | 7.18 µs | 5.00x (2.50 to 10.0) | 5.00x (2.50 to 10.0) |');
  expect(page).toContain('| image head | 2.00 ms (memory) | 2.00x |');
  expect(page).toContain('1970-01-01');
  expect(page).toContain('Left out: PyTorch: it is not here.');

  const details = detailsPage(run);
  for (const name of [NAMES.oursReused, NAMES.plain, NAMES.floorReused]) expect(details).toContain(`| ${name} |`);
  expect(details).toContain('PyTorch, 2 threads');

  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const changed = withTable(readme, run);
  expect(changed).toContain('| a training step of an image head | 3.00x (1.50 to 6.00) |');
  expect(withTable(changed, run)).toBe(changed);
  const withoutTables = (text: string): string[] => text.split('\n').filter((line) => !/^(\|.*)?$/.test(line));
  expect(withoutTables(changed)).toEqual(withoutTables(readme));
  expect(() => withTable('# no place', run)).toThrow('README.md has no place for the table');

  const chart = await chartOf(run);
  expect(chart).toMatch(/^<svg/);
  expect(chart).toContain('prefers-color-scheme: dark');
  for (const text of ['image head', '90x', 'scikit-learn']) expect(chart).toContain(`${text}<`);
  expect(chart).not.toContain('NaN');
});
