/** Which pairs of tags violate the margin, one by one: what the package adds up. */
import type { LossSettings } from '../worker/tagger.js';

export interface Pair {
  /** The tag that is to score higher by the margin. */
  target: number;
  other: number;
  /** max(0, margin - x[target] + x[other]), which is above 0. */
  hinge: number;
}

/** What the hinges of a row are divided by. */
export function divisorOf({ normalization }: LossSettings, classes: number, targets: number): number {
  return normalization === 'classes' ? classes : targets;
}

/**
 * @param scores x, [classes]
 * @param targets without duplicates
 * @returns the largest hinge first
 */
export function violatingPairs(scores: Float32Array, targets: readonly number[], settings: LossSettings): Pair[] {
  const isTarget = new Set(targets);
  const pairs: Pair[] = [];
  targets.forEach((target, place) => {
    for (let other = 0; other < scores.length; other++) {
      // The first of two targets is to rank higher, if order counts.
      const counts = isTarget.has(other) ? settings.targetOrder === 'ranked' && targets.indexOf(other) > place : true;
      const hinge = settings.margin - scores[target]! + scores[other]!;
      if (counts && hinge > 0) pairs.push({ target, other, hinge });
    }
  });
  return pairs.sort((a, b) => b.hinge - a.hinge);
}
