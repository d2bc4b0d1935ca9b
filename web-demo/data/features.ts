/** Features of the images, computed with the backbone on every core. */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

/**
 * @param files PNGs
 * @param onProgress called with how many images are done
 * @returns [files, FEATURES], row-major
 */
export async function computeFeatures(files: string[], onProgress: (done: number) => void): Promise<Float32Array> {
  const processes = availableParallelism();
  const share = Math.ceil(files.length / processes);
  let done = 0;
  const parts = await Promise.all(
    Array.from({ length: processes }, (_, i) =>
      featuresOf(files.slice(i * share, (i + 1) * share), () => onProgress(++done)),
    ),
  );
  const rows = parts.flat();
  const width = rows[0]?.length ?? 0;
  const features = new Float32Array(rows.length * width);
  rows.forEach((row, i) => features.set(row, i * width));
  return features;
}

/** In a process of its own: the compiler of TypeScript that this one runs with does not reach into its worker threads. */
function featuresOf(files: string[], onImage: () => void): Promise<Float32Array[]> {
  const child = fork(fileURLToPath(new URL('./features-process.ts', import.meta.url)), files, {
    serialization: 'advanced',
  });
  const rows: Float32Array[] = [];
  return new Promise((resolve, reject) => {
    child.on('message', (row: Float32Array) => {
      rows.push(row);
      onImage();
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0 && rows.length === files.length) resolve(rows);
      else reject(new Error(`features of ${rows.length} of ${files.length} images, then exit code ${code}`));
    });
  });
}
