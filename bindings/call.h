#ifndef MULTILABEL_MARGIN_LOSS_BINDINGS_CALL_H_
#define MULTILABEL_MARGIN_LOSS_BINDINGS_CALL_H_

#include <cstddef>
#include <cstdint>

#include "loss/multilabel_margin_loss.h"

namespace mlml {

// One call of the kernels, as JavaScript writes it to linear memory. js/wasm/call.ts knows the same layout.
//
// A struct in memory is the quickest way in: sixteen arguments took Embind 0.3 microseconds a call, a value object of
// ten fields 2.
struct KernelCall {
  uint32_t float64;   // type of the scores: 1 is double, 0 is float
  uintptr_t scores;   // address of Score[rows, classes]
  uintptr_t targets;  // address of int32_t[rows, width]
  uintptr_t losses;   // address of double[rows]
  uintptr_t grad;     // address of Score[rows, classes], or 0
  uint32_t rows;
  uint32_t classes;
  uint32_t width;
  uint32_t batch_rows;
  int32_t reduction;
  int32_t normalization;
  int32_t target_order;
  int32_t nan_policy;
  uintptr_t sample_weights;  // address of double[rows], or 0
  uintptr_t unknown;         // address of int32_t[rows, unknown_width], or 0
  uint32_t unknown_width;
  uint32_t loss_only;  // 1: the memory at `grad` is scratch
  double margin;
  double loss_sum;      // SumLosses adds to it
  uint32_t bad_row;     // Report writes the place of the first invalid value
  uint32_t bad_column;  // the same

  Options options() const {
    return {.margin = margin,
            .reduction = static_cast<Reduction>(reduction),
            .normalization = static_cast<Normalization>(normalization),
            .target_order = static_cast<TargetOrder>(target_order),
            .nan_policy = static_cast<NanPolicy>(nan_policy),
            .loss_only = loss_only != 0};
  }

  double* losses_data() const { return reinterpret_cast<double*>(losses); }

  // Returns function(rows, gradient), with the rows and the gradient in the type of the scores.
  template <typename Function>
  auto Dispatch(Function function) const {
    return float64 != 0 ? DispatchAs<double>(function) : DispatchAs<float>(function);
  }

  // Dispatches a call whose scores are known to be of type Score.
  template <typename Score, typename Function>
  auto DispatchAs(Function function) const {
    const Rows<Score> typed = {.scores = reinterpret_cast<const Score*>(scores),
                               .targets = reinterpret_cast<const int32_t*>(targets),
                               .count = rows,
                               .classes = classes,
                               .width = width,
                               .batch_rows = batch_rows,
                               .sample_weights = reinterpret_cast<const double*>(sample_weights),
                               .unknown = reinterpret_cast<const int32_t*>(unknown),
                               .unknown_width = unknown_width};
    return function(typed, reinterpret_cast<Score*>(grad));
  }

  // Writes where an outcome found an invalid value, and returns its status.
  int32_t Report(const Outcome& outcome) {
    bad_row = static_cast<uint32_t>(outcome.row);
    bad_column = static_cast<uint32_t>(outcome.column);
    return static_cast<int32_t>(outcome.status);
  }

  // Adds the losses to `loss_sum` in row order, so that the sum does not depend on the parts of a batch.
  void SumLosses() {
    for (size_t row = 0; row < rows; ++row) loss_sum += losses_data()[row];
  }
};

// The offsets that js/wasm/call.ts has, in 32-bit words.
#define MLML_CHECK_WORD(field, word) static_assert(offsetof(KernelCall, field) == (word)*4)
MLML_CHECK_WORD(float64, 0);
MLML_CHECK_WORD(scores, 1);
MLML_CHECK_WORD(targets, 2);
MLML_CHECK_WORD(losses, 3);
MLML_CHECK_WORD(grad, 4);
MLML_CHECK_WORD(rows, 5);
MLML_CHECK_WORD(classes, 6);
MLML_CHECK_WORD(width, 7);
MLML_CHECK_WORD(batch_rows, 8);
MLML_CHECK_WORD(reduction, 9);
MLML_CHECK_WORD(normalization, 10);
MLML_CHECK_WORD(target_order, 11);
MLML_CHECK_WORD(nan_policy, 12);
MLML_CHECK_WORD(sample_weights, 13);
MLML_CHECK_WORD(unknown, 14);
MLML_CHECK_WORD(unknown_width, 15);
MLML_CHECK_WORD(loss_only, 16);
MLML_CHECK_WORD(margin, 18);
MLML_CHECK_WORD(loss_sum, 20);
MLML_CHECK_WORD(bad_row, 22);
MLML_CHECK_WORD(bad_column, 23);
#undef MLML_CHECK_WORD

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_BINDINGS_CALL_H_
