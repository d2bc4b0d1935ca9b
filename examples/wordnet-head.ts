/** Files of trained heads: safetensors with the names and shapes that a model of PyTorch has. */
import { readFileSync, writeFileSync } from 'node:fs';
import * as torch from 'multilabel-margin-loss';
import type { Task } from './wordnet-batches.js';
import type { Options } from './wordnet-options.js';
import type { Metrics } from './wordnet-report.js';

const EXIT_FAILURE = 1;

/** How to get from a text to features, and from scores to labels. */
function inputsAndOutputs({ tfIdf, labels }: Task): Record<'vocabulary' | 'idf' | 'labels', string> {
  return {
    vocabulary: JSON.stringify(tfIdf.vocabulary),
    idf: JSON.stringify([...tfIdf.idf]),
    labels: JSON.stringify(labels),
  };
}

export function writeHead(
  path: string,
  model: torch.nn.Module,
  task: Task,
  { epochs, batchSize, learningRate, seed }: Options,
  metrics: Metrics,
): void {
  const bytes = torch.saveSafetensors(model.state_dict(), {
    description:
      'scores = EmbeddingBag(terms, mode=sum, per_sample_weights) + bias. The weight of a term is (1 + ln(count)) * idf, ' +
      'over the length of the vector of all weights of the text. Terms: lower-case words by [a-z][a-z0-9]+, and the first ' +
      'three again with ^ before them.',
    ...inputsAndOutputs(task),
    training: JSON.stringify({ epochs, batchSize, learningRate, seed }),
    heldOut: JSON.stringify(metrics),
  });
  attempt(`the trained head was not written`, () => writeFileSync(path, bytes));
  console.log(`\nThe trained head is in ${path}`);
}

/** A head that says nothing of its terms and labels, such as one of PyTorch, is taken to have those of the task. */
export function readHead(path: string, model: torch.nn.Module, task: Task): void {
  attempt(`there is no head of this task in ${path}`, () => {
    const { tensors, metadata } = torch.loadSafetensors(readFileSync(path));
    for (const [name, own] of Object.entries(inputsAndOutputs(task))) {
      if ((metadata[name] ?? own) !== own) throw new Error(`its metadata '${name}' is not that of this task`);
    }
    model.load_state_dict(tensors);
  });
}

function attempt(failure: string, callback: () => void): void {
  try {
    callback();
  } catch (error) {
    console.error(`error: ${failure}: ${(error as Error).message}`);
    process.exit(EXIT_FAILURE);
  }
}
