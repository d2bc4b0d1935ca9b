// Steps of the optimizers against PyTorch's formulas in double.

#include <gtest/gtest.h>

#include <functional>

#include "training/optimizers.h"
#include "training_arrays.h"

namespace mlml {
namespace {

constexpr size_t kRows = 5;
constexpr size_t kSteps = 6;

// One element of a parameter, in double: `bound` is what its float32 twin may differ by.
struct Element {
  double w = 0;
  double first = 0;   // momentum buffer, exp_avg
  double second = 0;  // exp_avg_sq, sum
  double largest = 0;
};

using Step = std::function<void(Element& element, double g, uint32_t step)>;
using StepAll = std::function<void(const Gradient& gradient, uint32_t step, float* w, float* first, float* second)>;

// Takes kSteps steps, each with another row without a gradient, also where rows are not present.
void Check(size_t columns, const Step& step_one, const StepAll& step_all, float initial_second) {
  Rng rng(Seed());
  const size_t size = kRows * columns;
  Floats w = RandomFloats(rng, size);
  // The first step of momentum must not read its buffer.
  Floats first(size, initial_second == 0 ? 0 : kNan);
  Floats second(size, initial_second);
  std::vector<Element> elements(size);
  for (size_t i = 0; i < size; ++i) elements[i] = {w[i], 0, initial_second, std::abs(w[i])};
  for (uint32_t step = 1; step <= kSteps; ++step) {
    // Away from zero: a step's relative error is then that of its roundings.
    Floats g = RandomFloats(rng, size);
    std::vector<uint8_t> present(kRows, 1);
    present[step % kRows] = 0;
    for (size_t i = 0; i < size; ++i) {
      g[i] = std::copysign(std::abs(g[i]) + 0.5F, g[i]);
      if (i / columns == step % kRows) g[i] = 0;
      step_one(elements[i], g[i], step);
      elements[i].largest = std::max(elements[i].largest, std::abs(elements[i].w));
      if (present[i / columns] == 0 && step % 2 == 0) g[i] = kNan;  // must not be read
    }
    // The step is taken in two parts, as threads share it; one of them may be empty.
    const Gradient gradient = {g.data(), step % 2 == 0 ? present.data() : nullptr, kRows, columns};
    const size_t split = step % (kRows + 1);
    const size_t at = split * columns;
    step_all(gradient.Slice(0, split), step, w.data(), first.data(), second.data());
    step_all(gradient.Slice(split, kRows), step, w.data() + at, first.data() + at, second.data() + at);
    for (size_t i = 0; i < size; ++i) {
      // At most ten roundings a step, of numbers that are at most four times as large as the largest parameter or
      // state: |g| is at most 6, and so is what is made of it.
      const double bound = step * 10 * 0.5 * FLT_EPSILON * 4 * std::max(elements[i].largest, 6.0);
      EXPECT_NEAR(w[i], elements[i].w, bound) << "step " << step << ' ' << At(i / columns, i % columns);
    }
  }
}

class OptimizerColumns : public testing::TestWithParam<size_t> {};

TEST_P(OptimizerColumns, Sgd) {
  TRACE_SEED();
  const std::vector<SgdOptions> all = {
      {.lr = 0.1},
      {.lr = 0.1, .weight_decay = 0.2},
      {.lr = 0.1, .momentum = 0.9},
      {.lr = 0.1, .momentum = 0.9, .dampening = 0.3},
      {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.2},
      {.lr = 0.1, .momentum = 0.9, .nesterov = true},
      {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.2, .nesterov = true},
  };
  for (const SgdOptions& options : all) {
    const auto one = [&](Element& e, double g, uint32_t step) {
      g += options.weight_decay * e.w;
      if (options.momentum != 0) {
        e.first = step == 1 ? g : options.momentum * e.first + (1 - options.dampening) * g;
        g = options.nesterov ? g + options.momentum * e.first : e.first;
      }
      e.w -= options.lr * g;
    };
    const auto step_all = [&](const Gradient& gradient, uint32_t step, float* w, float* first, float*) {
      SgdStep(gradient, options, step == 1, w, options.momentum == 0 ? nullptr : first);
    };
    Check(GetParam(), one, step_all, 1);
  }
}

TEST_P(OptimizerColumns, Adam) {
  TRACE_SEED();
  for (const bool decoupled : {false, true}) {
    for (const double weight_decay : {0.0, 0.2}) {
      const AdamOptions options = {0.01, 0.8, 0.99, 1e-8, weight_decay, decoupled};
      const auto one = [&](Element& e, double g, uint32_t step) {
        if (decoupled) {
          e.w *= 1 - options.lr * weight_decay;
        } else {
          g += weight_decay * e.w;
        }
        e.first = options.beta1 * e.first + (1 - options.beta1) * g;
        e.second = options.beta2 * e.second + (1 - options.beta2) * g * g;
        const double first = e.first / (1 - std::pow(options.beta1, step));
        const double second = e.second / (1 - std::pow(options.beta2, step));
        e.w -= options.lr * first / (std::sqrt(second) + options.eps);
      };
      const auto step_all = [&](const Gradient& gradient, uint32_t step, float* w, float* first, float* second) {
        AdamStep(gradient, options, step, w, first, second);
      };
      Check(GetParam(), one, step_all, 0);
    }
  }
}

TEST_P(OptimizerColumns, Adagrad) {
  TRACE_SEED();
  for (const double lr_decay : {0.0, 0.1}) {
    for (const double weight_decay : {0.0, 0.2}) {
      for (const double eps : {0.0, 1e-10, 0.1}) {
        const AdagradOptions options = {0.1, lr_decay, eps, weight_decay};
        const auto one = [&](Element& e, double g, uint32_t step) {
          g += weight_decay * e.w;
          e.second += g * g;
          e.w -= options.lr / (1 + (step - 1) * lr_decay) * g / (std::sqrt(e.second) + eps);
        };
        const auto step_all = [&](const Gradient& gradient, uint32_t step, float* w, float*, float* second) {
          AdagradStep(gradient, options, step, w, second);
        };
        Check(GetParam(), one, step_all, 0.25F);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Columns, OptimizerColumns, testing::Values(1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 34, 66, 130));

// Where PyTorch divides 0 by 0, so does this.
TEST(Adagrad, ZeroEpsAndNoSumGiveNan) {
  const std::vector<uint8_t> present = {0};
  Floats w(1, 1);
  Floats sum(1, 0);
  AdagradStep({w.data(), present.data(), 1, 1}, {.lr = 1, .eps = 0}, 1, w.data(), sum.data());
  EXPECT_TRUE(std::isnan(w[0]));
}

}  // namespace
}  // namespace mlml
