// The module that bundle.ts makes.
declare module 'suites:files' {
  /** Imports each suite, by its name. */
  export const files: Record<string, () => Promise<unknown>>;
}
