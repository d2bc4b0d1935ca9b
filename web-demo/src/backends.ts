/** Where the loss can be computed in this browser, and why not elsewhere. */
import type { Backend, MultiLabelMarginLossOptions } from 'multilabel-margin-loss';
import { createThreadsBackend } from 'multilabel-margin-loss/threads';
import { createWebGPUBackend } from 'multilabel-margin-loss/webgpu';

export type BackendName = 'wasm' | 'threads' | 'webgpu';

export interface BackendStatus {
  name: BackendName;
  label: string;
  /** Why it cannot be chosen; null where it can. */
  unavailable: string | null;
}

/** Undefined stands for the package's default, one thread. */
const made = new Map<BackendName, Promise<MultiLabelMarginLossOptions['backend']>>();

/** @throws (rejects with) Error saying why the backend is not available */
export function backendFor(name: 'wasm' | 'threads'): Promise<Backend | undefined>;
export function backendFor(name: BackendName): Promise<MultiLabelMarginLossOptions['backend']>;
export function backendFor(name: BackendName): Promise<MultiLabelMarginLossOptions['backend']> {
  let backend = made.get(name);
  if (backend === undefined) {
    backend = make(name);
    made.set(name, backend);
  }
  return backend;
}

async function make(name: BackendName): Promise<MultiLabelMarginLossOptions['backend']> {
  switch (name) {
    case 'wasm':
      return undefined;
    case 'threads':
      return createThreadsBackend();
    case 'webgpu':
      return createWebGPUBackend();
  }
}

export async function backendStatus(): Promise<BackendStatus[]> {
  const label = async (name: BackendName): Promise<string> => {
    if (name === 'wasm') return 'WebAssembly, one thread';
    if (name === 'webgpu') return 'WebGPU';
    const backend = await backendFor(name).catch(() => undefined);
    return backend === undefined ? 'WebAssembly, several threads' : `WebAssembly, ${backend.threads} threads`;
  };
  return Promise.all(
    (['wasm', 'threads', 'webgpu'] as const).map(async (name) => ({
      name,
      label: await label(name),
      unavailable: await backendFor(name).then(
        () => null,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      ),
    })),
  );
}
