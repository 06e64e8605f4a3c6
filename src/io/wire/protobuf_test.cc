#include "io/wire/protobuf.h"

#include <gtest/gtest.h>

namespace slipway::wire {
namespace {

using Type = ProtoField::Type;

TEST(Protobuf, ReadsBackWhatItWrites) {
  std::string message;
  append_proto_varint(message, 1, 300);
  append_proto_bytes(message, 2, "text");
  append_proto_fixed64(message, 536'870'911, 0x0102030405060708);
  append_proto_varint(message, 3, UINT64_MAX);
  ProtoReader reader(message);
  ProtoField field;
  ASSERT_TRUE(*reader.next(field));
  EXPECT_EQ(field.number, 1u);
  EXPECT_EQ(field.value, 300u);
  ASSERT_TRUE(*reader.next(field));
  EXPECT_EQ(field.type, Type::kBytes);
  EXPECT_EQ(field.bytes, "text");
  ASSERT_TRUE(*reader.next(field));
  EXPECT_EQ(field.number, 536'870'911u);
  EXPECT_EQ(field.value, 0x0102030405060708u);
  ASSERT_TRUE(*reader.next(field));
  EXPECT_EQ(field.as_int64(), -1);
  EXPECT_FALSE(*reader.next(field));
}

TEST(Protobuf, RefusesWhatIsNoMessage) {
  using namespace std::string_literals;
  for (const std::string& bytes :
       {"\x08"s,
        "\x0a\x05"s
        "abc"s,
        "\x09"s
        "1234"s,
        "\x0d"s
        "12"s,
        "\x00\x01"s, "\x0b"s, "\x0f"s, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s,
        "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,
        "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s}) {
    ProtoReader reader(bytes);
    ProtoField field;
    const Result<bool> read = reader.next(field);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, Code::kInvalid);
  }
}

TEST(Protobuf, ReadsDoubles) {
  std::string message;
  append_proto_fixed64(message, 4, 0x3FF8000000000000);
  ProtoReader reader(message);
  ProtoField field;
  ASSERT_TRUE(*reader.next(field));
  EXPECT_EQ(field.as_double(), 1.5);
}

}  // namespace
}  // namespace slipway::wire
