#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

// A shell's command line, read as far as it can be told without running it.
namespace slipway::flows {

struct Word {
  std::string text;      // without quotes; $PATH put in
  bool is_known = true;  // false: the shell makes something of it that can't be told ($X, *, `...`)
};

/// One program with its arguments.
struct SimpleCommand {
  std::vector<Word> words;
  bool is_certain = true;  // false: only run depending on others (after "||", in "if", "for", ...)
};

/// Splits at ; & && || | ( ) and ends of lines. `path`: what $PATH is. Pure.
std::vector<SimpleCommand> simple_commands(std::string_view line, std::string_view path);

}  // namespace slipway::flows
