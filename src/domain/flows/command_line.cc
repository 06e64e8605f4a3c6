#include "domain/flows/command_line.h"

#include <algorithm>
#include <set>

namespace slipway::flows {
namespace {

bool is_one_of(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}

/// Reads one line from its beginning to its end.
class Reader {
 public:
  Reader(std::string_view line, std::string_view path) : line_(line), path_(path) {}

  std::vector<SimpleCommand> read() {
    while (at_ < line_.size()) step();
    end_command();
    return std::move(commands_);
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < line_.size() ? line_[at_ + ahead] : '\0';
  }

  void step() {
    char c = peek();
    if (is_one_of(c, " \t"))
      end_word(), ++at_;
    else if (c == '#' && !in_word_)
      at_ = std::min(line_.find('\n', at_), line_.size());
    else if (is_one_of(c, ";&|()\n"))
      end_at_operator();
    else if (is_one_of(c, "<>"))
      redirect();
    else if (c == '\'')
      take_single();
    else if (c == '"')
      take_double();
    else
      take(/*is_quoted=*/false);
  }

  void take_single() {
    in_word_ = true;
    std::size_t end = std::min(line_.find('\'', at_ + 1), line_.size());
    word_.text += line_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
  }

  void take_double() {
    in_word_ = true;
    for (++at_; at_ < line_.size() && peek() != '"';) take(/*is_quoted=*/true);
    ++at_;
  }

  void take(bool is_quoted) {
    in_word_ = true;
    char c = peek();
    if (c == '\\') {
      if (peek(1) != '\n' && peek(1) != '\0') word_.text.push_back(peek(1));
      at_ += 2;
      return;
    }
    if (c == '$') return take_variable();
    bool is_pattern = !is_quoted && is_one_of(c, "*?[{~");
    if (c == '`' || is_pattern) word_.is_known = false;
    word_.text.push_back(c);
    ++at_;
  }

  void take_variable() {
    for (std::string_view name : {std::string_view("${PATH}"), std::string_view("$PATH")}) {
      if (line_.substr(at_, name.size()) != name) continue;
      char next = peek(name.size());
      bool is_longer = name.back() != '}' &&
                       (std::isalnum(static_cast<unsigned char>(next)) != 0 || next == '_');
      if (is_longer) continue;
      word_.text += path_;
      at_ += name.size();
      return;
    }
    word_.is_known = false;
    word_.text.push_back('$');
    ++at_;
  }

  /// The file's name is no argument.
  void redirect() {
    if (word_.text.find_first_not_of("0123456789") == std::string::npos) drop_word();
    end_word();
    if (peek() == '<' && peek(1) == '<') in_block_ = true;  // lines of a text follow
    while (is_one_of(peek(), "<>&|")) ++at_;
    skips_word_ = true;
  }

  void end_at_operator() {
    char c = peek();
    bool is_alternative = c == '|' && peek(1) == '|';
    end_command();
    while (is_one_of(peek(), ";&|()\n") && at_ < line_.size()) ++at_;
    if (is_alternative) is_certain_ = false;
    if (c == '\n' || c == ';') is_certain_ = !in_block_;
  }

  void drop_word() {
    word_ = {};
    in_word_ = false;
  }

  void end_word() {
    if (in_word_ && !skips_word_) command_.words.push_back(std::move(word_));
    if (in_word_) skips_word_ = false;
    drop_word();
  }

  void end_command() {
    end_word();
    skips_word_ = false;
    drop_keywords();
    command_.is_certain = is_certain_;
    if (!command_.words.empty()) commands_.push_back(std::move(command_));
    command_ = {};
  }

  /// "if", "then", "do", ... before a command: from there on it depends on others.
  void drop_keywords() {
    static const std::set<std::string, std::less<>> kKeywords = {
        "if", "then", "else", "elif", "fi", "for", "while",    "until",
        "do", "done", "case", "esac", "{",  "}",   "function", "!"};
    while (!command_.words.empty() && kKeywords.contains(command_.words.front().text)) {
      in_block_ = true;
      is_certain_ = false;
      command_.words.erase(command_.words.begin());
    }
  }

  std::string_view line_, path_;
  std::size_t at_ = 0;
  std::vector<SimpleCommand> commands_;
  SimpleCommand command_;
  Word word_;
  bool in_word_ = false, skips_word_ = false, is_certain_ = true, in_block_ = false;
};

}  // namespace

std::vector<SimpleCommand> simple_commands(std::string_view line, std::string_view path) {
  return Reader(line, path).read();
}

}  // namespace slipway::flows
