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

/**
 * Starts a server of Node.
 *
 * @param addressIn finds its address in what it has printed so far, once it listens
 * @returns the address, and a function that ends the server
 * @throws an Error with that output if the server ends before
 */
export async function startServer(
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
  addressIn: (output: string) => string | undefined,
): Promise<{ address: URL; close: () => Promise<unknown> }> {
  const server = spawn(process.execPath, args, {
    cwd: options.cwd,
    env: { ...environment(), ...options.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = new Promise((resolve) => server.on('close', resolve));
  const address = await new Promise<string>((resolve, reject) => {
    let output = '';
    server.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const found = addressIn(output);
      if (found !== undefined) resolve(found);
    });
    server.on('error', reject);
    server.on('close', () => reject(new Error(`${args.join(' ')} ended:\n${output}`)));
  });
  const close = (): Promise<unknown> => {
    server.kill();
    return closed;
  };
  return { address: new URL(address), close };
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
