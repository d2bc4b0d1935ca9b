import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { launchOptions } from './tests/chromium.js';
import { dawnFeatures } from './tests/webgpu/dawn-features.js';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

// The suites run over dist/, which is what users get, under the names that users import.
const one = {
  alias: [
    { find: /^multilabel-margin-loss$/, replacement: path('dist/index.js') },
    { find: /^multilabel-margin-loss\/loss$/, replacement: path('dist/loss/index.js') },
    { find: /^multilabel-margin-loss\/threads$/, replacement: path('dist/threads/index.js') },
    { find: /^multilabel-margin-loss\/evaluate$/, replacement: path('dist/evaluate/index.js') },
    { find: /^multilabel-margin-loss\/train$/, replacement: path('dist/train/index.js') },
    { find: /^multilabel-margin-loss\/webgpu$/, replacement: path('dist/webgpu/index.js') },
    { find: /^multilabel-margin-loss\/tfjs$/, replacement: path('dist/tfjs/index.js') },
  ],
};
const suites = [
  'tests/js/**/*.test.ts',
  'tests/training/**/*.test.ts',
  'tests/train/**/*.test.ts',
  'tests/evaluate/**/*.test.ts',
  'tests/tfjs/**/*.test.ts',
];
const threads = { alias: [{ find: /^multilabel-margin-loss$/, replacement: path('tests/threads/package.ts') }] };
const webgpu = { alias: [{ find: /^multilabel-margin-loss$/, replacement: path('tests/webgpu/package.ts') }] };
const webgpuSuites = ['tests/js/golden.test.ts', 'tests/js/properties.test.ts', 'tests/webgpu/**/*.test.ts'];

// A software GPU takes milliseconds for the smallest batch: Node runs a fourth of the cases there, and Chromium, whose WebGPU is
// Node's, a tenth. A fourth suffices in Chromium too, whose engine is that of Node, which runs all, and where tests/package
// repeats the suite in other versions of Node.
const fewer = { suiteShare: 0.25 };
const fewest = { suiteShare: 0.1 };
const repeated = process.env.REPEATED_SUITE === undefined ? {} : fewer;
// Node uses the Vulkan driver of Chromium where it is installed, so that the tests do not depend on the machine's own.
const vulkan = ['/usr/lib/chromium/vk_swiftshader_icd.json'].find((file) => existsSync(file));

// A machine can be several times slower than usual, and nothing is wrong then. A test that waits for ever fails all the same.
const patience = { testTimeout: 300_000, hookTimeout: 120_000, expect: { poll: { timeout: 60_000 } } };

const node = {
  ...patience,
  environment: 'node',
  execArgv: ['--expose-gc'],
  env: vulkan === undefined ? {} : { VK_DRIVER_FILES: vulkan, NODEVICE_SELECT: '1' },
};

// Each project needs an object of its own, because Vitest writes into it.
const browser = (...args: string[]) => ({
  ...patience,
  browser: {
    enabled: true,
    headless: true,
    screenshotFailures: false,
    provider: playwright({ launchOptions: { ...launchOptions, args: [...launchOptions.args, ...args] } }),
    instances: [{ browser: 'chromium' as const }],
  },
});

// Pages have shared memory only if they are cross-origin isolated.
const isolated = {
  headers: { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' },
};

// They take minutes. If one began last, it would run alone, while the other core is idle.
const LONGEST = ['tests/package/node.test.ts', 'tests/package/consumers.test.ts'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => LONGEST.some((file) => moduleId.endsWith(file));
    return (await super.sort(files)).sort((a, b) => Number(isLong(b)) - Number(isLong(a)));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // On two cores, Vitest's default leaves one idle. With three, tests took too long, which share a core with browsers.
    maxWorkers: 2,
    projects: [
      {
        resolve: one,
        test: {
          name: 'node',
          include: [...suites, 'tests/node/**/*.test.ts', 'tests/cli/**/*.test.ts'],
          provide: repeated,
          ...node,
        },
      },
      {
        resolve: one,
        // Vite reloads the page when it discovers a dependency while tests run.
        optimizeDeps: { include: ['@tensorflow/tfjs', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm'] },
        test: { name: 'chromium', include: [...suites, 'tests/browser/**/*.test.ts'], provide: fewer, ...browser() },
      },
      {
        resolve: threads,
        test: {
          name: 'node-threads',
          include: ['tests/js/**/*.test.ts', 'tests/training/**/*.test.ts', 'tests/threads/**/*.test.ts'],
          provide: repeated,
          ...node,
        },
      },
      {
        resolve: threads,
        server: isolated,
        test: {
          name: 'chromium-threads',
          include: ['tests/js/**/*.test.ts', 'tests/training/**/*.test.ts', 'tests/threads/**/*.test.ts'],
          provide: fewer,
          ...browser(),
        },
      },
      {
        resolve: one,
        test: {
          name: 'demo',
          include: ['tests/demo/**/*.test.ts', 'tests/site/**/*.test.ts'],
          globalSetup: 'tests/demo/setup.ts',
          ...node,
        },
      },
      {
        resolve: webgpu,
        test: {
          name: 'node-webgpu',
          include: webgpuSuites,
          provide: fewer,
          setupFiles: 'tests/webgpu/node-gpu.js',
          ...node,
        },
      },
      {
        resolve: webgpu,
        optimizeDeps: { include: ['@tensorflow/tfjs', '@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-webgpu'] },
        test: {
          name: 'chromium-webgpu',
          include: webgpuSuites,
          provide: fewest,
          ...browser('--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', `--${dawnFeatures}`),
        },
      },
      {
        test: {
          name: 'package',
          include: ['tests/package/*.test.ts'],
          globalSetup: 'tests/package/workspace.ts',
          ...patience,
          testTimeout: 600_000,
          // This project runs after the others, because it runs some of them again on other versions of Node.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
