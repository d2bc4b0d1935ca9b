// A module worker that computes what it is sent.

import { MultiLabelMarginLoss } from 'multilabel-margin-loss';

addEventListener('message', ({ data: { scores, shape, targets } }: MessageEvent) => {
  const { loss, grad } = new MultiLabelMarginLoss().valueAndGrad({ data: scores, shape }, targets);
  const { buffer } = grad.data;
  postMessage({ loss: loss.item(), grad: grad.data, isolated: crossOriginIsolated }, { transfer: [buffer] });
});
