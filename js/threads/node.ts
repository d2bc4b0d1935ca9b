// What is used of Node. Its own types are not needed for more, and must not be needed by users.

export interface NodeModules {
  'node:os': { availableParallelism(): number };
  'node:worker_threads': {
    Worker: new (script: URL, options: { workerData: unknown; execArgv: string[] }) => NodeWorker;
  };
}

export interface NodeWorker {
  onerror: null;
  on(event: 'exit', listener: (code: number) => void): void;
}

export interface NodeGlobal {
  process: { getBuiltinModule<Name extends keyof NodeModules>(name: Name): NodeModules[Name] };
}
