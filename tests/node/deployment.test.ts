// docs/deployment.md: its files, put together by section, built, served and opened in Chromium.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseAllHeaders } from 'netlify-headers-parser';
import { type Browser, chromium } from 'playwright';
import { build, createServer, preview } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Block, blocksOfPages, checkValues, compile, root, runCommand, withChecks } from './code-blocks.js';

type Headers = Record<string, string>;

/** Something that serves the page with threads, for as long as a test takes. */
interface Served {
  url: string;
  stop(): unknown;
}

const ISOLATED: Headers = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};
const POLICY: Headers = { 'content-security-policy': "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'" };

// tests/cli/scale.test.ts runs the projects of docs/scale.md, and commands.test.ts those of pages with commands.
const files = blocksOfPages().filter(({ file, section }) => file !== null && section.startsWith('docs/deployment.md,'));
// Folders: in the repository for what imports packages, and where everybody can read for servers that give up their rights.
const projects = fileURLToPath(new URL('build/deployment/', root));
const served = mkdtempSync(join(tmpdir(), 'multilabel-margin-loss-'));
const site = join(served, 'site');
let browser: Browser;
let errors: ReadonlyMap<string, string>;

const sectionOf = (heading: string): Block[] =>
  files.filter(({ section }) => section === `docs/deployment.md, ${heading}`);
const projectOf = (heading: string): string => join(projects, heading.replace(/\W/g, '-'));
const pathOf = (heading: string, file: string): string => join(projectOf(heading), file);
const codeOf = (file: string): string => files.find((block) => block.file === file)!.code;
/** How many values the comments of a project say. */
const valuesOf = (heading: string): number =>
  sectionOf(heading).reduce((sum, { code }) => sum + code.split('// => ').length - 1, 0);

function writeProject(heading: string): void {
  for (const { file, code } of sectionOf(heading)) {
    const path = pathOf(heading, file!);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, code.includes('// => ') ? withChecks(code) : code);
  }
}

const HEADINGS = ['A worker of a page', 'Threads in a page', 'Vite', 'esbuild', 'Express', 'Next.js'];

beforeAll(async () => {
  rmSync(projects, { recursive: true, force: true });
  // The package as it is installed.
  const installed = join(projects, 'node_modules/multilabel-margin-loss');
  for (const name of ['dist', 'package.json']) {
    cpSync(fileURLToPath(new URL(name, root)), join(installed, name), { recursive: true });
  }
  writeFileSync(join(projects, 'package.json'), '{ "private": true, "type": "module" }');
  for (const heading of HEADINGS) writeProject(heading);
  errors = compile(
    HEADINGS.flatMap((heading) =>
      sectionOf(heading)
        .filter(({ language }) => language === 'ts')
        .map(({ file }) => pathOf(heading, file!)),
    ),
  );
  await build({ ...viteOptions('Threads in a page'), build: { outDir: site, emptyOutDir: true } });
  chmodSync(served, 0o755);
  browser = await chromium.launch({
    ...(existsSync('/usr/bin/chromium') ? { executablePath: '/usr/bin/chromium' } : {}),
    args: ['--headless=new', '--no-sandbox', '--disable-quic', '--disable-background-networking'],
  });
});

afterAll(async () => {
  await browser?.close();
  rmSync(projects, { recursive: true, force: true });
  rmSync(served, { recursive: true, force: true });
});

function viteOptions(heading: string) {
  return { root: projectOf(heading), configFile: false as const, logLevel: 'error' as const };
}

/** Opens a page, and waits until it has come to all values that its code says. */
async function open(url: string, values: number): Promise<Headers> {
  const page = await browser.newPage();
  let waiting = true;
  const failed = new Promise<never>((_resolve, reject) => page.on('pageerror', reject));
  // Not waitForFunction(), which a content security policy forbids.
  const reached = async (): Promise<void> => {
    while (waiting && (await page.evaluate('globalThis.__reached')) !== values) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  try {
    await page.addInitScript({ path: checkValues });
    const response = await Promise.race([failed, page.goto(url)]);
    await Promise.race([failed, reached()]);
    return response!.headers();
  } finally {
    waiting = false;
    await page.close();
  }
}

async function freePort(): Promise<number> {
  const server = createNetServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A program that serves at a port; its output is the error if it does not. */
async function serveBy(command: string, args: string[], port: number, options: object = {}): Promise<Served> {
  const child: ChildProcess = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let output = '';
  child.stdout!.on('data', (data) => (output += data));
  child.stderr!.on('data', (data) => (output += data));
  const ended = new Promise<void>((resolve) => child.once('close', resolve));
  const url = `http://127.0.0.1:${port}/`;
  for (;;) {
    const answer = await fetch(url).catch(() => null);
    if (answer !== null) break;
    if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}: ${output}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { url, stop: () => (child.kill('SIGTERM'), ended) };
}

/** The site, or another folder, with headers. */
async function serve(folder: string, headers: Headers): Promise<Served> {
  const server = await preview({
    configFile: false,
    build: { outDir: folder },
    preview: { port: 0, host: '127.0.0.1', headers },
  });
  return { url: server.resolvedUrls!.local[0]!, stop: () => server.close() };
}

/** The path of a program: on the PATH or where scripts/bootstrap puts it; null if it is missing. */
function programOf(name: string): string | null {
  const own = fileURLToPath(new URL(`build/${name}/usr/sbin/${name}`, root));
  const path = `${process.env['PATH']}:/usr/sbin`;
  try {
    return execFileSync('sh', ['-c', `command -v ${name}`], {
      encoding: 'utf8',
      env: { ...process.env, PATH: path },
    }).trim();
  } catch {
    return existsSync(own) ? own : null;
  }
}

const programs = { nginx: programOf('nginx'), apache2: programOf('apache2'), caddy: programOf('caddy') };

/** Each file of server settings, how it is served by, and what it sends. */
const SERVERS: { file: string; needs?: keyof typeof programs; headers: Headers; start: () => Promise<Served> }[] = [
  {
    file: 'nginx.conf',
    needs: 'nginx',
    headers: { ...ISOLATED, ...POLICY },
    start: async () => {
      const port = await freePort();
      const settings = join(served, 'nginx.conf');
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${served}/temp;`,
      );
      const user = process.getuid?.() === 0 ? 'user root;' : '';
      writeFileSync(
        settings,
        `daemon off; ${user} pid ${served}/nginx.pid; error_log stderr;
        events {}
        http {
          access_log off; ${paths.join(' ')}
          default_type application/octet-stream;
          # As Debian's mime.types, without mjs.
          types { text/html html; text/javascript js; }
          server { listen 127.0.0.1:${port}; root ${site};
            ${codeOf('nginx.conf')}
          }
        }`,
      );
      return serveBy(programs.nginx!, ['-e', 'stderr', '-p', served, '-c', settings], port);
    },
  },
  {
    file: '.htaccess',
    needs: 'apache2',
    headers: { ...ISOLATED, ...POLICY },
    start: async () => {
      const port = await freePort();
      const settings = join(served, 'apache.conf');
      const modules = ['mpm_event', 'authz_core', 'dir', 'mime', 'headers'].map(
        (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so\n`,
      );
      const user = process.getuid?.() === 0 ? 'User www-data\nGroup www-data\n' : '';
      // A folder of its own: .htaccess is one of the files that are served.
      const folder = join(served, 'apache');
      cpSync(site, folder, { recursive: true });
      writeFileSync(join(folder, '.htaccess'), codeOf('.htaccess'));
      writeFileSync(
        settings,
        `${modules.join('')}${user}ServerName localhost\nListen 127.0.0.1:${port}\nPidFile ${served}/apache.pid\n` +
          `ErrorLog ${served}/apache.log\nDefaultRuntimeDir ${served}\nMutex sem\nDocumentRoot ${folder}\nTypesConfig /dev/null\n` +
          `AddType text/html .html\nAddType text/javascript .js .mjs\n` +
          `<Directory ${folder}>\nAllowOverride All\nRequire all granted\n</Directory>\n`,
      );
      return serveBy(programs.apache2!, ['-X', '-f', settings], port);
    },
  },
  {
    file: 'Caddyfile',
    needs: 'caddy',
    headers: { ...ISOLATED, ...POLICY },
    start: async () => {
      const port = await freePort();
      const settings = join(served, 'Caddyfile');
      writeFileSync(
        settings,
        `{\n  admin off\n  auto_https off\n}\nhttp://127.0.0.1:${port} {\n  root * ${site}\n  file_server\n${codeOf('Caddyfile')}\n}\n`,
      );
      const env = { ...process.env, HOME: served };
      return serveBy(programs.caddy!, ['run', '--config', settings, '--adapter', 'caddyfile'], port, { env });
    },
  },
  {
    file: 'server.js',
    headers: { ...ISOLATED, ...POLICY },
    start: async () => {
      const cwd = projectOf('Express');
      cpSync(site, join(cwd, 'dist'), { recursive: true });
      const port = await freePort();
      return serveBy(process.execPath, ['server.js'], port, { cwd, env: { ...process.env, PORT: String(port) } });
    },
  },
  {
    file: '_headers',
    headers: { ...ISOLATED, ...POLICY },
    start: async () => {
      const file = join(served, '_headers');
      writeFileSync(file, codeOf('_headers'));
      const { headers, errors } = await parseAllHeaders({
        headersFiles: [file as never],
        netlifyConfigPath: undefined,
      });
      expect(errors).toEqual([]);
      expect(headers.map((each) => each.for)).toEqual(['/*']);
      return serve(site, headers[0]!.values);
    },
  },
  {
    file: 'next.config.mjs',
    headers: ISOLATED,
    start: async () => {
      const { default: config } = (await import(pathToFileURL(pathOf('Next.js', 'next.config.mjs')).href)) as {
        default: { headers(): Promise<{ source: string; headers: { key: string; value: string }[] }[]> };
      };
      const [rule, ...others] = await config.headers();
      expect(others).toEqual([]);
      expect(rule!.source).toBe('/:path*');
      return serve(site, Object.fromEntries(rule!.headers.map(({ key, value }) => [key, value])));
    },
  },
  {
    file: 'vite.config.js',
    headers: ISOLATED,
    start: async () => {
      const configFile = pathOf('Vite', 'vite.config.js');
      const server = await createServer({
        ...viteOptions('Threads in a page'),
        configFile,
        cacheDir: join(projects, '.vite'),
        server: { port: 0, host: '127.0.0.1' },
      });
      await server.listen();
      return { url: server.resolvedUrls!.local[0]!, stop: () => server.close() };
    },
  },
  {
    file: 'build.js',
    headers: { ...ISOLATED, ...POLICY },
    start: async () => {
      const folder = projectOf('esbuild');
      writeFileSync(join(folder, 'main.ts'), readFileSync(pathOf('Threads in a page', 'main.ts')));
      const { code, output } = await runCommand(process.execPath, ['build.js'], folder);
      expect(code, output).toBe(0);
      writeFileSync(
        join(folder, 'out/index.html'),
        '<!doctype html><title>esbuild</title><script type="module" src="main.js"></script>',
      );
      return serve(join(folder, 'out'), { ...ISOLATED, ...POLICY });
    },
  },
];

test('every file of the pages is one that is run here', () => {
  const run = [...SERVERS.map(({ file }) => file), 'index.html', 'main.ts', 'worker.ts', 'app/api/loss/route.ts'];
  // tests/package/places.test.ts runs these, in workerd, Parcel and Chrome.
  run.push('worker.js', 'package.json', 'manifest.json');
  expect([...new Set(files.map(({ file }) => file))].sort()).toEqual(run.sort());
});

test('types', () => {
  expect([...errors].filter(([file]) => file.startsWith(projects))).toEqual([]);
});

test('a worker of a page', async () => {
  const server = await createServer({
    ...viteOptions('A worker of a page'),
    cacheDir: join(projects, '.vite-worker'),
    server: { port: 0, host: '127.0.0.1' },
  });
  await server.listen();
  try {
    await open(server.resolvedUrls!.local[0]!, valuesOf('A worker of a page'));
  } finally {
    await server.close();
  }
});

describe('a page with threads is served by', () => {
  for (const { file, needs, headers, start } of SERVERS) {
    // nginx and Apache are there after scripts/bootstrap where there is apt; Caddy is too large for that.
    test.runIf(needs === undefined || programs[needs] !== null)(file, async () => {
      const server = await start();
      try {
        expect(await open(server.url, valuesOf('Threads in a page'))).toMatchObject(headers);
        if (file !== 'nginx.conf') return;
        // A worker's script whose name ends in .mjs.
        const script = readdirSync(site, { recursive: true }).find((name) => String(name).endsWith('.mjs'));
        const response = await fetch(new URL(String(script), server.url));
        const sent = Object.fromEntries(response.headers);
        expect(sent).toMatchObject({ 'content-type': 'text/javascript', ...headers });
      } finally {
        await server.stop();
      }
    });
  }

  test('the preview of Vite', async () => {
    const server = await preview({
      ...viteOptions('Threads in a page'),
      configFile: pathOf('Vite', 'vite.config.js'),
      build: { outDir: site },
      preview: { port: 0, host: '127.0.0.1' },
    });
    try {
      expect(await open(server.resolvedUrls!.local[0]!, valuesOf('Threads in a page'))).toMatchObject(ISOLATED);
    } finally {
      await server.close();
    }
  });

  test.each<[string, Headers, RegExp]>([
    ['without headers', {}, /Cross-Origin-Opener-Policy: same-origin/],
    [
      'with a policy that forbids WebAssembly',
      { ...ISOLATED, 'content-security-policy': "script-src 'self'" },
      /wasm-unsafe-eval/,
    ],
  ])('none %s', async (_name, headers, message) => {
    const server = await serve(site, headers);
    try {
      await expect(open(server.url, valuesOf('Threads in a page'))).rejects.toThrow(message);
    } finally {
      await server.stop();
    }
  });
});

test('the route handler', async () => {
  const route = (await import(pathToFileURL(pathOf('Next.js', 'app/api/loss/route.js')).href)) as {
    POST(request: Request): Promise<Response>;
  };
  const post = async (body: object): Promise<[number, unknown]> => {
    const response = await route.POST(
      new Request('http://localhost/api/loss', { method: 'POST', body: JSON.stringify(body) }),
    );
    return [response.status, await response.json()];
  };
  const [status, answer] = await post({ scores: [[0.1, 0.2, 0.4, 0.8]], targets: [[3, 0]] });
  expect(status).toBe(200);
  expect((answer as { loss: number }).loss).toBeCloseTo(0.85, 6);
  expect(await post({ scores: [[0.1, 0.2]], targets: [[2]] })).toEqual([
    400,
    { error: expect.stringContaining('target 2 at row 0, column 0') },
  ]);
});
