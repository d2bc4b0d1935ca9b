// evaluate --queue and worker, as processes, on real servers: whatever happens to them, the result is that of one machine.

import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { connect } from '../../cli/queue/connection.js';
import { reportOf } from '../../cli/queue/task.js';
import { normal, uniform } from '../js/support.js';
import { folder, main, npy, run, runAlone, write } from './command.js';
import { Postgres, Process, Redis } from './servers.js';

const CLASSES = 100;
const next = normal(7);
const choose = uniform(8);

const inFolder = (name: string, content: Buffer): string => join(folder, write(name, content));

/** Files of random scores and targets, and the options that name them. */
function files(name: string, rows: number, change: (scores: Float32Array) => void = () => {}): string[] {
  const scores = Float32Array.from({ length: rows * CLASSES }, next);
  change(scores);
  const targets = Int32Array.from({ length: rows * 2 }, () => Math.floor((CLASSES + 1) * choose()) - 1);
  // Workers have the same names for them.
  return [
    ...['--scores', inFolder(`${name}.npy`, npy('<f4', [rows, CLASSES], scores))],
    ...['--targets', inFolder(`${name}-targets.npy`, npy('<i4', [rows, 2], targets))],
  ];
}

const small = files('small', 3000);
const bad = files('bad', 3000, (scores) => (scores[2000 * CLASSES + 3] = Number.NaN));
// Enough for a worker to be in the middle of a shard when a signal comes.
const large = files('large', 20_000);
const alone = (input: readonly string[]): string => run(['evaluate', '--json', '--threads', '1', ...input]).stdout;
const ofSmall = alone(small);
const named = [
  ...small,
  '--labels',
  write('labels.txt', Array.from({ length: CLASSES }, (_, i) => `n${i}`).join('\n')),
];
const ofNamed = alone(named);
const ofLarge = alone(large);

const processes: Process[] = [];
afterEach(() => Promise.all(processes.splice(0).map((each) => each.stop('SIGKILL'))));

function start(args: readonly string[]): Process {
  const started = new Process(process.execPath, [main, ...args], { cwd: folder });
  processes.push(started);
  return started;
}
const worker = (url: string, lock = 2): Process =>
  start(['worker', '--queue', url, '--concurrency', '1', '--lock', String(lock)]);
const evaluate = (url: string, shards: number, ...args: string[]): Process =>
  start(['evaluate', '--json', '--queue', url, '--shards', String(shards), ...args]);

async function expectResult(evaluation: Process, expected: string): Promise<void> {
  const code = await evaluation.end();
  expect(code, evaluation.lastLine.slice(0, 200)).toBe(0);
  expect(evaluation.stdout).toBe(expected);
}

let redis: Redis;
let postgres: Postgres;
beforeAll(async () => {
  expect(ofSmall).toMatch(/^\{"rows":3000,/);
  expect(ofNamed).toContain('"labels":["n0",');
  redis = await Redis.start();
  postgres = await Postgres.start();
});

const serverOf = (database: string): Redis | Postgres => (database === 'Redis' ? redis : postgres);

describe.each(['Redis', 'PostgreSQL'])('%s', (database) => {
  let url: string;
  beforeAll(() => {
    url = serverOf(database).url;
  });

  test('the result is that of one machine, whether workers come before or after', async () => {
    const first = worker(url);
    await first.said(/waiting for shards/);
    const evaluation = evaluate(url, 5, ...small);
    worker(url);
    await expectResult(evaluation, ofSmall);
    // More than are merged at a time.
    await expectResult(evaluate(url, 33, ...named), ofNamed);
    // A terminal that is closed.
    await first.stop('SIGHUP');
    expect(first.child.exitCode).toBe(0);
  });

  test('a shard that fails makes the whole fail, with its message', async () => {
    worker(url);
    const evaluation = evaluate(url, 33, ...bad);
    expect(await evaluation.end()).toBe(2);
    expect(evaluation.lastLine).toMatch(
      /^multilabel-margin-loss: \/.*bad\.npy: score at row 2000, column 3 is NaN.* \(on .+\)$/,
    );
    // The worker goes on.
    await expectResult(evaluate(url, 2, ...small), ofSmall);
  });

  test('a worker killed in the middle of a shard, on Redis twice of the same', async () => {
    const evaluation = evaluate(url, 3, ...large);
    for (let kills = database === 'Redis' ? 2 : 1; kills > 0; kills--) {
      const killed = worker(url);
      await killed.said(/shard 1 of 3: started/);
      killed.child.kill('SIGSTOP');
      await killed.stop('SIGKILL');
      expect(killed.output).not.toMatch(/shard 1 of 3: done/);
    }
    const last = worker(url);
    await expectResult(evaluation, ofLarge);
    expect(last.output).toMatch(/shard 1 of 3: done/);
  });

  test('a worker stopped past its lock, which goes on while another does its shard', async () => {
    const evaluation = evaluate(url, 3, ...large);
    const stopped = worker(url);
    await stopped.said(/shard 1 of 3: started/);
    stopped.child.kill('SIGSTOP');
    const other = worker(url);
    await other.said(/shard 1 of 3: started/);
    stopped.child.kill('SIGCONT');
    await expectResult(evaluation, ofLarge);
    await other.stop();
    // It is as good as any other.
    await expectResult(evaluate(url, 2, ...small), ofSmall);
    await stopped.stop();
    expect(stopped.child.exitCode).toBe(0);
  });

  test('a database killed in the middle, and started again with what it has on disk', async () => {
    const one = worker(url);
    const evaluation = evaluate(url, 4, ...large);
    await one.said(/shard 2 of 4: started/);
    await serverOf(database).kill();
    await serverOf(database).restart();
    await expectResult(evaluation, ofLarge);
    expect(one.output.match(/shard 1 of 4: done/g)).toHaveLength(1);
  });
});

test('a PostgreSQL that refuses what came of a shard, and takes the next it is told, gets the shard again', async () => {
  const one = worker(postgres.url);
  await one.said(/waiting for shards/);
  // Refuses the first one, as a database that is starting does. A sequence counts, because no rollback resets it.
  await postgres.query(`
    SET search_path TO multilabel_margin_loss;
    CREATE SEQUENCE refusals;
    CREATE FUNCTION refuse_first() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF nextval('multilabel_margin_loss.refusals') = 1 THEN
        RAISE EXCEPTION 'the database system is not yet accepting connections' USING ERRCODE = '57P03';
      END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER refuse_first BEFORE UPDATE ON job_dependency
      FOR EACH ROW WHEN (NEW.status = 'processed') EXECUTE FUNCTION refuse_first()`);
  await expectResult(evaluate(postgres.url, 3, ...small), ofSmall);
  await one.stop();
  await postgres.query('DROP TRIGGER refuse_first ON multilabel_margin_loss.job_dependency');
  expect(one.output).toMatch(/shard 1 of 3: the database system is not yet accepting connections/);
  expect(one.output.match(/shard 1 of 3: done/g)).toHaveLength(1);
});

test('masks, and a queue that has no worker for some seconds', async () => {
  const rows = 500;
  const mask = Int32Array.from({ length: rows * CLASSES }, () => (choose() < 0.03 ? 1 : 0));
  const masks = [
    ...['--scores', inFolder('masked.npy', npy('<f4', [rows, CLASSES], Float32Array.from(mask, next)))],
    ...['--targets', inFolder('mask.npy', npy('<i4', [rows, CLASSES], mask))],
  ];
  const evaluation = evaluate(redis.url, 3, ...masks);
  await evaluation.said(/no worker is connected to the queue; multilabel-margin-loss worker --queue starts one\n/);
  worker(redis.url);
  const expected = alone(masks);
  expect(JSON.parse(expected)).toMatchObject({ rows, classes: CLASSES });
  await expectResult(evaluation, expected);
  // Once, with no line for each look at the queue.
  expect(evaluation.output.match(/0\/1 mask/g)).toHaveLength(1);
  expect(evaluation.output.match(/no worker/g)).toHaveLength(1);
});

test('a shard that takes longer than the lock', async () => {
  // Equal scores take long.
  const rows = 48_000;
  const slow = [
    ...['--scores', inFolder('slow.npy', npy('<f2', [rows, 1000], new Uint16Array(rows * 1000)))],
    ...['--targets', inFolder('slow-targets.npy', npy('<i4', [rows, 1], new Int32Array(rows)))],
  ];
  const begin = performance.now();
  const ofSlow = alone(slow);
  // Without renewal, the workers would take the shard from each other until it has been lost too often.
  const lock = Math.max(0.1, (performance.now() - begin) / 1000 / 5);
  const workers = [1, 2].map(() => worker(redis.url, lock));
  await Promise.all(workers.map((each) => each.said(/waiting for shards/)));
  await expectResult(evaluate(redis.url, 1, ...slow), ofSlow);
});

test.each(['Redis', 'PostgreSQL'])('%s: a wait on a queue ends when the queue is closed', async (database) => {
  const connection = await connect(serverOf(database).url);
  let questions = 0;
  const ask = connection.queue.getActiveCount.bind(connection.queue);
  connection.queue.getActiveCount = () => {
    questions++;
    return ask();
  };
  await connection.close();
  expect(connection.closed.aborted).toBe(true);
  // If the wait did not end, neither would settle.
  await expect(connection.lost).rejects.toThrow(/: is closed$/);
  expect(questions).toBe(0);
});

test('a shard that fails on a worker has the exit code that it would have on one machine', async () => {
  const one = worker(redis.url);
  await one.said(/waiting for shards/);
  // More classes than the sums of each class have room for.
  const classes = 2 ** 27;
  const header = npy('<f4', [1, classes], new Float32Array(0));
  const name = inFolder('huge.npy', header);
  // Zeros that take no room on the disk.
  truncateSync(name, header.length + classes * 4);
  const huge = ['--scores', name, '--targets', inFolder('huge-targets.npy', npy('<i4', [1, 1], new Int32Array(1)))];
  const evaluation = evaluate(redis.url, 1, ...huge);
  expect(await evaluation.end()).toBe(1);
  expect(evaluation.lastLine).toMatch(
    /^multilabel-margin-loss: \/.*huge\.npy: the metrics .* do not fit .* \(on .+\)$/,
  );
  expect(one.output).toMatch(/shard 1 of 1: \/.*huge\.npy: the metrics .* do not fit/);
});

test('sums that are too large for the queue are exit code 1', async () => {
  const evaluator = new Evaluator();
  // The names of sources are the quickest way to a large state: JSON has six characters for each of these.
  const nameOf = (row: number): string => String.fromCharCode(14 + row).repeat((8 * 2 ** 20) / 6);
  for (let row = 0; row < 9; row++) evaluator.update([[0, 1]], [[0]], { source: nameOf(row) });
  const merge = await reportOf({ parts: 1 }, [JSON.stringify(evaluator)]);
  expect(merge).toEqual({
    failure: {
      message: expect.stringMatching(/^the sums take 73 MB, and the queue takes up to 64 MB: .* --shard, and merge$/),
      exitCode: 1,
    },
  });
});

test('a shard that loses all of its workers is exit code 1', async () => {
  const evaluation = evaluate(redis.url, 1, ...large);
  for (let loss = 0; loss < 4; loss++) {
    const lost = worker(redis.url, 0.5);
    await lost.said(/shard 1 of 1: started/);
    await lost.stop('SIGKILL');
  }
  // It finds that the shard has lost its workers too often.
  worker(redis.url, 0.5);
  expect(await evaluation.end()).toBe(1);
  expect(evaluation.lastLine).toMatch(/^multilabel-margin-loss: shard 1 of 1: each of its workers ended before it.*$/);
});

test('a Redis that forgets is told of', async () => {
  // Leftovers of other tests would be taken for this evaluation.
  await redis.command('flushall');
  const evaluation = evaluate(redis.url, 4, ...small);
  await redis.until('--scan', /evaluate:[0-9a-f-]{36}\n/);
  await redis.command('flushall');
  expect(await evaluation.end()).toBe(1);
  expect(evaluation.lastLine).toMatch(/^multilabel-margin-loss: redis:.* has lost the evaluation; .*$/);
});

test('an evaluation that is interrupted leaves nothing in the queue', async () => {
  await redis.command('flushall');
  const evaluation = evaluate(redis.url, 40, ...large);
  const one = worker(redis.url);
  await one.said(/shard 2 of 40: started/);
  evaluation.child.kill('SIGINT');
  expect(await evaluation.end()).toBe(130);
  expect(evaluation.lastLine).toBe('multilabel-margin-loss: interrupted: the evaluation is off the queue');
  // When the shards under way are done.
  await one.stop();
  const keys = (await redis.command('--scan')).trim().split('\n');
  expect(keys.filter((key) => !/:(events|id|marker|meta|pc|stalled-check)$/.test(key))).toEqual([]);
});

describe('what is wrong is said in one line, with exit code 2', () => {
  test.each([
    [
      'nothing at that address',
      ['evaluate', '--queue', 'redis://127.0.0.1:1', ...small],
      /redis:\/\/127\.0\.0\.1:1: cannot be reached: .*ECONNREFUSED/,
    ],
    [
      'nothing there for a worker',
      ['worker', '--queue', 'redis://me:secret@127.0.0.1:1'],
      /redis:\/\/me:\*\*\*@127\.0\.0\.1:1: cannot/,
    ],
    [
      'no PostgreSQL',
      ['worker', '--queue', 'postgres://127.0.0.1:1/x'],
      /postgres:\/\/127\.0\.0\.1:1\/x: cannot be reached: .*ECONNREFUSED/,
    ],
    [
      'an address of something else',
      ['worker', '--queue', 'amqp://host'],
      /--queue must be redis:\/\/…, rediss:\/\/…, postgres:\/\/… or postgresql:\/\/…, got 'amqp:\/\/host'/,
    ],
    ['a worker without a queue', ['worker'], /worker needs --queue/],
    ['a worker of files', ['worker', '--queue', 'redis://host', 'rows.ndjson'], /takes no files, got 'rows\.ndjson'/],
    [
      'no whole number of jobs',
      ['worker', '--queue', 'redis://host', '--concurrency', '1.5'],
      /--concurrency must be.*'1\.5'/,
    ],
    ['a lock that is none', ['worker', '--queue', 'redis://host', '--lock', '0'], /--lock must be.*'0'/],
    [
      'no whole number of shards',
      ['evaluate', '--queue', 'redis://host', '--shards', 'x', ...small],
      /--shards must be.*'x'/,
    ],
    ['shards without a queue', ['evaluate', '--shards', '3', ...small], /--shards is for --queue/],
    ['one shard of a queue', ['evaluate', '--queue', 'redis://host', '--shard', '1/3', ...small], /give no --shard/],
    ['standard input', ['evaluate', '--queue', 'redis://host', '-'], /standard input cannot be read by other machines/],
  ])('%s', (_, args, message) => {
    const { status, stdout, stderr } = run(args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('secret');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });

  test('BullMQ is not installed', () => {
    for (const args of [
      ['worker', '--queue', 'redis://127.0.0.1'],
      ['evaluate', '--queue', 'postgres://127.0.0.1', ...small],
    ]) {
      const { status, stdout, stderr } = runAlone(args);
      expect(stderr).toMatch(
        /^multilabel-margin-loss: --queue needs bullmq@6 and (ioredis|pg), which are not installed: npm install bullmq@6 \1\n$/,
      );
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    }
  });
});
