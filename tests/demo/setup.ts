/** Builds the site of the demo, once for all files. */
import { execFileSync } from 'node:child_process';

export default function setup(): void {
  execFileSync('npm', ['run', '--silent', '--workspace', 'web-demo', 'build', '--', '--logLevel', 'warn'], {
    stdio: 'inherit',
  });
}
