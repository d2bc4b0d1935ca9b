// The module of one thread: the functions that js/wasm/backend.ts calls.
#include <cstdint>

#include "bindings/call.h"
#include "bindings/export.h"
#include "bindings/staging.h"
#include "loss/multilabel_margin_loss.h"

namespace {

using mlml::Outcome;
using mlml::Status;

mlml::KernelCall call;

mlml::Workspace& TheWorkspace() {
  static mlml::Workspace workspace;
  return workspace;
}

}  // namespace

MLML_EXPORT(maximumMemory) size_t MaximumMemory() { return mlml::MaximumMemory(); }

MLML_EXPORT(callAddress) void* CallAddress() { return &call; }

MLML_EXPORT(stage) uintptr_t Stage(size_t bytes) { return mlml::Stage(bytes); }

// Checks the rows of the call and makes room for them: after that Compute cannot fail.
MLML_EXPORT(validate) int32_t Validate() {
  return call.Report(call.Dispatch([](const auto& rows, auto* grad) -> Outcome {
    const mlml::Options options = call.options();
    const Outcome outcome = mlml::Validate(rows, options.nan_policy, TheWorkspace());
    if (outcome.status != Status::kOk) return outcome;
    const bool reserved = Reserve(rows, options, mlml::KernelChoice::kMeasured, grad != nullptr, TheWorkspace());
    return {.status = reserved ? Status::kOk : Status::kOutOfMemory};
  }));
}

MLML_EXPORT(compute) int32_t Compute() {
  const int32_t status = call.Report(call.Dispatch([](const auto& rows, auto* grad) {
    return mlml::MultilabelMarginLoss(rows, call.options(), call.losses_data(), grad, TheWorkspace());
  }));
  if (status == static_cast<int32_t>(Status::kOk)) call.SumLosses();
  return status;
}
