/**
 * Trains a linear multi-label tagger on WordNet with the multi-label margin loss: from the definition of a word, it tells
 * what kinds of thing the word names (see wordnet.ts). Ends with the held-out metrics next to those of ranking labels by
 * how frequent they are.
 *
 *     npm start
 *     npm start -- --tag "a small fast warship"
 *     npm start -- --epochs 5 --output head.safetensors
 *     npm start -- --head head.safetensors --tag "a small fast warship"
 *     npm start -- --help
 */
import * as torch from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';
import { Progress } from './progress.js';
import { type Batch, batchesOf, prepareTask, type Task, toBatch } from './wordnet-batches.js';
import { readHead, writeHead } from './wordnet-head.js';
import { type Options, readOptions } from './wordnet-options.js';
import * as report from './wordnet-report.js';

/** Scores of all labels: for each text, the weights of its terms, summed, and a bias. */
class Tagger extends torch.nn.Module {
  terms: torch.nn.EmbeddingBag;
  bias: torch.nn.Parameter;

  constructor(terms: number, labels: number) {
    super();
    this.terms = new torch.nn.EmbeddingBag(terms, labels, { mode: 'sum' });
    this.terms.weight.data.fill(0);
    this.bias = new torch.nn.Parameter(torch.zeros(labels));
  }

  forward({ terms, offsets, weights }: Batch): torch.Tensor {
    return torch.add(this.terms.forward(terms, offsets, weights), this.bias);
  }
}

function train(model: Tagger, { training, heldOut }: Task, { epochs, batchSize, learningRate, seed }: Options): void {
  torch.manual_seed(seed);
  const lossFn = new torch.nn.MultiLabelMarginLoss({ reduction: 'sum', nan: 'error' });
  // The sums of squares start above zero. Otherwise the first step of a weight is a full learning rate, however small its
  // gradient.
  const optimizer = new torch.optim.Adagrad(model.parameters(), { lr: learningRate, initial_accumulator_value: 0.01 });
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const progress = new report.EpochProgress(epoch, epochs, training.length);
    const order = torch.randperm(training.length, { dtype: torch.int32 }).data;
    for (const batch of batchesOf(training, batchSize, order)) {
      optimizer.zero_grad();
      const loss = lossFn.forward(model.forward(batch), batch.labels);
      loss.backward();
      optimizer.step();
      progress.update(batch.labels.length, loss.item());
    }
    progress.stop();
    report.printEpoch(progress, evaluate(model, heldOut, `Epoch ${epoch}/${epochs}, held out`));
  }
}

function evaluate(
  model: { forward(batch: Batch): torch.Tensor },
  examples: Task['heldOut'],
  name: string,
): report.Metrics {
  const progress = new Progress(name, examples.length);
  const evaluator = new Evaluator({ k: [1] });
  let rows = 0;
  for (const batch of batchesOf(examples, 64)) {
    torch.no_grad(() => evaluator.update(model.forward(batch), batch.labels));
    progress.update((rows += batch.labels.length), '');
  }
  progress.stop();
  const { labelRankingAveragePrecision, at, loss } = evaluator.result();
  return { lrap: labelRankingAveragePrecision, precisionAt1: at[1]!.precision, loss };
}

function main(): void {
  const options = readOptions();
  const task = prepareTask();
  report.printTask(task, options);
  const model = new Tagger(task.tfIdf.vocabulary.length, task.labels.length);
  if (options.head === undefined) train(model, task, options);
  else readHead(options.head, model, task);

  const metrics = evaluate(model, task.heldOut, 'Held out');
  report.printComparison(evaluate(report.labelPrior(task), task.heldOut, 'Label prior'), metrics);
  const scoresOf = (text: string): torch.Tensor =>
    torch.no_grad(() => model.forward(toBatch([{ features: task.tfIdf.transform(text), labels: [] }])));
  if (options.tag === undefined) report.printSamples(task, scoresOf);
  else report.printTags(options.tag, scoresOf(options.tag), task);
  if (options.output !== undefined) writeHead(options.output, model, task, options, metrics);
  report.printNext();
}

main();
