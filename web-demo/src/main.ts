/** The page: brings the parts together. */
import { proxy } from 'comlink';
import galleryUrl from '../build/data/gallery.json?url';
import { listenForBenchmark } from './app/benchmark-panel.js';
import { tellFailure } from './app/failures.js';
import { Guide } from './app/guide.js';
import { listenForHeads } from './app/head-panel.js';
import { loadingProgress } from './app/loading.js';
import { Offline } from './app/offline.js';
import { byId, grouped } from './app/page.js';
import { PicturePanel } from './app/picture-panel.js';
import { listenForSearch } from './app/search.js';
import { SettingsForm } from './app/settings-form.js';
import { Sheets } from './app/sheets.js';
import { startTagger } from './app/tagger-worker.js';
import { TrainingPanel } from './app/training-panel.js';
import { download } from './download.js';
import type { Gallery } from './gallery.js';
import { MarginView } from './margin/margin-view.js';
import { GalleryView } from './view/gallery.js';
import './style.css';

// The red apple, with tags of several kinds.
const FIRST_PICTURE = '1f34e';

document.documentElement.dataset['started'] = '';
start().catch(tellFailure);

async function start(): Promise<void> {
  const { tagger, failure } = startTagger();
  failure.catch(tellFailure);

  const progress = loadingProgress();
  const gallery = JSON.parse(await (await download(galleryUrl, progress.add)).text()) as Gallery;
  byId('image-count').textContent = grouped(gallery.names.length);
  const loaded = Promise.race([tagger.load(gallery, proxy(progress.add)), failure]);

  const guide = new Guide();
  const settings = new SettingsForm((chosen) => {
    marginView.settings = chosen;
    void training.changeSettings();
  });
  const marginView = new MarginView(gallery.vocabulary, settings.read()!, () => guide.done('drag'));
  const choose = (image: number): void => {
    if (gallery.heldOut.includes(image) && training.epochs > 0) guide.done('choose');
    void pictures.chooseImage(image);
  };
  const sheets = new Sheets((sheet, url) => galleryView.showSheet(sheet, url));
  // A sheet that does not load leaves its tiles blank.
  const load = (image: number): void => void sheets.of(image).catch(() => {});
  const galleryView = new GalleryView(byId('gallery'), gallery, choose, load);
  const offline = new Offline();
  const pictures: PicturePanel = new PicturePanel(
    tagger,
    gallery,
    { gallery: galleryView, margin: marginView },
    sheets,
    () => training.epochs > 0,
  );
  const training: TrainingPanel = new TrainingPanel(tagger, settings, gallery, {
    onStart: () => {
      progress.clear();
      guide.done('train');
    },
    onFirstSteps: () => void pictures.refresh(),
    onSteps: () => void pictures.refreshScores(),
    onHead: () => void pictures.refresh(),
    onTrained: () => void offline.keep(),
  });
  listenForSearch(gallery, galleryView);
  void pictures.chooseImage(gallery.codes.indexOf(FIRST_PICTURE));

  await loaded;
  progress.done();
  guide.start({
    train: () => training.train(),
    choose: () => {
      if (training.epochs > 0) guide.done('choose');
      void pictures.chooseHeldOut();
    },
    drag: () => marginView.focusHandle(),
  });
  byId('train-first').addEventListener('click', () => training.train());
  listenForHeads(tagger, training);
  listenForBenchmark(() => training.pause());
  for (const id of ['start', 'reset', 'save', 'open', 'run-bench']) byId<HTMLButtonElement>(id).disabled = false;
  await pictures.start();
  await training.offerKept();
}
