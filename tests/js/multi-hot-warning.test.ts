// The warning about masks that were taken for indices. One test, since it is given once to a page or process;
// ../node/multi-hot-warning.test.ts has the cases one by one.

import { fromMultiHot, MultiLabelMarginLoss, type Targets } from 'multilabel-margin-loss';
import { expect, test, vi } from 'vitest';

test('a multi-hot mask warns once, and valid lists never', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const lossFn = new MultiLabelMarginLoss();
  const scores = [
    [0.1, 0.2, 0.4, 0.8],
    [0.8, 0.4, 0.2, 0.1],
  ];
  const mask = [
    [0, 1, 0, 1],
    [1, 0, 0, 0],
  ];
  const lists: Targets[] = [
    [
      [1, 0, -1, -1],
      [0, -1, -1, -1],
    ],
    [[0, 1], [1]],
    [[0, 1, 2, 3], []],
    fromMultiHot(mask),
  ];
  for (const targets of lists) lossFn.forward(scores, targets);
  expect(warn).not.toHaveBeenCalled();
  lossFn.forward(scores, mask);
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls[0]![0]).toContain('fromMultiHot(mask)');
  lossFn.forward(scores, mask);
  new MultiLabelMarginLoss({ reduction: 'sum' }).forward(scores, mask);
  for (const targets of lists) lossFn.forward(scores, targets);
  expect(warn).toHaveBeenCalledTimes(1);
  warn.mockRestore();
});
