/** The images, their tags, and which of them are held out. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { spelled, tagsFrom } from './tags.js';

const require = createRequire(import.meta.url);

// A rarer tag has too few images to learn from and to be measured on.
const LEAST_IMAGES = 20;

// The share of the images that are held out.
const HELD_OUT = 0.15;

export interface Emoji {
  /** The CLDR name, in English. */
  name: string;
  /** The code points, as the files of the sources are named. */
  code: string;
  /** Path of the PNG, 64 x 64 with transparency. */
  file: string;
  /** Of `vocabulary`, without duplicates; none for five swatches of skin tones. */
  tags: string[];
  /** What it shows: all images of a concept are held out, or none. */
  concept: string;
  heldOut: boolean;
}

export interface EmojiSet {
  emoji: Emoji[];
  /** The tags of at least 20 images, the most frequent first. */
  vocabulary: string[];
}

/** An entry of emoji-datasource-google. */
interface SourceImage {
  unified: string;
  non_qualified: string | null;
  image: string;
  has_img_google: boolean;
}

/** An entry of emojibase-data. */
interface SourceEmoji {
  hexcode: string;
  emoji: string;
  label: string;
  group?: number;
  subgroup?: number;
  tags?: string[];
}

/** Joins the images of emoji-datasource-google with the tags of emojibase-data and emojilib. */
export function readEmoji(): EmojiSet {
  const images = new Map<string, SourceImage>();
  for (const image of readJson<SourceImage[]>('emoji-datasource-google/emoji.json')) {
    for (const code of [image.unified, image.non_qualified])
      if (code !== null) images.set(withoutSelector(code), image);
  }
  const { groups, subgroups } = readJson<Record<'groups' | 'subgroups', Record<string, string>>>(
    'emojibase-data/meta/groups.json',
  );
  const keywords = readJson<Record<string, string[]>>('emojilib/dist/emoji-en-US.json');
  const folder = path.join(path.dirname(require.resolve('emoji-datasource-google/package.json')), 'img/google/64');

  const emoji: Emoji[] = [];
  for (const { hexcode, emoji: text, label, group, subgroup, tags = [] } of readJson<SourceEmoji[]>(
    'emojibase-data/en/data.json',
  )) {
    const image = images.get(withoutSelector(hexcode));
    // Emoji without a group are parts of others: skin tones, hair.
    if (group === undefined || subgroup === undefined || !image?.has_img_google) continue;
    const all = [groups[group], subgroups[subgroup], ...tags, ...(keywords[text] ?? [])]
      .filter((word) => word !== undefined)
      .map(spelled)
      .filter((word) => word !== label);
    emoji.push({
      name: label,
      code: path.parse(image.image).name,
      file: path.join(folder, image.image),
      tags: [...new Set(all)],
      concept: conceptOf(label, groups[group] as string, subgroups[subgroup] as string),
      heldOut: false,
    });
  }
  const words = new Set(emoji.flatMap(({ tags }) => tags));
  for (const one of emoji) one.tags = tagsFrom(one.tags, (word) => words.has(word));
  const vocabulary = frequentTags(emoji);
  const known = new Set(vocabulary);
  for (const one of emoji) one.tags = one.tags.filter((tag) => known.has(tag));
  holdOut(emoji);
  return { emoji, vocabulary };
}

function readJson<T>(module: string): T {
  return JSON.parse(readFileSync(require.resolve(module), 'utf8')) as T;
}

/** The sources do not agree on where U+FE0F, which asks for a picture instead of a character, is written. */
const withoutSelector = (hexcode: string): string => hexcode.replace(/-FE0F/g, '');

function frequentTags(emoji: Emoji[]): string[] {
  const counts = new Map<string, number>();
  for (const { tags } of emoji) for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count >= LEAST_IMAGES)
    .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .map(([tag]) => tag);
}

const FLAGS = 'flags';

// Words that tell the variants of one concept apart.
const WHO = /\b(?:man|woman|men|women|person|people|boy|girl|child|prince|princess|santa|mr|mrs|mx|older)\b\.?/g;

/** One for all emoji that show the same but for whom: a singer is one concept, be it a man, a woman or a person. */
function conceptOf(label: string, group: string, subgroup: string): string {
  if (group === FLAGS) return FLAGS;
  if (subgroup === 'family') return subgroup;
  const subject = label
    .toLowerCase()
    .replace(/facing right$/, '')
    .replace(WHO, '');
  return subject.replace(/[^a-z]+/g, ' ').trim();
}

/**
 * Holds out whole concepts, in the order of a hash of their names, until there are enough images. Flags are for training:
 * they are a seventh of the images, and as a test would measure little else. Images without tags cannot be measured on.
 */
function holdOut(emoji: Emoji[]): void {
  const concepts = new Map<string, Emoji[]>();
  for (const one of emoji) concepts.set(one.concept, [...(concepts.get(one.concept) ?? []), one]);
  let count = 0;
  for (const [concept, members] of [...concepts].sort(([a], [b]) => hash(a) - hash(b))) {
    if (count >= HELD_OUT * emoji.length) return;
    if (concept === FLAGS || members.some(({ tags }) => tags.length === 0)) continue;
    for (const one of members) one.heldOut = true;
    count += members.length;
  }
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}
