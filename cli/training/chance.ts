// Chance with a seed: the same on every machine.

export function shuffled<T>(items: Iterable<T>, random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}

/**
 * A number in [0, 1) from the number of a file and that of a row in it: the same share of rows every time, whatever the seed.
 * The hash is the one by which the evaluator puts rows into groups.
 */
export function shareOf(file: number, row: number): number {
  if (file !== lastFile) [lastFile, start] = [file, mix(BigInt(file))];
  return Number(mix(BigInt.asUintN(64, start + BigInt(row))) >> 11n) / 2 ** 53;
}

let lastFile = -1;
let start = 0n;

/** The finaliser of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014). */
function mix(number: bigint): bigint {
  let x = BigInt.asUintN(64, number + 0x9e3779b97f4a7c15n);
  x = BigInt.asUintN(64, (x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n);
  x = BigInt.asUintN(64, (x ^ (x >> 27n)) * 0x94d049bb133111ebn);
  return x ^ (x >> 31n);
}
