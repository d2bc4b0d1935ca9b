/** This package on a GPU: arrays copied there and the gradient back, or everything but the loss in the GPU's memory. */
import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
import { fromGPUBuffer, type WebGPUBackend } from 'multilabel-margin-loss/webgpu';
import type { Batch, Input } from '../grid.js';
import { type Contender, type Name, NAMES, type Result } from './contender.js';

// The numbers of GPUBufferUsage and GPUMapMode, which are globals only in browsers.
const USAGE = { mapRead: 1, copySource: 4, copyDestination: 8, storage: 128 };
const MAP_READ = 1;

// The result of a call that takes longer is kept, since another call to check it would take as long.
const LONG_MILLISECONDS = 1000;

/** A batch that was loaded. */
interface Loaded {
  /**
   * Computes these inputs one after the other.
   * @returns what reads the result of the last one
   */
  run(inputs: readonly Input[], gradient: boolean): Promise<() => Promise<Result>>;
  free?(): void;
}

export const webgpu = (backend: WebGPUBackend): Contender[] => [
  contender(NAMES.webgpu, ['default'], (batch) => uploaded(backend, batch)),
  contender(NAMES.webgpuResident, ['default'], (batch) => resident(backend, batch)),
  contender(NAMES.webgpuFloor, [], (batch) => Promise.resolve(copied(backend.device, batch))),
];

function contender(name: Name, forwardForms: readonly string[], load: (batch: Batch) => Promise<Loaded>): Contender {
  let inputs: readonly Input[] = [];
  let loaded: Loaded | undefined;
  let next = [0, 0];
  const results = new Map<boolean, Result>();
  return {
    name,
    async load(batch) {
      loaded?.free?.();
      results.clear();
      ({ inputs } = batch);
      next = [0, 0];
      loaded = await load(batch);
    },
    forms: (gradient) => (gradient ? ['default'] : forwardForms),
    async time(_form, gradient, calls) {
      const from = next[Number(gradient)]!;
      const turn = Array.from({ length: calls }, (_, i) => inputs[(from + i) % inputs.length]!);
      next[Number(gradient)] = (from + calls) % inputs.length;
      const start = performance.now();
      const read = await loaded!.run(turn, gradient);
      const elapsed = performance.now() - start;
      if (elapsed > LONG_MILLISECONDS && turn.at(-1) === inputs[0]) results.set(gradient, await read());
      return elapsed;
    },
    async result(_form, gradient) {
      return results.get(gradient) ?? (await loaded!.run(inputs.slice(0, 1), gradient))();
    },
    dispose: () => loaded?.free?.(),
  };
}

/** Typed arrays in, loss and gradient as a new typed array out. */
async function uploaded(backend: WebGPUBackend, { point, inputs }: Batch): Promise<Loaded> {
  const { rows, classes, width } = point;
  const lossFn = new MultiLabelMarginLoss({ backend });
  // A call with one row compiles the kernels for such rows, which may take seconds.
  const [{ scores, targets }] = inputs as [Input];
  await lossFn.valueAndGradAsync(scores.subarray(0, classes), targets.subarray(0, width));

  return {
    async run(inputs, gradient) {
      let result: Result | undefined;
      for (const input of inputs) {
        const scores = { data: input.scores, shape: [rows, classes] };
        const targets = { data: input.targets, shape: [rows, width] };
        if (gradient) {
          const { loss, grad } = await lossFn.valueAndGradAsync(scores, targets);
          result = { loss: loss.item(), grad: grad.data };
        } else {
          result = { loss: (await lossFn.forwardAsync(scores, targets)).item(), grad: null };
        }
      }
      return () => Promise.resolve(result!);
    },
  };
}

/** Scores and targets in buffers on the GPU, the gradient written into another one there. After {@link uploaded}. */
async function resident(backend: WebGPUBackend, { point, inputs }: Batch): Promise<Loaded> {
  const { rows, classes, width } = point;
  const { device } = backend;
  const lossFn = new MultiLabelMarginLoss({ backend });
  const onGPU = new Map(
    inputs.map((input) => {
      const scores = fromGPUBuffer(bufferOf(device, input.scores), { shape: [rows, classes] });
      const targets = fromGPUBuffer(bufferOf(device, input.targets), { shape: [rows, width], dtype: 'int32' });
      return [input, { scores, targets }];
    }),
  );
  const grad = fromGPUBuffer(newBuffer(device, rows * classes * 4), { shape: [rows, classes] });
  await device.queue.onSubmittedWorkDone();

  return {
    async run(inputs, gradient) {
      let loss = 0;
      for (const input of inputs) {
        const { scores, targets } = onGPU.get(input)!;
        loss = gradient
          ? (await lossFn.valueAndGradAsync(scores, targets, { grad })).loss.item()
          : (await lossFn.forwardAsync(scores, targets)).item();
      }
      return async () => ({ loss, grad: gradient ? await download(device, grad.buffer) : null });
    },
    free() {
      grad.buffer.destroy();
      for (const { scores, targets } of onGPU.values()) {
        scores.buffer.destroy();
        targets.buffer.destroy();
      }
    },
  };
}

/** The floor: reads as many bytes as the scores have, writes as many, and waits once for all calls of a turn. */
function copied(device: GPUDevice, { point: { rows, classes }, inputs }: Batch): Loaded {
  const onGPU = new Map(inputs.map((input) => [input, bufferOf(device, input.scores)]));
  const size = rows * classes * 4;
  const grad = newBuffer(device, size);
  return {
    async run(inputs) {
      const encoder = device.createCommandEncoder();
      for (const input of inputs) encoder.copyBufferToBuffer(onGPU.get(input)!, 0, grad, 0, size);
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      return () => Promise.resolve({ loss: 0, grad: null });
    },
    free() {
      grad.destroy();
      for (const buffer of onGPU.values()) buffer.destroy();
    },
  };
}

function newBuffer(device: GPUDevice, size: number): GPUBuffer {
  return device.createBuffer({ size, usage: USAGE.storage | USAGE.copySource | USAGE.copyDestination });
}

function bufferOf(device: GPUDevice, data: Input['scores'] | Input['targets']): GPUBuffer {
  const buffer = newBuffer(device, data.byteLength);
  device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>);
  return buffer;
}

async function download(device: GPUDevice, buffer: GPUBuffer): Promise<Float32Array> {
  const copy = device.createBuffer({ size: buffer.size, usage: USAGE.mapRead | USAGE.copyDestination });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(MAP_READ);
  const data = new Float32Array(copy.getMappedRange()).slice();
  copy.destroy();
  return data;
}
