// As Jest has it by default: CommonJS.
const { LossError, nn, optim, tensor } = require('multilabel-margin-loss');
const { Evaluator } = require('multilabel-margin-loss/evaluate');
const { createThreadsBackend } = require('multilabel-margin-loss/threads');
const { multiLabelMarginLoss } = require('multilabel-margin-loss/tfjs');
const { trainTagger } = require('multilabel-margin-loss/train');
const { createAutoBackend } = require('multilabel-margin-loss/webgpu');

const scores = [
  [0.1, 2.5, -1.0, 1.2, 0.3],
  [-0.2, 1.0, 3.1, 0.5, 2.2],
];
const targets = [
  [1, 3],
  [2, 4],
];

test('loss', () => {
  const x = tensor(scores, { requires_grad: true });
  const loss = new nn.MultiLabelMarginLoss().forward(x, targets);
  loss.backward();
  expect(loss.item()).toBeCloseTo(0.01, 6);
  expect(x.grad.tolist()[0]).toEqual([0, 0, 0, -Math.fround(0.1), Math.fround(0.1)]);
});

test('evaluate', () => {
  const evaluator = new Evaluator();
  evaluator.update(scores, targets);
  const copy = Evaluator.fromJSON(JSON.parse(JSON.stringify(evaluator)));
  expect(copy.result().loss).toBeCloseTo(0.01, 6);
});

test('training', () => {
  const model = new nn.Linear(2, 5);
  const optimizer = new optim.SGD(model.parameters(), { lr: 1 });
  const lossFn = new nn.MultiLabelMarginLoss();
  const step = () => {
    optimizer.zero_grad();
    const loss = lossFn.forward(
      model.forward(
        tensor([
          [1, 0],
          [0, 1],
        ]),
      ),
      targets,
    );
    loss.backward();
    optimizer.step();
    return loss.item();
  };
  for (let i = 0; i < 20; i++) step();
  expect(step()).toBe(0);
});

test('threads', async () => {
  const backend = await createThreadsBackend({ threads: 2 });
  expect(new nn.MultiLabelMarginLoss({ backend }).forward(scores, targets).item()).toBeCloseTo(0.01, 6);
  backend.dispose();
});

test('all entries share their classes', () => {
  expect(() => new Evaluator({ k: 1 })).toThrow(LossError);
  for (const entry of [trainTagger, multiLabelMarginLoss, createAutoBackend]) expect(typeof entry).toBe('function');
});
