// What JavaScript sees of the kernels: free functions over calls, which it describes in linear memory. There is nothing
// that a caller would have to delete.
#include <emscripten/bind.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#ifdef __EMSCRIPTEN_PTHREADS__
#include <memory>
#endif

#include "base/buffer.h"
#include "loss/multilabel_margin_loss.h"
#ifdef __EMSCRIPTEN_PTHREADS__
#include "loss/parallel_loss.h"
#endif

namespace {

using mlml::Outcome;
using mlml::Status;

// In 32-bit words, whose numbers js/wasm/call.ts knows. Not arguments, and no value object: sixteen of the first took
// Embind 0.3 microseconds a call, ten fields of the second 2.
struct Call {
  uint32_t float64;  // 0 or 1: the scores' type
  uintptr_t scores;
  uintptr_t targets;  // int32_t[rows, width]
  uintptr_t losses;   // double[rows]
  uintptr_t grad;     // or 0
  uint32_t rows;
  uint32_t classes;
  uint32_t width;
  uint32_t batch_rows;
  int32_t reduction;
  int32_t normalization;
  int32_t target_order;
  int32_t nan_policy;
  uint32_t padding;
  double margin;
  double loss_sum;   // the losses are added to it, in row order
  uint32_t bad_row;  // where a status says that something is wrong: the first of them
  uint32_t bad_column;

  mlml::Options Options() const {
    return {margin, static_cast<mlml::Reduction>(reduction), static_cast<mlml::Normalization>(normalization),
            static_cast<mlml::TargetOrder>(target_order), static_cast<mlml::NanPolicy>(nan_policy)};
  }

  // Calls `function` with the rows in their type, and the gradient.
  template <typename Function>
  auto Dispatch(Function function) const {
    const auto typed = [&]<typename T>(T) {
      return function(mlml::Rows<T>{reinterpret_cast<const T*>(scores), reinterpret_cast<const int32_t*>(targets), rows,
                                    classes, width, batch_rows},
                      reinterpret_cast<T*>(grad));
    };
    return float64 ? typed(double{}) : typed(float{});
  }

  int32_t Report(const Outcome& outcome) {
    bad_row = static_cast<uint32_t>(outcome.row);
    bad_column = static_cast<uint32_t>(outcome.column);
    return static_cast<int32_t>(outcome.status);
  }

  void SumLosses() {
    const auto* of_rows = reinterpret_cast<const double*>(losses);
    for (size_t row = 0; row < rows; ++row) loss_sum += of_rows[row];
  }
};
static_assert(offsetof(Call, margin) == 14 * 4 && sizeof(Call) == 20 * 4);

// Address of at least `bytes` bytes for a batch to pass through in parts, so that linear memory stays small however
// large it is; 0 when memory is exhausted. What was there before is lost.
uintptr_t Stage(size_t bytes) {
  static mlml::Buffer<uint8_t> staging;
  return staging.Reserve(bytes) ? reinterpret_cast<uintptr_t>(staging.data()) : 0;
}

#ifdef __EMSCRIPTEN_PTHREADS__

Call calls[mlml::ThreadPool::kJobs];

// Never destroyed: its threads end with their workers.
mlml::ParallelLoss* parallel_loss = nullptr;

uintptr_t CallAddress(uint32_t job) { return reinterpret_cast<uintptr_t>(&calls[job]); }

void StartThreads(uint32_t threads) { parallel_loss = new mlml::ParallelLoss(threads); }

// Address of zeros for a tensor, or 0 when memory is exhausted.
uintptr_t AllocateZeros(size_t bytes) { return reinterpret_cast<uintptr_t>(std::calloc(bytes, 1)); }

int32_t Validate(uint32_t job) {
  Call& call = calls[job];
  return call.Report(call.Dispatch([&](const auto& rows, auto* grad) -> Outcome {
    const Outcome outcome = mlml::Validate(rows, static_cast<mlml::NanPolicy>(call.nan_policy));
    if (outcome.status != Status::kOk) return outcome;
    const bool reserved = parallel_loss->Reserve(rows, call.Options(), grad != nullptr);
    return {reserved ? Status::kOk : Status::kOutOfMemory, 0, 0};
  }));
}

// Of rows that were validated.
void Start(uint32_t job) {
  const Call& call = calls[job];
  call.Dispatch([&](const auto& rows, auto* grad) {
    parallel_loss->Start(job, rows, call.Options(), reinterpret_cast<double*>(call.losses), grad);
  });
}

// Beside those of mlml::Status.
constexpr int32_t kWorkerDied = 4;

int32_t Finish(uint32_t job) {
  if (!parallel_loss->Finish(job)) return kWorkerDied;
  calls[job].SumLosses();
  return static_cast<int32_t>(Status::kOk);
}

// A batch in one part: job 0, from beginning to end.
int32_t Compute() {
  const int32_t status = Validate(0);
  if (status != static_cast<int32_t>(Status::kOk)) return status;
  Start(0);
  return Finish(0);
}

#else

Call call;

uintptr_t CallAddress() { return reinterpret_cast<uintptr_t>(&call); }

mlml::Workspace& TheWorkspace() {
  static mlml::Workspace workspace;
  return workspace;
}

// Of a part of a batch: what can go wrong in it goes wrong here.
int32_t Validate() {
  return call.Report(call.Dispatch([](const auto& rows, auto* grad) -> Outcome {
    const Outcome outcome = mlml::Validate(rows, static_cast<mlml::NanPolicy>(call.nan_policy));
    if (outcome.status != Status::kOk) return outcome;
    const bool reserved = Reserve(rows, call.Options(), mlml::RowKernel::kMeasured, grad != nullptr, TheWorkspace());
    return {reserved ? Status::kOk : Status::kOutOfMemory, 0, 0};
  }));
}

int32_t Compute() {
  const int32_t status = call.Report(call.Dispatch([](const auto& rows, auto* grad) {
    return mlml::MultilabelMarginLoss(rows, call.Options(), reinterpret_cast<double*>(call.losses), grad,
                                      TheWorkspace());
  }));
  if (status == static_cast<int32_t>(Status::kOk)) call.SumLosses();
  return status;
}

#endif

}  // namespace

EMSCRIPTEN_BINDINGS(multilabel_margin_loss) {
  emscripten::function("callAddress", &CallAddress);
  emscripten::function("stage", &Stage);
  emscripten::function("validate", &Validate);
#ifdef __EMSCRIPTEN_PTHREADS__
  emscripten::function("startThreads", &StartThreads);
  emscripten::function("allocateZeros", &AllocateZeros);
  emscripten::function("start", &Start);
  emscripten::function("finish", &Finish);
#endif
  emscripten::function("compute", &Compute);
}
