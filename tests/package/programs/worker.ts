// The documented example, then threads, in a module worker.
const worker = new Worker(new URL('./loss-worker.js', import.meta.url), { type: 'module' });

export const done = new Promise<void>((resolve, reject) => {
  worker.onmessage = ({ data }: MessageEvent<string>) => {
    console.log(data);
    if (!data.startsWith('worker-threads ')) return;
    worker.terminate();
    resolve();
  };
  worker.onerror = ({ message }) => reject(new Error(message));
});
