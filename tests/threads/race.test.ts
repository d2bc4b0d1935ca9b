// Which of two ways a race prefers, for times that are given.

import { describe, expect, test } from 'vitest';
import { Race } from '../../dist/threads/race.js';
import { uniform } from '../js/support.js';

/** The ways that a race takes in so many turns. */
function ways(race: Race, turns: number, time: (way: 0 | 1, turn: number) => number): (0 | 1)[] {
  return Array.from({ length: turns }, (_, turn) => {
    const way = race.next();
    race.took(way, time(way, turn));
    return way;
  });
}

const share = (taken: readonly (0 | 1)[], way: 0 | 1): number =>
  taken.filter((one) => one === way).length / taken.length;

test('the first way is tried first, and both equally often at first', () => {
  expect(ways(new Race(), 16, () => 1)).toEqual([...Array<0>(8).fill(0), ...Array<1>(8).fill(1)]);
});

test('what the other way left in the caches does not count', () => {
  let last: 0 | 1 = 0;
  const race = new Race();
  const taken = ways(race, 5120, (way) => {
    const time = (way === 0 ? 1 : 0.9) + (way === last ? 0 : 10);
    last = way;
    return time;
  });
  expect(share(taken, 1)).toBeGreaterThan(0.95);
});

describe.each([0, 1] as const)('way %i is quicker', (quicker) => {
  const slower = (1 - quicker) as 0 | 1;
  const time = (way: 0 | 1): number => (way === quicker ? 1 : 1.2);

  test('it is taken in all but a few turns', () => {
    const race = new Race();
    ways(race, 30, time);
    const taken = ways(race, 3200, time);
    expect(share(taken, slower)).toBeGreaterThan(0);
    expect(share(taken, slower)).toBeLessThan(0.05);
  });

  test('also where every tenth turn takes ten times as long', () => {
    const chance = uniform(quicker + 1);
    const race = new Race();
    const taken = ways(race, 3200, (way) => time(way) * (chance() < 0.1 ? 10 : 1));
    expect(share(taken, quicker)).toBeGreaterThan(0.9);
  });

  test('until it becomes the slower one', () => {
    const race = new Race();
    ways(race, 100, time);
    ways(race, 600, (way) => (way === quicker ? 2 : 1.2));
    expect(
      share(
        ways(race, 320, (way) => (way === quicker ? 2 : 1.2)),
        slower,
      ),
    ).toBeGreaterThan(0.95);
  });

  test('until the other one becomes quicker still', () => {
    const race = new Race();
    ways(race, 100, time);
    const after = (way: 0 | 1): number => (way === quicker ? 1 : 0.5);
    ways(race, 600, after);
    expect(share(ways(race, 1280, after), slower)).toBeGreaterThan(0.95);
  });
});
