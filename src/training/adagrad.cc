#include "training/adagrad.h"

#include "training/gradient_rows.h"

namespace mlml {

double AdagradRate(const AdagradOptions& options, uint32_t step) {
  return options.lr / (1 + (static_cast<double>(step) - 1) * options.lr_decay);
}

void AdagradStep(const Gradient& gradient, const AdagradOptions& options, uint32_t step, float* parameter, float* sum) {
  const auto rate = static_cast<float>(-AdagradRate(options, step));
  const auto eps = static_cast<float>(options.eps);
  const auto decay = static_cast<float>(options.weight_decay);
  const auto update = [=](auto d, size_t i, auto g) { AdagradUpdate(d, g, rate, eps, parameter + i, sum + i); };
  if (options.weight_decay != 0) {
    ForGradient<false>(gradient, [=](auto d, size_t i, auto g) {
      update(d, i, hn::MulAdd(hn::LoadU(d, parameter + i), hn::Set(d, decay), g));
    });
  } else if (options.eps > 0) {
    ForGradient<true>(gradient, update);
  } else {
    ForGradient<false>(gradient, update);
  }
}

}  // namespace mlml
