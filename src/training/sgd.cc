#include "training/gradient_rows.h"
#include "training/optimizers.h"

namespace mlml {
namespace {

template <bool kDecays, bool kNesterov>
void StepWithMomentum(const Gradient& gradient, const SgdOptions& options, bool is_first, float* parameter,
                      float* momentum) {
  const auto rate = static_cast<float>(-options.lr);
  const auto decay = static_cast<float>(options.weight_decay);
  const auto factor = static_cast<float>(options.momentum);
  const auto share = static_cast<float>(1 - options.dampening);
  ForGradient<false>(gradient, [=](auto d, size_t i, auto g) {
    const auto w = hn::LoadU(d, parameter + i);
    if constexpr (kDecays) g = hn::MulAdd(w, hn::Set(d, decay), g);
    // The first step takes the gradient as it is, without dampening.
    const auto buffer =
        is_first ? g : hn::MulAdd(g, hn::Set(d, share), hn::Mul(hn::LoadU(d, momentum + i), hn::Set(d, factor)));
    hn::StoreU(buffer, d, momentum + i);
    const auto direction = kNesterov ? hn::MulAdd(buffer, hn::Set(d, factor), g) : buffer;
    hn::StoreU(hn::MulAdd(direction, hn::Set(d, rate), w), d, parameter + i);
  });
}

}  // namespace

void SgdStep(const Gradient& gradient, const SgdOptions& options, bool is_first, float* parameter, float* momentum) {
  const auto rate = static_cast<float>(-options.lr);
  const auto decay = static_cast<float>(options.weight_decay);
  const bool decays = options.weight_decay != 0;
  if (momentum != nullptr) {
    const auto run = [&]<bool kDecays>() {
      const auto function = options.nesterov ? StepWithMomentum<kDecays, true> : StepWithMomentum<kDecays, false>;
      function(gradient, options, is_first, parameter, momentum);
    };
    return decays ? run.template operator()<true>() : run.template operator()<false>();
  }
  if (decays) {
    return ForGradient<false>(gradient, [=](auto d, size_t i, auto g) {
      const auto w = hn::LoadU(d, parameter + i);
      hn::StoreU(hn::MulAdd(hn::MulAdd(w, hn::Set(d, decay), g), hn::Set(d, rate), w), d, parameter + i);
    });
  }
  ForGradient<true>(gradient, [=](auto d, size_t i, auto g) {
    hn::StoreU(hn::MulAdd(g, hn::Set(d, rate), hn::LoadU(d, parameter + i)), d, parameter + i);
  });
}

}  // namespace mlml
