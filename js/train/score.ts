import { Tensor } from '../tensor.js';
import type { FeatureRows } from './features.js';
import type { HeadShape, Model } from './model.js';

/** Elements of features, and of scores, that pass through linear memory at a time. */
const ELEMENTS = 2 ** 18;

export function rowsPerBatch({ features, classes, hidden }: HeadShape, isSparse: boolean): number {
  return Math.max(1, Math.floor(ELEMENTS / Math.max(isSparse ? 0 : features, classes, hidden ?? 0)));
}

/** [rows, classes] */
export function scoreRows(model: Model, features: FeatureRows): Tensor<'float32'> {
  const { rows, columns } = features;
  const data = features.data instanceof Float32Array ? features.data : new Float32Array(features.data);
  if (!features.isSparse) return model.forward(new Tensor<'float32'>(data, [rows, columns]));
  const input = new Tensor<'int32'>(features.indices, [features.indices.length]);
  const offsets = new Tensor<'int32'>(features.indptr.subarray(0, rows), [rows]);
  return model.forward({ input, offsets, weights: new Tensor<'float32'>(data, [data.length]) });
}
