// The package with WebGPU for every loss of float32: under its name, suites in ../js run over that too. What is there
// called for at once is given in a promise.

import * as real from '../../dist/index.js';
import { createWebGPUBackend } from '../../dist/webgpu/index.js';

// The local class is the one that importers get.
export * from '../../dist/index.js';

// One for all test files of a process: to compile the kernels takes Chromium's GPU in software seconds.
const shared = globalThis as { webgpuBackend?: ReturnType<typeof createWebGPUBackend> };
const backend = await (shared.webgpuBackend ??= createWebGPUBackend());

export class MultiLabelMarginLoss extends real.MultiLabelMarginLoss {
  readonly #onGPU: real.MultiLabelMarginLoss;

  constructor(options: real.MultiLabelMarginLossOptions = {}) {
    super(options);
    this.#onGPU = new real.MultiLabelMarginLoss({ backend, ...options });
  }

  override forward(...call: Parameters<real.MultiLabelMarginLoss['forward']>): never {
    return (isFloat64(call[0]) ? super.forward(...call) : this.#onGPU.forwardAsync(...call)) as never;
  }

  override valueAndGrad(...call: Parameters<real.MultiLabelMarginLoss['valueAndGrad']>): never {
    return (isFloat64(call[0]) ? super.valueAndGrad(...call) : this.#onGPU.valueAndGradAsync(...call)) as never;
  }
}

function isFloat64(scores: real.Scores): boolean {
  const data: unknown = (scores as Partial<real.TensorLike>).data ?? scores;
  // By tag: an array of another realm has another class.
  return Object.prototype.toString.call(data) === '[object Float64Array]';
}

export const nn = { ...real.nn, MultiLabelMarginLoss };
