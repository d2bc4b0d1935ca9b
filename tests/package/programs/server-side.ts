// Imports every entry and prints which of the browser's globals the package reads during the import.
import { readFile } from 'node:fs/promises';

const GLOBALS = [
  'window',
  'document',
  'navigator',
  'location',
  'self',
  'Worker',
  'crossOriginIsolated',
  'localStorage',
];

const touched = new Set<string>();
for (const name of GLOBALS) {
  const value: unknown = Object.getOwnPropertyDescriptor(globalThis, name)?.get?.call(globalThis);
  Object.defineProperty(globalThis, name, {
    get() {
      const caller = new Error().stack!.split('\n')[2]!;
      if (caller.includes('/multilabel-margin-loss/')) touched.add(`${name} ${caller.trim()}`);
      return value;
    },
  });
}

const { exports } = JSON.parse(await readFile('node_modules/multilabel-margin-loss/package.json', 'utf8'));
const entries = Object.keys(exports)
  .filter((entry) => !/\.\w+$|\*/.test(entry))
  .map((entry) => `multilabel-margin-loss${entry.slice(1)}`);
for (const entry of entries) await import(entry);
console.log('entries', ...entries);
console.log('touched', ...touched);

// A control: this module does read a global, and must be reported.
await import(`./control/multilabel-margin-loss/${'look.js' as string}`);
console.log('control', ...touched);
