// Modules that the program compiled, as it must where an environment refuses to compile WebAssembly from bytes.
import { readFileSync } from 'node:fs';
import { createWasmBackend, LossError, MultiLabelMarginLoss, nn, useTrainingModule } from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const compiled = (name: string): WebAssembly.Module =>
  new WebAssembly.Module(readFileSync(new URL(`../../dist/wasm/${name}.wasm`, import.meta.url)));
const lossModule = compiled('multilabel_margin_loss');
const metricsModule = compiled('ranking_metrics');
const trainingModule = compiled('training');

const scores = [[0.1, 0.2, 0.4, 0.8]];
const targets = [[3, 0, -1, 1]];

// Such an environment: it has modules that were compiled before, and makes none.
const { Module } = WebAssembly;
beforeEach(() => {
  WebAssembly.Module = Object.assign(
    function () {
      throw new WebAssembly.CompileError('code generation disallowed');
    },
    { exports: (module: WebAssembly.Module) => Module.exports(module) },
  ) as unknown as typeof Module;
});
afterEach(() => {
  WebAssembly.Module = Module;
});

function refused(call: () => unknown): LossError {
  try {
    call();
  } catch (error) {
    if (error instanceof LossError) return error;
    throw error;
  }
  throw new Error('not refused');
}

describe('without a module', () => {
  it.each([
    [
      'the loss',
      () => new MultiLabelMarginLoss().forward(scores, targets),
      /createWasmBackend\(\{ module \}\)/,
      'multilabel_margin_loss',
    ],
    [
      'an evaluator',
      () => new Evaluator({ loss: { backend: createWasmBackend({ module: lossModule }) } }).update(scores, targets),
      /new Evaluator\(\{ module \}\) or Evaluator.fromJSON\(json, \{ module \}\)/,
      'ranking_metrics',
    ],
    ['training', () => new nn.Linear(2, 3), /useTrainingModule\(\{ module \}\)/, 'training'],
  ])('%s names the function and the file', (_, call, named, file) => {
    const { code, message } = refused(call);
    expect(code).toBe('ERR_BACKEND_UNAVAILABLE');
    expect(message).toMatch(
      /^this environment does not compile WebAssembly from bytes \(code generation disallowed\): /,
    );
    expect(message).toMatch(named);
    expect(message).toContain(`'multilabel-margin-loss/${file}.wasm'`);
  });
});

describe.each([
  [
    'createWasmBackend',
    (module: WebAssembly.Module) => createWasmBackend({ module }),
    'multilabel_margin_loss',
    metricsModule,
  ],
  ['Evaluator', (module: WebAssembly.Module) => new Evaluator({ module }), 'ranking_metrics', trainingModule],
  [
    'fromJSON',
    (module: WebAssembly.Module) => Evaluator.fromJSON(new Evaluator().toJSON(), { module }),
    'ranking_metrics',
    lossModule,
  ],
  ['useTrainingModule', (module: WebAssembly.Module) => useTrainingModule({ module }), 'training', lossModule],
])('%s', (_, take, file, other) => {
  it('refuses what is no module, and other modules', () => {
    const wanted = `module must be the WebAssembly.Module of 'multilabel-margin-loss/${file}.wasm', got `;
    const bytes = readFileSync(new URL(`../../dist/wasm/${file}.wasm`, import.meta.url));
    const empty = new Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0));
    for (const module of [bytes, null, empty, other]) {
      const { code, message } = refused(() => take(module as WebAssembly.Module));
      expect(code).toBe('ERR_OPTION');
      expect(message).toContain(wanted);
    }
  });
});

describe('with modules', () => {
  const backend = createWasmBackend({ module: lossModule });

  it('the loss is what it is elsewhere', () => {
    const loss = new MultiLabelMarginLoss({ backend }).forward(scores, targets).item();
    WebAssembly.Module = Module;
    expect(loss).toBe(new MultiLabelMarginLoss().forward(scores, targets).item());
  });

  it('an evaluator evaluates, and goes on after JSON', () => {
    const evaluator = new Evaluator({ module: metricsModule, loss: { backend, margin: 0.5 } });
    evaluator.update(scores, targets);
    const copy = Evaluator.fromJSON(JSON.parse(JSON.stringify(evaluator)), {
      module: metricsModule,
      loss: { backend },
    });
    copy.update([[0.5, 0.1, 0.2, 0.3]], [[1]]);
    const other = new Evaluator({ module: metricsModule, loss: { backend, margin: 0.5 } });
    other.merge(copy);
    other.merge(evaluator);

    WebAssembly.Module = Module;
    const elsewhere = new Evaluator({ loss: { margin: 0.5 } });
    elsewhere.update([...scores, [0.5, 0.1, 0.2, 0.3], ...scores], [...targets, [1], ...targets]);
    expect(other.result()).toEqual({ ...elsewhere.result(), highestLosses: other.result().highestLosses });
    expect(other.result().rows).toBe(3);
  });

  it('fromJSON() refuses options that JSON has, and says what is damaged of JSON alone', () => {
    const json = new Evaluator().toJSON();
    expect(refused(() => Evaluator.fromJSON(json, { loss: { margin: 2 } as object })).message).toMatch(
      /unknown option 'margin'/,
    );
    expect(refused(() => Evaluator.fromJSON(json, { k: [1] } as object)).message).toMatch(/unknown option 'k'/);
  });

  it('nn and optim train, and take no other module afterwards', () => {
    useTrainingModule({ module: trainingModule });
    const layer = new nn.Linear(2, 3);
    expect(layer.forward([[1, 2]]).shape).toEqual([1, 3]);
    expect(refused(() => useTrainingModule({ module: trainingModule }))).toMatchObject({
      code: 'ERR_STATE',
      message: /call useTrainingModule\(\) once, before/,
    });
    layer.dispose();
  });
});
