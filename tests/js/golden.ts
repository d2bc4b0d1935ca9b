// The cases of ../fixtures/golden.json, decoded. What its numbers are and how close to expect a result to them is told
// at the top of make_golden.py there.

import golden from '../fixtures/golden.json' with { type: 'json' };

/** One number for each row under 'none' (one for shapes [C] and []), a single one else. */
export interface GoldenLoss<A> {
  readonly none: A;
  readonly mean: A;
  readonly sum: A;
}

interface GoldenCaseOf<DType extends string, A> {
  readonly id: number;
  readonly tag: string;
  readonly note: string;
  readonly dtype: DType;
  /** [N, C], [C] or []. */
  readonly shape: readonly number[];
  /** A list for each row, which PyTorch was given padded to C columns with -1. May hold a -1 with entries after it. */
  readonly targets: readonly (readonly number[])[];
  readonly scores: A;
  readonly loss: GoldenLoss<Float64Array>;
  /** Of the loss reduced by 'sum'; of 'none' for a gradOutput of ones too; N times that of 'mean'. */
  readonly gradSum: Float64Array;
  /** In the first few cases only. */
  readonly gradMean?: Float64Array;
}

export type GoldenFloat64Case = GoldenCaseOf<'float64', Float64Array>;

/** `loss` and the gradients are PyTorch's float64 ones on the float32 scores. */
export interface GoldenFloat32Case extends GoldenCaseOf<'float32', Float32Array> {
  readonly loss32: GoldenLoss<Float32Array>;
  /** By how much the loss of each row may differ from that of `loss.none` because 1 - x[k] is rounded to float32. */
  readonly lossSlack: Float64Array;
  /** Pairs that count in float32 and not in float64, or the reverse: where not 0, compare with `gradSum32`. */
  readonly flips: number;
  readonly gradSum32?: Float32Array;
}

export type GoldenCase = GoldenFloat32Case | GoldenFloat64Case;

interface Encoded {
  readonly id: number;
  readonly tag: string;
  readonly note?: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly targets: readonly (readonly number[])[];
  readonly scores: string;
  readonly loss: GoldenLoss<string>;
  readonly gradSum: string;
  readonly gradMean?: string;
  readonly loss32?: GoldenLoss<string>;
  readonly lossSlack?: string;
  readonly flips?: number;
  readonly gradSum32?: string;
}

// Every engine that runs these tests is little-endian, as WebAssembly is.
function buffer(base64: string): ArrayBuffer {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)).buffer;
}

const f32 = (base64: string): Float32Array => new Float32Array(buffer(base64));
const f64 = (base64: string): Float64Array => new Float64Array(buffer(base64));

function lossOf<A>(encoded: GoldenLoss<string>, decode: (base64: string) => A): GoldenLoss<A> {
  return { none: decode(encoded.none), mean: decode(encoded.mean), sum: decode(encoded.sum) };
}

function decode(encoded: Encoded): GoldenCase {
  const common = {
    id: encoded.id,
    tag: encoded.tag,
    note: encoded.note ?? '',
    shape: encoded.shape,
    targets: encoded.targets,
    loss: lossOf(encoded.loss, f64),
    gradSum: f64(encoded.gradSum),
    ...(encoded.gradMean === undefined ? {} : { gradMean: f64(encoded.gradMean) }),
  };
  const { loss32, lossSlack, flips, gradSum32 } = encoded;
  if (loss32 === undefined || lossSlack === undefined || flips === undefined) {
    return { ...common, dtype: 'float64', scores: f64(encoded.scores) };
  }
  return {
    ...common,
    dtype: 'float32',
    scores: f32(encoded.scores),
    loss32: lossOf(loss32, f32),
    lossSlack: f64(lossSlack),
    flips,
    ...(gradSum32 === undefined ? {} : { gradSum32: f32(gradSum32) }),
  };
}

/** The version of PyTorch that made the cases. */

export const goldenCases: readonly GoldenCase[] = (golden.cases as readonly Encoded[]).map(decode);
