"""Times the jobs of jobs.ts in PyTorch, for pytorch.ts.

    pytorch.py THREADS FOLDER

FOLDER holds the arrays of the job, little-endian, and job.json. A line of JSON on standard input, a line in return:

    {"steps": 10}               -> {"milliseconds"} of so many steps over the batch of the job
    {"begin": 0, "end": 6400}   -> {"milliseconds"} of training on these documents of WordNet, in batches

In PyTorch's favour: batches are made before the timing; EmbeddingBag has sparse gradients; OpenBLAS has the kernels of the
machine; freed memory is kept (../python.ts).
"""

import json
import os
import sys
import time

threads, folder = int(sys.argv[1]), sys.argv[2]


def choose_kernels():
    """OpenBLAS takes a processor that it does not know for one with SSE3: 0.3.21 had 10 instead of 50 GFLOP/s on such."""
    with open('/proc/cpuinfo', encoding='utf8') as file:
        flags = next((line.split() for line in file if line.startswith('flags')), [])
    for flag, kernels in (('avx512bw', 'SkylakeX'), ('avx2', 'Haswell')):
        if flag in flags:
            os.environ.setdefault('OPENBLAS_CORETYPE', kernels)


choose_kernels()
os.environ['OPENBLAS_NUM_THREADS'] = str(threads)

import numpy
import torch
from torch import nn

torch.set_num_threads(threads)


def check_blas():
    """Debian installs PyTorch with the reference BLAS, whose products take ten times as long as those of any other."""
    with open('/proc/self/maps', encoding='utf8') as file:
        libraries = file.read()
    if not torch.backends.mkl.is_available() and not any(name in libraries for name in ('/libopenblas', '/libblis')):
        sys.exit('it has no fast BLAS: install libopenblas0-pthread')


check_blas()
with open(os.path.join(folder, 'job.json'), encoding='utf8') as file:
    job = json.load(file)


def array(name, dtype):
    return numpy.fromfile(os.path.join(folder, name), dtype)


def padded(rows, labels):
    """Targets [N, C], as PyTorch wants them."""
    targets = torch.full((len(rows), labels), -1, dtype=torch.int64)
    for i, row in enumerate(rows):
        targets[i, : len(row)] = torch.from_numpy(row.astype('int64'))
    return targets


def step_job():
    sizes = job['sizes']
    layers = []
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        linear = nn.Linear(inputs, outputs)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(array(f'weight{i}', '<f4').reshape(outputs, inputs)))
            linear.bias.zero_()
        layers += [nn.ReLU(), linear] if i else [linear]
    model = nn.Sequential(*layers)
    optimizer = getattr(torch.optim, job['optimizer'])(model.parameters(), lr=job['lr'])
    x = torch.from_numpy(array('x', '<f4').reshape(job['rows'], sizes[0]))
    targets = padded(array('targets', '<i4').reshape(job['rows'], -1), sizes[-1])
    loss_fn = nn.MultiLabelMarginLoss()

    def run(request):
        start = time.perf_counter()
        for _ in range(request['steps']):
            optimizer.zero_grad(set_to_none=True)
            loss_fn(model(x), targets).backward()
            optimizer.step()
        return time.perf_counter() - start

    return run


def wordnet_job():
    labels = job['labels']
    offsets, indices, values = array('offsets', '<i4'), array('indices', '<i4'), array('values', '<f4')
    label_offsets, label_indices = array('labelOffsets', '<i4'), array('labelIndices', '<i4')
    bags = nn.EmbeddingBag(job['terms'], labels, mode='sum', sparse=True)
    nn.init.zeros_(bags.weight)
    bias = nn.Parameter(torch.zeros(labels))
    optimizer = torch.optim.Adagrad([bags.weight, bias], lr=1, initial_accumulator_value=0.01)
    loss_fn = nn.MultiLabelMarginLoss(reduction='sum')

    def batch(begin, end):
        part = slice(offsets[begin], offsets[end])
        rows = [label_indices[label_offsets[row] : label_offsets[row + 1]] for row in range(begin, end)]
        return (
            torch.from_numpy(indices[part].astype('int64')),
            torch.from_numpy((offsets[begin:end] - offsets[begin]).astype('int64')),
            torch.from_numpy(values[part]),
            padded(rows, labels),
        )

    def run(request):
        seconds = 0
        for begin in range(request['begin'], request['end'], job['batch']):
            terms, starts, weights, targets = batch(begin, min(request['end'], begin + job['batch']))
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            loss_fn(bags(terms, starts, per_sample_weights=weights) + bias, targets).backward()
            optimizer.step()
            seconds += time.perf_counter() - start
        return seconds

    return run


run = wordnet_job() if job['key'] == 'wordnet' else step_job()
print(json.dumps({'version': torch.__version__}), flush=True)
for line in sys.stdin:
    print(json.dumps({'milliseconds': run(json.loads(line)) * 1e3}), flush=True)
