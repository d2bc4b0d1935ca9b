"""Times PyTorch for pytorch.ts: its builtin multilabel_margin_loss, and the loss composed of its ops.

Frames on standard input and output: the number of bytes as a little-endian uint32, then as many. A request is a frame of
JSON, the reply another, or {"error": message}:

    {"op": "load", "rows", "classes", "width", "dtype", "inputs"}   followed by a frame of scores and one of int32 targets
                                                                    for each input
    {"op": "time", "form", "gradient", "threads", "calls"}          -> {"milliseconds"} of all calls
    {"op": "result", "form", "gradient", "threads"}                 -> {"loss"}, then, with gradient, a frame of it; of
                                                                    the first input

In PyTorch's favour: tensors are made before the timing, freed memory is kept (../python.ts), and the compositions take it that
targets hold no padding and no duplicates.
"""

import json
import math
import struct
import sys
import time

import numpy
import torch
from torch.nn.functional import multilabel_margin_loss

# The most bytes of intermediates: forms that need more are left out.
MOST_BYTES = 2e9
# As many scores as stay in the second-level cache together with their intermediates.
PART = 1 << 17


def masked_scores(scores, targets):
    """The scores, with those of targets so low that they violate nothing; and 1 - x[k]."""
    return scores.scatter(1, targets, -math.inf), 1 - scores.gather(1, targets)


def with_autograd(loss_of):
    def form(scores, targets, gradient):
        if not gradient:
            with torch.no_grad():
                return loss_of(scores, targets), None
        scores = scores.detach().requires_grad_()
        loss = loss_of(scores, targets)
        return loss.detach(), torch.autograd.grad(loss, scores)[0]

    return form


def hinge_loop(scores, targets):
    masked, margins = masked_scores(scores, targets)
    loss = 0
    for margin in margins.split(1, 1):
        loss = loss + (margin + masked).relu().sum()
    return loss / scores.numel()


def hinge_broadcast(scores, targets):
    masked, margins = masked_scores(scores, targets)
    return (margins.unsqueeze(2) + masked.unsqueeze(1)).relu().sum() / scores.numel()


def from_counts(scores, margins, targets, below, above, gradient):
    """Loss and gradient from the number of margins below each score and of scores above each margin."""
    loss = ((below * scores).sum() + (above * margins).sum()) / scores.numel()
    if not gradient:
        return loss, None
    below.div_(scores.numel()).scatter_(1, targets, above.div_(-scores.numel()))
    return loss, below


def compare_loop(scores, targets, gradient):
    """Target by target, into the same memory each time."""
    masked, margins = masked_scores(scores, targets)
    positive = torch.empty_like(scores)
    if not gradient:
        loss = 0
        for margin in margins.split(1, 1):
            loss = loss + torch.add(margin, masked, out=positive).relu_().sum()
        return loss / scores.numel(), None
    thresholds = -margins
    below = torch.zeros_like(scores)
    above = torch.empty_like(margins)
    for k in range(targets.shape[1]):
        torch.gt(masked, thresholds[:, k : k + 1], out=positive)
        below.add_(positive)
        torch.sum(positive, 1, out=above[:, k])
    return from_counts(scores, margins, targets, below, above, gradient)


def compare_loop_in_parts(scores, targets, gradient):
    """The same a few rows at a time, whose intermediates stay in the cache."""
    rows, classes = scores.shape
    step = max(1, PART // classes)
    loss = 0
    grad = torch.empty_like(scores) if gradient else None
    for row in range(0, rows, step):
        part = slice(row, min(rows, row + step))
        share = (part.stop - part.start) / rows
        part_loss, part_grad = compare_loop(scores[part], targets[part], gradient)
        loss = loss + part_loss * share
        if gradient:
            torch.mul(part_grad, share, out=grad[part])
    return loss, grad


def ranks(scores, targets, gradient):
    """The counts from the rank of each score among the sorted thresholds: O(C log K)."""
    (rows, classes), width = scores.shape, targets.shape[1]
    masked, margins = masked_scores(scores, targets)
    thresholds, order = margins.neg().sort(1)
    rank = torch.searchsorted(thresholds, masked, out_int32=True)
    bins = rank + torch.arange(rows, dtype=torch.int32).unsqueeze(1) * (width + 1)
    histogram = torch.bincount(bins.view(-1), minlength=rows * (width + 1)).view(rows, width + 1)
    above = (classes - histogram.cumsum(1)[:, :width]).to(scores.dtype)
    return from_counts(scores, thresholds.neg_(), targets.gather(1, order), rank.to(scores.dtype), above, gradient)


def violators(scores, targets, gradient):
    """Only the scores above the lowest threshold of their row: for trained scores."""
    masked, margins = masked_scores(scores, targets)
    row, column = (masked > -margins.amax(1, keepdim=True)).nonzero(as_tuple=True)
    width = targets.shape[1]
    if row.numel() * width * scores.element_size() > MOST_BYTES / 2:
        raise MemoryError('too many violators')
    values = masked[row, column]
    positive = (values.unsqueeze(1) > -margins[row]).to(scores.dtype)
    counts = positive.sum(1)
    above = torch.zeros_like(margins).index_add_(0, row, positive)
    loss = ((counts * values).sum() + (above * margins).sum()) / scores.numel()
    if not gradient:
        return loss, None
    grad = torch.zeros_like(scores)
    grad[row, column] = counts.div_(scores.numel())
    return loss, grad.scatter_(1, targets, above.div_(-scores.numel()))


FORMS = {
    'builtin': with_autograd(multilabel_margin_loss),
    'autograd loop': with_autograd(hinge_loop),
    'autograd broadcast': with_autograd(hinge_broadcast),
    'compare loop': compare_loop,
    'compare loop in parts': compare_loop_in_parts,
    'ranks': ranks,
    'violators': violators,
}


def read(stream):
    header = stream.read(4)
    if len(header) < 4:
        sys.exit()
    return stream.read(struct.unpack('<I', header)[0])


def write(stream, payload):
    stream.write(struct.pack('<I', len(payload)))
    stream.write(payload)


class Inputs:
    """The inputs of a batch, as pairs of scores and targets: [N, K], or for the builtin, as it wants them, [N, C]."""

    def __init__(self, request, stream):
        rows, classes, width = request['rows'], request['classes'], request['width']
        self.narrow, self.padded = [], []
        for _ in range(request['inputs']):
            scores = torch.from_numpy(numpy.frombuffer(bytearray(read(stream)), request['dtype']).reshape(rows, classes))
            targets = torch.from_numpy(numpy.frombuffer(read(stream), 'int32').reshape(rows, width).astype('int64'))
            padded = torch.full((rows, classes), -1, dtype=torch.int64)
            padded[:, :width] = targets
            self.narrow.append((scores, targets))
            self.padded.append((scores, padded))
        self.next = 0
        self.pair_bytes = rows * classes * width * scores.element_size()

    def of(self, request):
        """The form of a request, and the inputs for it."""
        name, gradient = request['form'], request['gradient']
        # Autograd keeps the intermediates of all targets, a broadcast makes them at once.
        if (name.startswith('autograd') and gradient) or 'broadcast' in name:
            if 2 * self.pair_bytes > MOST_BYTES:
                raise MemoryError('too much memory')
        return FORMS[name], self.padded if name == 'builtin' else self.narrow

    def time(self, request):
        form, inputs = self.of(request)
        gradient = request['gradient']
        start = time.perf_counter()
        for _ in range(request['calls']):
            form(*inputs[self.next], gradient)
            self.next = (self.next + 1) % len(inputs)
        return (time.perf_counter() - start) * 1e3

    def result(self, request):
        form, inputs = self.of(request)
        return form(*inputs[0], request['gradient'])


def main():
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    write(sink, json.dumps({'version': torch.__version__, 'forms': list(FORMS)}).encode())
    inputs = None
    while True:
        sink.flush()
        request = json.loads(read(source))
        torch.set_num_threads(request.get('threads', 1))
        grad = None
        try:
            if request['op'] == 'load':
                inputs = None  # the memory of the last ones first
                inputs = Inputs(request, source)
                reply = {}
            elif request['op'] == 'time':
                reply = {'milliseconds': inputs.time(request)}
            else:
                loss, grad = inputs.result(request)
                reply = {'loss': loss.item()}
        except (MemoryError, RuntimeError) as error:
            reply = {'error': str(error)}
        write(sink, json.dumps(reply).encode())
        if grad is not None:
            write(sink, grad.contiguous().numpy().tobytes())


main()
