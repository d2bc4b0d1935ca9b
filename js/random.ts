import { allocate, type FloatDType } from './dtypes.js';
import { describe, LossError } from './errors.js';
import { checkOptions } from './options.js';
import { sizeOf } from './shapes.js';
import { type ShapeArguments, shapeArguments } from './creation.js';
import { Tensor } from './tensor.js';

const GOLDEN_GAMMA = 0x9e3779b97f4a7c15n;

/**
 * The number of 64 bits that SplitMix64 gives for a state: Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators" (2014).
 */
export function splitMix64(state: bigint): bigint {
  let x = BigInt.asUintN(64, state + GOLDEN_GAMMA);
  x = BigInt.asUintN(64, (x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n);
  x = BigInt.asUintN(64, (x ^ (x >> 27n)) * 0x94d049bb133111ebn);
  return x ^ (x >> 31n);
}

/**
 * Random numbers that are the same on every machine for the same seed: only + - * / and sqrt of floating point are used,
 * because logarithms and cosines differ from engine to engine.
 */
export class Generator {
  // The state of xoshiro128++ by Blackman and Vigna, https://prng.di.unimi.it/.
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  /** @param seed an integer; seeds that differ in their lowest 64 bits give other numbers */
  constructor(seed: bigint) {
    // SplitMix64, which its authors recommend for the state.
    const [first, second] = [splitMix64(seed), splitMix64(seed + GOLDEN_GAMMA)];
    this.#a = Number(first & 0xffffffffn) | 0;
    this.#b = Number(first >> 32n) | 0;
    this.#c = Number(second & 0xffffffffn) | 0;
    this.#d = Number(second >> 32n) | 0;
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    const sum = (this.#a + this.#d) | 0;
    const result = (((sum << 7) | (sum >>> 25)) + this.#a) | 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result >>> 0;
  }

  /** An integer in [0, end), each as likely as any other; end is at most 2^32. */
  below(end: number): number {
    // Numbers from the last, incomplete stretch of `end` numbers would favour small results.
    const limit = 2 ** 32 - (2 ** 32 % end);
    for (;;) {
      const number = this.uint32();
      if (number < limit) return number % end;
    }
  }

  /** Fills an array with numbers that are uniform in [low, high). */
  fillUniform(array: Float32Array | Float64Array, low: number, high: number): void {
    const step = (high - low) / 2 ** 24;
    for (let i = 0; i < array.length; i++) array[i] = low + step * (this.uint32() >>> 8);
  }

  /** Fills an array with numbers of the standard normal distribution, by Marsaglia's polar method. */
  fillNormal(array: Float32Array | Float64Array): void {
    for (let i = 0; i < array.length; i += 2) {
      let u: number;
      let v: number;
      let square: number;
      do {
        // Odd multiples of 2^-32 in (-1, 1): the square is never 0.
        u = (this.uint32() + 0.5) / 2 ** 31 - 1;
        v = (this.uint32() + 0.5) / 2 ** 31 - 1;
        square = u * u + v * v;
      } while (square >= 1);
      const factor = Math.sqrt((-2 * logarithm(square)) / square);
      array[i] = u * factor;
      if (i + 1 < array.length) array[i + 1] = v * factor;
    }
  }
}

/** The natural logarithm of a number in [2^-64, 1), within 4e-16 of its size. */
function logarithm(x: number): number {
  let mantissa = x;
  let exponent = 0;
  while (mantissa < Math.SQRT1_2) {
    mantissa *= 2;
    exponent--;
  }
  // ln m = 2 artanh t with t = (m - 1) / (m + 1). |t| <= 0.172, so that the first term left out is below 1e-17 of the first.
  const t = (mantissa - 1) / (mantissa + 1);
  const s = t * t;
  // Without a loop, no division is left: a sample takes a third less time.
  let series = (1 / 21) * s + 1 / 19;
  series = (series * s + 1 / 17) * s + 1 / 15;
  series = (series * s + 1 / 13) * s + 1 / 11;
  series = (series * s + 1 / 9) * s + 1 / 7;
  series = (series * s + 1 / 5) * s + 1 / 3;
  series = series * s + 1;
  return exponent * Math.LN2 + 2 * t * series;
}

let current: Generator | undefined;

/** The generator that all random numbers of this package come from; seeded at random before the first manual_seed(). */
export function generator(): Generator {
  current ??= new Generator(BigInt(Math.floor(Math.random() * 2 ** 53)));
  return current;
}

/** Calls a function whose random numbers all come from a generator of its own; the one of the package stays as it is. */
export function withGenerator<T>(own: Generator, callback: () => T): T {
  const before = current;
  current = own;
  try {
    return callback();
  } finally {
    current = before;
  }
}

/**
 * Seeds the random numbers of `randn()`, `randperm()`, of new layers and of Dropout. The numbers are the same on every
 * machine. They are not those that PyTorch gives for the same seed.
 *
 * @param seed an integer in (-2^53, 2^53), or a bigint of at most 64 bits
 * @throws LossError ERR_OPTION for anything else
 * @example
 * import { manual_seed, randn } from 'multilabel-margin-loss';
 *
 * manual_seed(7);
 * const first = randn(2, 3).tolist();
 * manual_seed(7);
 * randn(2, 3).tolist(); // => first
 */
export function manual_seed(seed: number | bigint): void {
  const fits =
    typeof seed === 'bigint'
      ? BigInt.asIntN(64, seed) === seed || BigInt.asUintN(64, seed) === seed
      : Number.isSafeInteger(seed);
  if (!fits)
    throw new LossError('ERR_OPTION', `manual_seed() needs an integer of at most 64 bits, got ${describe(seed)}`);
  current = new Generator(BigInt(seed));
}

/**
 * Samples of the standard normal distribution, from the generator that {@link manual_seed} seeds.
 *
 * @param args the shape, and {@link TensorOptions}
 * @returns float32, or float64 if that is asked for
 * @throws LossError ERR_SHAPE, ERR_OPTION, ERR_DTYPE, ERR_OUT_OF_MEMORY
 * @example
 * import { randn } from 'multilabel-margin-loss';
 *
 * const scores = randn([2, 3], { requires_grad: true });
 * scores.shape; // => [2, 3]
 */
export function randn<D extends FloatDType = 'float32'>(...args: ShapeArguments<D>): Tensor<D> {
  const [shape, dtype, requires_grad] = shapeArguments<D>(args, 'randn()');
  if (dtype !== 'float32' && dtype !== 'float64') {
    throw new LossError('ERR_DTYPE', `randn() makes float32 or float64, not ${dtype as string}`);
  }
  const data = allocate(dtype, sizeOf(shape));
  generator().fillNormal(data);
  return new Tensor(data, shape, requires_grad);
}

/**
 * The integers from 0 to n - 1 in random order, from the generator that {@link manual_seed} seeds.
 *
 * @param n a whole number from 0 to 2^31 - 1
 * @param options `dtype`: 'int64', as in PyTorch, or 'int32', whose elements index an array
 * @returns shape [n]
 * @throws LossError ERR_OPTION, ERR_OUT_OF_MEMORY
 * @example
 * import { int32, randperm } from 'multilabel-margin-loss';
 *
 * const order = randperm(4, { dtype: int32 });
 * [...order.data].sort(); // => [0, 1, 2, 3]
 */
export function randperm<D extends 'int32' | 'int64' = 'int64'>(n: number, options: { dtype?: D } = {}): Tensor<D> {
  if (!Number.isInteger(n) || n < 0 || n >= 2 ** 31) {
    throw new LossError('ERR_OPTION', `randperm() needs a whole number from 0 to 2^31 - 1, got ${describe(n)}`);
  }
  const { dtype = 'int64' as D } = checkOptions(options, ['dtype'], 'randperm()');
  if (dtype !== 'int32' && dtype !== 'int64') {
    throw new LossError('ERR_OPTION', `the dtype of randperm() must be 'int32' or 'int64', got ${describe(dtype)}`);
  }
  const order = allocate('int32', n);
  const source = generator();
  // Fisher and Yates, from the inside out.
  for (let i = 0; i < n; i++) {
    const j = source.below(i + 1);
    order[i] = order[j] as number;
    order[j] = i;
  }
  const data = dtype === 'int32' ? order : allocate('int64', n).map((_, i) => BigInt(order[i] as number));
  return new Tensor(data, [n]) as unknown as Tensor<D>;
}
