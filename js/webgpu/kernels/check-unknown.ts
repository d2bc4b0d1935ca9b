import { defineKernel, MAIN, read, readWrite } from './kernel.js';
import { STATUS } from './memory.js';

/** Checks that no unknown class is a target of its row. A thread for each unknown class, after CHECK_TARGETS. */
export const CHECK_UNKNOWN = defineKernel({
  label: 'check unknown',
  bindings: {
    targets: read('array<u32>'),
    unknown: read('array<u32>'),
    rowInfo: read('array<u32>'),
    status: readWrite('array<atomic<u32>>'),
  },
  code: /* wgsl */ `
${MAIN} {
  let i = groupIndex(group, groups) * THREADS + thread;
  if (i >= params.rows * params.unknownWidth) { return; }
  let row = i / params.unknownWidth;
  let column = unknown[params.unknownAt + i];
  let numTargets = params.width - (rowInfo[params.firstRow + row] & ~NAN_ROW);
  for (var k = 0u; k < numTargets && column != NOTHING; k++) {
    if (targets[params.targetsAt + (row * params.width + k) * params.targetWords] == column) {
      atomicMax(&status[${STATUS.badUnknown}], 0xffffffffu - (params.firstRow * params.unknownWidth + i));
      return;
    }
  }
}
`,
});
