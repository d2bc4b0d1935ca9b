// Assertions about the types of models, for every compiler that consumers.test.ts lists. Nothing here runs.

import * as torch from 'multilabel-margin-loss';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function same<A, B>(equal: Equal<A, B>): void;

class Tagger extends torch.nn.Module {
  terms = new torch.nn.EmbeddingBag(18699, 2342, { mode: 'sum' });
  bias = new torch.nn.Parameter(torch.zeros(2342));
  forward(terms: torch.Tensor<'int32'>, offsets: torch.Tensor<'int32'>, weights: torch.Tensor): torch.Tensor {
    return torch.add(this.terms.forward(terms, offsets, weights), this.bias);
  }
}
const model = new Tagger();
const optimizer = new torch.optim.Adagrad(model.parameters(), { lr: 1, initial_accumulator_value: 0.01 });
optimizer.param_groups[0].lr = 0.1;
const [name, parameter] = model.named_parameters()[0]!;
same<typeof name, string>(true);
same<typeof parameter, torch.nn.Parameter>(true);
same<typeof parameter.data, torch.ArrayTypes['float32']>(true);
new Blob([parameter.data, parameter.clone().data, parameter.grad!.data]);
same<ReturnType<typeof parameter.clone>, torch.Tensor<'float32'>>(true);
new torch.optim.Adam(model.parameters(), { lr: undefined, betas: undefined });
new torch.nn.Linear(3, 2, { bias: undefined });
const loss = new torch.nn.MultiLabelMarginLoss().forward(new torch.nn.Linear(3, 2).forward(torch.randn([1, 3])), [[0]]);
same<typeof loss.dtype, 'float32'>(true);
const scores = torch.no_grad(() => torch.relu(torch.randn([1, 3])));
same<typeof scores, torch.Tensor<'float32'>>(true);
new torch.nn.Sequential(new torch.nn.Linear(3, 2), new torch.nn.ReLU()).eval().state_dict();
model.load_state_dict(torch.loadSafetensors(torch.saveSafetensors(model.state_dict())).tensors);

// @ts-expect-error -- the mode must be given
new torch.nn.EmbeddingBag(3, 2);
// @ts-expect-error -- 'mean' is not here
new torch.nn.EmbeddingBag(3, 2, { mode: 'mean' });
// @ts-expect-error -- lr must be given
new torch.optim.SGD(model.parameters(), {});
// @ts-expect-error -- a Tagger takes three tensors: it is no layer of a Sequential
new torch.nn.Sequential(new Tagger());
// @ts-expect-error -- parameters, not the model
new torch.optim.Adam(model);
// @ts-expect-error -- Module is abstract
new torch.nn.Module();
