/**
 * The environment of Python programs: the C library keeps memory that is freed. It would give blocks of megabytes back to the
 * system, and new ones are page faults, which took 600 of the 632 ms of a gradient of 160 MB in PyTorch on a virtual machine.
 */
export const PYTHON_ENV = {
  ...process.env,
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 40),
};
