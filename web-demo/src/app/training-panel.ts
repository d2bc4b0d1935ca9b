/** Train, pause, reset, and go on with a training that was left. */
import { proxy, type Remote } from 'comlink';
import type { Gallery } from '../gallery.js';
import type { History } from '../training/kept.js';
import { EPOCHS, type RankingMetrics } from '../training/trainer.js';
import { Charts } from '../view/charts.js';
import type { Progress, Tagger, TrainSettings } from '../worker/tagger.js';
import { byId, messageOf } from './page.js';
import type { SettingsForm } from './settings-form.js';

const MORE_EPOCHS = 10;

export interface TrainingEvents {
  onStart(): void;
  /** There is a head that knows something. */
  onFirstSteps(): void;
  /** The head has changed by some steps more. */
  onSteps(): void;
  /** The head is another one: after a reset, or from a file. */
  onHead(): void;
  /** All epochs are done. */
  onTrained(): void;
}

export class TrainingPanel {
  readonly #tagger: Remote<Tagger>;
  readonly #settings: SettingsForm;
  readonly #events: TrainingEvents;
  readonly #charts: Charts;
  readonly #start = byId<HTMLButtonElement>('start');
  readonly #resume = byId<HTMLButtonElement>('resume');
  #history: History = { losses: [], metrics: [] };
  #running = false;
  #epochs = 0;
  /** Training ends there. */
  #goal = EPOCHS;
  #training = Promise.resolve();
  #restarts = false;

  constructor(tagger: Remote<Tagger>, settings: SettingsForm, gallery: Gallery, events: TrainingEvents) {
    this.#tagger = tagger;
    this.#settings = settings;
    this.#events = events;
    this.#charts = new Charts(gallery.baselines);
    this.#charts.show(this.#history, this.#goal);
    this.#start.addEventListener('click', () => void (this.#running ? this.pause() : this.train()));
    byId('reset').addEventListener('click', () => void this.#reset());
    this.#resume.addEventListener('click', () => void this.#resumeKept());
  }

  get epochs(): number {
    return this.#epochs;
  }

  /** Offers to go on with what was left, if something was. */
  async offerKept(): Promise<void> {
    const kept = await this.#tagger.kept();
    if (kept === null) return;
    this.#resume.textContent = `Resume at epoch ${kept.epochs}, LRAP ${kept.metrics.lrap.toFixed(2)}`;
    this.#resume.hidden = this.#running || this.#epochs > 0;
  }

  train(): void {
    if (this.#running) return;
    const settings = this.#settings.read();
    if (settings === null) {
      this.#settings.complain();
      return;
    }
    if (this.#epochs >= this.#goal) this.#goal = Math.floor(this.#epochs) + MORE_EPOCHS;
    this.#training = this.#train(settings);
  }

  /** Resolves when no step is under way any more. */
  async pause(): Promise<void> {
    this.#restarts = false;
    await this.#tagger.pause();
    await this.#training;
  }

  /** Goes on with other settings, if it is under way. */
  async changeSettings(): Promise<void> {
    if (!this.#running || this.#restarts) return;
    const paused = this.pause();
    this.#restarts = true;
    await paused;
    // Not if it was paused in the meantime.
    if (this.#restarts) this.train();
    this.#restarts = false;
  }

  /** Shows a head that was trained before. */
  showHead(epochs: number, metrics: RankingMetrics, history: History = { losses: [], metrics: [] }): void {
    this.#epochs = epochs;
    this.#goal = Math.max(EPOCHS, epochs);
    this.#history = history.metrics.length > 0 ? history : { losses: [], metrics: [{ epochs, ...metrics }] };
    this.#showMetrics(metrics);
    this.#showLoss(this.#history.losses.at(-1)?.loss ?? null, 'Loss per picture');
    byId('loss-ms').textContent = '–';
    this.#charts.show(this.#history, this.#goal);
    this.#showState();
    this.#events.onHead();
  }

  async #train(settings: TrainSettings): Promise<void> {
    this.#running = true;
    this.#events.onStart();
    this.#showState();
    tell('Training');
    try {
      await this.#tagger.train(
        settings,
        this.#goal,
        proxy((progress) => this.#showProgress(progress)),
      );
      tell(this.#epochs >= this.#goal ? `Trained: ${byId('lrap').textContent} LRAP of held-out pictures` : 'Paused');
      this.#running = false;
      this.#showState();
      if (this.#epochs >= this.#goal) this.#events.onTrained();
    } catch (error) {
      this.#running = false;
      this.#showState();
      tell(`Training stopped: ${messageOf(error)}`);
      byId('epoch-text').textContent = `Training stopped: ${messageOf(error)}`;
    }
  }

  #showProgress({ epochs, loss, epochLoss, lossMs, metrics, secondsLeft }: Progress): void {
    if (!this.#running) return;
    const isFirst = this.#epochs === 0;
    this.#epochs = epochs;
    this.#history.losses.push(loss);
    if (metrics !== null) {
      this.#history.metrics.push(metrics);
      this.#showMetrics(metrics);
    }
    this.#charts.show(this.#history, this.#goal);
    // In the midst of the first epoch there is no other than that of the last steps.
    if (epochLoss !== null) this.#showLoss(epochLoss, 'Loss, last epoch');
    else if (epochs < 1) this.#showLoss(loss.loss, 'Loss, last steps');
    byId('loss-ms').textContent = `${lossMs.toFixed(2)} ms`;
    this.#showState(secondsLeft);
    if (isFirst) this.#events.onFirstSteps();
    else this.#events.onSteps();
  }

  async #reset(): Promise<void> {
    await this.pause();
    await this.#tagger.reset();
    this.#epochs = 0;
    this.#goal = EPOCHS;
    this.#history = { losses: [], metrics: [] };
    this.#charts.show(this.#history, this.#goal);
    for (const id of ['loss', 'lrap', 'precision', 'loss-ms']) byId(id).textContent = '–';
    byId('loss-title').textContent = 'Loss per picture';
    this.#showState();
    tell('Reset');
    this.#events.onHead();
  }

  async #resumeKept(): Promise<void> {
    const kept = await this.#tagger.kept();
    try {
      const { epochs, metrics } = await this.#tagger.resumeKept();
      if (kept) this.#settings.write(kept.settings);
      this.showHead(epochs, metrics, kept?.history);
    } catch (error) {
      byId('epoch-text').textContent = `The training could not be resumed: ${messageOf(error)}`;
      this.#resume.hidden = true;
    }
  }

  #showMetrics({ lrap, precisionAt1 }: RankingMetrics): void {
    byId('lrap').textContent = lrap.toFixed(3);
    byId('precision').textContent = `${(100 * precisionAt1).toFixed(1)} %`;
  }

  #showLoss(loss: number | null, title: string): void {
    byId('loss').textContent = loss === null ? '–' : loss.toFixed(loss < 1 ? 4 : 2);
    byId('loss-title').textContent = title;
  }

  #showState(secondsLeft?: number): void {
    const epochs = this.#epochs;
    const bar = byId<HTMLProgressElement>('epoch-bar');
    bar.max = this.#goal;
    bar.value = epochs;
    const isDone = epochs >= this.#goal;
    this.#start.textContent = this.#running
      ? 'Pause'
      : isDone
        ? `Train ${MORE_EPOCHS} more`
        : epochs > 0
          ? 'Go on'
          : 'Train';
    this.#resume.hidden ||= this.#running || epochs > 0;
    byId<HTMLButtonElement>('open').disabled = this.#running;
    const at = `epoch ${Math.min(this.#goal, Math.floor(epochs) + 1)} of ${this.#goal}`;
    byId('epoch-text').textContent = this.#running
      ? secondsLeft === undefined || !Number.isFinite(secondsLeft)
        ? 'Starting'
        : `In ${at}, ${Math.ceil(secondsLeft)} s left`
      : isDone
        ? `${Math.floor(epochs)} epochs done`
        : epochs > 0
          ? `Paused in ${at}`
          : 'Not started';
    document.documentElement.dataset['training'] = this.#running ? 'running' : epochs > 0 ? 'paused' : 'none';
  }
}

const tell = (text: string): void => void (byId('training-status').textContent = text);
