/** Times one thread, two and a GPU side by side. */
import { createRequire } from 'node:module';
import type { WebGPUBackend } from 'multilabel-margin-loss/webgpu';
import { thisPackage } from './contenders/this-package.js';
import { threads } from './contenders/threads.js';
import { webgpu } from './contenders/webgpu.js';
import type { Point } from './grid.js';
import type { WebGPURun } from './run.js';
import { type Effort, type Plan, timeAll } from './timing.js';

const { version } = createRequire(import.meta.url)('webgpu/package.json') as { version: string };

export async function timeWebGPU(
  backend: WebGPUBackend,
  points: readonly Point[],
  effort: Effort,
  quick: boolean,
): Promise<WebGPURun> {
  const { vendor, architecture, device, description, isFallbackAdapter } = backend.adapterInfo;
  const plans = points.map((point): Plan => ({
    point,
    dtype: 'float32',
    scoreSet: 'random',
    gradients: [true, false],
  }));
  const measurements = await timeAll(plans, [...thisPackage(), ...threads(), ...webgpu(backend)], effort, quick);
  return {
    measurements,
    versions: { 'Node.js': process.versions.node, webgpu: version },
    leftOut: [],
    adapter: [vendor, architecture, device, description].filter((part) => part !== '').join(', '),
    isSoftware: isFallbackAdapter,
  };
}
