#include "io/wire/codec.h"
#include "io/wire/output.h"

namespace slipway::wire {

namespace {

class Writer final : public Codec {
 public:
  Writer(std::string& out, const Style& style)
      : out_(out),
        style_(style),
        dump_style_{.ascii = style.ascii,
                    .indent = style.indent,
                    .non_finite_as_string = style.non_finite_as_string} {}

  void value(std::string& v) override { append_quoted(out_, v, style_.ascii); }
  void value(bool& v) override { out_ += v ? "true" : "false"; }
  void value(std::int64_t& v) override {
    if (style_.int64_as_string) out_ += '"';
    append_integer(out_, v);
    if (style_.int64_as_string) out_ += '"';
  }
  void value(int& v) override { append_integer(out_, std::int64_t{v}); }
  void value(double& v) override { append_number(out_, v, style_.non_finite_as_string); }
  void value(Json& v) override { append_json(out_, v, dump_style_, depth_); }

  bool optional(bool present) override {
    if (!present) out_ += "null";
    return present;
  }

  void member(std::string_view key, void* target, Visit visit, bool present, bool empty) override {
    if (!present || (empty && style_.omit_empty)) return;
    write_name(key);
    visit(*this, target);
  }

  void object(void* target, Visit visit_members) override {
    open('{');
    visit_members(*this, target);
    close('}');
  }

  void list(const List& list, Visit visit) override {
    open('[');
    for (std::size_t i = 0; i < list.size; ++i) {
      separate();
      visit(*this, list.at(list.target, i));
    }
    close(']');
  }

  void map(const Map& map, Visit visit) override {
    struct Each {
      Writer& writer;
      Visit visit;
    } each{*this, visit};
    open('{');
    map.each(map.target, &each, [](void* context, const std::string& key, void* v) {
      Each& to = *static_cast<Each*>(context);
      to.writer.write_key(key);
      to.visit(to.writer, v);
    });
    close('}');
  }

  bool reading() const override { return false; }

 private:
  void write_key(std::string_view key) {
    separate();
    append_quoted(out_, key, style_.ascii);
    out_ += style_.indent > 0 ? ": " : ":";
  }
  /// A name of the source code's, in which nothing is to be escaped.
  void write_name(std::string_view name) {
    separate();
    out_ += '"';
    out_ += name;
    out_ += style_.indent > 0 ? "\": " : "\":";
  }
  void open(char bracket) {
    out_ += bracket;
    first_ = true;
    ++depth_;
  }
  void close(char bracket) {
    --depth_;
    if (!first_) break_line();
    out_ += bracket;
    first_ = false;  // the container was a value of the one around it
  }
  void separate() {
    if (!first_) out_ += ',';
    first_ = false;
    break_line();
  }
  void break_line() {
    if (style_.indent > 0) append_line_break(out_, style_.indent * depth_);
  }

  std::string& out_;
  const Style& style_;
  const DumpStyle dump_style_;
  bool first_ = true;  // nothing stands in the innermost container yet
  int depth_ = 0;
};

}  // namespace

std::string encode_from(void* target, Codec::Visit visit, const Style& style) {
  std::string out;
  Writer writer(out, style);
  visit(writer, target);
  return out;
}

}  // namespace slipway::wire
