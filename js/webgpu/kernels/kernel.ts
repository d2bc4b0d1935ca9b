import { type BufferName, NAN_ROW, STATUS } from './memory.js';

/** Threads of a workgroup: the most that every device has. */
export const THREADS = 256;

/** The parameters of a dispatch: 32-bit words of a uniform buffer. */
export const PARAMS = [
  'rows', // of the part
  'firstRow', // of the part, within the submission
  'classes',
  'width', // columns of the targets
  'unknownWidth', // columns of the unknown classes
  'begin', // the classes that are bound are those from begin to end
  'end',
  'scoresAt', // index of the first row's class 0 in the bound scores; wraps around where that class is not bound
  'gradAt', // the same for the gradient
  'targetsAt', // index of the first row's first target in the bound targets
  'targetWords', // 1 for int32, 2 for int64
  'unknownAt', // index of the first row's first unknown class in those bound
  'firstSegment', // of those bound
  'segments', // of a row
  'length', // of the runs that are sorted or merged
  'spread', // workgroups that share a row; if more than one, no two rows share a workgroup
  'scaleBy', // see SCALE_BY
  'propagatesNan',
  'isRanked',
  'withGradient',
  'margin', // float32
] as const;

/** Whether `scales` has one element for all rows, one for each number of targets, or one for each row of the submission. */
export const SCALE_BY = { all: 0, targets: 1, row: 2 };

export type Params = Record<(typeof PARAMS)[number], number>;

/** A compute shader, whose entry point is main(). */
export interface Kernel {
  /** Names the shader and its pipeline in the messages of WebGPU. Two kernels of one label are the same. */
  readonly label: string;
  readonly code: string;
  /** The storage buffers that it uses: the one at index i is binding i + 1. Binding 0 is the parameters. */
  readonly bindings: readonly BufferName[];
}

interface StorageBinding {
  access: 'read' | 'read_write';
  /** In WGSL. */
  type: string;
}

export const read = (type: string): StorageBinding => ({ access: 'read', type });
export const readWrite = (type: string): StorageBinding => ({ access: 'read_write', type });

const COMMON = /* wgsl */ `
struct Params { ${PARAMS.map((name) => `${name}: ${name === 'margin' ? 'f32' : 'u32'}`).join(', ')} }
@group(0) @binding(0) var<uniform> params: Params;

const THREADS = ${THREADS}u;
// The key of a NaN score and of a place without a target; as the key of a threshold, one that no score is above.
const NOTHING = 0xffffffffu;
const NAN_ROW = ${NAN_ROW}u;

// A batch may need more workgroups than one dimension has.
fn groupIndex(group: vec3<u32>, groups: vec3<u32>) -> u32 { return group.y * groups.x + group.x; }

fn isNan(bits: u32) -> bool { return (bits & 0x7fffffffu) > 0x7f800000u; }

// The places of a row in 'entries': for its targets, then for its unknown classes.
fn entryWidth() -> u32 { return params.width + params.unknownWidth; }

fn scaleIndex(row: u32, numTargets: u32) -> u32 {
  if (params.scaleBy == ${SCALE_BY.row}u) { return params.firstRow + row; }
  return select(0u, numTargets, params.scaleBy == ${SCALE_BY.targets}u);
}
`;

/** Whether a check has failed, in WGSL, of a kernel that binds the status without atomics. */
export const HAS_FAILED = `status[${STATUS.badTarget}] != 0u || status[${STATUS.badUnknown}] != 0u || status[${STATUS.badScore}] != 0u`;

/** The head of the entry point of a kernel of THREADS threads. */
export const MAIN = /* wgsl */ `@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) thread: u32)`;

/** A kernel whose bindings are declared under their names. */
export function defineKernel({
  label,
  subgroups = false,
  bindings,
  code,
}: {
  label: string;
  /** Whether it uses subgroup operations. */
  subgroups?: boolean;
  /** main() uses each of them. WebGPU would leave an unused one out of the layout. */
  bindings: Partial<Record<BufferName, StorageBinding>>;
  code: string;
}): Kernel {
  const declarations = Object.entries(bindings).map(
    ([name, { access, type }], i) => `@group(0) @binding(${i + 1}) var<storage, ${access}> ${name}: ${type};\n`,
  );
  return {
    label,
    code: (subgroups ? 'enable subgroups;\n' : '') + COMMON + declarations.join('') + code,
    bindings: Object.keys(bindings) as BufferName[],
  };
}

/** Declares how many threads share a row, LANES, and how many rows share a workgroup, ROWS. */
export const sharing = (lanes: number): string => /* wgsl */ `
const LANES = ${lanes}u;
const ROWS = ${THREADS / lanes}u;
`;
