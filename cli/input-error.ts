/** What is wrong with what the user gave, in one line: exit code 2. */
export class InputError extends Error {
  override readonly name = 'InputError';
}
