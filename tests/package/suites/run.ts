// Runs suites in a page or in a module worker, and tells which tests failed.

import { startTests, type Suite, type Task, type VitestRunner } from '@vitest/runner';
import { files } from 'suites:files';
import { provide } from './vitest.js';

export interface Outcome {
  passed: number;
  skipped: number;
  /** Names with their errors. */
  failed: string[];
}

/** @param provided what `inject()` gives */
export async function run(provided: Record<string, unknown>): Promise<Outcome> {
  provide(provided);
  const config: VitestRunner['config'] = {
    root: '/',
    setupFiles: [],
    name: undefined,
    passWithNoTests: false,
    testNamePattern: undefined,
    allowOnly: false,
    sequence: { seed: 0, hooks: 'stack', setupFiles: 'list' },
    chaiConfig: undefined,
    maxConcurrency: 1,
    testTimeout: 300_000,
    hookTimeout: 120_000,
    retry: 0,
    includeTaskLocation: false,
    tags: [],
    tagsFilter: undefined,
    strictTags: true,
  };
  // The suites say `using`, which the bundle has compiled for engines that lack it, such as WebKit's.
  (Symbol as { dispose?: symbol }).dispose ??= Symbol('Symbol.dispose');
  const suites = await startTests(Object.keys(files), { config, importFile: (name) => files[name]!() });
  const outcome: Outcome = { passed: 0, skipped: 0, failed: [] };
  for (const suite of suites) add(suite, suite.name, outcome);
  return outcome;
  return outcome;
}

function add(task: Suite | Task, name: string, outcome: Outcome): void {
  const errors = task.result?.errors ?? [];
  if (task.result?.state === 'fail' && (task.type === 'test' || errors.length > 0)) {
    outcome.failed.push(`${name}: ${errors.map(({ message }) => message).join('; ')}`);
  } else if (task.type === 'test') {
    if (task.result?.state === 'pass') outcome.passed++;
    else outcome.skipped++;
  }
  if (task.type === 'suite') for (const child of task.tasks) add(child, `${name} > ${child.name}`, outcome);
}

if (typeof document === 'undefined') {
  addEventListener('message', ({ data }: MessageEvent<Record<string, unknown>>) => {
    run(data).then(
      (outcome) => postMessage(outcome),
      (error: Error) => postMessage({ passed: 0, skipped: 0, failed: [`${error.name}: ${error.message}`] }),
    );
  });
} else {
  Object.assign(globalThis, { runSuites: run });
}
