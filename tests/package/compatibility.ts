// Writes docs/compatibility.md of what the tests here tried.

import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, type RunnerTestSuite } from 'vitest';

/** What works for a consumer: a row of the table of versions. */
export interface Work {
  consumer: string;
  version: string;
  /** Empty where the consumer is none of a browser. */
  browser: string;
  what: string[];
}

/** The test files that record. The page is written when all have passed. */
const FILES = ['consumers', 'places'];

const recordsIn = (workspace: string): string => join(workspace, 'records');

const passed = (suite: Readonly<RunnerTestSuite>): boolean =>
  suite.tasks.every((task) => (task.type === 'suite' ? passed(task) : task.result?.state === 'pass'));

/** Records, after the tests of this file, what they put on the list, if all of them ran and passed. */
export function recordWhenPassed(workspace: string, file: (typeof FILES)[number], works: readonly Work[]): void {
  // Vitest requires that the first argument is destructured.
  // eslint-disable-next-line no-empty-pattern
  afterAll(async ({}, suite) => {
    if (!passed(suite)) return;
    await mkdir(recordsIn(workspace), { recursive: true });
    await writeFile(join(recordsIn(workspace), `${file}.json`), JSON.stringify(works));
  });
}

/** Writes docs/compatibility.md, unless some test did not run or did not pass. */
export async function writePage(workspace: string): Promise<void> {
  const records = recordsIn(workspace);
  let recorded: string[];
  try {
    recorded = readdirSync(records);
  } catch {
    return;
  }
  if (!FILES.every((file) => recorded.includes(`${file}.json`))) return;
  const works = FILES.flatMap(
    (file) => JSON.parse(readFileSync(join(records, `${file}.json`), 'utf8')) as readonly Work[],
  );
  const order = new Map<string, number>();
  for (const { consumer } of works) if (!order.has(consumer)) order.set(consumer, order.size);
  works.sort((a, b) => order.get(a.consumer)! - order.get(b.consumer)!);
  const rows = works.map(
    ({ consumer, version, browser, what }) => `| ${[consumer, version, browser, what.join(', ')].join(' | ')} |\n`,
  );
  await writeFile(fileURLToPath(new URL('../../docs/compatibility.md', import.meta.url)), PREAMBLE + rows.join(''));
}

const PREAMBLE = `# Compatibility

TABLE
`;
