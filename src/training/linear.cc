#include "training/linear.h"

#include <algorithm>

#include "training/outer_products.h"
#include "training/vectors.h"

namespace mlml {
namespace {

// Number of inputs that are summed at a time: those of a tile's rows stay in the first-level cache.
constexpr size_t kDepth = 1024;
constexpr size_t kBlockRows = 64;
constexpr size_t kTileRows = 2;
constexpr size_t kTileOutputs = 4;

using Tag = hn::ScalableTag<float>;

// The sums of x[r, k] weight[o, k] over `depth` inputs from one address on, added to `y` [kRows, kOutputs]. Each takes
// the same steps in a tile of any size: it has the same bits in all of them.
template <size_t kRows, size_t kOutputs>
void AddTile(const float* x, const float* weight, size_t stride, size_t depth, float* y, size_t y_stride) {
  static_assert(kRows <= 2 && kOutputs <= 4);
  const Tag d;
  constexpr size_t L = kLanes<float>;
  const auto row = [&](size_t r) { return x + (r < kRows ? r : 0) * stride; };
  const auto output = [&](size_t o) { return weight + (o < kOutputs ? o : 0) * stride; };
  const float* x0 = row(0);
  const float* x1 = row(1);
  const float* w0 = output(0);
  const float* w1 = output(1);
  const float* w2 = output(2);
  const float* w3 = output(3);
  auto s00 = hn::Zero(d), s01 = s00, s02 = s00, s03 = s00;
  auto s10 = s00, s11 = s00, s12 = s00, s13 = s00;
  size_t k = 0;
  for (; k + L <= depth; k += L) {
    const auto a0 = hn::LoadU(d, x0 + k);
    const auto a1 = hn::LoadU(d, x1 + k);
    const auto add = [&](const float* w, auto& s0, [[maybe_unused]] auto& s1) {
      const auto b = hn::LoadU(d, w + k);
      s0 = hn::MulAdd(a0, b, s0);
      if constexpr (kRows > 1) s1 = hn::MulAdd(a1, b, s1);
    };
    add(w0, s00, s10);
    if constexpr (kOutputs > 1) add(w1, s01, s11);
    if constexpr (kOutputs > 2) add(w2, s02, s12);
    if constexpr (kOutputs > 3) add(w3, s03, s13);
  }
  const auto finish = [&](auto lanes, size_t r, size_t o) {
    if (r >= kRows || o >= kOutputs) return;
    float sum = hn::GetLane(hn::SumOfLanes(d, lanes));
    for (size_t i = k; i < depth; ++i) sum += x[r * stride + i] * weight[o * stride + i];
    y[r * y_stride + o] += sum;
  };
  finish(s00, 0, 0);
  finish(s01, 0, 1);
  finish(s02, 0, 2);
  finish(s03, 0, 3);
  finish(s10, 1, 0);
  finish(s11, 1, 1);
  finish(s12, 1, 2);
  finish(s13, 1, 3);
}

// Adds the sums of kOutputs outputs to those columns of y.
template <size_t kOutputs>
void AddOutputs(const LinearShape& shape, const float* x, const float* weight, float* y) {
  const auto [rows, inputs, outputs] = shape;
  for (size_t k = 0; k < inputs; k += kDepth) {
    const size_t depth = std::min(kDepth, inputs - k);
    size_t n = 0;
    for (; n + kTileRows <= rows; n += kTileRows) {
      AddTile<kTileRows, kOutputs>(x + n * inputs + k, weight + k, inputs, depth, y + n * outputs, outputs);
    }
    if (n < rows) AddTile<1, kOutputs>(x + n * inputs + k, weight + k, inputs, depth, y + n * outputs, outputs);
  }
}

}  // namespace

void LinearForward(const LinearShape& shape, Range of_outputs, const float* x, const float* weight, const float* bias,
                   float* y) {
  const auto [rows, inputs, outputs] = shape;
  for (size_t n = 0; n < rows; ++n) {
    float* to = y + n * outputs + of_outputs.begin;
    if (bias == nullptr) {
      std::fill_n(to, of_outputs.size(), 0.0F);
    } else {
      std::copy_n(bias + of_outputs.begin, of_outputs.size(), to);
    }
  }
  // Weights are read once for each block of rows, in order; the rows stay in the second-level cache.
  for (size_t n = 0; n < rows; n += kBlockRows) {
    const LinearShape block = {std::min(kBlockRows, rows - n), inputs, outputs};
    const float* block_x = x + n * inputs;
    float* block_y = y + n * outputs;
    size_t o = of_outputs.begin;
    for (; o + kTileOutputs <= of_outputs.end; o += kTileOutputs) {
      AddOutputs<kTileOutputs>(block, block_x, weight + o * inputs, block_y + o);
    }
    for (; o < of_outputs.end; ++o) AddOutputs<1>(block, block_x, weight + o * inputs, block_y + o);
  }
}

bool LinearIsFinite(const LinearShape& shape, const float* y) {
  const Tag d;
  const size_t size = shape.rows * shape.outputs;
  auto product = hn::Zero(d);
  size_t i = 0;
  for (; i + kLanes<float> <= size; i += kLanes<float>) product = hn::MulAdd(hn::LoadU(d, y + i), hn::Zero(d), product);
  float rest = hn::GetLane(hn::SumOfLanes(d, product));
  for (; i < size; ++i) rest += y[i] * 0.0F;
  return rest == 0;
}

void LinearBackwardInput(const LinearShape& shape, Range of_rows, Range of_inputs, bool is_finite, const float* dy,
                         const float* weight, float* dx) {
  const auto [rows, inputs, outputs] = shape;
  SumOuterProducts({.values = dy + of_rows.begin * outputs, .stride = outputs, .step = 1}, nullptr, of_rows.size(),
                   outputs, is_finite, weight + of_inputs.begin, inputs, of_inputs.size(),
                   dx + of_rows.begin * inputs + of_inputs.begin);
}

void LinearPresent(const LinearShape& shape, bool is_finite, const float* dy, uint8_t* present) {
  const auto [rows, inputs, outputs] = shape;
  // A dense gradient ends the search of an output at its first row.
  for (size_t o = 0; o < outputs; ++o) {
    bool is_present = !is_finite;
    for (size_t n = 0; n < rows; ++n) is_present = is_present || dy[n * outputs + o] != 0;
    present[o] = is_present ? 1 : 0;
  }
}

void LinearBackwardWeight(const LinearShape& shape, Range of_outputs, Range of_inputs, bool is_finite, const float* dy,
                          const float* x, const uint8_t* present, float* dweight) {
  const auto [rows, inputs, outputs] = shape;
  SumOuterProducts({.values = dy + of_outputs.begin, .stride = 1, .step = outputs}, present + of_outputs.begin,
                   of_outputs.size(), rows, is_finite, x + of_inputs.begin, inputs, of_inputs.size(),
                   dweight + of_outputs.begin * inputs + of_inputs.begin);
}

}  // namespace mlml
