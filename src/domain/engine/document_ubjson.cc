#include <bit>
#include <cstring>
#include <limits>

#include "base/text.h"
#include "domain/engine/document.h"

namespace slipway::engine {
namespace {

constexpr int kDepthMax = 64;
constexpr std::size_t kTextBytesMax = 1u << 20;

template <class T>
T big_endian(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  if constexpr (sizeof(T) == 1)
    return value;
  else if constexpr (sizeof(T) == 2)
    return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
  else if constexpr (sizeof(T) == 4)
    return static_cast<T>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
  else
    return static_cast<T>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
}

/// Bytes of a value of a fixed size; 0 for the other types.
std::size_t width_of(char type) {
  switch (type) {
    case 'i':
    case 'U':
    case 'C':
      return 1;
    case 'I':
      return 2;
    case 'l':
    case 'd':
      return 4;
    case 'L':
    case 'D':
      return 8;
    default:
      return 0;
  }
}

class UbjsonDocument final : public DocumentReader {
 public:
  explicit UbjsonDocument(std::string_view bytes)
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()) {}

  Result<> object(const EachMember& each) override {
    TRY(expect_type('{'));
    const Container shape = TRY(container());
    for (std::uint64_t i = 0; shape.counted ? i < shape.count : !take('}'); ++i) {
      const std::string key = TRY(bare_text());
      pending_type_ = shape.type;
      TRY(each(key));
    }
    --depth_;
    return {};
  }

  Result<> array(const EachItem& each) override {
    TRY(expect_type('['));
    const Container shape = TRY(container());
    for (std::uint64_t i = 0; shape.counted ? i < shape.count : !take(']'); ++i) {
      pending_type_ = shape.type;
      TRY(each());
    }
    --depth_;
    return {};
  }

  Result<std::string> text() override {
    const char type = TRY(next_type());
    if (type == 'C') return std::string(TRY(bytes(1)));
    if (type != 'S' && type != 'H') return wrong_type(type, "a text");
    return bare_text();
  }

  Result<std::int64_t> integer() override {
    const char type = TRY(next_type());
    if (type != 'S' && type != 'H') return integer_of(type);
    const std::string digits = TRY(bare_text());
    const auto value = to_int64(digits);
    if (!value) return wrong("'" + digits.substr(0, 40) + "' where an integer belongs");
    return *value;
  }

  Result<> floats(std::vector<float>& out) override {
    return numbers(out, [&](char type) -> Result<float> {
      if (type == 'd') return std::bit_cast<float>(TRY(raw<std::uint32_t>()));
      if (type == 'D') return static_cast<float>(std::bit_cast<double>(TRY(raw<std::uint64_t>())));
      return static_cast<float>(TRY(integer_of(type)));
    });
  }

  Result<> ints(std::vector<std::int32_t>& out) override {
    return numbers(out, [&](char type) -> Result<std::int32_t> {
      const std::int64_t value = TRY(integer_of(type));
      if (value < std::numeric_limits<std::int32_t>::min() ||
          value > std::numeric_limits<std::int32_t>::max()) {
        return wrong(std::to_string(value) + " where a 32-bit integer belongs");
      }
      return static_cast<std::int32_t>(value);
    });
  }

  Result<> skip() override {
    const char type = TRY(next_type());
    switch (type) {
      case 'Z':
      case 'T':
      case 'F':
        return {};
      case 'S':
      case 'H':
        TRY(bare_text());
        return {};
      case '{':
        pending_type_ = type;
        return object([&](std::string_view) { return skip(); });
      case '[':
        pending_type_ = type;
        return skip_array();
      default:
        break;
    }
    if (width_of(type) == 0) return wrong_type(type, "a value");
    TRY(bytes(width_of(type)));
    return {};
  }

  Result<> end() override {
    if (at_ != end_) return wrong("more after the end of the document");
    return {};
  }

 private:
  struct Container {
    char type = 0;  // of every item; 0: each names its own
    bool counted = false;
    std::uint64_t count = 0;
  };

  Error wrong(const std::string& found) const {
    return invalid("byte " + std::to_string(at_ - begin_) + ": " + found);
  }
  Error wrong_type(char type, const std::string& wanted) const {
    return wrong("type " + std::to_string(static_cast<unsigned char>(type)) + " where " + wanted +
                 " belongs");
  }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  Result<std::string_view> bytes(std::uint64_t count) {
    if (count > left()) {
      return wrong(std::to_string(count) + " bytes are announced, " + std::to_string(left()) +
                   " are left");
    }
    const std::string_view taken(at_, count);
    at_ += count;
    return taken;
  }
  template <class T>
  Result<T> raw() {
    return big_endian<T>(TRY(bytes(sizeof(T))).data());
  }
  void no_ops() {
    while (at_ < end_ && *at_ == 'N') ++at_;
  }
  bool take(char wanted) {
    no_ops();
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }
  /// The type of the next value: its own byte, or what its container said for all.
  Result<char> next_type() {
    if (pending_type_ != 0) return std::exchange(pending_type_, 0);
    no_ops();
    return TRY(bytes(1))[0];
  }
  Result<> expect_type(char wanted) {
    const char type = TRY(next_type());
    if (type != wanted) return wrong_type(type, wanted == '{' ? "an object" : "an array");
    if (++depth_ > kDepthMax) return wrong("nesting deeper than 64");
    return {};
  }

  Result<Container> container() {
    Container shape;
    if (left() > 0 && *at_ == '$') {
      ++at_;
      shape.type = TRY(bytes(1))[0];
      // Values without bytes would let a few bytes announce any amount of work.
      if (width_of(shape.type) == 0 && shape.type != 'S' && shape.type != '{' &&
          shape.type != '[') {
        return wrong_type(shape.type, "the type of a container's items");
      }
      if (left() == 0 || *at_ != '#') return wrong("a typed container without a count");
    }
    if (left() == 0 || *at_ != '#') return shape;
    ++at_;
    shape.counted = true;
    shape.count = TRY(length());
    if (shape.count > left()) {
      return wrong(std::to_string(shape.count) + " items are announced, " + std::to_string(left()) +
                   " bytes are left");
    }
    return shape;
  }

  Result<std::uint64_t> length() {
    const char type = TRY(bytes(1))[0];
    const std::int64_t count = TRY(integer_of(type));
    if (count < 0) return wrong("a negative length");
    return static_cast<std::uint64_t>(count);
  }
  Result<std::string> bare_text() {
    no_ops();
    const std::uint64_t size = TRY(length());
    if (size > kTextBytesMax) return wrong("a text longer than 1 MiB");
    return std::string(TRY(bytes(size)));
  }

  Result<std::int64_t> integer_of(char type) {
    switch (type) {
      case 'i':
        return std::int64_t{TRY(raw<std::int8_t>())};
      case 'U':
        return std::int64_t{TRY(raw<std::uint8_t>())};
      case 'I':
        return std::int64_t{TRY(raw<std::int16_t>())};
      case 'l':
        return std::int64_t{TRY(raw<std::int32_t>())};
      case 'L':
        return TRY(raw<std::int64_t>());
      case 'T':
        return 1;
      case 'F':
        return 0;
      default:
        return wrong_type(type, "an integer");
    }
  }

  template <class T, class ReadOne>
  Result<> numbers(std::vector<T>& out, ReadOne read_one) {
    TRY(expect_type('['));
    const Container shape = TRY(container());
    if (shape.counted) {
      const std::size_t each_bytes = shape.type ? width_of(shape.type) : 1;
      if (each_bytes == 0) return wrong_type(shape.type, "a number");
      if (shape.count > left() / each_bytes) return wrong("an array longer than the file");
      out.reserve(out.size() + shape.count);
    }
    for (std::uint64_t i = 0; shape.counted ? i < shape.count : !take(']'); ++i) {
      const char type = shape.type ? shape.type : TRY(next_type());
      out.push_back(TRY(read_one(type)));
    }
    --depth_;
    return {};
  }

  Result<> skip_array() {
    TRY(expect_type('['));
    const Container shape = TRY(container());
    if (const std::size_t width = width_of(shape.type); shape.counted && width != 0) {
      if (shape.count > left() / width) return wrong("an array longer than the file");
      TRY(bytes(shape.count * width));
    } else {
      for (std::uint64_t i = 0; shape.counted ? i < shape.count : !take(']'); ++i) {
        pending_type_ = shape.type;
        TRY(skip());
      }
    }
    --depth_;
    return {};
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  char pending_type_ = 0;
  int depth_ = 0;
};

}  // namespace

std::unique_ptr<DocumentReader> read_ubjson(std::string_view bytes) {
  return std::make_unique<UbjsonDocument>(bytes);
}

}  // namespace slipway::engine
