import { defineKernel, MAIN, read, readWrite } from './kernel.js';
import { STATUS } from './memory.js';

/** Looks for NaN scores, which are an error or make their row NaN. A thread for each score, after CHECK_TARGETS. */
export const FIND_NAN = defineKernel({
  label: 'find NaN',
  bindings: {
    scores: read('array<u32>'),
    status: readWrite('array<atomic<u32>>'),
    rowInfo: readWrite('array<atomic<u32>>'),
  },
  code: /* wgsl */ `
${MAIN} {
  let i = groupIndex(group, groups) * THREADS + thread;
  let bound = params.end - params.begin;
  if (i >= params.rows * bound) { return; }
  let row = i / bound;
  let column = params.begin + i - row * bound;
  if (isNan(scores[params.scoresAt + row * params.classes + column])) {
    if (params.propagatesNan != 0u) {
      atomicOr(&rowInfo[params.firstRow + row], NAN_ROW);
    } else {
      atomicMax(&status[${STATUS.badScore}], 0xffffffffu - ((params.firstRow + row) * params.classes + column));
    }
  }
}
`,
});
