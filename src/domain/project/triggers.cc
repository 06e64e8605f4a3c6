#include "base/text.h"
#include "domain/project/sections.h"

namespace slipway::project {
namespace {

using yaml::Node;

/// A trigger while it is read: its source may be said by one key, and refined by others beside it.
struct Draft {
  TriggerSpec spec;
  std::vector<std::string> sources;  // keys that were there
  const Node *tz = nullptr, *catchup = nullptr, *settle = nullptr;
};

template <class Source>
Source& begin(Reader& reader, Draft& draft) {
  draft.sources.push_back(reader.key);
  draft.spec.source = Source();
  return std::get<Source>(draft.spec.source);
}

void read_cron(Reader& reader, const Node& node, Draft& draft) {
  CronSource& source = begin<CronSource>(reader, draft);
  source.expression_at = node.at;
  int fields = 0;
  for (std::string_view field : split(node.is_string() ? node.text : "", ' ')) {
    fields += field.empty() ? 0 : 1;
  }
  constexpr int kFields = 5;
  if (fields != kFields || node.text.size() > 200) {
    return reader.expected(
        node, "five fields: minute, hour, day of month, month, day of week (\"30 2 * * *\")");
  }
  source.expression = node.text;
}

void read_data_source(Reader& reader, const Node& node, Draft& draft) {
  DataSource& source = begin<DataSource>(reader, draft);
  source.path_at = node.at;
  reader.path(node, source.path);
}

const Keys<GitSource>& git_keys() {
  static const Keys<GitSource> keys = {
      {"branch",
       [](Reader& r, const Node& n, GitSource& s) {
         s.branch_at = n.at;
         r.text(n, s.branch);
       }},
      {"paths", [](Reader& r, const Node& n,
                   GitSource& s) { r.texts(n, &Reader::glob, s.paths, &s.paths_at); }},
  };
  return keys;
}

/// "labels.ready", "labels.*", "labels.>": a subject as a stream of NATS may have it.
bool is_nats_subject(std::string_view text) {
  constexpr std::size_t kBytesMax = 255;
  if (text.empty() || text.size() > kBytesMax || text.front() == '$' || text == "_INBOX.>")
    return false;
  const std::vector<std::string_view> tokens = split(text, '.');
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i];
    if (token.empty()) return false;
    for (const char c : token)
      if (static_cast<unsigned char>(c) <= ' ' || c == 0x7F) return false;
    const bool has_wildcard = token.find_first_of("*>") != std::string_view::npos;
    if (has_wildcard && token != "*" && !(token == ">" && i + 1 == tokens.size())) return false;
  }
  return true;
}

void read_nats_subject(Reader& reader, const Node& node, MessageSource& source) {
  if (!node.is_string() || !is_nats_subject(node.text)) {
    return reader.expected(node,
                           "a subject of NATS (\"labels.ready\"; \"*\" stands for one word, \">\" "
                           "at the end for one or more)");
  }
  source.subject = node.text;
}

const Keys<MessageSource>& message_keys() {
  static const Keys<MessageSource> keys = {
      {"type", [](Reader& r, const Node& n, MessageSource& s) { r.text(n, s.type); }, true},
      {"source", [](Reader& r, const Node& n, MessageSource& s) { r.text(n, s.source); }},
      {"nats", read_nats_subject},
  };
  return keys;
}

const Keys<IncidentSource>& incident_keys() {
  static const Keys<IncidentSource> keys = {
      {"monitor",
       [](Reader& r, const Node& n, IncidentSource& s) {
         s.monitor_at = n.at;
         r.name(n, s.monitor);
       }},
      {"deployment",
       [](Reader& r, const Node& n, IncidentSource& s) {
         s.deployment_at = n.at;
         r.name(n, s.deployment);
       }},
  };
  return keys;
}

const Keys<AlertSource>& alert_keys() {
  static const Keys<AlertSource> keys = {
      {"labels",
       [](Reader& r, const Node& n, AlertSource& s) {
         r.members(n, "labels to values", [&](const yaml::Entry& entry) {
           std::string value;
           r.key = entry.key.text;
           if (r.text(entry.value, value)) s.labels.emplace_back(entry.key.text, value);
         });
       },
       true},
  };
  return keys;
}

/// "${event.time}" and the like; other text stays what it is.
bool is_template(std::string_view text) {
  for (std::size_t at = text.find("${"); at != std::string_view::npos; at = text.find("${", at)) {
    std::size_t end = text.find('}', at);
    if (end == std::string_view::npos) return false;
    std::string_view name = text.substr(at + 2, end - at - 2);
    if (!name.starts_with("event.") || name.size() == 6) return false;
    at = end;
  }
  return true;
}

void read_params(Reader& reader, const Node& node, TriggerSpec& spec) {
  reader.members(node, "params to values", [&](const yaml::Entry& entry) {
    reader.key = entry.key.text;
    const Node& value = entry.value;
    bool fits = value.is_scalar() && !value.is_null() && value.text.size() <= kTextBytesMax;
    if (!fits || !is_template(value.text)) {
      return reader.expected(value, "a value, in which ${event.NAME} is the only template");
    }
    spec.params.push_back({entry.key.text, value.text, entry.key.at});
  });
}

const Keys<DataMapping>& data_mapping_keys() {
  static const Keys<DataMapping> keys = {
      {"from",
       [](Reader& r, const Node& n, DataMapping& m) {
         constexpr std::string_view kBegin = "deployments/";
         bool fits = n.is_string() && n.text.starts_with(kBegin) && n.text.size() > kBegin.size();
         if (!fits) return r.expected(n, "deployments/NAME");
         m.from = n.text;
         m.from_at = n.at;
       },
       true},
      {"labelled", [](Reader& r, const Node& n, DataMapping& m) { r.truth(n, m.labelled); }},
      {"to",
       [](Reader& r, const Node& n, DataMapping& m) {
         m.to_at = n.at;
         r.path(n, m.to);
       },
       true},
  };
  return keys;
}

const Keys<TriggerSpec>& with_keys() {
  static const Keys<TriggerSpec> keys = {
      {"params", [](Reader& r, const Node& n, TriggerSpec& t) { read_params(r, n, t); }},
      {"data",
       [](Reader& r, const Node& n, TriggerSpec& t) {
         DataMapping mapping;
         mapping.at = n.at;
         if (read_map(r, n, n.at, "\"data\" of \"with\"", data_mapping_keys(), mapping)) {
           t.data = std::move(mapping);
         }
       },
       false, [] { return paths_of(data_mapping_keys(), "."); }},
  };
  return keys;
}

template <class Source>
void read_source(Reader& reader, const Node& node, const Keys<Source>& keys, Draft& draft) {
  Source& source = begin<Source>(reader, draft);
  if (!node.is_null()) read_map(reader, node, node.at, in_quotes(reader.key), keys, source);
}

const Keys<Draft>& trigger_keys() {
  static const Keys<Draft> keys = {
      {"pipeline",
       [](Reader& r, const Node& n, Draft& d) {
         d.spec.pipeline_at = n.at;
         r.name(n, d.spec.pipeline);
       },
       true},
      {"cron", read_cron},
      {"tz", [](Reader&, const Node& n, Draft& d) { d.tz = &n; }},
      {"catchup", [](Reader&, const Node& n, Draft& d) { d.catchup = &n; }},
      {"data", read_data_source},
      {"settle", [](Reader&, const Node& n, Draft& d) { d.settle = &n; }},
      {"git", [](Reader& r, const Node& n, Draft& d) { read_source(r, n, git_keys(), d); }, false,
       [] { return paths_of(git_keys(), "."); }},
      {"cloudevent",
       [](Reader& r, const Node& n, Draft& d) { read_source(r, n, message_keys(), d); }, false,
       [] { return paths_of(message_keys(), "."); }},
      {"alert", [](Reader& r, const Node& n, Draft& d) { read_source(r, n, alert_keys(), d); },
       false, [] { return paths_of(alert_keys(), "."); }},
      {"incident",
       [](Reader& r, const Node& n, Draft& d) { read_source(r, n, incident_keys(), d); }, false,
       [] { return paths_of(incident_keys(), "."); }},
      {"with",
       [](Reader& r, const Node& n, Draft& d) {
         read_map(r, n, n.at, "\"with\"", with_keys(), d.spec);
       },
       false, [] { return paths_of(with_keys(), "."); }},
      {"debounce", [](Reader& r, const Node& n, Draft& d) { r.span(n, d.spec.debounce); }},
      {"cooldown", [](Reader& r, const Node& n, Draft& d) { r.span(n, d.spec.cooldown); }},
      {"at_most", [](Reader& r, const Node& n, Draft& d) { r.rate(n, d.spec.at_most); }},
      {"overlap",
       [](Reader& r, const Node& n, Draft& d) {
         r.choice(n, {"skip", "buffer_one", "allow"}, d.spec.overlap);
       }},
  };
  return keys;
}

const std::vector<std::string>& source_names() {
  static const std::vector<std::string> names = {"cron",  "data",       "git",
                                                 "alert", "cloudevent", "incident"};
  return names;
}

void check_sources(Reader& reader, const Draft& draft) {
  std::string who = "the trigger " + in_quotes(draft.spec.name);
  if (draft.sources.empty()) {
    reader.fault(draft.spec.at,
                 "found no source in " + who + ", expected " + one_of(source_names()));
  } else if (draft.sources.size() > 1) {
    reader.fault(draft.spec.at,
                 "found " + join(draft.sources, " and ") + " in " + who + ", expected one source");
  }
}

/// A key that only means something beside another one.
bool belongs(Reader& reader, const Node* node, const char* key, bool fits, const char* beside) {
  if (node == nullptr) return false;
  reader.key = key;
  if (fits) return true;
  reader.fault(node->at, std::string("found ") + in_quotes(key) + " in a trigger without " +
                             in_quotes(beside) + ", expected it beside " + in_quotes(beside) +
                             " only");
  return false;
}

void refine_source(Reader& reader, Draft& draft) {
  auto* cron = std::get_if<CronSource>(&draft.spec.source);
  bool is_cron = cron != nullptr && !draft.sources.empty();
  if (belongs(reader, draft.tz, "tz", is_cron, "cron")) {
    cron->tz_at = draft.tz->at;
    reader.text(*draft.tz, cron->tz);
  }
  if (belongs(reader, draft.catchup, "catchup", is_cron, "cron")) {
    reader.choice(*draft.catchup, {"none", "latest", "all"}, cron->catchup);
  }
  auto* data = std::get_if<DataSource>(&draft.spec.source);
  if (belongs(reader, draft.settle, "settle", data != nullptr, "data")) {
    reader.span(*draft.settle, data->settle);
  }
}

}  // namespace

void read_triggers(Reader& reader, const Node& node, ProjectFile& file) {
  reader.members(node, "triggers", [&](const yaml::Entry& entry) {
    Draft draft;
    draft.spec.at = entry.key.at;
    reader.key = "triggers";
    if (!reader.name(entry.key, draft.spec.name)) return;
    reader.key = draft.spec.name;
    bool is_map = read_map(reader, entry.value, entry.key.at,
                           "the trigger " + in_quotes(draft.spec.name), trigger_keys(), draft);
    if (is_map) {
      check_sources(reader, draft);
      refine_source(reader, draft);
    }
    file.triggers.push_back(std::move(draft.spec));
  });
}

std::vector<std::string> trigger_paths() {
  return paths_of(trigger_keys(), ".NAME.");
}

}  // namespace slipway::project
