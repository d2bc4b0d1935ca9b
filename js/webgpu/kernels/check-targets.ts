import { defineKernel, MAIN, read, readWrite } from './kernel.js';
import { STATUS } from './memory.js';

/** Checks that every target is in range, and finds the number of targets of each row. A thread for each target. */
export const CHECK_TARGETS = defineKernel({
  label: 'check targets',
  bindings: {
    targets: read('array<u32>'),
    status: readWrite('array<atomic<u32>>'),
    rowInfo: readWrite('array<atomic<u32>>'),
  },
  code: /* wgsl */ `
${MAIN} {
  let i = groupIndex(group, groups) * THREADS + thread;
  if (i >= params.rows * params.width) { return; }
  let at = params.targetsAt + i * params.targetWords;
  let low = targets[at];
  var high = u32(i32(low) >> 31u);
  if (params.targetWords == 2u) { high = targets[at + 1u]; }
  let isClass = high == 0u && low < params.classes;
  let isPadding = (high & low) == 0xffffffffu;
  if (!isClass && !isPadding) {
    atomicMax(&status[${STATUS.badTarget}], 0xffffffffu - (params.firstRow * params.width + i));
  }
  if ((high >> 31u) != 0u) {
    let row = i / params.width;
    atomicMax(&rowInfo[params.firstRow + row], params.width - (i - row * params.width));
  }
}
`,
});
