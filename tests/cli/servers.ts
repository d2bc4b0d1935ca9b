// Real servers of Redis and PostgreSQL, on ports that the system chooses, for as long as a file of tests takes.

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';

const execute = promisify(execFile);

/** The part of pg that is used here. pg has no declarations. */
const { Client } = createRequire(import.meta.url)('pg') as {
  Client: new (url: string) => Record<'connect' | 'end', () => Promise<void>> & {
    query(sql: string): Promise<unknown>;
  };
};

const children = new Set<ChildProcess>();
const folders: string[] = [];
afterAll(async () => {
  await Promise.all(Array.from(children, (child) => stop(child)));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
// When afterAll is not reached.
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** A process that does not outlive the tests, and what it has written. */
export class Process {
  /** What it wrote to either stream. */
  output = '';
  stdout = '';
  readonly child: ChildProcess;
  readonly #changed = new EventTarget();
  readonly #closed: Promise<unknown>;

  constructor(
    command: string,
    args: readonly string[],
    options: { cwd?: string; argv0?: string; uid?: number; env?: NodeJS.ProcessEnv } = {},
  ) {
    const { uid, ...rest } = options;
    this.child = spawn(command, args, { ...rest, ...(uid === undefined ? {} : { uid, gid: uid }) });
    this.#closed = once(this.child, 'close');
    children.add(this.child);
    this.child.on('exit', () => children.delete(this.child));
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.#changed.dispatchEvent(new Event('output'));
      });
    }
    this.child.stdout!.on('data', (text: string) => (this.stdout += text));
    this.child.on('close', () => this.#changed.dispatchEvent(new Event('output')));
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Resolves when the process has written the text. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.output);
      if (found !== null) return found;
      if (this.ended) throw new Error(`ended without ${pattern}:\n${this.output}`);
      await once(this.#changed, 'output');
    }
  }

  /** Resolves to the exit code when the process has ended and all of its output is here. */
  async end(): Promise<number | null> {
    await this.#closed;
    return this.child.exitCode;
  }

  /** What it says at its end, which may stand after lines of progress on stderr. */
  get lastLine(): string {
    return this.output.trimEnd().split('\n').at(-1)!;
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    return stop(this.child, signal);
  }
}

async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill(signal);
  await exit;
}

function temporaryFolder(uid?: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'mlml-server-'));
  folders.push(folder);
  if (uid !== undefined) chownSync(folder, uid, uid);
  return folder;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a server, on another port if somebody else took the first one meanwhile. */
async function started(start: (port: number) => Process): Promise<{ server: Process; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const server = start(port);
    if (await answers(server, port)) return { server, port };
    if (attempt === 3) throw new Error(server.output);
  }
}

async function answers(server: Process, port: number): Promise<boolean> {
  while (!server.ended) {
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (open) return true;
    await delay(20);
  }
  return false;
}

export class Redis {
  private constructor(
    private server: Process,
    private readonly port: number,
    private readonly folder: string,
  ) {}

  static async start(): Promise<Redis> {
    const folder = temporaryFolder();
    const { server, port } = await started((free) => redis(free, folder));
    return new Redis(server, port, folder);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Runs redis-cli and returns its output. */
  async command(...args: string[]): Promise<string> {
    const { stdout } = await execute('redis-cli', ['-p', String(this.port), ...args]);
    return stdout;
  }

  /** Resolves when redis-cli prints the text. */
  async until(command: string, pattern: RegExp): Promise<void> {
    while (!pattern.test(await this.command(command))) await delay(20);
  }

  kill(): Promise<void> {
    return this.server.stop('SIGKILL');
  }

  /** Starts again on the same port, with the data of the append-only file. */
  async restart(): Promise<void> {
    this.server = redis(this.port, this.folder);
    if (!(await answers(this.server, this.port))) throw new Error(this.server.output);
  }
}

// Debian's redis-tools has the server under the name of a tool; redis-server would be a service that starts at once.
const REDIS = ['/usr/bin/redis-check-rdb'].find((file) => existsSync(file)) ?? 'redis-server';

function redis(port: number, folder: string): Process {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes'];
  return new Process(REDIS, args, { argv0: 'redis-server' });
}

export class Postgres {
  private constructor(
    private server: Process,
    private readonly port: number,
    private readonly startAt: (port: number) => Process,
  ) {}

  static async start(): Promise<Postgres> {
    // It refuses to run as root.
    const user =
      process.getuid?.() === 0 ? { uid: Number(execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' })) } : {};
    const folder = temporaryFolder(user.uid);
    const bin = binariesOfPostgres(user.uid);
    const options = { cwd: folder, ...user };
    const init = new Process(join(bin, 'initdb'), ['-D', folder, '-U', 'tests', '-A', 'trust', '--no-sync'], options);
    if ((await init.end()) !== 0) throw new Error(init.output);
    const args = ['-D', folder, '-h', '127.0.0.1', '-k', folder, '-c', 'fsync=off', '-c', 'jit=off'];
    const startAt = (port: number): Process =>
      new Process(join(bin, 'postgres'), [...args, '-p', String(port)], options);
    const { server, port } = await started(startAt);
    await server.said(/ready to accept connections/);
    return new Postgres(server, port, startAt);
  }

  get url(): string {
    return `postgres://tests@127.0.0.1:${this.port}/postgres`;
  }

  async query(sql: string): Promise<void> {
    const client = new Client(this.url);
    await client.connect();
    await client.query(sql).finally(() => client.end());
  }

  /** After SIGKILL, the processes that serve connections would stay for a while. */
  kill(): Promise<void> {
    return this.server.stop('SIGQUIT');
  }

  async restart(): Promise<void> {
    this.server = this.startAt(this.port);
    await this.server.said(/ready to accept connections/);
  }
}

function binariesOfPostgres(uid: number | undefined): string {
  const versions = '/usr/lib/postgresql';
  const inFolder = (root: string): string | undefined =>
    existsSync(join(root, versions))
      ? readdirSync(join(root, versions))
          .map((version) => join(root, versions, version, 'bin'))
          .find((bin) => existsSync(join(bin, 'postgres')))
      : undefined;
  const installed = inFolder('/');
  if (installed !== undefined) return installed;
  // The programs that scripts/bootstrap unpacked, copied to where another user can read them.
  let unpacked = fileURLToPath(new URL('../../build/postgresql', import.meta.url));
  if (uid !== undefined) {
    const copy = temporaryFolder(uid);
    cpSync(unpacked, copy, { recursive: true });
    unpacked = copy;
  }
  const bin = inFolder(unpacked);
  if (bin === undefined) throw new Error('no PostgreSQL: call scripts/bootstrap tests');
  return bin;
}
