import { defineKernel, read, readWrite } from './kernel.js';
import { STATUS } from './memory.js';

/**
 * Copies the value of the first target that is out of range to the status, where that target is among those bound. One
 * thread, after CHECK_TARGETS.
 */
export const REPORT_TARGET = defineKernel({
  label: 'report target',
  bindings: { targets: read('array<u32>'), status: readWrite('array<u32>') },
  code: /* wgsl */ `
@compute @workgroup_size(1)
fn main() {
  let bad = 0xffffffffu - status[${STATUS.badTarget}];
  let first = params.firstRow * params.width;
  if (status[${STATUS.badTarget}] == 0u || bad < first || bad - first >= params.rows * params.width) { return; }
  let at = params.targetsAt + (bad - first) * params.targetWords;
  status[${STATUS.valueLow}] = targets[at];
  // An int32 has no high word: its only word is copied again, and nobody reads it.
  status[${STATUS.valueHigh}] = targets[at + params.targetWords - 1u];
}
`,
});
