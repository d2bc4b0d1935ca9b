// The benchmark with a GPU, on batches so small that it takes no time: what it says, not how fast it is.

import '../webgpu/node-gpu.js';
import { createWebGPUBackend } from 'multilabel-margin-loss/webgpu';
import { expect, test } from 'vitest';
import { NAMES } from '../../bench/contenders/contender.js';
import { webgpuMarkdownReport, webgpuTerminalReport } from '../../bench/report.js';
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
      const { milliseconds, errors } = timings.get(name)!;
      expect(milliseconds).toBeGreaterThan(0);
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
  for (const report of [webgpuTerminalReport, webgpuMarkdownReport]) {
    const text = report(run);
    expect(text).toContain(run.adapter);
    expect(text).toMatch(/3 x 20, K = 2 .*\d (µs|ms)/);
    const onHardware = report({ ...run, isSoftware: false, goals: [{ text: 'a goal', wanted: 'at least 20x', measured: '25x', reached: true }] }); // prettier-ignore
    expect(onHardware).toMatch(/a goal .*at least 20x .*25x .*(reached|yes)/);
    expect(onHardware).not.toContain('software');
    const inSoftware = report({ ...run, isSoftware: true, goals: [] });
    expect(inSoftware).toContain('This adapter is software');
    expect(inSoftware).not.toMatch(/goal.*wanted|reached/i);
  }
});
