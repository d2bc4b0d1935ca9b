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
const FILES = ['node', 'consumers', 'suites', 'places'];

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

| place | works | what to do |
| --- | --- | --- |
| Node 20.16 and later, Deno, Bun | all | nothing |
| \`require()\`, Jest, ts-node, Mocha | all | nothing: Node 20.19 and later load the ES modules either way, others a copy in CommonJS |
| pages, by Vite 8, webpack, Next.js, or no bundler | all | threads: two [headers](deployment.md#headers) |
| pages, by Parcel 2 | all | threads: the headers; [two workers](deployment.md#parcel): a line |
| pages, by Vite 5 to 7 | all | [two lines](deployment.md#vite); threads: the headers |
| pages, by esbuild or Rollup | all | threads: the headers, and [copy a file](deployment.md#esbuild) |
| Chrome, Firefox, Safari (WebKitGTK), in a page and in a worker | all | as the page |
| service workers, shared workers, audio worklets | all but threads: they have no \`Worker\`, or no shared memory | nothing |
| sandboxed frames; the package from another origin, as a CDN | all | threads: [CORS](deployment.md#headers) |
| strict Trusted Types | all | threads: [a policy named \`default\`, or one of yours](deployment.md#headers) |
| extensions of Chrome | all; threads in their pages | [keys of the manifest](deployment.md#extensions-of-chrome) |
| Vue | all | keep objects in [\`shallowRef()\`](deployment.md#vue) |
| Node with \`--permission\` | all | threads: \`--allow-worker\` |
| Node bundles, by webpack, Nitro | all | nothing |
| Node bundles, by esbuild, Rollup, Bun; single executables | all | threads: [copy a file](deployment.md#bundles-for-node) |
| Cloudflare Workers, the edge runtime of Next.js | all but threads | [import the modules](deployment.md#workers-of-content-delivery-networks) |
| a content security policy | all | [allow WebAssembly](deployment.md#headers) |
| TypeScript 5.4 and later | all, without \`skipLibCheck\`, with and without the types of the DOM | nothing |

Where something cannot start, the error names the cause that it found. "All" is the loss, training, \`evaluate\`, \`train\`,
\`tfjs\`, and threads.

Jest finds the CommonJS copy of the package by the condition \`require\` of package.json. SvelteKit 2, Nuxt 4, React Router 7,
Yarn's PnP, pnpm, Mocha, ts-node, and Vitest with jsdom and happy-dom were tried by hand, and Vite 5.4.21 and 6.4.6, dev and
build, with the lines for Vite 7.

## Versions

\`npm test\` writes this table: it installs the packed package in a project of its own for each row (\`tests/package/\`).

Each page is opened three times: under \`Content-Security-Policy: script-src 'self' 'wasm-unsafe-eval'\`, cross-origin
isolated (Next.js and Parcel need \`'unsafe-inline'\` too, for scripts of their own); with neither policy nor isolation, where all but the
threads work, and those say which headers they miss; and under \`script-src 'self'\`, where the error says that
\`'wasm-unsafe-eval'\` is missing.

| consumer | version | browser | what works |
| --- | --- | --- | --- |
`;
