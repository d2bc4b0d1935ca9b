// What JavaScript sees of the kernels: free functions over addresses in linear memory, and one value object. There is
// nothing that a caller would have to delete.
#include <emscripten/bind.h>

#include <cstddef>
#include <cstdint>

#include "buffer.h"
#include "multilabel_margin_loss.h"

namespace {

using mlml::Outcome;

// A batch passes through here in parts, so that linear memory stays small however large the batch is.
mlml::Buffer<uint8_t>& Staging() {
  static mlml::Buffer<uint8_t> staging;
  return staging;
}

mlml::Workspace& TheWorkspace() {
  static mlml::Workspace workspace;
  return workspace;
}

// Fields of a call that are the same for all its parts; the enumerations are the numbers of their C++ counterparts.
struct Problem {
  bool is_float64;
  bool is_int64;
  uint32_t classes;
  uint32_t width;
  double batch_rows;
  double margin;
  int32_t reduction;
  int32_t normalization;
  int32_t target_order;
  int32_t nan_policy;
};

Problem problem;
Outcome outcome;

void SetProblem(const Problem& value) { problem = value; }

// Address of at least `bytes` bytes, or 0 when memory is exhausted. What was there before is lost.
uintptr_t Reserve(size_t bytes) { return Staging().Reserve(bytes) ? reinterpret_cast<uintptr_t>(Staging().data()) : 0; }

template <typename T, typename Target>
mlml::Rows<T, Target> RowsAt(uintptr_t scores, uintptr_t targets, uint32_t rows) {
  mlml::Rows<T, Target> result;
  result.scores = reinterpret_cast<const T*>(scores);
  result.targets = reinterpret_cast<const Target*>(targets);
  result.rows = rows;
  result.classes = problem.classes;
  result.width = problem.width;
  result.batch_rows = static_cast<size_t>(problem.batch_rows);
  return result;
}

// Calls `function` with the rows in their types.
template <typename Function>
int32_t Dispatch(uintptr_t scores, uintptr_t targets, uint32_t rows, Function function) {
  if (problem.is_float64) {
    outcome = problem.is_int64 ? function(RowsAt<double, int64_t>(scores, targets, rows))
                               : function(RowsAt<double, int32_t>(scores, targets, rows));
  } else {
    outcome = problem.is_int64 ? function(RowsAt<float, int64_t>(scores, targets, rows))
                               : function(RowsAt<float, int32_t>(scores, targets, rows));
  }
  return static_cast<int32_t>(outcome.status);
}

int32_t Validate(uintptr_t scores, uintptr_t targets, uint32_t rows) {
  return Dispatch(scores, targets, rows, [](const auto& typed_rows) {
    return mlml::Validate(typed_rows, static_cast<mlml::NanPolicy>(problem.nan_policy));
  });
}

// The double at `loss_sum` is added to; `losses` is written under Reduction::kNone; the gradient takes the place of the
// scores.
int32_t Compute(uintptr_t scores, uintptr_t targets, uint32_t rows, uintptr_t loss_sum, uintptr_t losses,
                bool with_gradient) {
  mlml::Options options;
  options.margin = problem.margin;
  options.reduction = static_cast<mlml::Reduction>(problem.reduction);
  options.normalization = static_cast<mlml::Normalization>(problem.normalization);
  options.target_order = static_cast<mlml::TargetOrder>(problem.target_order);
  options.nan_policy = static_cast<mlml::NanPolicy>(problem.nan_policy);
  return Dispatch(scores, targets, rows, [&]<typename T, typename Target>(const mlml::Rows<T, Target>& typed_rows) {
    return mlml::MultilabelMarginLoss(typed_rows, options, reinterpret_cast<double*>(loss_sum),
                                      reinterpret_cast<T*>(losses),
                                      with_gradient ? reinterpret_cast<T*>(scores) : nullptr, TheWorkspace());
  });
}

struct Fault {
  uint32_t row;
  uint32_t column;
  double value;
};

// Where the last call that returned kTargetOutOfRange or kNanScore found it.
Fault LastFault() {
  return {static_cast<uint32_t>(outcome.row), static_cast<uint32_t>(outcome.column),
          static_cast<double>(outcome.value)};
}

}  // namespace

EMSCRIPTEN_BINDINGS(multilabel_margin_loss) {
  emscripten::value_object<Problem>("Problem")
      .field("isFloat64", &Problem::is_float64)
      .field("isInt64", &Problem::is_int64)
      .field("classes", &Problem::classes)
      .field("width", &Problem::width)
      .field("batchRows", &Problem::batch_rows)
      .field("margin", &Problem::margin)
      .field("reduction", &Problem::reduction)
      .field("normalization", &Problem::normalization)
      .field("targetOrder", &Problem::target_order)
      .field("nanPolicy", &Problem::nan_policy);
  emscripten::value_object<Fault>("Fault")
      .field("row", &Fault::row)
      .field("column", &Fault::column)
      .field("value", &Fault::value);
  emscripten::function("setProblem", &SetProblem);
  emscripten::function("reserve", &Reserve);
  emscripten::function("validate", &Validate);
  emscripten::function("compute", &Compute);
  emscripten::function("lastFault", &LastFault);
}
