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

Outcome outcome;

// Address of at least `bytes` bytes, or 0 when memory is exhausted. What was there before is lost.
uintptr_t Reserve(size_t bytes) { return Staging().Reserve(bytes) ? reinterpret_cast<uintptr_t>(Staging().data()) : 0; }

// Calls `function` with the rows in their types.
template <typename Function>
int32_t Dispatch(bool float64, bool int64, uintptr_t scores, uintptr_t targets, uint32_t rows, uint32_t classes,
                 uint32_t width, uint32_t batch_rows, Function function) {
  const auto typed = [&]<typename T, typename Target>(T, Target) {
    return function(mlml::Rows<T, Target>{reinterpret_cast<const T*>(scores), reinterpret_cast<const Target*>(targets),
                                          rows, classes, width, batch_rows});
  };
  if (float64) {
    outcome = int64 ? typed(double{}, int64_t{}) : typed(double{}, int32_t{});
  } else {
    outcome = int64 ? typed(float{}, int64_t{}) : typed(float{}, int32_t{});
  }
  return static_cast<int32_t>(outcome.status);
}

int32_t Validate(bool float64, bool int64, uintptr_t scores, uintptr_t targets, uint32_t rows, uint32_t classes,
                 uint32_t width, int32_t nan_policy) {
  return Dispatch(float64, int64, scores, targets, rows, classes, width, rows, [&](const auto& typed_rows) {
    return mlml::Validate(typed_rows, static_cast<mlml::NanPolicy>(nan_policy));
  });
}

// The double at `loss_sum` is added to; `losses` is written under Reduction::kNone; the gradient takes the place of the
// scores. Plain numbers instead of one object: an object of ten fields took Embind 2 microseconds, these take 0.3.
int32_t Compute(bool float64, bool int64, uintptr_t scores, uintptr_t targets, uint32_t rows, uint32_t classes,
                uint32_t width, uint32_t batch_rows, double margin, int32_t reduction, int32_t normalization,
                int32_t target_order, int32_t nan_policy, uintptr_t loss_sum, uintptr_t losses, bool with_gradient) {
  const mlml::Options options{margin, static_cast<mlml::Reduction>(reduction),
                              static_cast<mlml::Normalization>(normalization),
                              static_cast<mlml::TargetOrder>(target_order), static_cast<mlml::NanPolicy>(nan_policy)};
  return Dispatch(float64, int64, scores, targets, rows, classes, width, batch_rows,
                  [&]<typename T, typename Target>(const mlml::Rows<T, Target>& typed_rows) {
                    return mlml::MultilabelMarginLoss(
                        typed_rows, options, reinterpret_cast<double*>(loss_sum), reinterpret_cast<T*>(losses),
                        with_gradient ? reinterpret_cast<T*>(scores) : nullptr, TheWorkspace());
                  });
}

struct Fault {
  uint32_t row;
  uint32_t column;
};

// Where the last call that returned kTargetOutOfRange or kNanScore found it.
Fault LastFault() { return {static_cast<uint32_t>(outcome.row), static_cast<uint32_t>(outcome.column)}; }

}  // namespace

EMSCRIPTEN_BINDINGS(multilabel_margin_loss) {
  emscripten::value_object<Fault>("Fault").field("row", &Fault::row).field("column", &Fault::column);
  emscripten::function("reserve", &Reserve);
  emscripten::function("validate", &Validate);
  emscripten::function("compute", &Compute);
  emscripten::function("lastFault", &LastFault);
}
