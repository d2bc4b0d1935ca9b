// The part that is used of an optional peer, the package that brings WebGPU to Node.

declare module 'webgpu' {
  export function create(flags: string[]): GPU;
}
