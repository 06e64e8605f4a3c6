#include "io/blob/s3.h"

#include <algorithm>

#include "base/base64.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "io/blob/s3_bucket.h"

namespace slipway::blob {
namespace {

using http::Method;
using http::Response;
using s3::Ask;
using s3::Bucket;
using s3::Pairs;
using s3::Repeat;

constexpr int kDeletedAtOnce = 1000;   // S3's
constexpr int kPartsOfOneSize = 1000;  // then parts are twice as large
constexpr int kLargestParts = 8;       // times the first
constexpr int kReadAttemptsMax = 5;    // without a byte in between

bool is_success(const Response& response) {
  return response.status >= 200 && response.status < 300;
}

std::string without_quotes(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return std::string(etag);
}

/// Stamps are printable and without quotes, whatever the server calls a content.
std::string stamp_of(const Response& response) {
  std::string stamp = without_quotes(response.headers.get("ETag"));
  const bool plain = !stamp.empty() && stamp.size() <= 200 &&
                     std::ranges::all_of(stamp, [](char c) {
                       return c > 0x20 && c < 0x7F && c != '"' && c != '\\';
                     });
  return plain ? stamp : sha256_hex(stamp);
}

std::optional<std::uint64_t> length_of(const Response& response) {
  const std::optional<std::int64_t> length = to_int64(response.headers.get("Content-Length"));
  if (!length || *length < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*length);
}

std::string name_in(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

/// What all objects of one store share.
struct Shared {
  template <class... Args>
  explicit Shared(Args&&... args) : bucket(std::forward<Args>(args)...) {}
  Bucket bucket;
  std::string object_of(const std::string& key) const {
    const std::string& prefix = bucket.place().prefix;
    return prefix.empty() ? key : prefix + "/" + key;
  }
};
using SharedPtr = std::shared_ptr<Shared>;

struct Found {
  std::uint64_t bytes = 0;
  std::string etag, stamp;  // the first with its quotes
};

Result<std::optional<Found>> look(Shared& shared, const std::string& key) {
  const Response head = TRY(shared.bucket.ask({.method = Method::kHead, .key = shared.object_of(key)}));
  if (head.status == 404) return std::optional<Found>();
  if (!is_success(head)) return shared.bucket.refused(head, "a question for '" + key + "'");
  const std::optional<std::uint64_t> bytes = length_of(head);
  if (!bytes) return unavailable("S3 does not say how long '" + key + "' is");
  return std::optional<Found>(
      {*bytes, std::string(head.headers.get("ETag")), stamp_of(head)});
}

class S3Reader final : public Reader {
 public:
  S3Reader(SharedPtr shared, std::string key, Found found)
      : shared_(std::move(shared)),
        key_(std::move(key)),
        found_(std::move(found)),
        end_(found_.bytes) {}

  std::uint64_t size() const override { return found_.bytes; }
  std::string stamp() const override { return found_.stamp; }

  Result<> select(std::uint64_t at, std::uint64_t bytes) override {
    TRY(check_selection(found_.bytes, at, bytes));
    stream_.reset();
    at_ = at;
    end_ = at + bytes;
    return {};
  }

  /// A connection that breaks off is taken up where it broke, as long as the object is the same.
  Result<std::size_t> read(std::span<char> buffer) override {
    if (buffer.size() > end_ - at_) buffer = buffer.first(static_cast<std::size_t>(end_ - at_));
    if (buffer.empty()) return std::size_t{0};
    for (int attempt = 0;; ++attempt) {
      Result<std::size_t> got = try_read(buffer);
      if (got.ok() && *got > 0) {
        at_ += *got;
        return got;
      }
      stream_.reset();
      if (!got.ok() && got.error().code != Code::kUnavailable) return got;
      if (attempt + 1 >= kReadAttemptsMax) {
        return unavailable("the object '" + key_ + "' broke off at byte " + std::to_string(at_) +
                           " of " + std::to_string(found_.bytes) +
                           (got.ok() ? "" : ": " + got.error().message));
      }
      shared_->bucket.pause(attempt);
    }
  }

 private:
  Result<std::size_t> try_read(std::span<char> buffer) {
    if (stream_ == nullptr) TRY(begin());
    return stream_->read(buffer);
  }

  Result<> begin() {
    Ask ask{.key = shared_->object_of(key_)};
    const bool whole = at_ == 0 && end_ == found_.bytes;
    if (!whole) {
      ask.headers.emplace_back("Range",
                               "bytes=" + std::to_string(at_) + "-" + std::to_string(end_ - 1));
    }
    if (!found_.etag.empty()) ask.headers.emplace_back("If-Match", found_.etag);
    auto stream = TRY(shared_->bucket.open(ask));
    const Response& head = stream->head();
    const bool changed = head.status == 412 || head.status == 404 ||
                         (is_success(head) && stamp_of(head) != found_.stamp);
    if (changed) {
      return conflict("the object '" + key_ + "' was replaced or removed while it was read");
    }
    if (head.status != (whole ? 200 : 206)) {
      return is_success(head) ? unavailable("S3 did not give the range of '" + key_ + "' asked for")
                              : shared_->bucket.refused(head, "a download of '" + key_ + "'");
    }
    if (!whole) {
      const std::string range = "bytes " + std::to_string(at_) + "-" + std::to_string(end_ - 1);
      if (!head.headers.get("Content-Range").starts_with(range)) {
        return unavailable("S3 gave another range of '" + key_ + "' than was asked for");
      }
    }
    stream_ = std::move(stream);
    return {};
  }

  SharedPtr shared_;
  const std::string key_;
  const Found found_;
  std::uint64_t at_ = 0, end_;
  std::unique_ptr<http::Incoming> stream_;
};

/// An upload in parts; nobody sees anything of it before it is joined.
class Multipart {
 public:
  Multipart(SharedPtr shared, std::string key, std::string id)
      : shared_(std::move(shared)), key_(std::move(key)), id_(std::move(id)) {}

  static Result<std::string> begin(Shared& shared, const std::string& key) {
    const Response begun = TRY(shared.bucket.ask({.method = Method::kPost,
                                                  .key = shared.object_of(key),
                                                  .query = {{"uploads", ""}},
                                                  .repeat = Repeat::kIfRefused}));
    if (!is_success(begun)) return shared.bucket.refused(begun, "an upload of '" + key + "'");
    const Result<s3::Element> root = s3::parse_xml(begun.body);
    std::string id(root.ok() ? root->text_of("UploadId") : std::string_view());
    if (id.empty()) return unavailable("S3 began an upload of '" + key + "' without a name");
    return id;
  }

  /// The part's ETag.
  Result<std::string> put(int number, std::string body) {
    const Response put = TRY(shared_->bucket.ask({.method = Method::kPut,
                                                  .key = shared_->object_of(key_),
                                                  .query = {{"partNumber", std::to_string(number)},
                                                            {"uploadId", id_}},
                                                  .body = std::move(body)}));
    if (!is_success(put)) {
      return shared_->bucket.refused(put, "part " + std::to_string(number) + " of '" + key_ + "'");
    }
    std::string etag(put.headers.get("ETag"));
    if (etag.empty()) return unavailable("S3 gave no ETag for a part of '" + key_ + "'");
    return etag;
  }

  /// `bytes` of the whole, where they are known.
  Result<Stored> join(const std::vector<Part>& parts, std::optional<std::uint64_t> bytes) {
    Result<Response> joined = shared_->bucket.ask({.method = Method::kPost,
                                                   .key = shared_->object_of(key_),
                                                   .query = {{"uploadId", id_}},
                                                   .headers = {{"Content-Type", "application/xml"}},
                                                   .body = document(parts)});
    if (!joined.ok()) return joined.error();
    // S3 may say 200 first and what went wrong later.
    const std::optional<s3::Fault> fault = s3::parse_fault(joined->body);
    if (is_success(*joined) && !fault) return finished(parts, bytes);
    const bool gone = joined->status == 404 || (fault && fault->code == "NoSuchUpload");
    if (gone) {
      // Joined by an attempt whose answer was lost, or by nobody.
      Result<Stored> before = finished(parts, bytes);
      if (before.ok()) return before;
      return missing("there is no upload '" + id_ + "' of '" + key_ + "'; begin again");
    }
    if (is_success(*joined)) joined->status = 500;
    return shared_->bucket.refused(*joined, "joining the parts of '" + key_ + "'");
  }

  Result<> drop() {
    const Response dropped = TRY(shared_->bucket.ask({.method = Method::kDelete,
                                                      .key = shared_->object_of(key_),
                                                      .query = {{"uploadId", id_}}}));
    if (is_success(dropped) || dropped.status == 404) return {};
    return shared_->bucket.refused(dropped, "giving up an upload of '" + key_ + "'");
  }

 private:
  static std::string document(const std::vector<Part>& parts) {
    std::string text =
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (const Part& part : parts) {
      const std::string etag = part.etag.starts_with('"') ? part.etag : '"' + part.etag + '"';
      text += "<Part><PartNumber>" + std::to_string(part.number) + "</PartNumber><ETag>" +
              s3::escape_xml(etag) + "</ETag></Part>";
    }
    return text + "</CompleteMultipartUpload>";
  }

  /// The object under the key now, if it can be this one.
  Result<Stored> finished(const std::vector<Part>& parts, std::optional<std::uint64_t> bytes) {
    const std::optional<Found> found = TRY(look(*shared_, key_));
    const bool fits = found && (!bytes || *bytes == found->bytes) &&
                      found->stamp.ends_with("-" + std::to_string(parts.size()));
    if (!fits) return unavailable("S3 joined '" + key_ + "', and another object is there");
    return Stored{found->bytes, found->stamp, ""};
  }

  SharedPtr shared_;
  const std::string key_, id_;
};

/// Holds at most a part in memory.
class S3Writer final : public Writer {
 public:
  S3Writer(SharedPtr shared, std::string key)
      : shared_(std::move(shared)),
        key_(std::move(key)),
        part_bytes_(shared_->bucket.options().part_bytes) {}
  ~S3Writer() override {
    if (!multipart_ || joined_) return;
    const Result<> dropped = multipart_->drop();
    if (dropped.ok()) return;
    log_warning("an upload to S3 was given up, and its parts are left there",
                {{"key", key_}, {"why", dropped.error().message}});
  }

  Result<> write(std::string_view data) override {
    TRY(usable());
    digest_.update(data);
    bytes_ += data.size();
    while (!data.empty()) {
      const std::size_t room = part_bytes_ - part_.size();
      part_.append(data.substr(0, room));
      data.remove_prefix(std::min(room, data.size()));
      // The last part is sent by commit(), so that a short object needs but one request.
      if (part_.size() < part_bytes_ || data.empty()) continue;
      if (Result<> sent = send_part(); !sent.ok()) {
        failed_ = true;
        return sent;
      }
    }
    return {};
  }

  Result<Stored> commit() override {
    TRY(usable());
    failed_ = true;  // until all is done: a failed commit is not repeated
    Stored stored = multipart_ ? TRY(join()) : TRY(put());
    stored.sha256 = digest_.finish_hex();
    return stored;
  }

 private:
  Result<> usable() const {
    if (failed_) return conflict("the object " + key_ + " was given up or committed already");
    return {};
  }

  Result<> send_part() {
    if (!multipart_) {
      multipart_.emplace(shared_, key_, TRY(Multipart::begin(*shared_, key_)));
    }
    const int number = static_cast<int>(parts_.size()) + 1;
    if (number > kPartsMax) return invalid("'" + key_ + "' is too long for an object of S3");
    parts_.push_back({number, TRY(multipart_->put(number, std::move(part_)))});
    part_.clear();
    const std::size_t largest = shared_->bucket.options().part_bytes * kLargestParts;
    if (number % kPartsOfOneSize == 0) part_bytes_ = std::min(2 * part_bytes_, largest);
    return {};
  }

  Result<Stored> join() {
    TRY(send_part());
    Stored stored = TRY(multipart_->join(parts_, bytes_));
    joined_ = true;
    return stored;
  }

  Result<Stored> put() {
    const Response put = TRY(shared_->bucket.ask({.method = Method::kPut,
                                                  .key = shared_->object_of(key_),
                                                  .body = std::move(part_)}));
    if (!is_success(put)) return shared_->bucket.refused(put, "an upload of '" + key_ + "'");
    return Stored{bytes_, stamp_of(put), ""};
  }

  SharedPtr shared_;
  const std::string key_;
  std::size_t part_bytes_;
  std::string part_;
  std::uint64_t bytes_ = 0;
  Hasher digest_{Hasher::Kind::kSha256};
  std::optional<Multipart> multipart_;
  std::vector<Part> parts_;
  bool joined_ = false, failed_ = false;
};

class S3Blobs final : public Blobs {
 public:
  explicit S3Blobs(SharedPtr shared) : shared_(std::move(shared)) {}

  Result<std::unique_ptr<Writer>> create(const std::string& key) override {
    TRY(check_key(key));
    return std::unique_ptr<Writer>(std::make_unique<S3Writer>(shared_, key));
  }

  Result<std::unique_ptr<Reader>> open(const std::string& key) override {
    TRY(check_key(key));
    std::optional<Found> found = TRY(look(*shared_, key));
    if (!found) return missing("no such object: " + key);
    return std::unique_ptr<Reader>(std::make_unique<S3Reader>(shared_, key, std::move(*found)));
  }

  Result<std::vector<Entry>> list(const std::string& folder) override {
    if (!folder.empty()) TRY(check_key(folder));
    const std::string prefix = below(folder);
    std::vector<Entry> entries;
    std::string from;
    do {
      const s3::Listing page = TRY(page_of(prefix, /*flat=*/false, kDeletedAtOnce, from));
      for (const s3::ListedObject& object : page.objects) {
        // A name that ends with '/' is how some tools keep an empty folder.
        const std::string name = object.name.substr(std::min(prefix.size(), object.name.size()));
        if (!name.empty() && !name.ends_with('/')) entries.push_back({name, false, object.bytes});
      }
      for (std::string_view path : page.folders) {
        if (path.ends_with('/')) path.remove_suffix(1);
        if (std::string name = name_in(path); !name.empty()) {
          entries.push_back({std::move(name), true, 0});
        }
      }
      if (entries.size() > kEntriesMax) {
        return invalid("the folder '" + folder + "' has more than " + std::to_string(kEntriesMax) +
                       " entries, too many for one listing");
      }
      from = page.next;
    } while (!from.empty());
    std::ranges::sort(entries, {}, &Entry::name);
    // An object and a folder may have one name: the file is shown.
    const auto same = [](const Entry& a, const Entry& b) { return a.name == b.name; };
    entries.erase(std::unique(entries.begin(), entries.end(), same), entries.end());
    return entries;
  }

  Result<std::optional<Entry>> find(const std::string& key) override {
    TRY(check_key(key));
    if (const std::optional<Found> found = TRY(look(*shared_, key))) {
      return std::optional<Entry>({name_in(key), false, found->bytes});
    }
    const s3::Listing page = TRY(page_of(below(key), /*flat=*/true, 1, ""));
    if (page.objects.empty()) return std::optional<Entry>();
    return std::optional<Entry>({name_in(key), true, 0});
  }

  Result<> remove(const std::string& key) override {
    TRY(check_key(key));
    const Response removed =
        TRY(shared_->bucket.ask({.method = Method::kDelete, .key = shared_->object_of(key)}));
    if (!is_success(removed) && removed.status != 404) {
      return shared_->bucket.refused(removed, "the removal of '" + key + "'");
    }
    while (true) {
      const s3::Listing page = TRY(page_of(below(key), /*flat=*/true, kDeletedAtOnce, ""));
      if (page.objects.empty()) return {};
      TRY(remove_all(page.objects));
    }
  }

  Result<std::string> begin_parts(const std::string& key) override {
    TRY(check_key(key));
    return Multipart::begin(*shared_, key);
  }
  Result<std::unique_ptr<Writer>> create_part(const std::string&, int) override {
    return invalid("parts of an upload to S3 go to the addresses that were told for them");
  }
  Result<Stored> join_parts(const std::string& key, const std::string& upload,
                            const std::vector<Part>& parts) override {
    TRY(check_key(key));
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].number != static_cast<int>(i) + 1 || parts[i].etag.empty()) {
        return invalid("the parts to join must be 1, 2, 3 and so on, each with the ETag that S3 "
                       "gave for it");
      }
    }
    if (parts.empty()) return invalid("an upload in parts needs at least one part");
    return Multipart(shared_, key, upload).join(parts, std::nullopt);
  }
  Result<> drop_parts(const std::string& key, const std::string& upload) override {
    TRY(check_key(key));
    return Multipart(shared_, key, upload).drop();
  }

  Result<std::optional<std::string>> direct_url(const DirectUse& use) override {
    TRY(check_key(use.key));
    Ask ask{.key = shared_->object_of(use.key)};
    if (use.what != DirectUse::What::kRead) ask.method = Method::kPut;
    if (use.what == DirectUse::What::kPart) {
      ask.query = {{"partNumber", std::to_string(use.part)}, {"uploadId", use.upload}};
    }
    return std::optional<std::string>(TRY(shared_->bucket.presign(ask, use.lasts)));
  }

  std::string identity() const override {
    const s3::Place& place = shared_->bucket.place();
    return "s3 " + place.host + " " + place.bucket + "/" + place.prefix;
  }

 private:
  /// What names of objects in a folder begin with.
  std::string below(const std::string& folder) const {
    if (!folder.empty()) return shared_->object_of(folder) + "/";
    const std::string& prefix = shared_->bucket.place().prefix;
    return prefix.empty() ? "" : prefix + "/";
  }

  Result<s3::Listing> page_of(const std::string& prefix, bool flat, int objects_max,
                              const std::string& from) {
    Pairs query{{"list-type", "2"},
                {"encoding-type", "url"},
                {"prefix", prefix},
                {"max-keys", std::to_string(objects_max)}};
    if (!flat) query.emplace_back("delimiter", "/");
    if (!from.empty()) query.emplace_back("continuation-token", from);
    const Response page = TRY(shared_->bucket.ask({.query = std::move(query)}));
    if (!is_success(page)) return shared_->bucket.refused(page, "a listing of '" + prefix + "'");
    Result<s3::Listing> listing = s3::parse_listing(page.body);
    if (!listing.ok()) return unavailable(listing.error().message);
    return listing;
  }

  Result<> remove_all(const std::vector<s3::ListedObject>& objects) {
    std::string body = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>";
    for (const s3::ListedObject& object : objects) {
      body += "<Object><Key>" + s3::escape_xml(object.name) + "</Key></Object>";
    }
    body += "</Delete>";
    Ask ask{.method = Method::kPost,
            .query = {{"delete", ""}},
            .headers = {{"Content-MD5", md5_base64(body)}, {"Content-Type", "application/xml"}},
            .body = body};
    const Response removed = TRY(shared_->bucket.ask(ask));
    if (!is_success(removed)) return shared_->bucket.refused(removed, "the removal of objects");
    const Result<s3::Element> result = s3::parse_xml(removed.body);
    if (!result.ok()) return unavailable(result.error().message);
    for (const s3::Element& child : result->children) {
      if (child.name != "Error") continue;
      return unavailable("S3 did not remove '" + std::string(child.text_of("Key")) +
                         "': " + std::string(child.text_of("Code")));
    }
    return {};
  }

  static std::string md5_base64(std::string_view text) {
    const std::string hex = md5_hex(text);
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    }
    return base64_encode(bytes);
  }

  SharedPtr shared_;
};

}  // namespace

Result<std::unique_ptr<Blobs>> open_s3(s3::Place place, FindCredentials credentials,
                                       std::shared_ptr<http::Client> client, const Clock& clock,
                                       S3Options options) {
  if (!place.prefix.empty()) TRY(check_key(place.prefix));
  const std::string where = "s3://" + place.bucket + " at " + place.scheme + "://" + place.host;
  auto shared = std::make_shared<Shared>(std::move(place), std::move(credentials),
                                         std::move(client), clock, std::move(options));
  const Response answer = TRY(shared->bucket.ask(
      {.query = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", shared->object_of("")}}}));
  if (!is_success(answer)) {
    Error error = shared->bucket.refused(answer, "a listing");
    return invalid("the artifact store " + where + " cannot be used: " + error.message);
  }
  return std::unique_ptr<Blobs>(std::make_unique<S3Blobs>(std::move(shared)));
}

}  // namespace slipway::blob
