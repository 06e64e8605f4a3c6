#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::data {

/// One line of a .dvcignore in gitignore syntax, compiled. Any thread.
class IgnorePattern {
 public:
  /// `folder`: where the file stands, relative to the project ("" or "a/b"). Lines that hold no
  /// pattern never match.
  IgnorePattern(std::string_view line, std::string folder);

  bool empty() const { return tokens_.empty(); }
  bool negated() const { return negated_; }
  bool folders_only() const { return folders_only_; }
  /// `path` is relative to the project, without a slash at its end.
  bool matches(std::string_view path, bool is_folder) const;

 private:
  struct Token {
    enum class Kind {
      kChar,
      kNotSlash,
      kAny,
      kSet,
      kManyNotSlash,
      kMany,
      kSkip
    } kind = Kind::kChar;
    char c = 0;
    std::string set;       // of kSet: the characters
    bool inverse = false;  // of kSet
    std::size_t skip = 0;  // of kSkip: that many of the following may be left out
  };
  void compile(std::string_view pattern);
  void compile_segment(std::string_view segment);
  bool run(std::string_view text) const;
  void spread(std::vector<char>& states) const;
  static bool accepts(const Token& token, char c);

  std::string folder_;
  std::vector<Token> tokens_;
  bool negated_ = false;
  bool folders_only_ = false;
};

/// All patterns of a project, those of deeper folders after those of higher ones; the last that
/// matches decides. Not thread-safe while patterns are added.
class IgnoreRules {
 public:
  IgnoreRules();
  /// The content of a .dvcignore in `folder` (relative to the project).
  void add_file(const std::string& folder, std::string_view content);
  void add_pattern(std::string_view line, const std::string& folder);
  /// Below an ignored folder everything is ignored.
  bool ignores(std::string_view path, bool is_folder) const;
  /// The same, when no folder above `path` is ignored.
  bool ignores_itself(std::string_view path, bool is_folder) const;

 private:
  std::vector<IgnorePattern> patterns_;
};

}  // namespace slipway::data
