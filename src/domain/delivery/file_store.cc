#include "domain/delivery/store.h"

namespace slipway::delivery {

Result<> put_version_files(db::Tx& tx, const std::string& model, std::int64_t version,
                           UnixMs made_ms, const std::vector<RecordedFile>& files, UnixMs now_ms) {
  for (const RecordedFile& file : files) {
    TRY(
        tx.run("insert into version_files (model, version, made_ms, path, sha256, bytes, "
               "recorded_ms) values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
               model, version, made_ms, file.path, file.sha256, file.bytes, now_ms));
  }
  return {};
}

Result<std::vector<RecordedFile>> version_files(db::Tx& tx, const std::string& model,
                                                std::int64_t version, UnixMs made_ms) {
  return tx.all<RecordedFile>(
      "select path, sha256, bytes, recorded_ms from version_files "
      "where model = ? and version = ? and made_ms = ? order by path",
      model, version, made_ms);
}

Result<bool> was_recorded(db::Tx& tx, const std::string& model, std::int64_t version) {
  return TRY(tx.one<std::int64_t>(
                 "select 1 from version_files where model = ? and version = ? limit 1", model,
                 version))
      .has_value();
}

}  // namespace slipway::delivery
