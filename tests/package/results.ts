// Checks of the lines that the programs print.

import { expect } from 'vitest';
import type { Program } from './pages.js';

/** Programs for servers. They leave out the loss in web workers, which Node does not have. */
export const SERVER_PROGRAMS = ['loss', 'threads', 'tfjs'] as const;

/** The results that Next.js computes on its server. */
export const ON_SERVER = ['server-component', 'edge-runtime'] as const;
export type Result = Program | 'worker-threads' | (typeof ON_SERVER)[number];

/** The results that the programs of a page print: the program in a worker prints two. */
export const resultsOf = (programs: readonly Program[]): Result[] =>
  programs.flatMap((program) => (program === 'worker' ? ['worker', 'worker-threads'] : [program]));

export const MEANING: Record<Result, string> = {
  loss: 'loss',
  'server-component': 'in a server component',
  'edge-runtime': 'in the edge runtime',
  worker: 'in a module worker',
  'worker-threads': 'threads in a module worker',
  'service-worker': 'in a service worker',
  threads: 'threads',
  tfjs: 'TensorFlow.js',
};

/** @param output lines that include what the program printed */
export function expectResult(program: Result, output: readonly string[]): void {
  const line = lineOf(program, output);
  const words = line.split(' ');
  if (program === 'threads' || program === 'worker-threads') {
    // Each row has 999 pairs that add 1, divided by 1000. The only rounding is that to float32.
    expect(words).toEqual([program, '2', String(Math.fround(0.999))]);
  } else {
    // The documented example: 0.01 is a tenth of 1 - 1.2 + 0.3. Two scores and three results are rounded to float32, which
    // adds less than 2**-23 to that.
    expect(words, line).toEqual([program, expect.any(String)]);
    expect(Math.abs(Number(words[1]) - 0.01), line).toBeLessThan(2 ** -23 / 10);
  }
}

export function lineOf(program: string, output: readonly string[]): string {
  const line = output.find((line) => line.startsWith(`${program} `));
  expect(line, `${program} in:\n${output.join('\n')}`).toBeDefined();
  return line!;
}
