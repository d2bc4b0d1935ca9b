/** PyTorch in a process of its own (pytorch.py). That process takes the times, so transfers between the two do not count. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Batch } from '../grid.js';
import { type Contender, type Name, NAMES, type Result } from './contender.js';
import { PYTHON_ENV } from '../python.js';

export interface PyTorch {
  version: string;
  contenders: Contender[];
}

const BUILTIN = 'builtin';

/** @throws Error where this Python has no PyTorch */
export async function pyTorch(python: string): Promise<PyTorch> {
  const child = new PythonProcess(python);
  const { version, forms } = JSON.parse((await child.read()).toString()) as { version: string; forms: string[] };
  const composed = forms.filter((form) => form.startsWith('autograd'));
  const byHand = forms.filter((form) => form !== BUILTIN && !composed.includes(form));
  return {
    version,
    contenders: [
      contender(NAMES.pyTorchBuiltin, child, [BUILTIN], [1]),
      contender(NAMES.pyTorchOps, child, composed, [1, 2]),
      contender(NAMES.pyTorchByHand, child, byHand, [1, 2]),
    ],
  };
}

/** Each form of the process is one form for each number of threads. */
function contender(
  name: Name,
  child: PythonProcess,
  names: readonly string[],
  threadNumbers: readonly number[],
): Contender {
  let dtype: Batch['dtype'] = 'float32';
  const forms = new Map(
    names.flatMap((form) =>
      threadNumbers.map((threads) => [threads === 1 ? form : `${form}, ${threads} threads`, { form, threads }]),
    ),
  );
  return {
    name,
    forms: () => [...forms.keys()],
    async load(batch) {
      dtype = batch.dtype;
      await child.load(batch);
    },
    async time(form, gradient, calls) {
      const reply = await child.ask({ op: 'time', ...forms.get(form), gradient, calls });
      return (reply as { milliseconds: number }).milliseconds;
    },
    async result(form, gradient): Promise<Result> {
      const { loss } = (await child.ask({ op: 'result', ...forms.get(form), gradient })) as { loss: number };
      if (!gradient) return { loss, grad: null };
      const bytes = new Uint8Array(await child.read()); // a copy is aligned; a part of a Buffer may not be
      return { loss, grad: new (dtype === 'float32' ? Float32Array : Float64Array)(bytes.buffer) };
    },
    dispose: () => child.end(),
  };
}

/** Frames to and from the process, as pytorch.py describes them. */
class PythonProcess {
  readonly #process: ChildProcessWithoutNullStreams;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #errors = '';
  #ended = false;
  #wake: () => void = () => {};
  #loaded: Batch | null = null;

  constructor(python: string) {
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.#process = spawn(python, [fileURLToPath(new URL('pytorch.py', import.meta.url))], { env: PYTHON_ENV })
      .on('error', (error) => {
        this.#errors = error.message;
        end();
      })
      .on('close', end);
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    this.#process.stdin.on('error', () => {}); // where the process ended, read() says so
    this.#process.stdout.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#buffered += chunk.length;
      this.#wake();
    });
  }

  async load(batch: Batch): Promise<void> {
    // The contenders of this process share its inputs.
    if (batch === this.#loaded) return;
    this.#loaded = batch;
    const { rows, classes, width } = batch.point;
    const request = { op: 'load', rows, classes, width, dtype: batch.dtype, inputs: batch.inputs.length };
    this.#write(Buffer.from(JSON.stringify(request)));
    for (const input of batch.inputs) {
      for (const array of [input.scores, input.targets]) {
        this.#write(Buffer.from(array.buffer, array.byteOffset, array.byteLength));
      }
    }
    await this.#reply();
  }

  async ask(request: object): Promise<unknown> {
    this.#write(Buffer.from(JSON.stringify(request)));
    return this.#reply();
  }

  async read(): Promise<Buffer> {
    return this.#take((await this.#take(4)).readUInt32LE());
  }

  end(): void {
    this.#process.stdin.end();
  }

  #write(payload: Buffer): void {
    const header = Buffer.alloc(4);
    header.writeUInt32LE(payload.length);
    this.#process.stdin.write(header);
    this.#process.stdin.write(payload);
  }

  async #reply(): Promise<unknown> {
    const reply = JSON.parse((await this.read()).toString()) as { error?: string };
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  }

  async #take(size: number): Promise<Buffer> {
    while (this.#buffered < size) {
      if (this.#ended) throw new Error(this.#errors.trim().split('\n').at(-1) || 'the process ended');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all.subarray(size)];
    this.#buffered = all.length - size;
    return all.subarray(0, size);
  }
}
