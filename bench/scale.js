/* global AbortController, console, performance, process */
/**
 * What the queue takes of 10,000 shards: docs/scale.md. Flow, jobs and states are those of `evaluate --queue`, but every shard
 * gives the same state, which was computed before, and so does every merge. After `npm run build`, with a Redis of its own:
 *
 *     node bench/scale.js redis://127.0.0.1:6379 [shards]
 */
import { Redis } from 'ioredis';
import { connect } from '../dist/cli/queue/connection.js';
import { submit } from '../dist/cli/queue/submit.js';
import { Evaluator } from 'multilabel-margin-loss/evaluate';

const [url, shards = '10000'] = process.argv.slice(2);
const count = Number(shards);
const CLASSES = 100;
const ROWS = 20_000;

const evaluator = new Evaluator();
const scores = { data: Float32Array.from({ length: ROWS * CLASSES }, Math.random), shape: [ROWS, CLASSES] };
const started = performance.now();
evaluator.update(
  scores,
  Array.from({ length: ROWS }, (_, row) => [row % CLASSES, (row * 7 + 1) % CLASSES]),
);
console.log(`one core: ${Math.round(ROWS / ((performance.now() - started) / 1000))} rows/s of ${CLASSES} classes`);
const state = JSON.stringify(evaluator);
const before = performance.now();
evaluator.merge(Evaluator.fromJSON(JSON.parse(state)));
console.log(`a state: ${(state.length / 1e6).toFixed(2)} MB, merged in ${Math.round(performance.now() - before)} ms`);

const redis = new Redis(url);
async function info() {
  const text = await redis.info('everything');
  return (name) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1]);
}
const first = await info();
const connection = await connect(url);
let merges = 0;
const worker = connection.startWorker(
  async (job) => {
    if (!('parts' in job.data)) return state;
    merges++;
    const parts = Object.values(await job.getChildrenValues());
    if (parts.length !== job.data.parts) throw new Error(`${parts.length} parts of ${job.data.parts}`);
    return state;
  },
  { concurrency: 64 },
);
const begin = performance.now();
let shown = 0;
await submit(
  url,
  Array.from({ length: count }, () => []),
  {},
  (done) => {
    if (done >= shown + count / 10)
      console.log(`${(shown = done)} shards, ${Math.round((performance.now() - begin) / 1000)} s`);
  },
  new AbortController().signal,
);
const seconds = (performance.now() - begin) / 1000;
const last = await info();
const cpu = ['used_cpu_user', 'used_cpu_sys'].reduce((sum, name) => sum + last(name) - first(name), 0);
const difference = (name) => last(name) - first(name);
console.log(
  [
    `${count} shards and ${merges} merges in ${seconds.toFixed(1)} s: ${Math.round(count / seconds)} shards/s`,
    `Redis: ${cpu.toFixed(1)} s of a core, ${(difference('total_commands_processed') / count).toFixed(1)} commands a shard`,
    `to Redis ${(difference('total_net_input_bytes') / 1e9).toFixed(2)} GB, from Redis ${(difference('total_net_output_bytes') / 1e9).toFixed(2)} GB`,
    `memory of Redis at most ${Math.round(last('used_memory_peak') / 1e6)} MB`,
  ].join('\n'),
);
await worker.close();
await connection.close();
redis.disconnect();
