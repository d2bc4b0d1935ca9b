import { spawn } from 'node:child_process';

/**
 * Runs a command to its end, without the environment variables of npm and Vitest.
 *
 * @returns what the command printed on both streams
 * @throws an Error with that output if the exit code is not 0
 */
export function execute(command: string, args: string[], options: { cwd: string; path?: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: environment(options.path),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text: string) => (output += text));
    }
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}:\n${output}`));
    });
  });
}

/** @param path a folder whose commands take precedence */
export function environment(path?: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NODE_|VITE|TEST|TINYPOOL|MODE$|DEV$|PROD$|SSR$|BASE_URL$|FORCE_)/i.test(name),
  );
  const env: NodeJS.ProcessEnv = { ...Object.fromEntries(kept), NO_COLOR: '1', NEXT_TELEMETRY_DISABLED: '1' };
  if (path !== undefined) env.PATH = `${path}:${env.PATH}`;
  return env;
}
