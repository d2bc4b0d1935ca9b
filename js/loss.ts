import { FORWARD_OPTIONS, type ForwardOptions, LossArguments } from './arguments.js';
import { differentiable, requiresGrad } from './autograd.js';
import type { AsyncBackend, Backend, LossOptions, Reduction } from './backend.js';
import type { DeviceTensor } from './device-tensor.js';
import type { FloatDType, TypedArray } from './dtypes.js';
import { describe, LossError } from './errors.js';
import { checkOptions } from './options.js';
import type { DTypeOf, GradOf, NoIntegers, Scores } from './scores.js';
import type { Shape } from './shapes.js';
import type { NoFloats, Targets } from './targets.js';
import { isTensor, storage, type Tensor, type TensorLike } from './tensor.js';
import { wasmBackend } from './wasm/backend.js';

/**
 * Options of {@link MultiLabelMarginLoss}, all of them optional. Without any, the loss is PyTorch's.
 *
 * @example
 * import { MultiLabelMarginLoss, type MultiLabelMarginLossOptions } from 'multilabel-margin-loss';
 *
 * const options: MultiLabelMarginLossOptions = { reduction: 'sum', margin: 0.5, nan: 'error' };
 * new MultiLabelMarginLoss(options).forward([[0.5, 0.25]], [[0]]).item(); // => 0.125
 */
export interface MultiLabelMarginLossOptions<B extends Backend | AsyncBackend = Backend | AsyncBackend> {
  /**
   * 'mean' averages the losses of the rows, 'sum' adds them, 'none' leaves them as they are.
   * @default 'mean'
   */
  reduction?: Reduction | undefined;
  /**
   * By how much a target must outscore every other class to add no loss. PyTorch has no such option: its margin is 1.
   * @default 1
   */
  margin?: number | undefined;
  /**
   * Whether the loss of a row is divided by its number of classes C, as in PyTorch, or by its number of targets.
   * @default 'classes'
   */
  normalization?: 'classes' | 'targets' | undefined;
  /**
   * 'ranked' adds, for each two targets of a row, max(0, margin - x[earlier] + x[later]): the first should rank highest.
   * @default 'ignored', as in PyTorch
   */
  targetOrder?: 'ignored' | 'ranked' | undefined;
  /**
   * What a NaN score does: 'ignore' leaves its pairs out of loss and gradient, as PyTorch does; 'propagate' makes the
   * loss and the gradient of its row NaN; 'error' throws ERR_NAN before anything is computed.
   * @default 'ignore'
   */
  nan?: 'ignore' | 'propagate' | 'error' | undefined;
  /**
   * Where the loss is computed: what `createThreadsBackend()` of `multilabel-margin-loss/threads` resolves to, or
   * `createWebGPUBackend()` or `createAutoBackend()` of `multilabel-margin-loss/webgpu`.
   * @default one thread
   */
  backend?: B | undefined;
}

/**
 * Options of {@link MultiLabelMarginLoss.valueAndGrad}.
 *
 * @example
 * import { MultiLabelMarginLoss, type ValueAndGradOptions, zeros } from 'multilabel-margin-loss';
 *
 * const options: ValueAndGradOptions<'float32'> = { grad: zeros(1, 4) };
 * const { grad } = new MultiLabelMarginLoss().valueAndGrad([[0.1, 0.2, 0.4, 0.8]], [[3, 0]], options);
 * grad === options.grad; // => true
 */
export interface ValueAndGradOptions<D extends FloatDType = FloatDType> extends ForwardOptions {
  /**
   * Where to write the gradient: a tensor of the shape and dtype of the scores, or anything with such `data` and `shape`.
   * To use one again and again is quicker than a new one for each batch. It may be the scores themselves.
   * @default a new tensor
   */
  grad?: ArrayAndShape<D> | undefined;
}

interface ArrayAndShape<D extends FloatDType> {
  readonly data: TypedArray<D>;
  readonly shape: Shape;
}

const VALUE_AND_GRAD_OPTIONS = ['grad', ...FORWARD_OPTIONS];

const CHOICES = {
  reduction: ['none', 'mean', 'sum'],
  normalization: ['classes', 'targets'],
  targetOrder: ['ignored', 'ranked'],
  nan: ['ignore', 'propagate', 'error'],
} as const;

/** The names of all options. */
export const OPTION_NAMES: readonly string[] = ['margin', ...Object.keys(CHOICES), 'backend'];

/**
 * The multi-label margin loss: a hinge loss between every target and every other class of a row.
 *
 * For a row x of C scores and targets y, with Y the entries of y before its first -1:
 *
 *     loss(x, y) = 1/C * sum over k in Y, over j not in Y, of max(0, margin - x[k] + x[j])
 *
 * The formula, and every default, is that of `torch.nn.MultiLabelMarginLoss` of PyTorch.
 *
 * Shapes: scores [N, C] or [C]; targets [N, K] or [K], class indices padded at the end of each row with -1, of any width
 * K (PyTorch wants K = C). The loss has shape [] for 'mean' and 'sum' and for scores [C], and [N] for 'none'.
 *
 * Rounding: gradients are exact counts times one factor, so a float32 gradient is within two roundings (1.2e-7 relative) of
 * the float64 one. A float32 loss is within 2.1e-7 relative of the exact sum of its pairs as float32 compares them, with
 * the thresholds `x[k] - margin` rounded to float32, as in PyTorch. For x = [-0.3, -1.2999] and y = [0], that sum differs
 * from the one in real arithmetic by 6e-4 of its value: two numbers close to each other are subtracted. A float32 loss
 * without its gradient is summed in float32 in part: it is proven to be within 3.6e-7. The largest error measured is 1e-7
 * for random scores, and 2.3e-7 for rows that repeat a few scores, in a search for such errors.
 *
 * @example
 * import { MultiLabelMarginLoss, tensor } from 'multilabel-margin-loss';
 *
 * const lossFn = new MultiLabelMarginLoss();
 * const scores = tensor([[0.1, 0.2, 0.4, 0.8]], { requires_grad: true });
 * const loss = lossFn.forward(scores, [[3, 0, -1, 1]]);
 * loss.item(); // => 0.85
 * loss.backward();
 * scores.grad?.tolist(); // => [[-0.5, 0.5, 0.5, -0.5]]
 */
export class MultiLabelMarginLoss {
  /** The options given, with the defaults filled in. */
  readonly options: Readonly<LossOptions>;
  readonly #backend: Backend | AsyncBackend | undefined;

  /**
   * @param options each has PyTorch's behaviour for its default
   * @throws LossError ERR_OPTION for an unknown option or value
   * @example
   * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
   *
   * new MultiLabelMarginLoss({ reduction: 'none' }).options.margin; // => 1
   */
  constructor(options: MultiLabelMarginLossOptions = {}) {
    const {
      reduction = 'mean',
      margin = 1,
      normalization = 'classes',
      targetOrder = 'ignored',
      nan = 'ignore',
      backend,
    } = checkOptions(options, OPTION_NAMES, 'MultiLabelMarginLoss');
    if (typeof margin !== 'number' || !Number.isFinite(margin)) {
      throw new LossError('ERR_OPTION', `margin must be a finite number, got ${describe(margin)}`);
    }
    const chosen = { reduction, normalization, targetOrder, nan };
    for (const [key, choices] of Object.entries(CHOICES)) {
      const value: unknown = chosen[key as keyof typeof CHOICES];
      if (!(choices as readonly unknown[]).includes(value)) {
        const wanted = choices.map((choice) => `'${choice}'`).join(', ');
        throw new LossError('ERR_OPTION', `${key} must be one of ${wanted}, got ${describe(value)}`);
      }
    }
    const { compute, computeAsync } = (backend ?? {}) as Partial<Backend & AsyncBackend>;
    if (backend !== undefined && typeof compute !== 'function' && typeof computeAsync !== 'function') {
      throw new LossError(
        'ERR_OPTION',
        `backend must be what createThreadsBackend(), createWebGPUBackend() or createAutoBackend() resolves to, got ${describe(backend)}`,
      );
    }
    this.options = Object.freeze({ ...chosen, margin });
    this.#backend = backend;
  }

  /**
   * The loss. Where the scores are a tensor with `requires_grad`, the gradient is computed in the same pass and kept
   * until `backward()` of the loss.
   *
   * @param scores float32 or float64, [N, C], [C] or []
   * @param targets int32 or int64, [N, K], [K] or []; each in [-1, C), also after the first -1 of a row
   * @param options `sampleWeight` and `unknown`: see {@link ForwardOptions}
   * @returns of the dtype of the scores; [N] for reduction 'none' of scores [N, C], else []
   * @throws LossError ERR_SHAPE, ERR_DTYPE, ERR_TARGET_RANGE, ERR_NAN, ERR_OUT_OF_MEMORY, ERR_BACKEND_UNAVAILABLE;
   * ERR_DISPOSED where the option `backend` was disposed
   * @example
   * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
   *
   * const lossFn = new MultiLabelMarginLoss({ reduction: 'none' });
   * lossFn.forward([[0.1, 0.2, 0.4, 0.8], [0.5, 0.1, 0.2, 0.3]], [[3, 0], [1]]).tolist(); // => [0.85, 0.925]
   */
  forward<S extends Scores, T extends Targets>(
    scores: S & NoIntegers<S>,
    targets: T & NoFloats<T>,
    options?: ForwardOptions,
  ): Tensor<DTypeOf<S>> {
    const given = checkOptions(options, FORWARD_OPTIONS, 'forward()');
    const { loss, grad } = this.#compute(scores, targets, requiresGrad(scores), given, 'forwardAsync()');
    return differentiable(loss, scores, grad) as Tensor<DTypeOf<S>>;
  }

  /**
   * Does what {@link forward} does, in a promise: the form that every backend has. Scores and targets must be left as they
   * are until it is settled.
   *
   * @param scores as for {@link forward}; or in a GPU's memory, where a WebGPU backend reads them
   * @param targets as for forward; or in a GPU's memory
   * @param options `sampleWeight` and `unknown`: see {@link ForwardOptions}
   * @returns a promise of what forward returns
   * @throws (rejects with) LossError as forward throws
   * @example
   * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
   *
   * const loss = await new MultiLabelMarginLoss().forwardAsync([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
   * loss.item(); // => 0.85
   */
  async forwardAsync<S extends Scores | DeviceTensor, T extends Targets | DeviceTensor>(
    scores: S & NoIntegers<S>,
    targets: T & NoFloats<T>,
    options?: ForwardOptions,
  ): Promise<Tensor<DTypeOf<S>>> {
    const given = checkOptions(options, FORWARD_OPTIONS, 'forwardAsync()');
    const { loss, grad } = await this.#computeAsync(scores, targets, requiresGrad(scores), given);
    return differentiable(loss, scores, grad) as Tensor<DTypeOf<S>>;
  }

  /**
   * The loss and its gradient with respect to the scores, in one pass. For reduction 'none', each row of the gradient is
   * that of its own loss.
   *
   * @param scores as for {@link forward}
   * @param targets as for {@link forward}
   * @param options `grad`: where to write the gradient; `sampleWeight` and `unknown`: see {@link ForwardOptions}
   * @returns `loss` as of forward; `grad` of the shape and dtype of the scores: the tensor given as the option, if one was
   * @throws LossError as forward does; ERR_SHAPE or ERR_DTYPE for a `grad` that does not fit
   * @example
   * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
   *
   * const scores = { data: Float32Array.of(0.1, 0.2, 0.4, 0.8), shape: [1, 4] };
   * const { loss, grad } = new MultiLabelMarginLoss().valueAndGrad(scores, [[3, 0]]);
   * loss.item(); // => 0.85
   * grad.data; // => [-0.5, 0.5, 0.5, -0.5]
   */
  valueAndGrad<S extends Scores, T extends Targets>(
    scores: S & NoIntegers<S>,
    targets: T & NoFloats<T>,
    options?: ValueAndGradOptions<DTypeOf<S>>,
  ): { loss: Tensor<DTypeOf<S>>; grad: Tensor<DTypeOf<S>> } {
    const given = checkOptions(options, VALUE_AND_GRAD_OPTIONS, 'valueAndGrad()');
    return this.#compute(scores, targets, true, given, 'valueAndGradAsync()') as {
      loss: Tensor<DTypeOf<S>>;
      grad: Tensor<DTypeOf<S>>;
    };
  }

  /**
   * Does what {@link valueAndGrad} does, in a promise: the form that every backend has. Scores, targets and `grad` must be
   * left as they are until it is settled.
   *
   * @param scores as for {@link forwardAsync}
   * @param targets as for forwardAsync
   * @param options `grad`: where to write the gradient, in memory or, with a WebGPU backend, on the GPU; `sampleWeight` and
   * `unknown`: see {@link ForwardOptions}
   * @returns a promise of `loss`, as of forward, and of `grad`, of the shape and dtype of the scores: the tensor given as
   * the option, if one was; else a new one where the scores are, in an array, or in a GPUBuffer, which is the caller's to
   * destroy
   * @throws (rejects with) LossError as valueAndGrad throws; ERR_DTYPE for tensors on a GPU without a WebGPU backend
   * @example
   * import { MultiLabelMarginLoss } from 'multilabel-margin-loss';
   *
   * const { loss, grad } = await new MultiLabelMarginLoss().valueAndGradAsync([[0.1, 0.2, 0.4, 0.8]], [[3, 0]]);
   * loss.item(); // => 0.85
   * grad.tolist(); // => [[-0.5, 0.5, 0.5, -0.5]]
   */
  async valueAndGradAsync<
    S extends Scores | DeviceTensor,
    T extends Targets | DeviceTensor,
    G extends ArrayAndShape<DTypeOf<S>> | DeviceTensor | undefined = undefined,
  >(
    scores: S & NoIntegers<S>,
    targets: T & NoFloats<T>,
    options: ForwardOptions & {
      /** Where to write the gradient: of the shape and dtype of the scores. */
      grad?: G | undefined;
    } = {},
  ): Promise<{
    /** In memory, of the shape that forward gives. */
    loss: Tensor<DTypeOf<S>>;
    /** The gradient, with the shape and dtype of the scores. */
    grad: GradOf<S, G>;
  }> {
    const given = checkOptions(options, VALUE_AND_GRAD_OPTIONS, 'valueAndGradAsync()');
    return (await this.#computeAsync(scores, targets, true, given)) as {
      loss: Tensor<DTypeOf<S>>;
      grad: GradOf<S, G>;
    };
  }

  #compute(
    scores: Scores,
    targets: Targets,
    withGradient: boolean,
    options: ForwardOptions & { grad?: TensorLike | undefined },
    asyncForm: string,
  ): { loss: Tensor<FloatDType>; grad: Tensor<FloatDType> | null } {
    const backend = this.#backend ?? backendOf(scores) ?? wasmBackend();
    if (!('compute' in backend)) {
      throw new LossError(
        'ERR_BACKEND_UNAVAILABLE',
        `the ${backend.name} backend cannot give a result at once: use ${asyncForm}, and await it`,
      );
    }
    const call = new LossArguments(scores, targets, options);
    return call.result(
      this.options,
      backend.compute(call.inMemory(), this.options, withGradient, call.intoMemory()),
    ) as {
      loss: Tensor<FloatDType>;
      grad: Tensor<FloatDType> | null;
    };
  }

  async #computeAsync(
    scores: Scores | DeviceTensor,
    targets: Targets | DeviceTensor,
    withGradient: boolean,
    given: ForwardOptions & { grad?: TensorLike | DeviceTensor | undefined },
  ): Promise<{ loss: Tensor<FloatDType>; grad: Tensor<FloatDType> | DeviceTensor | null }> {
    const backend = this.#backend ?? backendOf(scores) ?? wasmBackend();
    const call = new LossArguments(scores, targets, given);
    const { options } = this;
    return call.result(
      options,
      'computeAsync' in backend
        ? await backend.computeAsync(call.batch, options, withGradient, call.into)
        : backend.compute(call.inMemory(), options, withGradient, call.intoMemory()),
    );
  }
}

/** Where scores are that are in the memory of a backend. */
function backendOf(scores: unknown): Backend | undefined {
  return isTensor(scores) ? (scores[storage]?.backend as Backend | undefined) : undefined;
}
