/** The jobs in PyTorch, in a process for each number of threads: pytorch.py. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PYTHON_ENV } from '../python.js';

const PROGRAM = fileURLToPath(new URL('pytorch.py', import.meta.url));

export interface Torch {
  version: string;
  /** Returns the milliseconds that a request took. */
  time: (request: object) => Promise<number>;
  end: () => void;
}

/** Starts a process for a job, whose arrays it reads from files. */
export async function startTorch(
  python: string,
  threads: number,
  job: object,
  arrays: Readonly<Record<string, Float32Array | Int32Array>>,
): Promise<Torch> {
  const folder = mkdtempSync(join(tmpdir(), 'mlml-bench-'));
  try {
    writeFileSync(join(folder, 'job.json'), JSON.stringify(job));
    for (const [name, array] of Object.entries(arrays)) writeFileSync(join(folder, name), array);
    const process = spawn(python, [PROGRAM, String(threads), folder], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: PYTHON_ENV,
    });
    let errors = '';
    process.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    // It may have ended when a request is written: the answer tells.
    process.stdin.on('error', () => undefined);
    const lines: AsyncIterator<string> = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
    const failed = new Promise<never>((_, reject) => process.on('error', reject));
    const read = async <T>(): Promise<T> => {
      const line = await Promise.race([lines.next(), failed]);
      if (line.done === true) throw new Error(errors.trim().split('\n').at(-1) ?? 'it ended');
      return JSON.parse(line.value) as T;
    };
    const { version } = await read<{ version: string }>();
    return {
      version,
      async time(request) {
        process.stdin.write(`${JSON.stringify(request)}\n`);
        return (await read<{ milliseconds: number }>()).milliseconds;
      },
      end: () => process.stdin.end(),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
