#pragma once

#include "io/wire/json.h"

// What the two writers, dump and encode, share.
namespace slipway::wire {

void append_number(std::string& out, double value, bool non_finite_as_string);
void append_integer(std::string& out, std::int64_t value);
void append_integer(std::string& out, std::uint64_t value);
void append_line_break(std::string& out, int blanks);
/// `depth`: how many levels `value` is inside the text already, for the indentation.
void append_json(std::string& out, const Json& value, const DumpStyle& style, int depth);

}  // namespace slipway::wire
