// The ranking metrics against scikit-learn's: see ../fixtures/make_ranking_golden.py.

import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { describe, expect, test } from 'vitest';
import golden from '../fixtures/ranking-golden.json' with { type: 'json' };
import { expectWithin } from '../js/support.js';

// Every engine that runs these tests is little-endian, as WebAssembly is.
function decode(base64: string, dtype: string): Float32Array | Float64Array {
  const { buffer } = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return dtype === 'float32' ? new Float32Array(buffer) : new Float64Array(buffer);
}

describe(`metrics of scikit-learn ${golden.sklearn}`, () => {
  test.each(golden.cases)('$name, $dtype', ({ dtype, shape, scores, targets, expected }) => {
    const evaluator = new Evaluator({ k: golden.k });
    evaluator.update({ data: decode(scores, dtype), shape }, targets);
    const result = evaluator.result();
    // Relative: coverage is not about 1.
    const check = (actual: readonly number[], wanted: readonly number[], what: string): void =>
      expectWithin(
        actual,
        wanted,
        wanted.map((value) => 1e-12 * Math.max(1, Math.abs(value))),
        what,
      );
    for (const metric of [
      'rankingLoss',
      'coverageError',
      'labelRankingAveragePrecision',
      'macroAveragePrecision',
      'microAveragePrecision',
    ] as const) {
      check([result[metric]!], [expected[metric]], metric);
    }
    check(
      golden.k.map((k) => result.at[k]!.ndcg),
      expected.ndcg,
      'nDCG',
    );
    check(
      result.perLabel.map(({ averagePrecision }) => averagePrecision!),
      expected.averagePrecision,
      'average precision',
    );
    const { macroAveragePrecision: macro, microAveragePrecision: micro } = result;
    expect(result.macroAveragePrecisionBounds).toEqual({ low: macro, high: macro });
    expect(result.microAveragePrecisionBounds).toEqual({ low: micro, high: micro });
  });
});
