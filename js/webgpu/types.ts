// The types of WebGPU, where those of the program have them: TypeScript's own for the DOM from 6.0 on, or @webgpu/types.
// Elsewhere they are any objects, and this entry compiles all the same.

type Instance<Name extends string> = typeof globalThis extends { [Key in Name]: { prototype: infer Type } }
  ? Type
  : object;

export type Device = Instance<'GPUDevice'>;
export type Buffer = Instance<'GPUBuffer'>;
export type AdapterInfo = Instance<'GPUAdapterInfo'>;
export type AdapterOptions = typeof globalThis extends {
  navigator: { gpu: { requestAdapter(options?: infer Options): unknown } };
}
  ? NonNullable<Options>
  : object;
