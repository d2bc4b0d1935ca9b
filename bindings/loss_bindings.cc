// The module of one thread: the functions that js/wasm/backend.ts calls.
#include <emscripten/bind.h>

#include <cstdint>

#include "bindings/call.h"
#include "bindings/staging.h"
#include "loss/multilabel_margin_loss.h"

namespace {

using mlml::Outcome;
using mlml::Status;

mlml::KernelCall call;

uintptr_t CallAddress() { return reinterpret_cast<uintptr_t>(&call); }

mlml::Workspace& TheWorkspace() {
  static mlml::Workspace workspace;
  return workspace;
}

// Checks the rows of the call and makes room for them: after that Compute cannot fail.
int32_t Validate() {
  return call.Report(call.Dispatch([](const auto& rows, auto* grad) -> Outcome {
    const mlml::Options options = call.options();
    const Outcome outcome = mlml::Validate(rows, options.nan_policy, TheWorkspace());
    if (outcome.status != Status::kOk) return outcome;
    const bool reserved = Reserve(rows, options, mlml::KernelChoice::kMeasured, grad != nullptr, TheWorkspace());
    return {.status = reserved ? Status::kOk : Status::kOutOfMemory};
  }));
}

int32_t Compute() {
  const int32_t status = call.Report(call.Dispatch([](const auto& rows, auto* grad) {
    return mlml::MultilabelMarginLoss(rows, call.options(), call.losses_data(), grad, TheWorkspace());
  }));
  if (status == static_cast<int32_t>(Status::kOk)) call.SumLosses();
  return status;
}

}  // namespace

EMSCRIPTEN_BINDINGS(multilabel_margin_loss) {
  emscripten::function("maximumMemory", &mlml::MaximumMemory);
  emscripten::function("callAddress", &CallAddress);
  emscripten::function("stage", &mlml::Stage);
  emscripten::function("validate", &Validate);
  emscripten::function("compute", &Compute);
}
