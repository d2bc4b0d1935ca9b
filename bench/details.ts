/** The page docs/benchmarks-details.md: every figure of a run, how it is taken, and what was tried. */
import { NAMES } from './contenders/contender.js';
import { rowsOf, toMarkdown } from './format.js';
import { evaluationGoalsOf, goalsOf } from './goals.js';
import { machineOf, type WholeRun } from './run.js';
import { errorTable, evaluationTables, formsTable, goalsTable, timeTables } from './tables.js';
import { limitsOf, TRAINING_READING, trainingGoalsOf, trainingTables } from './training/report.js';

export function detailsPage(run: WholeRun): string {
  const { training, loss, evaluation } = run;
  const goals = [...trainingGoalsOf(training), ...goalsOf(loss.measurements), ...evaluationGoalsOf(evaluation)];
  const sections = [
    '# Benchmarks: details',
    `Written by \`npm run bench\` on ${run.date.toISOString().slice(0, 10)}: ${machineOf(training, loss, evaluation)}. ` +
      '[Benchmarks](benchmarks.md) is the short of it.',
    '## Training',
    TRAINING_READING,
    limitsOf(training),
    ...trainingTables(training).map(toMarkdown),
    '## The loss',
    READING,
    ...timeTables(loss).map(toMarkdown),
    toMarkdown(errorTable(loss)),
    '## Ways to compose the loss',
    'Of the ways to compose the loss of the ops of a library, the tables above hold the fastest at each point. All of them, ' +
      'for forward + gradient of random float32 scores, from a short timing each:',
    ...[NAMES.pyTorchOps, NAMES.pyTorchByHand, NAMES.tensorFlow, NAMES.tensorFlowByHand]
      .flatMap((name) => formsTable(loss, name))
      .map(toMarkdown),
    '## Evaluation',
    EVALUATION_READING,
    ...evaluationTables(evaluation).map(toMarkdown),
    '## Goals',
    'What the package is measured against while it is worked on. A composition of PyTorch or TensorFlow.js counts in its fastest ' +
      'form, with a gradient by hand too.',
    rowsOf(goalsTable(goals)),
    '## What was tried',
    TRIED,
  ];
  return `${sections.join('\n\n')}\n`;
}

const READING = `\
Everything is timed in one run, on the same random inputs, another one for each call: N(0, 1) scores in 'random', and the
scores of the targets 6 higher in 'trained', as those of a trained model are. The contenders take turns of some calls each
(this package, a peer, this package, the next peer, ...), so that a noisy machine hits all alike. A time is the median of its
turns. A ratio is the median of each turn over the turn of this package before it, with quartiles in parentheses.

| column | what is timed |
| --- | --- |
| ${NAMES.ours} | the public API on one thread, all copies included: typed arrays in, loss and gradient as a new typed array out |
| ${NAMES.oursReused} | the same, writing each gradient into the same typed array: \`valueAndGrad(scores, targets, { grad })\` |
| ${NAMES.threads}; ${NAMES.threadsReused} | the two above with \`multilabel-margin-loss/threads\` |
| ${NAMES.threadsShared} | scores, targets and gradient in the shared memory of the threads: nothing is copied |
| ${NAMES.pyTorchBuiltin} | \`torch.nn.functional.multilabel_margin_loss\`, one thread; tensors in, tensors out, nothing copied |
| ${NAMES.pyTorchOps} | the same loss composed of PyTorch's ops, with its autograd: the fastest of two ways on 1 or 2 threads |
| ${NAMES.pyTorchByHand} | the same with a gradient written by hand from counts, as this package computes it: the fastest of four ways on 1 or 2 threads |
| ${NAMES.tensorFlow} | the same loss composed of the ops of TensorFlow.js on its WebAssembly backend (SIMD, one thread in Node), with its autograd: the fastest of two ways; scores uploaded, loss and gradient read out |
| ${NAMES.tensorFlowByHand} | the same with a gradient written by hand from counts: the faster of two ways |
| ${NAMES.plain} | a double loop over targets and classes |
| ${NAMES.floor}; ${NAMES.floorReused} | nothing but copying the scores into linear memory and a gradient of that size out into a new typed array; into the same one each time |

A new array of a megabyte or more takes the engine longer than its gradient takes the kernels: it is cleared, its pages
are faulted in, and its predecessors wait for the garbage collector.

The compositions are allowed to take it that targets hold no padding and no duplicates; this package and PyTorch's builtin
handle both.`;

const EVALUATION_READING = `\
Random float32 scores and int32 targets, in this process on one thread: all metrics of docs/evaluation.md with the loss, and
the loss alone, with batches as large as the command's. Four metrics of scikit-learn (ranking loss, coverage error, LRAP,
nDCG@5) three times over, with its mask of labels and its float64 scores made before; the last column is the largest difference to
its values.

Then the command over files of such rows of 100 classes with 4 labels, which the system has in memory: from the start of the
process to its end, the median of five runs for a million rows. Ten million are the same files ten times over.`;

const TRIED = `\
What was tried, measured in turns with the version before, where it is not in the kernels now or did not suffice:

- Compositions with a gradient written by hand from counts are this package's own idea in a peer's ops: PyTorch has AVX2 for
  them, twice as wide as SIMD128, and one compare for each score and target there costs what it costs here. The distance is in
  their autograd forms, and grows with K.
- Many targets: one table entry of 8 bytes for bucket and threshold instead of two look-ups gained 8 %, twice as many buckets
  5 %. Of the 2.5 ns a score that are left, a third is the histogram of ranks, a sixth the scores of crowded buckets, a tenth
  the sum of the loss in float64. For K = 1000, sorting and the tables take 50 ns a target; a counting sort over the buckets
  is in, vectors for its prefix sums are not.
- Few targets: groups of exactly K thresholds gained 12 %. A max() in place of a mask, and counts that V8 converts in one
  instruction instead of seven, gained 20 to 30 % for K = 1.
- Few targets: counts of four vectors that are packed into one of bytes need 9 instructions instead of 12, and took as long.
- Trained scores: most of what is left is copying and clearing. With K = 1000, the targets alone take longer than the floor.
- A small call: with one row of 80 classes, a quarter is in checks of the arguments, a third in copies and the call of the module, a
  tenth in the kernel. A kept view of the gradient's memory and no second tensor gained 6 to 17 % with \`{ grad }\`. A new array for
  the gradient takes V8 0.7 to 2 µs. A view of a shared slab would take 0.03, but whoever transferred its buffer to a worker would
  empty other gradients. Fields written by the constructor alone, other ways to copy, other orders of the checks and more
  inlining gained nothing. With 32 rows of 10 classes, two thirds are the kernel, 60 to 70 ns a row.
- K = 1000: a table of ranks alone (half the size) took 9 µs off sorting and added 7 to looking up; counters inside the table
  gained 2 of 100 µs a row; a look-up fused into the comparison took 42 to 35 µs natively, and was 4 to 7 % slower in WebAssembly.
  The prefix sums are a tenth of the row, so that vectors for them cannot do what copies and targets take. A table of ranks,
  with comparisons with the next two thresholds, so that hardly a bucket is searched, took a row from 62 to 55 µs, but one of
  100 targets from 34 to 37.
- Forward and gradient with counts added up in float32: 1.10 times faster at best, slower at 128 x 80, and without a proof that the
  loss stays within its bound.
- Threads: helpers that spin longer before they sleep gained nothing, and lose 1.8 to 2.8 times where another process wants the core.
  Parts of 128 KB lost, of 512 KB and 1 MB differed by less than the noise. An estimate from the
  sizes, which said when threads compute a batch that is copied, held on one kind of machine: on another, trained scores took 1.2 to
  1.6 times as long where it chose threads. A race that kept the second quickest of seven times chose threads too often, because a
  thread that has to wait makes some calls long; one whose ways alternated did, because each found the other's data in the caches;
  one that tried the slower way every 32 calls made 128 x 80 1.1 to 1.4 times as long. Copying
  is one thread's work, and new arrays of megabytes are page faults, which threads do not share.
- Training on threads: shared from two parts of 50 microseconds on, steps of 0.2 to 1.3 ms took 1.2 to 1.3 times as long, because a
  thread that sleeps wakes too late; four parts are the least now. Parts of the gradient of a weight that are rows copy all of
  its input; where there are few outputs, parts are columns. Look-ups of \`EmbeddingBag\` took 0.6 to 1.1 times as long natively,
  and are left to one thread, as is what takes microseconds: ReLU, dropout, sums of columns.
`;
