// Assertions about types, for every compiler that consumers.test.ts lists. Nothing here runs.

import {
  type ArrayTypes,
  fromMultiHot,
  MultiLabelMarginLoss,
  nn,
  randn,
  type Tensor,
  tensor,
  type TensorOptions,
  zeros,
} from 'multilabel-margin-loss';
import { Evaluator } from 'multilabel-margin-loss/evaluate';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(equal: Equal<A, B>): void;

const lossFn = new MultiLabelMarginLoss({ reduction: 'none' });
const scores = zeros(2, 3);
const { loss, grad } = lossFn.valueAndGrad(scores, [[0], [1]], { grad: zeros(2, 3) });
same<typeof loss.dtype, 'float32'>(true);
same<typeof grad.dtype, 'float32'>(true);
same<ReturnType<typeof loss.item>, number>(true);
const targets = tensor([[0], [1]], { dtype: 'int64' });
same<ReturnType<typeof targets.item>, bigint>(true);

// The dtype of a tensor is that of its typed array, unless another one is asked for.
const wrapped = tensor(new Float32Array(6), { shape: [2, 3], requires_grad: true });
same<typeof wrapped, Tensor<'float32'>>(true);
const wrappedLoss = lossFn.forward(wrapped, targets);
same<typeof wrappedLoss, Tensor<'float32'>>(true);
same<ReturnType<typeof wrappedLoss.item>, number>(true);
const float64 = tensor(new Float64Array(6), { shape: [2, 3] });
same<typeof float64, Tensor<'float64'>>(true);
const int64 = tensor(new BigInt64Array(2));
same<typeof int64, Tensor<'int64'>>(true);
const converted = tensor(new Float64Array(2), { dtype: 'float32' });
same<typeof converted, Tensor<'float32'>>(true);
const fromBytes = tensor(new Uint8Array(2), { dtype: 'int32', shape: [1, 2] });
same<typeof fromBytes, Tensor<'int32'>>(true);
declare const eitherKind: Float32Array | Uint16Array;
const fromEitherKind = tensor(eitherKind, { dtype: 'float64', requires_grad: true });
same<typeof fromEitherKind, Tensor<'float64'>>(true);
const nested = tensor([[1, 2], new Float64Array(2)], { requires_grad: true });
same<typeof nested, Tensor<'float32'>>(true);
const nested64 = tensor([[1, 2]], { dtype: 'float64', requires_grad: true });
same<typeof nested64, Tensor<'float64'>>(true);
declare const either: Float32Array | Float64Array;
const ofEither = tensor(either, { shape: [1, 3] });
same<typeof ofEither.dtype, 'float32' | 'float64'>(true);
lossFn.forward(ofEither, [[0]]);
same<ReturnType<typeof wrapped.clone>, Tensor<'float32'>>(true);
same<ReturnType<typeof wrapped.detach>, Tensor<'float32'>>(true);

// Arrays over memory of any kind are taken, whether the compiler tells the kinds apart or not.
declare const anyMemory: Float32Array;
lossFn.valueAndGrad(tensor(anyMemory), [0], { grad: { data: anyMemory, shape: [3] } });
lossFn.forward({ data: anyMemory, shape: [1, 3] }, [[0]], { sampleWeight: anyMemory });
lossFn.forward([anyMemory], [[0]]);
tensor(new Float32Array(new SharedArrayBuffer(8)));

// backward() takes a gradient, options, or both.
wrappedLoss.backward();
wrappedLoss.backward(new Float32Array(2));
wrappedLoss.backward(new Float64Array(2), { retain_graph: true });
wrappedLoss.backward([1, 0], { retain_graph: undefined });
wrappedLoss.backward({ retain_graph: true });
wrappedLoss.backward(undefined, { retain_graph: true });
wrappedLoss.backward({ data: anyMemory, shape: [2] });
wrappedLoss.backward(loss);

// Arrays of tensors go where browsers want an ArrayBuffer.
const gradient = wrapped.grad!;
const source: BufferSource = gradient.data;
new Blob([source, gradient.data, loss.data, targets.data]);
new Response(gradient.data);
same<typeof gradient.data, ArrayTypes['float32']>(true);

// exactOptionalPropertyTypes: an option that is undefined is one that is not given.
new MultiLabelMarginLoss({ reduction: undefined, margin: undefined, nan: undefined, backend: undefined });
declare const chosen: { reduction: 'sum' | undefined };
new MultiLabelMarginLoss(chosen);
nn.functional.multilabel_margin_loss(scores, targets, { ...chosen, sampleWeight: undefined, unknown: undefined });
const options: TensorOptions = { dtype: undefined, requires_grad: undefined };
zeros([2], options);
tensor([1], { ...options, shape: undefined });
fromMultiHot([[1, 0]], { shape: undefined });
new Evaluator({ k: undefined, loss: undefined, nonFinite: undefined });
new Evaluator().update(scores, targets, { rowIds: undefined, sampleWeight: undefined, unknown: [[1], []] });

// @ts-expect-error: no such reduction
new MultiLabelMarginLoss({ reduction: 'max' });
// @ts-expect-error: no such option
new MultiLabelMarginLoss({ marign: 1 });
// @ts-expect-error: targets are missing
lossFn.forward(scores);

// What always fails does not compile: targets that are floating-point,
// @ts-expect-error: as a tensor
lossFn.forward(scores, zeros(2, 3));
// @ts-expect-error: as { data, shape }
void lossFn.forwardAsync(scores, { data: new Float64Array(2), shape: [2, 1] });
// @ts-expect-error: as an array
lossFn.valueAndGrad(scores, new Float32Array(2));
// @ts-expect-error: as rows
void lossFn.valueAndGradAsync(scores, [new Float32Array(2), new Float32Array(2)]);
// @ts-expect-error: in the functional form
nn.functional.multilabel_margin_loss(scores, zeros(2, 3));
// @ts-expect-error: unknown classes too
lossFn.forward(scores, targets, { unknown: new Float32Array(2) });
// @ts-expect-error: or booleans, which fromMultiHot() takes
lossFn.forward(scores, [[true, false], [false, true]]); // prettier-ignore

// nested arrays of three dimensions,
// @ts-expect-error: as scores
lossFn.forward([[[1, 2]]], [[0]]);
// @ts-expect-error: with rows of typed arrays
lossFn.forward([[new Float32Array(2)]], [[0]]);
// @ts-expect-error: as targets
lossFn.forward([[1, 2]], [[[0]]]);

// a gradient that cannot be written to,
// @ts-expect-error: float64 for scores of float32
lossFn.valueAndGrad(scores, targets, { grad: zeros([2, 3], { dtype: 'float64' }) });
// @ts-expect-error: float64 for nested arrays
lossFn.valueAndGrad([[1, 2]], [[0]], { grad: { data: new Float64Array(2), shape: [1, 2] } });
// @ts-expect-error: float32 for scores of float64
void lossFn.valueAndGradAsync(zeros([2, 3], { dtype: 'float64' }), targets, { grad: zeros(2, 3) });
// @ts-expect-error: nested arrays
lossFn.valueAndGrad([[1, 2]], [[0]], { grad: [[0, 0]] });
// @ts-expect-error: as the grad of a tensor
wrapped.grad = [[1, 2, 3], [1, 2, 3]]; // prettier-ignore
// @ts-expect-error: of another dtype
wrapped.grad = zeros([2, 3], { dtype: 'float64' });

// integers that require a gradient,
// @ts-expect-error: by dtype
tensor([1], { dtype: 'int32', requires_grad: true });
// @ts-expect-error: by the dtype of bytes
tensor(new Uint8Array(2), { dtype: 'int32', requires_grad: true });
// @ts-expect-error: by array
tensor(new BigInt64Array(2), { requires_grad: true });
// @ts-expect-error: as zeros
zeros([2], { dtype: 'int64', requires_grad: true });
// @ts-expect-error: at random
randn([2], { dtype: 'int32' });

// and integers where floating-point numbers are needed.
// @ts-expect-error: as scores
lossFn.forward(new Int32Array(2), [0]);
// @ts-expect-error: as a tensor of scores
lossFn.forward(tensor([[1]], { dtype: 'int32' }), [[0]]);
// @ts-expect-error: as weights
lossFn.forward(scores, targets, { sampleWeight: Int32Array.of(1, 1) });
// @ts-expect-error: as the gradient of backward()
wrappedLoss.backward(new Int32Array(2));
// @ts-expect-error: as a tensor of it
wrappedLoss.backward(tensor([1, 1], { dtype: 'int64' }));
// @ts-expect-error: of a type that no tensor has
tensor(new Uint8Array(2));
