// Node's GPU, with the features that Chromium's has here. Without this, as in the examples of the documentation, the
// backend takes the GPU of the package webgpu as it is.

import { create } from 'webgpu';
import { dawnFeatures } from './dawn-features.js';

// By assignment, some versions of Node refuse it.
Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([dawnFeatures]) } });
