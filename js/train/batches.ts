import { allocate } from '../dtypes.js';
import { Tensor } from '../tensor.js';
import type { SparseRows } from './features.js';
import type { Bags } from './model.js';
import type { ClassLists, Rows } from './rows.js';
import type { Scaler } from './scales.js';

/** Rows of a block that are in one part of the split: `rows[i]` of `block[batches[i]]`. */
export interface Selection {
  readonly block: readonly Rows[];
  readonly batches: Int32Array;
  readonly rows: Int32Array;
  readonly isWeighted: boolean;
  readonly hasUnknown: boolean;
}

/** The inputs of a step. */
export interface Batch {
  readonly size: number;
  readonly input: Tensor<'float32'> | Bags;
  readonly targets: Tensor<'int32'>;
  readonly unknown: Tensor<'int32'> | undefined;
  readonly sampleWeight: Float64Array | undefined;
}

/** The rows of a part, in their order. */
export function selectRows(block: readonly Rows[], part: number): Selection {
  const counts = block.map(({ parts }) => parts.reduce((sum, each) => sum + (each === part ? 1 : 0), 0));
  const size = counts.reduce((sum, count) => sum + count, 0);
  const batches = allocate('int32', size);
  const rows = allocate('int32', size);
  let at = 0;
  block.forEach(({ parts }, batch) => {
    for (let row = 0; row < parts.length; row++) {
      if (parts[row] !== part) continue;
      batches[at] = batch;
      rows[at++] = row;
    }
  });
  const isWeighted = block.some(({ sampleWeight }) => sampleWeight !== null);
  const hasUnknown = block.some(({ unknown }) => unknown !== null);
  return { block, batches, rows, isWeighted, hasUnknown };
}

/** Gathers rows into batches, one after the other in the same memory. */
export class Batcher {
  #dense: Float32Array = new Float32Array();

  /** @param scaler what is done to features, or null for nothing */
  constructor(
    private readonly features: number,
    private readonly scaler: Scaler | null,
  ) {}

  /** The rows number `order[begin]` to before `order[end]` of a selection. */
  gather(selection: Selection, order: Int32Array, begin: number, end: number): Batch {
    const { block, batches, rows, isWeighted, hasUnknown } = selection;
    const size = end - begin;
    const at = (i: number): { own: Rows; row: number } => {
      const place = order[begin + i] as number;
      return { own: block[batches[place] as number] as Rows, row: rows[place] as number };
    };
    const lists = (listsOf: (own: Rows) => ClassLists | null, padding: number): Tensor<'int32'> => {
      let width = 0;
      for (let i = 0; i < size; i++) {
        const { own, row } = at(i);
        const all = listsOf(own);
        if (all !== null) width = Math.max(width, (all.offsets[row + 1] as number) - (all.offsets[row] as number));
      }
      width += padding;
      const data = allocate('int32', size * width).fill(-1);
      for (let i = 0; i < size; i++) {
        const { own, row } = at(i);
        const all = listsOf(own);
        if (all !== null) data.set(all.values.subarray(all.offsets[row], all.offsets[row + 1]), i * width);
      }
      return new Tensor<'int32'>(data, [size, width]);
    };
    return {
      size,
      input: block[0]?.features.isSparse === true ? this.#sparse(size, at) : this.#denseRows(size, at),
      targets: lists(({ targets }) => targets, 0),
      // Every list ends with -1: one of 0 and 1, as long as there are classes, could be taken for a mask.
      unknown: hasUnknown ? lists(({ unknown }) => unknown, 1) : undefined,
      sampleWeight: isWeighted
        ? Float64Array.from({ length: size }, (_, i) => {
            const { own, row } = at(i);
            return own.sampleWeight?.[row] ?? 1;
          })
        : undefined,
    };
  }

  #denseRows(size: number, at: (i: number) => { own: Rows; row: number }): Tensor<'float32'> {
    const { features, scaler } = this;
    if (this.#dense.length < size * features) this.#dense = allocate('float32', size * features);
    const data = this.#dense.subarray(0, size * features);
    for (let i = 0; i < size; i++) {
      const { own, row } = at(i);
      const from = own.features.data;
      if (scaler === null) {
        data.set(from.subarray(row * features, (row + 1) * features), i * features);
        continue;
      }
      const { mean, scale } = scaler;
      for (let j = 0, to = i * features, source = row * features; j < features; j++) {
        data[to++] = ((from[source++] as number) - (mean[j] as number)) / (scale[j] as number);
      }
    }
    return new Tensor<'float32'>(data, [size, features]);
  }

  #sparse(size: number, at: (i: number) => { own: Rows; row: number }): Bags {
    const offsets = allocate('int32', size);
    let entries = 0;
    for (let i = 0; i < size; i++) {
      const { own, row } = at(i);
      const { indptr } = own.features as SparseRows;
      offsets[i] = entries;
      entries += (indptr[row + 1] as number) - (indptr[row] as number);
    }
    const input = allocate('int32', entries);
    const weights = allocate('float32', entries);
    for (let i = 0; i < size; i++) {
      const { own, row } = at(i);
      const { indptr, indices, data } = own.features as SparseRows;
      const [begin, end] = [indptr[row] as number, indptr[row + 1] as number];
      input.set(indices.subarray(begin, end), offsets[i]);
      const to = offsets[i] as number;
      for (let entry = begin; entry < end; entry++) {
        const scale = this.scaler?.scale[indices[entry] as number] ?? 1;
        weights[to + entry - begin] = (data[entry] as number) / scale;
      }
    }
    return {
      input: new Tensor<'int32'>(input, [entries]),
      offsets: new Tensor<'int32'>(offsets, [size]),
      weights: new Tensor<'float32'>(weights, [entries]),
    };
  }
}
