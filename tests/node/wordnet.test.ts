// The reader behind examples/wordnet-tagger.ts.

import { describe, expect, test } from 'vitest';
import * as wordnet from '../../examples/wordnet.js';

describe('WordNet example', () => {
  const synsets = wordnet.readSynsets();
  const corpus = wordnet.buildCorpus(synsets);

  function synsetOf(gloss: string) {
    return [...synsets.values()].find((synset) => synset.gloss.startsWith(gloss))!;
  }

  function firstWords(ids: Iterable<string>): string[] {
    return [...ids].map((id) => synsets.get(id)!.words[0]!).sort();
  }

  test('reads nouns and verbs', () => {
    expect(synsets.get('n00001740')).toEqual({
      id: 'n00001740',
      words: ['entity'],
      hypernyms: [],
      gloss: expect.stringContaining('its own distinct existence (living or nonliving)'),
    });
    expect(synsets.get('v00001740')?.words).toEqual(['breathe', 'take a breath', 'respire', 'suspire']);
    expect(synsets.get('v00001740')?.gloss).toMatch(/^draw air into/);
  });

  test('the hypernym closure goes up to the root by every path', () => {
    const corvette = synsetOf('a highly maneuverable escort warship');
    expect(corvette.words).toEqual(['corvette']);
    expect(firstWords(wordnet.hypernymClosure(corvette.id, synsets))).toEqual(
      [
        ...['entity', 'physical entity', 'object', 'whole', 'artifact', 'instrumentality', 'conveyance', 'vehicle'],
        ...['craft', 'vessel', 'ship', 'warship', 'military vehicle'],
      ].sort(),
    );
  });

  test('the hypernym closure starts from the classes of an instance', () => {
    const portOfSpain = synsetOf('the capital and largest city of Trinidad and Tobago');
    expect(firstWords(wordnet.hypernymClosure(portOfSpain.id, synsets))).toEqual(
      expect.arrayContaining(['national capital', 'city', 'seat', 'location', 'entity']),
    );
  });

  test('a cycle of hypernyms ends', () => {
    const cycle = new Map(
      [
        ['a', 'b'],
        ['b', 'a'],
      ].map(([id, hypernym]) => [id!, { id: id!, words: [id!], hypernyms: [hypernym!], gloss: '' }]),
    );
    expect([...wordnet.hypernymClosure('a', cycle)].sort()).toEqual(['a', 'b']);
  });

  test('labels are neither rare nor everywhere, documents have some, names differ', () => {
    const { documents, labels } = corpus;
    expect(labels.length).toBe(2342);
    expect(documents.length).toBe(93_947);
    const documentsOf = new Int32Array(labels.length);
    for (const document of documents) for (const label of document.labels) documentsOf[label]!++;
    expect(Math.min(...documentsOf)).toBeGreaterThanOrEqual(20);
    expect(Math.max(...documentsOf)).toBeLessThanOrEqual(0.2 * synsets.size);
    expect(documents.every((document) => document.labels.length > 0)).toBe(true);
    expect(new Set(labels.map(({ name }) => name)).size).toBe(labels.length);
  });

  test('the split has every document once, a fifth held out', () => {
    const { training, heldOut } = wordnet.splitDocuments(corpus.documents);
    const trainingIds = new Set(training.map(({ id }) => id));
    expect(heldOut.filter(({ id }) => trainingIds.has(id))).toEqual([]);
    expect(training.length + heldOut.length).toBe(corpus.documents.length);
    expect(heldOut.length / corpus.documents.length).toBeCloseTo(0.2, 2);
  });

  test('TF-IDF weights rare terms more and has unit length', () => {
    const texts = [...Array<string>(5).fill('a bird that swims'), ...Array<string>(15).fill('a fish that swims')];
    const tfIdf = wordnet.TfIdf.fit([...texts, 'unseen']);
    const { indices, values } = tfIdf.transform('a bird that swims, unseen');
    const weightOf = new Map([...indices].map((index, i) => [tfIdf.vocabulary[index]!, values[i]!]));
    expect([...weightOf.keys()].sort()).toEqual(['^bird', '^swims', '^that', 'bird', 'swims', 'that']);
    expect(weightOf.get('bird')! / weightOf.get('that')!).toBeCloseTo(Math.log(21 / 5) / Math.log(21 / 20), 4);
    expect(Math.hypot(...values)).toBeCloseTo(1, 6);
    expect(tfIdf.transform('unseen').values).toHaveLength(0);
  });
});
