#ifndef MULTILABEL_MARGIN_LOSS_TRAINING_DROPOUT_H_
#define MULTILABEL_MARGIN_LOSS_TRAINING_DROPOUT_H_

#include <cstddef>
#include <cstdint>

namespace mlml {

// y[i] = x[i] / (1 - p) with a probability of 1 - p, else 0 x[i]; p in [0, 1].
//
// What is dropped follows from the seed and i alone, in integers: the same on every machine. There is no mask to keep,
// since the gradient is dx = Dropout(dy) of the same seed. `y` may be `x`.
// Formula: PyTorch, torch.nn.functional.dropout, in training.
void Dropout(const float* x, size_t size, double p, uint64_t seed, float* y);

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_DROPOUT_H_
