// The documented example in a module worker.
const worker = new Worker(new URL('./loss-worker.js', import.meta.url), { type: 'module' });
const loss = await new Promise((resolve, reject) => {
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(message));
});
console.log('worker', loss);
worker.terminate();
