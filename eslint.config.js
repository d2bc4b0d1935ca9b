import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import { importsRule } from './scripts/imports-rule.js';

// The files and folders of the main entry, lowest first: each imports from those before it.
const LIBRARY = [
  'js/brand',
  'js/errors',
  'js/usability',
  'js/dtypes',
  'js/shapes',
  'js/options',
  'js/labels',
  'js/nested',
  'js/grad-mode',
  'js/print',
  'js/tensor',
  'js/creation',
  'js/random',
  'js/safetensors',
  'js/device-tensor',
  'js/backend',
  'js/sample-weight',
  'js/targets',
  'js/scores',
  'js/topk',
  'js/autograd',
  'js/arguments',
  'js/wasm/',
  'js/loss',
  'js/training/',
  'js/functional',
  'js/loss/',
  'js/nn',
  'js/optim',
  'js/index',
];
const upTo = (last) => LIBRARY.slice(0, LIBRARY.indexOf(last) + 1);

// The entry points of the package, by name and as built.
const ENTRY_NAMES = ['', '/loss', '/threads', '/evaluate', '/train', '/webgpu', '/tfjs'].map(
  (entry) => `multilabel-margin-loss${entry}`,
);
const ENTRY_FILES = ['', 'loss/', 'threads/', 'evaluate/', 'train/', 'webgpu/', 'tfjs/'].map(
  (entry) => `dist/${entry}index`,
);

// The folders of the command: rows are read, then evaluated, and commands write what comes of it.
const READS = ['cli/errors', 'cli/interruption', 'cli/packages', 'cli/version', 'cli/input/', 'node:', ...ENTRY_NAMES];
const EVALUATES = [...READS, 'cli/evaluation/'];
const WRITES = [...EVALUATES, 'cli/output/'];
const TESTS = ['tests/', 'examples/', ...ENTRY_FILES, '*'];

// What the files of each room import: paths without extensions, folders, packages ('*': any). A file is in the first room
// that fits; files in none import what they like.
const ROOMS = [
  ...LIBRARY.map((room, i) => ({ room, imports: [...LIBRARY.slice(0, i), ...(room.endsWith('/') ? [room] : [])] })),
  { room: 'js/threads/', imports: ['js/threads/', ...upTo('js/wasm/')] },
  { room: 'js/webgpu/', imports: ['js/webgpu/', ...upTo('js/wasm/'), 'webgpu'] },
  // In evaluate/, only these files import the WebAssembly module.
  { room: 'js/evaluate/metrics', imports: ['js/evaluate/', ...upTo('js/loss')] },
  { room: 'js/evaluate/module', imports: upTo('js/wasm/') },
  { room: 'js/evaluate/evaluator', imports: ['js/evaluate/', ...upTo('js/loss')] },
  { room: 'js/evaluate/', imports: ['js/evaluate/', ...upTo('js/loss').filter((place) => place !== 'js/wasm/')] },
  // Training ends with an evaluation: the one entry point that is made of another.
  { room: 'js/train/', imports: ['js/train/', ...upTo('js/training/'), 'js/evaluate/'] },
  { room: 'js/tfjs/', imports: ['js/tfjs/', ...upTo('js/loss'), '@tensorflow/tfjs-core'] },
  { room: 'js/', imports: [] },

  // Optional packages, each known to one file or folder of the command.
  { room: 'cli/input/arrow', imports: [...READS, 'apache-arrow', 'apache-arrow/', 'lz4-napi'] },
  { room: 'cli/input/zstd', imports: [...READS, 'fzstd'] },
  { room: 'cli/input/parquet', imports: [...READS, '@duckdb/node-api'] },
  { room: 'cli/output/charts', imports: [...WRITES, 'vega', 'vega-lite'] },
  { room: 'cli/queue/', imports: [...EVALUATES, 'cli/queue/', 'bullmq'] },
  { room: 'cli/input/', imports: READS },
  { room: 'cli/evaluation/', imports: EVALUATES },
  { room: 'cli/output/', imports: WRITES },
  { room: 'cli/', imports: ['cli/', 'node:', ...ENTRY_NAMES] },

  // Measures the queue, which no entry point exports.
  { room: 'bench/scale', imports: ['bench/', 'dist/cli/queue/', '*'] },
  { room: 'bench/training/', imports: ['bench/', 'examples/', '*'] },
  { room: 'bench/demo', imports: ['bench/', 'tests/demo/site', '*'] },
  { room: 'bench/', imports: ['bench/', '*'] },
  { room: 'examples/', imports: ['examples/', '*'] },
  { room: 'web-demo/', imports: ['web-demo/', 'examples/', 'tests/demo/site', '*'] },
  { room: 'scripts/', imports: ['scripts/', 'examples/', 'tests/chromium', '*'] },

  // Tests of what has no entry point: the pieces of programs, and a few of the library that cannot be reached otherwise.
  { room: 'tests/cli/', imports: [...TESTS, 'cli/'] },
  { room: 'tests/demo/', imports: [...TESTS, 'web-demo/'] },
  { room: 'tests/node/bench.test', imports: [...TESTS, 'bench/'] },
  { room: 'tests/node/printable.test', imports: [...TESTS, 'dist/wasm/printable'] },
  { room: 'tests/threads/race.test', imports: [...TESTS, 'dist/threads/race'] },
  { room: 'tests/webgpu/webgpu.test', imports: [...TESTS, 'dist/webgpu/device', 'dist/webgpu/plan'] },
  { room: 'tests/', imports: TESTS },
];

export default defineConfig(
  { ignores: ['.toolchain/', '**/build/', 'dist/'] },
  eslint.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: [
          'tsconfig.json',
          'cli/tsconfig.json',
          'tests/tsconfig.json',
          'web-demo/tsconfig.json',
          'web-demo/src/service-worker/tsconfig.json',
        ],
      },
    },
    plugins: { project: { rules: { imports: importsRule } } },
    rules: { 'project/imports': ['error', ROOMS] },
  },
  // Tests hand over what has no type that fits: it is what many of them are about.
  {
    files: ['tests/**'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
    },
  },
  // Programs for test runners and workers, which have globals of their own.
  {
    files: ['tests/package/places/**', 'tests/package/next/app/edge/**'],
    rules: { 'no-undef': 'off', '@typescript-eslint/no-require-imports': 'off' },
  },
  // What is declared there is used by its type alone.
  { files: ['tests/package/types/**'], rules: { '@typescript-eslint/no-unused-vars': 'off' } },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
