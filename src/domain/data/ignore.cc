#include "domain/data/ignore.h"

#include "base/text.h"

namespace slipway::data {

IgnorePattern::IgnorePattern(std::string_view line, std::string folder)
    : folder_(std::move(folder)) {
  line = trim(line);
  if (line.empty() || line.front() == '#' || line == "/") return;
  if (line.front() == '!') {
    negated_ = true;
    line.remove_prefix(1);
  }
  if (line.empty()) return;
  folders_only_ = line.back() == '/';
  compile(line);
}

void IgnorePattern::compile(std::string_view pattern) {
  std::vector<std::string_view> segments = split(pattern, '/');
  bool anchored = segments.front().empty();
  if (anchored) segments.erase(segments.begin());
  if (segments.empty()) return;
  bool single = segments.size() == 1 || (segments.size() == 2 && segments[1].empty());
  if (!anchored && single && segments[0] != "**") segments.insert(segments.begin(), "**");
  if (segments.back().empty()) segments.back() = "**";
  using Kind = Token::Kind;
  auto token = [&](Kind kind, char c = 0, std::size_t skip = 0) {
    tokens_.push_back({kind, c, {}, false, skip});
  };
  bool slash = false;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    bool first = i == 0, last = i + 1 == segments.size();
    if (segments[i] == "**") {
      if (first && last) {
        token(Kind::kAny);
        token(Kind::kMany);
      } else if (first) {  // (.+/)?
        token(Kind::kSkip, 0, 3);
        token(Kind::kAny);
        token(Kind::kMany);
        token(Kind::kChar, '/');
      } else if (last) {  // /.*
        token(Kind::kChar, '/');
        token(Kind::kMany);
      } else {  // (/.+)?
        token(Kind::kSkip, 0, 3);
        token(Kind::kChar, '/');
        token(Kind::kAny);
        token(Kind::kMany);
        slash = true;
      }
      continue;
    }
    if (slash) token(Kind::kChar, '/');
    if (segments[i] == "*") {
      token(Kind::kNotSlash);
      token(Kind::kManyNotSlash);
    } else {
      compile_segment(segments[i]);
    }
    if (last) {  // (/.*)?
      token(Kind::kSkip, 0, 2);
      token(Kind::kChar, '/');
      token(Kind::kMany);
    }
    slash = true;
  }
}

void IgnorePattern::compile_segment(std::string_view segment) {
  using Kind = Token::Kind;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    char c = segment[i];
    if (c == '\\' && i + 1 < segment.size()) {
      tokens_.push_back({Kind::kChar, segment[++i], {}, false, 0});
    } else if (c == '*') {
      tokens_.push_back({Kind::kManyNotSlash, 0, {}, false, 0});
    } else if (c == '?') {
      tokens_.push_back({Kind::kNotSlash, 0, {}, false, 0});
    } else if (c == '[') {
      std::size_t from = i + 1;
      bool inverse = from < segment.size() && (segment[from] == '!' || segment[from] == '^');
      if (inverse) ++from;
      std::size_t close = segment.find(']', from + 1);
      if (close == std::string_view::npos) {
        tokens_.push_back({Kind::kChar, c, {}, false, 0});
        continue;
      }
      Token token{Kind::kSet, 0, {}, inverse, 0};
      for (std::size_t k = from; k < close; ++k) {
        if (k + 2 < close && segment[k + 1] == '-') {
          for (int d = static_cast<unsigned char>(segment[k]);
               d <= static_cast<unsigned char>(segment[k + 2]); ++d) {
            token.set.push_back(static_cast<char>(d));
          }
          k += 2;
        } else {
          token.set.push_back(segment[k]);
        }
      }
      tokens_.push_back(std::move(token));
      i = close;
    } else {
      tokens_.push_back({Kind::kChar, c, {}, false, 0});
    }
  }
}

bool IgnorePattern::accepts(const Token& token, char c) {
  switch (token.kind) {
    case Token::Kind::kChar:
      return c == token.c;
    case Token::Kind::kNotSlash:
    case Token::Kind::kManyNotSlash:
      return c != '/';
    case Token::Kind::kAny:
    case Token::Kind::kMany:
      return true;
    case Token::Kind::kSet:
      return c != '/' && (token.set.find(c) != std::string::npos) != token.inverse;
    case Token::Kind::kSkip:
      return false;
  }
  return false;
}

/// From each state to those that are reached without a character.
void IgnorePattern::spread(std::vector<char>& states) const {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    if (!states[i]) continue;
    const Token& token = tokens_[i];
    bool optional = token.kind == Token::Kind::kMany || token.kind == Token::Kind::kManyNotSlash ||
                    token.kind == Token::Kind::kSkip;
    if (optional) states[i + 1] = 1;
    if (token.kind == Token::Kind::kSkip) states[i + 1 + token.skip] = 1;
  }
}

/// All states at once, so that no pattern takes exponential time.
bool IgnorePattern::run(std::string_view text) const {
  std::vector<char> states(tokens_.size() + 1, 0);
  states[0] = 1;
  spread(states);
  for (char c : text) {
    std::vector<char> next(tokens_.size() + 1, 0);
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (!states[i] || !accepts(tokens_[i], c)) continue;
      bool stays =
          tokens_[i].kind == Token::Kind::kMany || tokens_[i].kind == Token::Kind::kManyNotSlash;
      next[stays ? i : i + 1] = 1;
    }
    spread(next);
    states = std::move(next);
  }
  return states[tokens_.size()] != 0;
}

bool IgnorePattern::matches(std::string_view path, bool is_folder) const {
  if (tokens_.empty() || (folders_only_ && !is_folder)) return false;
  if (!folder_.empty()) {
    bool inside = path.size() > folder_.size() + 1 && path.starts_with(folder_) &&
                  path[folder_.size()] == '/';
    if (!inside) return false;
    path.remove_prefix(folder_.size() + 1);
  }
  return run(path) || (is_folder && run(std::string(path) + "/"));
}

IgnoreRules::IgnoreRules() {
  for (std::string_view line : {".hg/", ".git/", ".git", ".dvc/"}) add_pattern(line, "");
}

void IgnoreRules::add_file(const std::string& folder, std::string_view content) {
  for (std::string_view line : split(content, '\n')) add_pattern(line, folder);
}

void IgnoreRules::add_pattern(std::string_view line, const std::string& folder) {
  IgnorePattern pattern(line, folder);
  if (!pattern.empty()) patterns_.push_back(std::move(pattern));
}

bool IgnoreRules::ignores_itself(std::string_view path, bool is_folder) const {
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->matches(path, is_folder)) return !pattern->negated();
  }
  return false;
}

bool IgnoreRules::ignores(std::string_view path, bool is_folder) const {
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/', slash + 1)) {
    if (ignores_itself(path.substr(0, slash), true)) return true;
  }
  return ignores_itself(path, is_folder);
}

}  // namespace slipway::data
