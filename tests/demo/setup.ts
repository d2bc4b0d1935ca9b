/** Builds the site of the demo, once for all files. */
import { execFileSync } from 'node:child_process';

export default function setup(): void {
  execFileSync('npm', ['run', '--silent', '--workspace', 'web-demo', 'build', '--', '--logLevel', 'warn'], {
    stdio: 'inherit',
    // Vitest says 'test', which Vite would make a site for development of.
    env: { ...process.env, NODE_ENV: 'production' },
  });
}
