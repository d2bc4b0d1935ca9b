/** What went wrong without anything being wrong in what the user gave, in one line: exit code 1. */
export class RunError extends Error {
  override readonly name = 'RunError';
}
