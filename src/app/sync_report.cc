#include "app/sync_client.h"

namespace slipway::app {

using mlflow_store::Trouble;
using wire::Json;

Json to_json(const SyncReport& report) {
  Json json;
  json.set("source", report.source);
  json.set("server", report.server);
  Json sent{Json::Object{}};
  sent.set("experiments", report.experiments);
  sent.set("runs", report.made);
  sent.set("runs_that_went_on", report.went_on);
  sent.set("points", report.points);
  sent.set("files", report.files);
  sent.set("bytes", report.bytes);
  sent.set("logged_models", report.logged_models);
  sent.set("versions", report.versions);
  json.set("sent", std::move(sent));
  json.set("runs_as_before", report.same);
  json.set("deleted", report.deleted);
  Json::Array troubles, left, notes;
  for (const Trouble& trouble : report.troubles) {
    Json one;
    one.set("kind", trouble.kind);
    one.set("id", trouble.id);
    one.set("why", trouble.why);
    troubles.push_back(std::move(one));
  }
  json.set("not_sent", std::move(troubles));
  json.set("not_sent_more", report.troubles_more);
  for (const mlflow_store::LeftBehind& kind : report.left) {
    Json one;
    one.set("what", kind.what);
    one.set("count", kind.count);
    left.push_back(std::move(one));
  }
  json.set("left", std::move(left));
  for (const std::string& note : report.notes) notes.push_back(note);
  json.set("notes", std::move(notes));
  json.set("took_ms", static_cast<std::int64_t>(report.took.count()));
  return json;
}

std::string to_text(const SyncReport& report) {
  std::string text = report.source + " -> " + report.server + "\n";
  const std::pair<const char*, std::int64_t> lines[] = {
      {"new runs", report.made},         {"runs that went on", report.went_on},
      {"runs as before", report.same},   {"points", report.points},
      {"files", report.files},           {"bytes of files", report.bytes},
      {"logged models", report.logged_models}, {"versions", report.versions}};
  for (const auto& [name, count] : lines)
    if (count > 0) text += "  " + std::to_string(count) + " " + name + "\n";
  text += "  in " + std::to_string(report.took.count()) + " ms\n";
  if (report.deleted > 0)
    text += "not sent: " + std::to_string(report.deleted) +
            " runs or logged models that are deleted\n";
  for (const mlflow_store::LeftBehind& kind : report.left)
    text += "not sent: " + std::to_string(kind.count) + " " + kind.what + "\n";
  for (const Trouble& trouble : report.troubles)
    text += "not sent as it is: " + trouble.kind + " " + trouble.id + ": " + trouble.why + "\n";
  if (report.troubles_more > 0)
    text += "and " + std::to_string(report.troubles_more) + " more of these\n";
  for (const std::string& note : report.notes) text += "note: " + note + "\n";
  return text;
}

}  // namespace slipway::app
