// Steps of the optimizers of torch.optim in PyTorch 1.13, in its order of operations: hyperparameters are combined in
// double and then rounded to float32. `parameter` and the state are arrays of the gradient's size; `step` counts
// from 1.
//
// A row without a gradient is skipped only where the step would change nothing: in SGD without momentum and weight
// decay, and in Adagrad without weight decay whose eps is above 0 (0 / 0 is NaN).
#ifndef MULTILABEL_MARGIN_LOSS_TRAINING_OPTIMIZERS_H_
#define MULTILABEL_MARGIN_LOSS_TRAINING_OPTIMIZERS_H_

#include "training/gradient.h"

namespace mlml {

struct SgdOptions {
  double lr = 0;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
};

// `momentum` is the buffer of that name, null where the option is 0. The first step that has one fills it.
void SgdStep(const Gradient& gradient, const SgdOptions& options, bool is_first, float* parameter, float* momentum);

struct AdamOptions {
  double lr = 0;
  double beta1 = 0;
  double beta2 = 0;
  double eps = 0;
  double weight_decay = 0;
  bool decoupled = false;  // AdamW's weight decay
};

void AdamStep(const Gradient& gradient, const AdamOptions& options, uint32_t step, float* parameter, float* exp_avg,
              float* exp_avg_sq);

struct AdagradOptions {
  double lr = 0;
  double lr_decay = 0;
  double eps = 0;
  double weight_decay = 0;
};

// The learning rate of a step: lr / (1 + (step - 1) lr_decay).
double AdagradRate(const AdagradOptions& options, uint32_t step);

void AdagradStep(const Gradient& gradient, const AdagradOptions& options, uint32_t step, float* parameter, float* sum);

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_OPTIMIZERS_H_
