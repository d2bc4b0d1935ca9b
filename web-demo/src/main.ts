/** The page: brings the parts together. */
import { proxy, transfer, wrap } from 'comlink';
import galleryUrl from '../build/data/gallery.json?url';
import spriteUrl from '../build/data/sprite.webp?url';
import type { BackendName } from './backends.js';
import { download } from './download.js';
import type { Gallery } from './gallery.js';
import { EPOCHS } from './training/trainer.js';
import { Charts } from './view/charts.js';
import { GalleryView } from './view/gallery.js';
import { BenchmarkView } from './view/benchmark-view.js';
import { MarginView } from './view/margin-view.js';
import { listenForPictures } from './view/picture-input.js';
import { drawSquare, pixelsOf } from './vision/picture.js';
import type { Progress, Tagger, TrainSettings } from './worker/tagger.js';
import './style.css';

const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const buttons = {
  start: byId<HTMLButtonElement>('start'),
  reset: byId<HTMLButtonElement>('reset'),
  save: byId<HTMLButtonElement>('save'),
  open: byId<HTMLButtonElement>('open'),
  bench: byId<HTMLButtonElement>('run-bench'),
};
const picture = byId<HTMLCanvasElement>('picture');

const worker = new Worker(new URL('./worker/tagger.ts', import.meta.url), { type: 'module' });
const tagger = wrap<Tagger>(worker);

void start().catch((error: unknown) => {
  byId('loading-bar').hidden = true;
  byId('loading-text').textContent = `This page could not start: ${messageOf(error)}`;
});

async function start(): Promise<void> {
  const progress = loadingProgress();
  // The gallery comes first: it can be looked at while the features are on their way.
  const gallery = JSON.parse(await (await download(galleryUrl, progress.add)).text()) as Gallery;
  const sprite = await (await download(spriteUrl, progress.add)).arrayBuffer();
  const spriteBlobUrl = URL.createObjectURL(new Blob([sprite], { type: 'image/webp' }));
  const spriteImage = new Image();
  spriteImage.src = spriteBlobUrl;
  await spriteImage.decode();
  byId('image-count').textContent = gallery.names.length.toLocaleString('en');

  const settingsForm = document.querySelector<HTMLFormElement>('form.settings')!;
  const marginView = new MarginView(
    { rows: byId('margin-rows'), pairs: byId('pairs'), loss: byId('row-loss'), hint: byId('margin-hint') },
    gallery.vocabulary,
    readSettings(settingsForm)!,
  );
  const charts = new Charts(byId('loss-chart'), byId('metric-chart'), byId('metric-key'), gallery.baselines);
  /** Number of the picture that was asked for last. */
  let latest = 0;
  const galleryView = new GalleryView(byId('gallery'), gallery, spriteBlobUrl, (image) => void chooseImage(image));
  byId('search').addEventListener('input', ({ target }) => {
    const words = (target as HTMLInputElement).value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = galleryView.filter((image) => {
      const text = [gallery.names[image]!, ...gallery.targets[image]!.map((tag) => gallery.vocabulary[tag]!)].join(' ');
      return words.every((word) => text.toLowerCase().includes(word));
    });
    byId('gallery-hint').textContent =
      words.length === 0 ? hint : `${found} of ${gallery.names.length.toLocaleString('en')} pictures`;
  });
  const hint = byId('gallery-hint').textContent;
  byId<HTMLInputElement>('search').disabled = false;

  const loaded = tagger.load(gallery, proxy(progress.add));
  void loaded.then(() => showBackends(byId('backends')));
  await loaded;
  progress.done();

  // One picture
  async function chooseImage(image: number): Promise<void> {
    const mine = ++latest;
    await loaded;
    if (mine !== latest) return;
    const { tile, columns } = gallery.sprite;
    const tileCanvas = new OffscreenCanvas(tile, tile);
    tileCanvas
      .getContext('2d')!
      .drawImage(
        spriteImage,
        (image % columns) * tile,
        Math.floor(image / columns) * tile,
        tile,
        tile,
        0,
        0,
        tile,
        tile,
      );
    drawSquare(picture, tileCanvas, tile, tile);
    namePicture(gallery.names[image]!, gallery.heldOut.includes(image) ? 'held out' : '');
    const features = await tagger.featuresOf(image);
    if (mine !== latest) return;
    marginView.show(await tagger.watch(features), gallery.targets[image]!);
  }

  async function embedPicture(name: string): Promise<void> {
    galleryView.choose(null);
    namePicture(name);
    say('picture-message', 'Looking at it …');
    const mine = ++latest;
    try {
      const image = pixelsOf(picture);
      const features = await tagger.embed(transfer(image, [image.data.buffer]));
      // Another picture has come since.
      if (mine !== latest) return;
      marginView.show(await tagger.watch(features), []);
      say('picture-message', 'Press the tags that are true, to see what the loss makes of them.');
    } catch (error) {
      say('picture-message', `This picture could not be tagged: ${messageOf(error)}`, true);
    }
  }
  listenForPictures(
    {
      stage: byId('stage'),
      canvas: picture,
      video: byId<HTMLVideoElement>('video'),
      choose: enable('choose'),
      file: byId<HTMLInputElement>('file'),
      draw: enable('draw'),
      camera: enable('camera'),
    },
    (name) => void embedPicture(name),
    (message) => say('picture-message', message, true),
  );

  // Training
  let running = false;
  let epochs = 0;
  async function trainOnce(): Promise<void> {
    const settings = readSettings(settingsForm);
    if (settings === null) {
      byId<HTMLDetailsElement>('settings').open = true;
      settingsForm.reportValidity();
      return;
    }
    running = true;
    byId('loading-text').textContent = '';
    showState();
    tell('Training');
    try {
      await tagger.train(settings, proxy(showProgress));
      tell(epochs >= EPOCHS ? `Trained: ${byId('lrap').textContent} LRAP of held-out images` : 'Paused');
    } catch (error) {
      tell(`Training stopped: ${messageOf(error)}`);
      byId('epoch-text').textContent = `Training stopped: ${messageOf(error)}`;
    } finally {
      running = false;
      showState();
    }
  }
  function showProgress({ epochs: done, loss, lossMs, metrics, secondsLeft, scores }: Progress): void {
    if (!running) return;
    epochs = done;
    charts.add(done, loss, metrics);
    byId<HTMLProgressElement>('epoch-bar').value = done;
    byId('epoch-text').textContent =
      done >= EPOCHS
        ? `${EPOCHS} epochs done`
        : `Epoch ${Math.floor(done) + 1} of ${EPOCHS}, ${Math.ceil(secondsLeft)} s left`;
    if (loss !== null) byId('loss').textContent = loss.toFixed(loss < 1 ? 4 : 2);
    if (lossMs !== null) byId('loss-ms').textContent = `${lossMs.toFixed(2)} ms`;
    if (metrics !== null) showMetrics(metrics);
    if (scores !== null) marginView.refresh(scores);
  }
  function showMetrics({ lrap, precisionAt1 }: { lrap: number; precisionAt1: number }): void {
    byId('lrap').textContent = lrap.toFixed(3);
    byId('precision').textContent = `${(100 * precisionAt1).toFixed(1)} %`;
  }
  function showState(): void {
    buttons.start.textContent = running ? 'Pause' : epochs >= EPOCHS ? 'Trained' : epochs > 0 ? 'Resume' : 'Train';
    buttons.start.disabled = !running && epochs >= EPOCHS;
    buttons.open.disabled = running;
  }
  const tell = (text: string): void => void (byId('training-status').textContent = text);
  let training = Promise.resolve();
  const train = (): void => void (training = trainOnce());
  let restarts = false;
  /** Resolves when no step is under way any more. */
  const stop = async (): Promise<void> => {
    restarts = false;
    await tagger.pause();
    await training;
  };
  buttons.start.addEventListener('click', () => void (running ? stop() : train()));
  buttons.reset.addEventListener('click', () => {
    void (async () => {
      await stop();
      await tagger.reset();
      epochs = 0;
      charts.clear();
      byId<HTMLProgressElement>('epoch-bar').value = 0;
      byId('epoch-text').textContent = 'Not started';
      for (const id of ['loss', 'lrap', 'precision', 'loss-ms']) byId(id).textContent = '–';
      showState();
      tell('Reset');
    })();
  });
  // What is under way goes on with the new settings.
  settingsForm.addEventListener('change', () => {
    const settings = readSettings(settingsForm);
    if (settings === null) return;
    marginView.settings = settings;
    if (!running || restarts) return;
    void stop().then(() => {
      // Not if it was paused in the meantime.
      if (restarts) train();
      restarts = false;
    });
    restarts = true;
  });
  settingsForm.addEventListener('submit', (event) => event.preventDefault());

  buttons.save.addEventListener('click', () => {
    void tagger.saveHead().then((bytes) => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([bytes]));
      link.download = 'emoji-tagger.head';
      link.click();
      URL.revokeObjectURL(link.href);
    });
  });
  const headFile = byId<HTMLInputElement>('head-file');
  buttons.open.addEventListener('click', () => headFile.click());
  headFile.addEventListener('change', () => {
    void (async () => {
      const [file] = headFile.files ?? [];
      if (!file) return;
      headFile.value = '';
      try {
        const head = await tagger.loadHead(await file.arrayBuffer());
        epochs = head.epochs;
        charts.clear();
        charts.add(head.epochs, null, head.metrics);
        showMetrics(head.metrics);
        byId<HTMLProgressElement>('epoch-bar').value = epochs;
        byId('epoch-text').textContent = `${epochs} epochs done`;
        showState();
        say('head-message', `Loaded ${file.name}, trained for ${head.epochs} epochs.`);
      } catch (error) {
        say('head-message', messageOf(error), true);
      }
    })();
  });

  const benchmarkView = new BenchmarkView(byId('bench-results'));
  buttons.bench.addEventListener('click', () => {
    void (async () => {
      buttons.bench.disabled = true;
      benchmarkView.clear();
      say('bench-message', 'Running …');
      try {
        await tagger.benchmark(proxy((result) => benchmarkView.add(result)));
        say('bench-message', '');
      } catch (error) {
        say('bench-message', `The benchmark stopped: ${messageOf(error)}`, true);
      } finally {
        buttons.bench.disabled = false;
      }
    })();
  });

  for (const button of Object.values(buttons)) button.disabled = false;
  if (latest === 0) {
    galleryView.choose(FIRST_IMAGE);
    await chooseImage(FIRST_IMAGE);
  }
  keepOffline();
}

// The grinning face, which everybody knows.
const FIRST_IMAGE = 0;

/** After the first load, so as not to slow it. */
function keepOffline(): void {
  // Undefined on pages that are not served securely; the server for development has nothing to keep.
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (!import.meta.env.PROD || !container) return;
  container.register('./service-worker.js').catch((error: unknown) => {
    console.warn(`This page will not work offline: ${messageOf(error)}`);
  });
}

function loadingProgress() {
  const bar = byId<HTMLProgressElement>('loading-bar');
  const text = byId('loading-text');
  let bytes = 0;
  return {
    add: (more: number): void => {
      // The last pieces are told on another channel than that all is loaded, and may come after.
      if (bar.hidden) return;
      bytes += more;
      bar.value = Math.min(0.99, bytes / __DATA_BYTES__);
      text.textContent = `Loading pictures and their features: ${(bytes / 1e6).toFixed(1)} of ${(__DATA_BYTES__ / 1e6).toFixed(1)} MB`;
    },
    done: (): void => {
      bar.hidden = true;
      text.textContent = 'Ready. Press Train.';
    },
  };
}

/** The settings as they are chosen; null if one is not valid. */
function readSettings(form: HTMLFormElement): TrainSettings | null {
  if (!form.checkValidity()) return null;
  const data = new FormData(form);
  const text = (name: string): string => data.get(name) as string;
  return {
    reduction: text('reduction') as TrainSettings['reduction'],
    margin: Number(text('margin')),
    normalization: text('normalization') as TrainSettings['normalization'],
    targetOrder: text('targetOrder') as TrainSettings['targetOrder'],
    batchSize: Number(text('batchSize')),
    learningRate: Number(text('learningRate')),
    backend: ((data.get('backend') as string | null) ?? 'wasm') as BackendName,
  };
}

async function showBackends(place: HTMLElement): Promise<void> {
  for (const { name, label, unavailable } of await tagger.backends()) {
    const choice = document.createElement('label');
    const input = Object.assign(document.createElement('input'), {
      type: 'radio',
      name: 'backend',
      value: name,
      checked: name === 'wasm',
      disabled: unavailable !== null,
    });
    choice.append(input, ` ${label}`);
    if (unavailable !== null) {
      choice.append(Object.assign(document.createElement('small'), { textContent: `Not available: ${unavailable}` }));
    }
    place.append(choice);
  }
}

function namePicture(name: string, note = ''): void {
  byId('picture-name').textContent = note === '' ? name : `${name} (${note})`;
  picture.setAttribute('aria-label', name);
  say('picture-message', '');
}

function say(id: string, text: string, isError = false): void {
  byId(id).textContent = text;
  byId(id).classList.toggle('error', isError);
}

function enable(id: string): HTMLButtonElement {
  const button = byId<HTMLButtonElement>(id);
  button.disabled = false;
  return button;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
