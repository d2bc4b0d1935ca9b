// The products of a linear layer: y = x weight^T + bias. Arrays are float32 and row-major:
// x [rows, inputs], weight [outputs, inputs], bias [outputs], y and dy [rows, outputs], dx as x, dweight as weight.
//
// Each element is computed in an order that does not depend on which others are: work may be split among threads and
// has the same bits.
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

// Rows, inputs or outputs, from one to before another.
struct Range {
  size_t begin = 0;
  size_t end = 0;

  size_t size() const { return end - begin; }
};

// Writes the columns `of_outputs` of y. `bias` may be null.
void LinearForward(const LinearShape& shape, Range of_outputs, const float* x, const float* weight, const float* bias,
                   float* y);

// True where neither weights nor x hold anything but finite numbers, by what LinearForward gave: a sum with an infinity
// or NaN in it, times whatever, is no finite number again. Products with zeros are zeros then, and are left out.
bool LinearIsFinite(const LinearShape& shape, const float* y);

// dx = dy weight, of some rows and columns of dx.
void LinearBackwardInput(const LinearShape& shape, Range of_rows, Range of_inputs, bool is_finite, const float* dy,
                         const float* weight, float* dx);

// Most labels violate no margin, and a loss gives them no gradient: such a row of dweight is not written. present[o]
// tells whether row o is there, or is all zero; see gradient.h.
void LinearPresent(const LinearShape& shape, bool is_finite, const float* dy, uint8_t* present);

// dweight = dy^T x, of some rows, where they are present, and columns of dweight.
void LinearBackwardWeight(const LinearShape& shape, Range of_outputs, Range of_inputs, bool is_finite, const float* dy,
                          const float* x, const uint8_t* present, float* dweight);

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_TRAINING_LINEAR_H_
