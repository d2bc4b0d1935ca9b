// The models of tests/fixtures/make_training_golden.py, and readers of what it wrote.

import * as torch from 'multilabel-margin-loss';

const [FEATURES, HIDDEN, CLASSES, TERMS] = [6, 8, 5, 12];

export class MLP extends torch.nn.Module {
  fc1 = new torch.nn.Linear(FEATURES, HIDDEN);
  fc2 = new torch.nn.Linear(HIDDEN, CLASSES);
  forward(x: torch.Tensor): torch.Tensor {
    return this.fc2.forward(torch.relu(this.fc1.forward(x)));
  }
}

class Wide extends torch.nn.Module {
  fc = new torch.nn.Linear(FEATURES, CLASSES, { bias: false });
  forward(x: torch.Tensor): torch.Tensor {
    return this.fc.forward(x);
  }
}

class Residual extends torch.nn.Module {
  fc1 = new torch.nn.Linear(FEATURES, FEATURES);
  fc2 = new torch.nn.Linear(FEATURES, CLASSES);
  forward(x: torch.Tensor): torch.Tensor {
    const h = this.fc1.forward(x);
    return this.fc2.forward(torch.add(h, torch.relu(h)));
  }
}

export class Tagger extends torch.nn.Module {
  bias = new torch.nn.Parameter(torch.zeros(CLASSES));
  terms = new torch.nn.EmbeddingBag(TERMS, CLASSES, { mode: 'sum' });
  forward(input: torch.Tensor<'int32'>, offsets: torch.Tensor<'int32'>, weights: torch.Tensor | null): torch.Tensor {
    return torch.add(this.terms.forward(input, offsets, weights), this.bias);
  }
}

const MODELS = { mlp: MLP, wide: Wide, residual: Residual, tagger: Tagger };

export function makeModel(name: string): MLP | Wide | Residual | Tagger {
  return new MODELS[name as keyof typeof MODELS]();
}

export interface GoldenBatch {
  targets: number[][];
  x?: string;
  input?: number[];
  offsets?: number[];
  weights?: string | null;
}

export function forward(model: MLP | Wide | Residual | Tagger, batch: GoldenBatch): torch.Tensor {
  if (!(model instanceof Tagger))
    return model.forward(torch.tensor(f32(batch.x!), { shape: [batch.targets.length, FEATURES] }));
  const weights = batch.weights ? torch.tensor(f32(batch.weights)) : null;
  return model.forward(
    torch.tensor(Int32Array.from(batch.input!)),
    torch.tensor(Int32Array.from(batch.offsets!)),
    weights,
  );
}

export function toState(
  encoded: Record<string, { shape: number[]; data: string } | undefined>,
): Record<string, torch.Tensor<'float32'>> {
  return Object.fromEntries(
    Object.entries(encoded).map(([name, entry]) => [name, torch.tensor(f32(entry!.data), { shape: entry!.shape })]),
  );
}

export function bytes(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

export const f32 = (base64: string): Float32Array => new Float32Array(bytes(base64).buffer as ArrayBuffer);
export const f64 = (base64: string): Float64Array => new Float64Array(bytes(base64).buffer as ArrayBuffer);
