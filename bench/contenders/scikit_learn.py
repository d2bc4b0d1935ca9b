"""Times four metrics of scikit-learn for evaluation.ts.

    python3 scikit_learn.py SCORES.npy TARGETS.npy

Scores are [N, C], targets [N, K] different classes a row. Prints {"version", "milliseconds", "values"}; the times are those
of the four together, run three times. In scikit-learn's favour: the mask of labels and the scores in float64 are made before the timing.
"""

import json
import sys
import time

import numpy
import sklearn
from sklearn.metrics import (
    coverage_error,
    label_ranking_average_precision_score,
    label_ranking_loss,
    ndcg_score,
)

scores = numpy.load(sys.argv[1]).astype(numpy.float64)
targets = numpy.load(sys.argv[2])
mask = numpy.zeros(scores.shape, dtype=numpy.int64)
numpy.put_along_axis(mask, targets.astype(numpy.int64), 1, axis=1)

milliseconds = []
for _ in range(3):
    begin = time.perf_counter()
    values = [
        label_ranking_loss(mask, scores),
        coverage_error(mask, scores),
        label_ranking_average_precision_score(mask, scores),
        ndcg_score(mask, scores, k=5),
    ]
    milliseconds.append((time.perf_counter() - begin) * 1000)
print(json.dumps({"version": sklearn.__version__, "milliseconds": milliseconds, "values": values}))
