// The linear memory of the package under test. It is the package's own affair: what is watched is the engine, before the
// package first asks it for an instance.

const memories: WebAssembly.Memory[] = [];

const Instance = WebAssembly.Instance;
WebAssembly.Instance = class extends Instance {
  constructor(...args: ConstructorParameters<typeof Instance>) {
    super(...args);
    for (const exported of Object.values(this.exports)) {
      if (exported instanceof WebAssembly.Memory) memories.push(exported);
    }
  }
};

/** Its bytes, once there is exactly one. */
export function linearMemory(): number {
  if (memories.length !== 1) throw new Error(`${memories.length} WebAssembly memories were made, not 1`);
  return memories[0]!.buffer.byteLength;
}
