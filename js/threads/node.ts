// The parts of Node that this package uses. With them users need no @types/node.

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
