// The products of a linear layer: y = x weight^T + bias. Arrays are float32 and row-major:
// x [rows, inputs], weight [outputs, inputs], bias [outputs], y and dy [rows, outputs], dx as x, dweight as weight.
//
// An output is computed in an order that does not depend on which others are: outputs may be split among threads and
// have the same bits.
#ifndef MULTILABEL_MARGIN_LOSS_TRAINING_LINEAR_H_
#define MULTILABEL_MARGIN_LOSS_TRAINING_LINEAR_H_

#include <cstddef>
#include <cstdint>

namespace mlml {

struct LinearShape {
  size_t rows = 0;
  size_t inputs = 0;
  size_t outputs = 0;
};

// `bias` may be null.
void LinearForward(const LinearShape& shape, const float* x, const float* weight, const float* bias, float* y);

// dx = dy weight. `y` is what LinearForward gave: it proves where weights are finite, see linear.cc.
void LinearBackwardInput(const LinearShape& shape, const float* dy, const float* y, const float* weight, float* dx);

// dweight = dy^T x. Most labels violate no margin, and a loss gives them no gradient: a row of dweight without any is
// not written. present[o] tells whether row o is there, or is all zero; see gradient.h.
void LinearBackwardWeight(const LinearShape& shape, const float* dy, const float* y, const float* x, float* dweight,
                          uint8_t* present);

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_LINEAR_H_
