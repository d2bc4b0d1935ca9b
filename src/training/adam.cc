#include <cmath>

#include "training/gradient_rows.h"
#include "training/optimizers.h"

namespace mlml {
namespace {

enum class Decay { kNone, kOfGradient, kDecoupled };

template <Decay kDecay>
void Step(const Gradient& gradient, const AdamOptions& options, uint32_t step, float* parameter, float* exp_avg,
          float* exp_avg_sq) {
  const double correction1 = 1 - std::pow(options.beta1, step);
  const double correction2 = 1 - std::pow(options.beta2, step);
  const auto rate = static_cast<float>(-options.lr / correction1);
  const auto root = static_cast<float>(std::sqrt(correction2));
  const auto eps = static_cast<float>(options.eps);
  const auto beta1 = static_cast<float>(options.beta1);
  const auto beta2 = static_cast<float>(options.beta2);
  const auto share1 = static_cast<float>(1 - options.beta1);
  const auto share2 = static_cast<float>(1 - options.beta2);
  const auto decay = static_cast<float>(options.weight_decay);
  const auto kept = static_cast<float>(1 - options.lr * options.weight_decay);
  ForGradient<false>(gradient, [=](auto d, size_t i, auto g) {
    auto w = hn::LoadU(d, parameter + i);
    if constexpr (kDecay == Decay::kDecoupled) w = hn::Mul(w, hn::Set(d, kept));
    if constexpr (kDecay == Decay::kOfGradient) g = hn::MulAdd(w, hn::Set(d, decay), g);
    const auto average = hn::MulAdd(g, hn::Set(d, share1), hn::Mul(hn::LoadU(d, exp_avg + i), hn::Set(d, beta1)));
    const auto squares =
        hn::MulAdd(hn::Mul(hn::Set(d, share2), g), g, hn::Mul(hn::LoadU(d, exp_avg_sq + i), hn::Set(d, beta2)));
    hn::StoreU(average, d, exp_avg + i);
    hn::StoreU(squares, d, exp_avg_sq + i);
    const auto divisor = hn::Add(hn::Div(hn::Sqrt(squares), hn::Set(d, root)), hn::Set(d, eps));
    hn::StoreU(hn::Add(w, hn::Div(hn::Mul(hn::Set(d, rate), average), divisor)), d, parameter + i);
  });
}

}  // namespace

void AdamStep(const Gradient& gradient, const AdamOptions& options, uint32_t step, float* parameter, float* exp_avg,
              float* exp_avg_sq) {
  const auto function = options.weight_decay == 0 ? Step<Decay::kNone>
                        : options.decoupled       ? Step<Decay::kDecoupled>
                                                  : Step<Decay::kOfGradient>;
  function(gradient, options, step, parameter, exp_avg, exp_avg_sq);
}

}  // namespace mlml
