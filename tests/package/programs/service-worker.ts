// The documented example in a service worker.
export {}; // A module.

const { serviceWorker } = navigator;
await serviceWorker.register(new URL('./loss-service-worker.js', location.href));
const { active } = await serviceWorker.ready;
const loss = await new Promise((resolve) => {
  serviceWorker.onmessage = ({ data }) => resolve(data);
  active!.postMessage('which loss?');
});
console.log('service-worker', loss);
