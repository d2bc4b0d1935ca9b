/** Builds the whole site, with the demo in it, once for all files. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export default function setup(): void {
  execFileSync('npx', ['--no-install', 'tsx', fileURLToPath(new URL('../../scripts/site/build.ts', import.meta.url))], {
    stdio: ['ignore', 'ignore', 'inherit'],
    // Vitest says 'test', which Vite would make a site for development of.
    env: { ...process.env, NODE_ENV: 'production' },
  });
}
