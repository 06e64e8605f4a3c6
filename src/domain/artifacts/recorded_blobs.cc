#include "domain/artifacts/recorded_blobs.h"

#include "base/failpoint.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::artifacts {
namespace {

constexpr char kTables[] = R"sql(
create table artifacts (
  key text primary key,
  bytes bigint not null,
  stamp text not null,
  sha256 text not null,
  written_ms bigint not null) without rowid;
create index artifacts_by_sha256 on artifacts (sha256);
)sql";

constexpr char kHome[] = R"sql(
create table artifact_home (
  only_one bigint primary key,
  identity text not null,
  place text not null,
  server text not null,
  since_ms bigint not null) without rowid;
)sql";

constexpr int kForgottenAtOnce = 2'000;  // rows in one transaction

Result<> put(db::Tx& tx, const Record& record) {
  TRY(tx.run("insert into artifacts (key, bytes, stamp, sha256, written_ms) values (?, ?, ?, ?, ?) "
             "on conflict (key) do update set bytes = excluded.bytes, stamp = excluded.stamp, "
             "sha256 = excluded.sha256, written_ms = excluded.written_ms",
             record.key, record.bytes, record.stamp, record.sha256, record.written_ms));
  return {};
}

bool is_hex32(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Who has logged an object, and under which path: EXPERIMENT/RUN/artifacts/PATH, or
/// EXPERIMENT/models/MODEL/artifacts/PATH.
struct Owner {
  graph::NodeRef ref;
  std::string path;
};
std::optional<Owner> owner_of(const std::string& key) {
  const std::vector<std::string_view> segments = split(key, '/');
  const bool is_model = segments.size() > 4 && segments[1] == "models" &&
                        segments[2].starts_with("m-") && is_hex32(segments[2].substr(2));
  const bool is_run = segments.size() > 3 && is_hex32(segments[1]);
  const std::size_t id = is_model ? 2 : 1;
  if ((!is_model && !is_run) || segments[id + 1] != "artifacts") return std::nullopt;
  const std::string_view first = segments[id + 2];
  return Owner{{is_model ? graph::kind::kModel : graph::kind::kRun, std::string(segments[id])},
               key.substr(static_cast<std::size_t>(first.data() - key.data()))};
}

/// The graph says which runs and models have logged which content.
Result<> join_graph(db::Tx& tx, const Record& record) {
  const std::optional<Owner> owner = owner_of(record.key);
  if (!owner || record.sha256.empty() || !TRY(graph::find_node(tx, owner->ref))) return {};
  const graph::NodeRef file{graph::kind::kFile, record.sha256};
  wire::Json attributes, edge;
  attributes.set("bytes", record.bytes);
  edge.set("path", owner->path);
  TRY(graph::put_node(tx, file, attributes, record.written_ms));
  return graph::put_edge(tx, {file, graph::relation::kProducedBy, owner->ref, edge},
                         record.written_ms);
}

/// Keys below a folder begin with "FOLDER/", and '0' follows '/'.
Result<std::int64_t> forget_some(db::Tx& tx, const std::string& key) {
  return tx.run(
      "delete from artifacts where key in (select key from artifacts where key = ? or "
      "(key >= ? and key < ?) limit ?)",
      key, key + "/", key + "0", std::int64_t{kForgottenAtOnce});
}

/// Passes an object on; from the beginning to the end it is held to its digest.
class RecordedReader final : public blob::Reader {
 public:
  RecordedReader(std::unique_ptr<blob::Reader> object, std::string key, std::string sha256)
      : object_(std::move(object)), key_(std::move(key)), sha256_(std::move(sha256)) {
    if (!sha256_.empty()) digest_.emplace(Hasher::Kind::kSha256);
  }
  std::uint64_t size() const override { return object_->size(); }
  std::string stamp() const override { return object_->stamp(); }
  std::string sha256() const override { return sha256_; }

  Result<> select(std::uint64_t at, std::uint64_t bytes) override {
    digest_.reset();
    return object_->select(at, bytes);
  }

  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t got = TRY(object_->read(buffer));
    if (!digest_ || buffer.empty()) return got;
    digest_->update({buffer.data(), got});
    read_ += got;
    if (read_ < object_->size() && got > 0) return got;
    const bool same = digest_->finish_hex() == sha256_;
    digest_.reset();
    if (same) return got;
    log_error("an artifact is not what was written", {{"key", key_}, {"sha256", sha256_}});
    return Error{Code::kInternal,
                 "the artifact '" + key_ +
                     "' is damaged: its bytes are not those that were written (SHA-256 " + sha256_ +
                     "); take it from a backup, or log it again",
                 "damaged"};
  }

  /// What is held to its digest has to be read.
  Result<std::size_t> move_to(const Pipe& pipe, std::size_t bytes) override {
    return digest_ ? Result<std::size_t>(0) : object_->move_to(pipe, bytes);
  }

 private:
  std::unique_ptr<blob::Reader> object_;
  std::string key_, sha256_;
  std::optional<Hasher> digest_;
  std::uint64_t read_ = 0;
};

class RecordedBlobs final : public blob::Blobs {
 public:
  RecordedBlobs(std::unique_ptr<blob::Blobs> store, db::Pool& pool, const Clock& clock)
      : store_(std::move(store)), pool_(pool), clock_(clock) {}

  Result<std::unique_ptr<blob::Writer>> create(const std::string& key) override {
    return std::unique_ptr<blob::Writer>(
        std::make_unique<RecordedWriter>(*this, TRY(store_->create(key)), key));
  }

  Result<std::unique_ptr<blob::Reader>> open(const std::string& key) override {
    std::unique_ptr<blob::Reader> object = TRY(store_->open(key));
    const auto record = TRY(pool_.read([&](db::Tx& tx) { return record_of(tx, key); }));
    const bool counts = record && record->stamp == object->stamp();
    return std::unique_ptr<blob::Reader>(std::make_unique<RecordedReader>(
        std::move(object), key, counts ? record->sha256 : std::string()));
  }

  Result<std::vector<blob::Entry>> list(const std::string& folder) override {
    return store_->list(folder);
  }
  Result<std::optional<blob::Entry>> find(const std::string& key) override {
    return store_->find(key);
  }

  Result<> remove(const std::string& key) override {
    TRY(blob::check_key(key));
    while (TRY(pool_.write([&](db::Tx& tx) { return forget_some(tx, key); })) == kForgottenAtOnce) {
    }
    return store_->remove(key);
  }

  Result<std::string> begin_parts(const std::string& key) override {
    return store_->begin_parts(key);
  }
  Result<std::unique_ptr<blob::Writer>> create_part(const std::string& upload,
                                                    int number) override {
    return store_->create_part(upload, number);
  }
  Result<blob::Stored> join_parts(const std::string& key, const std::string& upload,
                                  const std::vector<blob::Part>& parts) override {
    blob::Stored stored = TRY(store_->join_parts(key, upload, parts));
    TRY(record(key, stored));
    return stored;
  }
  Result<> drop_parts(const std::string& key, const std::string& upload) override {
    return store_->drop_parts(key, upload);
  }
  std::string identity() const override { return store_->identity(); }
  Result<std::optional<std::string>> direct_url(const blob::DirectUse& use) override {
    return store_->direct_url(use);
  }

 private:
  class RecordedWriter final : public blob::Writer {
   public:
    RecordedWriter(RecordedBlobs& blobs, std::unique_ptr<blob::Writer> object, std::string key)
        : blobs_(blobs), object_(std::move(object)), key_(std::move(key)) {}
    Result<> write(std::string_view data) override { return object_->write(data); }
    Result<blob::Stored> commit() override {
      blob::Stored stored = TRY(object_->commit());
      TRY(blobs_.record(key_, stored));
      return stored;
    }

   private:
    RecordedBlobs& blobs_;
    std::unique_ptr<blob::Writer> object_;
    std::string key_;
  };

  Result<> record(const std::string& key, const blob::Stored& stored) {
    failpoint("artifacts.stored");
    const Record record{key, static_cast<std::int64_t>(stored.bytes), stored.stamp, stored.sha256,
                        clock_.now_ms()};
    return pool_.write([&](db::Tx& tx) -> Result<> {
      TRY(put(tx, record));
      return join_graph(tx, record);
    });
  }

  std::unique_ptr<blob::Blobs> store_;
  db::Pool& pool_;
  const Clock& clock_;
};

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("artifacts/0001_records", kTables),
          db::portable("artifacts/0002_home", kHome)};
}

Result<std::optional<Record>> record_of(db::Tx& tx, const std::string& key) {
  return tx.one<Record>("select key, bytes, stamp, sha256, written_ms from artifacts where key = ?",
                        key);
}

Result<std::vector<Record>> records_below(db::Tx& tx, const std::string& folder, int limit) {
  return tx.all<Record>(
      "select key, bytes, stamp, sha256, written_ms from artifacts where key >= ? and key < ? "
      "order by key limit ?",
      folder + "/", folder + "0", std::int64_t{limit});
}

std::unique_ptr<blob::Blobs> open_recorded(std::unique_ptr<blob::Blobs> store, db::Pool& pool,
                                           const Clock& clock) {
  return std::make_unique<RecordedBlobs>(std::move(store), pool, clock);
}

}  // namespace slipway::artifacts
