/** The training that a visitor left, in the browser's own database. */

export interface Kept<Settings> {
  /** The file that a visitor can save. */
  head: ArrayBuffer;
  settings: Settings;
  history: History;
}

/** What the charts show. */
export interface History {
  losses: LossPoint[];
  metrics: MetricPoint[];
}

export interface LossPoint {
  epochs: number;
  /** Per picture. */
  loss: number;
  /** The first one of a loss that differs from the one before: another margin, say. */
  startsCurve: boolean;
}

export interface MetricPoint {
  epochs: number;
  lrap: number;
  precisionAt1: number;
}

const DATABASE = 'multilabel-margin-loss-demo';
const STORE = 'training';
const KEY = 'last';

/** @returns undefined if there is none, or none can be read */
export async function readKept<Settings>(): Promise<Kept<Settings> | undefined> {
  return inStore('readonly', (store) => store.get(KEY) as IDBRequest<Kept<Settings> | undefined>).catch(
    () => undefined,
  );
}

/** Resolves too if the browser keeps nothing, as some do in private windows: the training goes on. */
export async function keep<Settings>(training: Kept<Settings>): Promise<void> {
  await inStore('readwrite', (store) => store.put(training, KEY)).catch(() => {});
}

export async function forget(): Promise<void> {
  await inStore('readwrite', (store) => store.delete(KEY)).catch(() => {});
}

async function inStore<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => void opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    return await settled(act(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('the database did not answer'));
  });
}
