// The functions of the training core that js/training/module.ts declares, over addresses in linear memory. They make a
// module of their own, and are in that of several threads, which share what takes long. A result has the same bits.
//
// They are exports of the WebAssembly itself, without Embind and without glue: numbers alone pass, and a layer of a
// small model computes for a microsecond, of which Embind would take a tenth. JavaScript sees the names in MLML_EXPORT.
// Sizes count elements.
#include <cstdint>
#include <cstdlib>

#include "bindings/call.h"
#include "bindings/export.h"
#include "bindings/parts.h"
#include "loss/multilabel_margin_loss.h"
#include "training/dropout.h"
#include "training/elementwise.h"
#include "training/embedding_bag.h"
#include "training/gradient.h"
#include "training/linear.h"
#include "training/optimizers.h"

namespace {

mlml::KernelCall loss_call;

// A cache line: rows of many widths then start at one.
constexpr size_t kAlignment = 64;

// So many multiplications of a linear layer, or elements of an optimizer, take some 50 microseconds.
constexpr size_t kMultiplications = 1 << 20;
constexpr size_t kElements = 1 << 15;

// Calls step(gradient, begin) for the rows of a gradient in parts: `begin` is the place of a part's first element.
template <typename Step>
void StepInParts(const mlml::Gradient& gradient, const Step& step) {
  mlml::InParts({.items = gradient.rows, .cost = gradient.columns, .cost_of_part = kElements},
                [&](size_t begin, size_t end) { step(gradient.Slice(begin, end), begin * gradient.columns); });
}

// Returns the number of elements of dy that are multiplied.
size_t TermsOf(const mlml::LinearShape& shape, bool is_finite, const float* dy) {
  const size_t size = shape.rows * shape.outputs;
  return is_finite && mlml::NumThreads() > 1 ? mlml::CountNonzero(dy, size) : size;
}

// Calls multiply(columns, rows) for parts of a product [rows, columns] of dy: `terms` elements of dy, each times a row
// of the other operand. A part copies its columns of that operand in blocks, and looks at its elements of dy. So parts
// are columns, all of which look at dy, where that is little beside the copies, and else rows.
template <typename Multiply>
void ShareProducts(size_t columns, size_t rows, size_t terms, const Multiply& multiply) {
  if (columns >= 4 * rows) {
    mlml::InParts(
        {.items = columns, .cost = terms, .cost_of_part = kMultiplications, .multiple = 8, .parts_repeat = true},
        [&](size_t begin, size_t end) {
          multiply(mlml::Range{begin, end}, mlml::Range{0, rows});
        });
    return;
  }
  mlml::InParts({.items = rows,
                 .cost = terms / rows * columns,
                 .cost_of_part = kMultiplications,
                 .multiple = 4,
                 .parts_repeat = true},
                [&](size_t begin, size_t end) {
                  multiply(mlml::Range{0, columns}, mlml::Range{begin, end});
                });
}

// Returns a buffer from an element on, or null where the optimizer has no buffer.
float* From(float* buffer, size_t begin) { return buffer == nullptr ? nullptr : buffer + begin; }

}  // namespace

MLML_EXPORT(maximumMemory) size_t MaximumMemory() { return MLML_MAXIMUM_MEMORY; }

// Address of a block, whose contents are whatever was there; 0 when memory is exhausted.
MLML_EXPORT(allocate) void* Allocate(size_t bytes) {
  if (bytes > SIZE_MAX - kAlignment) return nullptr;
  return std::aligned_alloc(kAlignment, (bytes + kAlignment) / kAlignment * kAlignment);
}

MLML_EXPORT(release) void Release(void* block) { std::free(block); }

// Address of the call that computeLoss computes: js/wasm/call.ts describes it.
MLML_EXPORT(lossCall) void* LossCall() { return &loss_call; }

// Returns an mlml::Status. Scores are float32: double would add 10 kB.
MLML_EXPORT(computeLoss) int32_t ComputeLoss() {
  const int32_t status = loss_call.Report(loss_call.DispatchAs<float>([](const auto& rows, auto* grad) {
    return mlml::ComputeRows(rows, loss_call.options(), loss_call.losses_data(), grad);
  }));
  if (status == static_cast<int32_t>(mlml::Status::kOk)) loss_call.SumLosses();
  return status;
}

MLML_EXPORT(fill) void Fill(float* x, size_t size, float value) { mlml::Fill(x, size, value); }

MLML_EXPORT(relu) void Relu(const float* x, size_t size, float* y) { mlml::Relu(x, size, y); }

MLML_EXPORT(reluBackward) void ReluBackward(const float* dy, const float* y, size_t size, float* dx) {
  mlml::ReluBackward(dy, y, size, dx);
}

MLML_EXPORT(dropout) void Dropout(const float* x, size_t size, double p, uint32_t low, uint32_t high, float* y) {
  mlml::Dropout(x, size, p, uint64_t{high} << 32 | low, y);
}

MLML_EXPORT(add) void Add(const float* a, const float* b, size_t size, float* y) { mlml::Add(a, b, size, y); }

MLML_EXPORT(addRow) void AddRow(const float* x, const float* row, size_t rows, size_t columns, float* y) {
  mlml::AddRow(x, row, rows, columns, y);
}

MLML_EXPORT(columnSums) void ColumnSums(const float* x, size_t rows, size_t columns, float* sums) {
  mlml::ColumnSums(x, rows, columns, sums);
}

MLML_EXPORT(scale) void Scale(const float* x, size_t size, float factor, float* y) { mlml::Scale(x, size, factor, y); }

MLML_EXPORT(linearForward)
void LinearForward(size_t rows, size_t inputs, size_t outputs, const float* x, const float* weight, const float* bias,
                   float* y) {
  // Each thread reads weights of its own, or where there are few outputs, rows of its own.
  if (outputs >= 8 * mlml::NumThreads()) {
    mlml::InParts({.items = outputs, .cost = rows * inputs, .cost_of_part = kMultiplications, .multiple = 4},
                  [=](size_t begin, size_t end) {
                    mlml::LinearForward({rows, inputs, outputs}, {begin, end}, x, weight, bias, y);
                  });
    return;
  }
  mlml::InParts({.items = rows, .cost = inputs * outputs, .cost_of_part = kMultiplications, .multiple = 2},
                [=](size_t begin, size_t end) {
                  mlml::LinearForward({end - begin, inputs, outputs}, {0, outputs}, x + begin * inputs, weight, bias,
                                      y + begin * outputs);
                });
}

MLML_EXPORT(linearBackwardInput)
void LinearBackwardInput(size_t rows, size_t inputs, size_t outputs, const float* dy, const float* y,
                         const float* weight, float* dx) {
  const mlml::LinearShape shape = {rows, inputs, outputs};
  const bool is_finite = mlml::LinearIsFinite(shape, y);
  ShareProducts(inputs, rows, TermsOf(shape, is_finite, dy), [=](mlml::Range of_inputs, mlml::Range of_rows) {
    mlml::LinearBackwardInput(shape, of_rows, of_inputs, is_finite, dy, weight, dx);
  });
}

MLML_EXPORT(linearBackwardWeight)
void LinearBackwardWeight(size_t rows, size_t inputs, size_t outputs, const float* dy, const float* y, const float* x,
                          float* dweight, uint8_t* present) {
  const mlml::LinearShape shape = {rows, inputs, outputs};
  const bool is_finite = mlml::LinearIsFinite(shape, y);
  mlml::LinearPresent(shape, is_finite, dy, present);
  ShareProducts(inputs, outputs, TermsOf(shape, is_finite, dy), [=](mlml::Range of_inputs, mlml::Range of_outputs) {
    mlml::LinearBackwardWeight(shape, of_outputs, of_inputs, is_finite, dy, x, present, dweight);
  });
}

MLML_EXPORT(findBadIndex) int32_t FindBadIndex(const int32_t* input, size_t entries, size_t table_rows) {
  return mlml::FindBadIndex(input, entries, table_rows);
}

MLML_EXPORT(findBadOffset) int32_t FindBadOffset(const int32_t* offsets, size_t bags, size_t entries) {
  return mlml::FindBadOffset(offsets, bags, entries);
}

MLML_EXPORT(bagForward)
void BagForward(const int32_t* input, const float* weights, const int32_t* offsets, size_t entries, size_t bags,
                const float* table, size_t columns, float* y) {
  mlml::BagForward({input, weights, offsets, entries, bags}, table, columns, y);
}

MLML_EXPORT(reserveBagBackward)
bool ReserveBagBackward(size_t entries, size_t bags, size_t table_rows, size_t columns) {
  return mlml::ReserveBagBackward(entries, bags, table_rows, columns);
}

MLML_EXPORT(bagBackward)
void BagBackward(const int32_t* input, const float* weights, const int32_t* offsets, size_t entries, size_t bags,
                 const float* dy, size_t table_rows, size_t columns, float* dtable, uint8_t* present) {
  mlml::BagBackward({input, weights, offsets, entries, bags}, dy, table_rows, columns, dtable, present);
}

MLML_EXPORT(bagSgdStep)
void BagSgdStep(const int32_t* input, const float* weights, const int32_t* offsets, size_t entries, size_t bags,
                const float* dy, size_t columns, double lr, float* table) {
  mlml::BagSgdStep({input, weights, offsets, entries, bags}, dy, columns, lr, table);
}

MLML_EXPORT(bagAdagradStep)
void BagAdagradStep(const int32_t* input, const float* weights, const int32_t* offsets, size_t entries, size_t bags,
                    const float* dy, size_t columns, uint32_t step, double lr, double lr_decay, double eps,
                    float* table, float* sum) {
  mlml::BagAdagradStep({input, weights, offsets, entries, bags}, dy, columns,
                       mlml::AdagradRate({.lr = lr, .lr_decay = lr_decay}, step), eps, table, sum);
}

MLML_EXPORT(completeGradient)
void CompleteGradient(float* values, const uint8_t* present, size_t rows, size_t columns) {
  mlml::CompleteGradient({values, present, rows, columns}, values);
}

MLML_EXPORT(sgdStep)
void SgdStep(const float* gradient, const uint8_t* present, size_t rows, size_t columns, float* parameter,
             float* momentum_buffer, bool is_first, double lr, double momentum, double dampening, double weight_decay,
             bool nesterov) {
  StepInParts({gradient, present, rows, columns}, [=](const mlml::Gradient& part, size_t begin) {
    mlml::SgdStep(part, {lr, momentum, dampening, weight_decay, nesterov}, is_first, parameter + begin,
                  From(momentum_buffer, begin));
  });
}

MLML_EXPORT(adamStep)
void AdamStep(const float* gradient, const uint8_t* present, size_t rows, size_t columns, float* parameter,
              float* exp_avg, float* exp_avg_sq, uint32_t step, double lr, double beta1, double beta2, double eps,
              double weight_decay, bool decoupled) {
  StepInParts({gradient, present, rows, columns}, [=](const mlml::Gradient& part, size_t begin) {
    mlml::AdamStep(part, {lr, beta1, beta2, eps, weight_decay, decoupled}, step, parameter + begin, exp_avg + begin,
                   exp_avg_sq + begin);
  });
}

MLML_EXPORT(adagradStep)
void AdagradStep(const float* gradient, const uint8_t* present, size_t rows, size_t columns, float* parameter,
                 float* sum, uint32_t step, double lr, double lr_decay, double eps, double weight_decay) {
  StepInParts({gradient, present, rows, columns}, [=](const mlml::Gradient& part, size_t begin) {
    mlml::AdagradStep(part, {lr, lr_decay, eps, weight_decay}, step, parameter + begin, sum + begin);
  });
}
