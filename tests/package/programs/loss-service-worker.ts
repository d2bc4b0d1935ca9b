import { nn } from 'multilabel-margin-loss';

const scores = [
  [0.1, 2.5, -1.0, 1.2, 0.3],
  [-0.2, 1.0, 3.1, 0.5, 2.2],
];
addEventListener('message', ({ source }) => {
  try {
    source!.postMessage(
      new nn.MultiLabelMarginLoss()
        .forward(scores, [
          [1, 3],
          [2, 4],
        ])
        .item(),
    );
  } catch (error) {
    source!.postMessage((error as Error).message);
  }
});
