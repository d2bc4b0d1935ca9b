#ifndef MULTILABEL_MARGIN_LOSS_METRICS_STATE_H_
#define MULTILABEL_MARGIN_LOSS_METRICS_STATE_H_

#include <bit>
#include <cstddef>
#include <cstdint>

namespace mlml {

// The state of metrics as bytes: integers of 7 bits a byte, the lowest first and the last one below 128.

// Writes to memory, or where there is none counts the bytes.
class StateWriter {
 public:
  explicit StateWriter(uint8_t* bytes) : bytes_(bytes) {}

  void Put(uint64_t value) {
    for (; value >= 0x80; value >>= 7) PutByte(static_cast<uint8_t>(value | 0x80));
    PutByte(static_cast<uint8_t>(value));
  }
  void PutDouble(double value) {
    const auto bits = std::bit_cast<uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8) PutByte(static_cast<uint8_t>(bits >> shift));
  }
  size_t size() const { return size_; }

 private:
  void PutByte(uint8_t byte) {
    if (bytes_ != nullptr) bytes_[size_] = byte;
    ++size_;
  }

  uint8_t* bytes_;
  size_t size_ = 0;
};

// Past the end, and for what is no integer, reads zeros and is not ok().
class StateReader {
 public:
  StateReader(const uint8_t* bytes, size_t size) : bytes_(bytes), end_(bytes + size) {}

  uint64_t Get() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint64_t byte = GetByte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    Fail();
    return 0;
  }
  double GetDouble() {
    uint64_t bits = 0;
    for (int shift = 0; shift < 64; shift += 8) bits |= static_cast<uint64_t>(GetByte()) << shift;
    return std::bit_cast<double>(bits);
  }
  // Skips bytes that are known to be left.
  void Skip(size_t bytes) { bytes_ += bytes; }
  void Fail() { ok_ = false; }
  bool ok() const { return ok_; }
  bool at_end() const { return bytes_ == end_; }
  size_t left() const { return static_cast<size_t>(end_ - bytes_); }

 private:
  uint8_t GetByte() {
    if (bytes_ == end_) {
      Fail();
      return 0;
    }
    return *bytes_++;
  }

  const uint8_t* bytes_;
  const uint8_t* end_;
  bool ok_ = true;
};

}  // namespace mlml

#endif  // MULTILABEL_MARGIN_LOSS_METRICS_STATE_H_
