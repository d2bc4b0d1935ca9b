#include "training/dropout.h"

#include <cmath>

#include "training/vectors.h"

namespace mlml {
namespace {

// Austin Appleby's finaliser of MurmurHash3, in the public domain: each bit of the result depends on each of `h`.
template <typename V>
V Mix(V h) {
  const hn::DFromV<V> d;
  h = hn::Mul(hn::Xor(h, hn::ShiftRight<16>(h)), hn::Set(d, 0x85ebca6bU));
  h = hn::Mul(hn::Xor(h, hn::ShiftRight<13>(h)), hn::Set(d, 0xc2b2ae35U));
  return hn::Xor(h, hn::ShiftRight<16>(h));
}

// Sebastiano Vigna's SplitMix64, in the public domain: seeds next to each other have keys that are nothing alike.
uint64_t MixSeed(uint64_t seed) {
  seed += 0x9e3779b97f4a7c15U;
  seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9U;
  seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebU;
  return seed ^ (seed >> 31);
}

}  // namespace

void Dropout(const float* x, size_t size, double p, uint64_t seed, float* y) {
  // PyTorch divides its mask of ones and zeros by the same number, and keeps nothing for p = 1 either.
  const float scale = p < 1 ? 1.0F / static_cast<float>(1 - p) : 0.0F;
  // In units of 2^-24: the kernel compares 24 bits of a hash, so that an int32 holds p = 1.
  const auto dropped = static_cast<int32_t>(std::lround(p * (1 << 24)));
  const uint64_t keys = MixSeed(seed);
  const auto low = static_cast<uint32_t>(keys);
  const auto high = static_cast<uint32_t>(keys >> 32);
  ForVectors(size, [=](auto d, size_t i) {
    const hn::RebindToUnsigned<decltype(d)> du;
    const hn::RebindToSigned<decltype(d)> di;
    // Two rounds, each with a key, so that sequences whose keys of one round are alike do not overlap.
    const auto index = hn::Iota(du, static_cast<uint32_t>(i));
    const auto hash = Mix(hn::Xor(Mix(hn::Xor(index, hn::Set(du, low))), hn::Set(du, high)));
    const auto drops = hn::Lt(hn::BitCast(di, hn::ShiftRight<8>(hash)), hn::Set(di, dropped));
    const auto mask = hn::IfThenZeroElse(hn::RebindMask(d, drops), hn::Set(d, scale));
    hn::StoreU(hn::Mul(hn::LoadU(d, x + i), mask), d, y + i);
  });
}

}  // namespace mlml
