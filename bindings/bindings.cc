// What JavaScript sees of the kernels: free functions without arguments over one call, which it describes in linear
// memory. There is nothing that a caller would have to delete.
#include <emscripten/bind.h>

#include <cstddef>
#include <cstdint>

#include "buffer.h"
#include "multilabel_margin_loss.h"

namespace {

using mlml::Outcome;
using mlml::Status;

// In 32-bit words, whose numbers js/wasm/backend.ts knows. Not arguments, and no value object: sixteen of the first
// took Embind 0.3 microseconds a call, ten fields of the second 2.
struct Call {
  uint32_t float64;  // 0 or 1: the scores' type
  uint32_t int64;    // 0 or 1: the targets'
  uintptr_t scores;
  uintptr_t targets;
  uintptr_t losses;  // double[rows]
  uintptr_t grad;    // or 0
  uint32_t rows;
  uint32_t classes;
  uint32_t width;
  uint32_t batch_rows;
  int32_t reduction;
  int32_t normalization;
  int32_t target_order;
  int32_t nan_policy;
  double margin;
  double loss_sum;   // the losses are added to it, in row order
  uint32_t bad_row;  // where a status says that something is wrong: the first of them
  uint32_t bad_column;
};
static_assert(offsetof(Call, margin) == 14 * 4 && sizeof(Call) == 20 * 4);

Call call;

mlml::Workspace& TheWorkspace() {
  static mlml::Workspace workspace;
  return workspace;
}

// Calls `function` with the rows in their types.
template <typename Function>
int32_t Dispatch(Function function) {
  const auto typed = [&]<typename T, typename Target>(T, Target) {
    return function(mlml::Rows<T, Target>{reinterpret_cast<T*>(call.scores),
                                          reinterpret_cast<const Target*>(call.targets), call.rows, call.classes,
                                          call.width, call.batch_rows});
  };
  const Outcome outcome = call.float64 ? call.int64 ? typed(double{}, int64_t{}) : typed(double{}, int32_t{})
                          : call.int64 ? typed(float{}, int64_t{})
                                       : typed(float{}, int32_t{});
  call.bad_row = static_cast<uint32_t>(outcome.row);
  call.bad_column = static_cast<uint32_t>(outcome.column);
  return static_cast<int32_t>(outcome.status);
}

uintptr_t CallAddress() { return reinterpret_cast<uintptr_t>(&call); }

// Address of at least `bytes` bytes for a batch to pass through in parts, so that linear memory stays small however
// large it is; 0 when memory is exhausted. What was there before is lost.
uintptr_t Stage(size_t bytes) {
  static mlml::Buffer<uint8_t> staging;
  return staging.Reserve(bytes) ? reinterpret_cast<uintptr_t>(staging.data()) : 0;
}

int32_t Validate() {
  return Dispatch([](const auto& rows) { return mlml::Validate(rows, static_cast<mlml::NanPolicy>(call.nan_policy)); });
}

int32_t Compute() {
  const mlml::Options options{
      call.margin, static_cast<mlml::Reduction>(call.reduction), static_cast<mlml::Normalization>(call.normalization),
      static_cast<mlml::TargetOrder>(call.target_order), static_cast<mlml::NanPolicy>(call.nan_policy)};
  auto* losses = reinterpret_cast<double*>(call.losses);
  const int32_t status = Dispatch([&]<typename T, typename Target>(const mlml::Rows<T, Target>& rows) {
    return mlml::MultilabelMarginLoss(rows, options, losses, reinterpret_cast<T*>(call.grad), TheWorkspace());
  });
  if (status == static_cast<int32_t>(Status::kOk)) {
    for (size_t row = 0; row < call.rows; ++row) call.loss_sum += losses[row];
  }
  return status;
}

}  // namespace

EMSCRIPTEN_BINDINGS(multilabel_margin_loss) {
  emscripten::function("callAddress", &CallAddress);
  emscripten::function("stage", &Stage);
  emscripten::function("validate", &Validate);
  emscripten::function("compute", &Compute);
}
