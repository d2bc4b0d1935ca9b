// What is used of Node. Its own types are not needed for more, and must not be needed by users.

declare module 'node:os' {
  export function availableParallelism(): number;
}

declare module 'node:worker_threads' {
  export class Worker {
    constructor(script: URL, options: { workerData: unknown; execArgv: string[] });
    onerror: null;
    on(event: 'exit', listener: (code: number) => void): void;
  }
}
