#include "domain/checks/verdict.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/text.h"

namespace slipway::checks {
namespace {

using wire::Json;

constexpr const char* kStatuses[] = {"pass",    "warn",         "fail",   "error",
                                     "no_data", "insufficient", "skipped"};

/// How soon a person has to read it.
int urgency(Status status) {
  switch (status) {
    case Status::kFail:
      return 0;
    case Status::kError:
      return 1;
    case Status::kWarn:
      return 2;
    case Status::kNoData:
    case Status::kInsufficient:
      return 3;
    case Status::kSkipped:
      return 4;
    case Status::kPass:
      return 5;
  }
  return 5;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) < 0x20)
      out += ' ';
    else
      out += c;
  }
  return out;
}

/// JSON has no infinity: a text then.
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(python_repr(value));
}

std::string summary(const Tally& t) {
  std::string text;
  auto say = [&](int n, const char* what) {
    if (n > 0) text += (text.empty() ? "" : ", ") + std::to_string(n) + " " + what;
  };
  say(t.pass, "passed");
  say(t.warn, "warned");
  say(t.fail, "failed");
  say(t.error, "broken");
  say(t.no_data, "without data");
  say(t.insufficient, "with too few rows");
  say(t.skipped, "skipped");
  return text.empty() ? "nothing to check" : text;
}

}  // namespace

const char* to_string(Status status) {
  return kStatuses[static_cast<std::size_t>(status)];
}

Tally tally(const std::vector<Verdict>& verdicts) {
  Tally t;
  int* const counts[] = {&t.pass,    &t.warn,         &t.fail,   &t.error,
                         &t.no_data, &t.insufficient, &t.skipped};
  for (const Verdict& verdict : verdicts) ++*counts[static_cast<std::size_t>(verdict.status)];
  return t;
}

bool failed(const std::vector<Verdict>& verdicts) {
  const Tally t = tally(verdicts);
  return t.fail + t.error > 0;
}

Status overall(const std::vector<Verdict>& verdicts) {
  const Tally t = tally(verdicts);
  if (t.fail > 0) return Status::kFail;
  if (t.error > 0) return Status::kError;
  if (t.warn > 0) return Status::kWarn;
  if (t.pass > 0) return Status::kPass;
  if (t.insufficient > 0) return Status::kInsufficient;
  return t.no_data > 0 || t.skipped == 0 ? Status::kNoData : Status::kSkipped;
}

Json to_json(const Verdict& verdict) {
  Json json = Json(Json::Object());
  json.set("check", verdict.check);
  json.set("column", verdict.column);
  json.set("status", to_string(verdict.status));
  json.set("severity", to_string(verdict.severity));
  if (verdict.observed) json.set("observed", number(*verdict.observed));
  if (verdict.threshold) json.set("threshold", number(*verdict.threshold));
  json.set("n", verdict.n);
  json.set("words", verdict.words);
  if (!verdict.dialect.empty()) json.set("dialect", verdict.dialect);
  return json;
}

Json to_json(const std::vector<Verdict>& verdicts) {
  const Tally t = tally(verdicts);
  Json counts = Json(Json::Object());
  const int numbers[] = {t.pass, t.warn, t.fail, t.error, t.no_data, t.insufficient, t.skipped};
  for (std::size_t i = 0; i < std::size(kStatuses); ++i) counts.set(kStatuses[i], numbers[i]);
  Json json = Json(Json::Object());
  json.set("status", to_string(overall(verdicts)));
  json.set("counts", std::move(counts));
  Json::Array all;
  for (const Verdict& verdict : verdicts) all.push_back(to_json(verdict));
  json.set("verdicts", Json(std::move(all)));
  return json;
}

std::string to_table(const std::vector<Verdict>& verdicts, bool all) {
  std::vector<const Verdict*> shown;
  std::size_t width = 0;
  for (const Verdict& verdict : verdicts) {
    if (!all && verdict.status == Status::kPass) continue;
    shown.push_back(&verdict);
    width = std::max(width, count_code_points(verdict.check));
  }
  std::stable_sort(shown.begin(), shown.end(), [](const Verdict* a, const Verdict* b) {
    return urgency(a->status) < urgency(b->status);
  });
  std::string text;
  for (const Verdict* verdict : shown) {
    std::string status = to_string(verdict->status);
    status.resize(13, ' ');
    text += status + verdict->check +
            std::string(width + 2 - count_code_points(verdict->check), ' ') + verdict->words + "\n";
  }
  return text + summary(tally(verdicts)) + "\n";
}

std::string to_junit(const std::vector<Verdict>& verdicts, const std::string& suite) {
  const Tally t = tally(verdicts);
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"" +
                     escaped(suite) + "\" tests=\"" + std::to_string(verdicts.size()) +
                     "\" failures=\"" + std::to_string(t.fail) + "\" errors=\"" +
                     std::to_string(t.error) + "\" skipped=\"" +
                     std::to_string(t.no_data + t.insufficient + t.skipped) + "\">\n";
  for (const Verdict& verdict : verdicts) {
    text +=
        "  <testcase classname=\"" + escaped(suite) + "\" name=\"" + escaped(verdict.check) + "\"";
    const std::string words = escaped(verdict.words);
    switch (verdict.status) {
      case Status::kFail:
        text += "><failure message=\"" + words + "\"/></testcase>\n";
        break;
      case Status::kError:
        text += "><error message=\"" + words + "\"/></testcase>\n";
        break;
      case Status::kNoData:
      case Status::kInsufficient:
      case Status::kSkipped:
        text += "><skipped message=\"" + words + "\"/></testcase>\n";
        break;
      case Status::kWarn:
        text += "><system-out>warn: " + words + "</system-out></testcase>\n";
        break;
      case Status::kPass:
        text += "/>\n";
        break;
    }
  }
  return text + "</testsuite>\n";
}

}  // namespace slipway::checks
