#!/usr/bin/env node
// The command multilabel-margin-loss as a program.

import { setFlagsFromString } from 'node:v8';
import { run } from './run.js';

// Node 20 optimizes WebAssembly so early that a small evaluation ends before, and waits for it. Later versions have this value.
if (process.versions.v8.startsWith('11.')) setFlagsFromString('--wasm-tiering-budget=13000000');

process.exitCode = await run(process.argv.slice(2));
