// The parts of Node that this package uses. With them users need no @types/node.

export interface NodeModules {
  'node:os': { availableParallelism(): number };
  'node:url': { pathToFileURL(path: string): URL };
  'node:worker_threads': {
    Worker: new (script: URL, options: { workerData: unknown; execArgv: string[] }) => NodeWorker;
  };
}

export interface NodeWorker {
  onerror: null;
  on(event: 'exit', listener: (code: number) => void): void;
  postMessage(message: unknown): void;
  terminate(): unknown;
}

export interface NodeGlobal {
  process: { getBuiltinModule<Name extends keyof NodeModules>(name: Name): NodeModules[Name] };
}

/** Whether Emscripten's glue takes this environment for Node. A renderer of Electron is a browser. */
export function isNode(): boolean {
  const { process } = globalThis as { process?: { versions?: { node?: unknown }; type?: string } };
  return typeof process?.versions?.node === 'string' && process.type !== 'renderer';
}

/** A built-in module of Node. For an import, even one that never runs, bundlers for browsers would look for the module. */
export function builtinModule<Name extends keyof NodeModules>(name: Name): NodeModules[Name] {
  return (globalThis as unknown as NodeGlobal).process.getBuiltinModule(name);
}
