// The backends of TensorFlow.js: the one that runs in every engine.

import { env, setBackend } from '@tensorflow/tfjs';

export const BACKENDS = ['cpu'];

export async function useBackend(name: string): Promise<void> {
  // Suppresses the advice to use another package.
  env().set('PROD', true);
  await setBackend(name);
}
