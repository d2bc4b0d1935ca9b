// What is used of Node. Its own types are not needed for more, and must not be needed by users.

declare module 'node:os' {
  export function availableParallelism(): number;
}

declare module 'node:worker_threads' {
  /** Here, what stands for `Worker` of browsers. */
  export const Worker: typeof globalThis.Worker;
}
