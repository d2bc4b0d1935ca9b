/** The rule by which words of the sources become tags: spelling, plurals, synonyms, and words that no picture shows. */

/** Other spellings and synonyms of a tag, after plurals have become singulars, and readable names of categories. */
const SAME: Readonly<Record<string, string>> = {
  'animal bird': 'bird',
  'animal mammal': 'mammal',
  'animals nature': 'animals & nature',
  'country flag': 'flag',
  'face concerned': 'concerned face',
  fairy: 'fairy tale',
  fairytale: 'fairy tale',
  female: 'woman',
  'food drink': 'food & drink',
  'food fruit': 'fruit',
  'food prepared': 'prepared food',
  lgbt: 'pride',
  male: 'man',
  nation: 'country',
  'people body': 'people & body',
  'place building': 'building',
  'sky weather': 'weather',
  'smileys emotion': 'smileys & emotion',
  smiling: 'smile',
  squared: 'square',
  tale: 'fairy tale',
  'transport ground': 'vehicle',
  transportation: 'vehicle',
  'travel places': 'travel & places',
};

/**
 * Words that say nothing that a picture could show: slang for "I love you", words of grammar, of typing and of praise, and
 * names of the remainders of categories.
 */
const EMPTY = new Set([
  ...['143', 'ily'],
  ...['no', 'not', 'two', 'up', 'right', 'facing', 'open', 'large', 'mark'],
  ...['alphanum', 'av symbol', 'other symbol'],
  ...['good', 'like', 'event', 'office'],
]);

const IRREGULAR: Readonly<Record<string, string>> = { children: 'child', men: 'man', people: 'person', women: 'woman' };

/** @returns the tags of one image without duplicates, those of `words` that say something */
export function tagsFrom(words: readonly string[], isWord: (word: string) => boolean): string[] {
  const tags = words.map((word) => {
    const singular = singularOf(word);
    const known = singular !== undefined && isWord(singular) ? singular : word;
    return SAME[known] ?? known;
  });
  return [...new Set(tags)].filter((tag) => !EMPTY.has(tag));
}

/** As the sources spell a word, to one spelling. */
export function spelled(word: string): string {
  return word.toLowerCase().replace(/[_-]+/g, ' ');
}

/** Undefined for what does not look like a plural. */
function singularOf(word: string): string | undefined {
  if (word in IRREGULAR) return IRREGULAR[word];
  if (/ies$/.test(word)) return word.replace(/ies$/, 'y');
  return /[^s]s$/.test(word) ? word.slice(0, -1) : undefined;
}
