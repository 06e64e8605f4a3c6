#include <algorithm>
#include <map>

#include "base/guarded.h"
#include "base/hash.h"
#include "base/ids.h"
#include "io/blob/blobs.h"

namespace slipway::blob {

namespace {

using Bytes = std::shared_ptr<const std::string>;

struct Object {
  Bytes bytes;
  std::string stamp, sha256;
};

/// One that comes in parts.
struct Upload {
  std::string key;
  std::map<int, std::string> parts;
};

struct Content {
  std::map<std::string, Object> objects;
  std::map<std::string, Upload> uploads;
  std::map<std::string, Stored> joined;  // by the upload
  std::uint64_t commits = 0;
};
using Shared = std::shared_ptr<Guarded<Content>>;
using Objects = std::map<std::string, Object>;

bool is_folder(const Objects& objects, const std::string& key) {
  auto next = objects.lower_bound(key + "/");
  return next != objects.end() && next->first.starts_with(key + "/");
}

bool lies_in_a_file(const Objects& objects, const std::string& key) {
  for (std::size_t slash = key.find('/'); slash != std::string::npos;
       slash = key.find('/', slash + 1)) {
    if (objects.contains(key.substr(0, slash))) return true;
  }
  return false;
}

Result<Stored> place(Content& content, const std::string& key, std::string bytes) {
  if (is_folder(content.objects, key)) return conflict("'" + key + "' is a folder");
  if (lies_in_a_file(content.objects, key)) return conflict("a file lies on the way to " + key);
  Stored stored{bytes.size(), std::to_string(++content.commits), sha256_hex(bytes)};
  content.objects[key] = {std::make_shared<const std::string>(std::move(bytes)), stored.stamp,
                          stored.sha256};
  return stored;
}

std::string etag_of(std::string_view part) {
  return sha256_hex(part).substr(0, 16);
}

class MemoryReader final : public Reader {
 public:
  explicit MemoryReader(Object object) : object_(std::move(object)), end_(object_.bytes->size()) {}
  std::uint64_t size() const override { return object_.bytes->size(); }
  std::string stamp() const override { return object_.stamp; }
  std::string sha256() const override { return object_.sha256; }
  Result<> select(std::uint64_t at, std::uint64_t bytes) override {
    TRY(check_selection(size(), at, bytes));
    at_ = at;
    end_ = at + bytes;
    return {};
  }
  Result<std::size_t> read(std::span<char> buffer) override {
    std::size_t count =
        object_.bytes->copy(buffer.data(), std::min(buffer.size(), end_ - at_), at_);
    at_ += count;
    return count;
  }

 private:
  Object object_;
  std::size_t at_ = 0, end_;
};

/// What is committed goes to `take`.
class MemoryWriter final : public Writer {
 public:
  using Take = std::function<Result<Stored>(std::string bytes)>;
  MemoryWriter(std::string key, Take take) : key_(std::move(key)), take_(std::move(take)) {}
  Result<> write(std::string_view data) override {
    content_ += data;
    return {};
  }
  Result<Stored> commit() override {
    if (committed_) return conflict("the object " + key_ + " was given up or committed already");
    committed_ = true;
    return take_(std::move(content_));
  }

 private:
  std::string key_;
  Take take_;
  std::string content_;
  bool committed_ = false;
};

class MemoryBlobs final : public Blobs {
 public:
  Result<std::unique_ptr<Writer>> create(const std::string& key) override {
    TRY(check_key(key));
    return std::unique_ptr<Writer>(std::make_unique<MemoryWriter>(
        key, [shared = content_, key](std::string bytes) -> Result<Stored> {
          return shared->with(
              [&](Content& content) { return place(content, key, std::move(bytes)); });
        }));
  }
  Result<std::unique_ptr<Reader>> open(const std::string& key) override {
    TRY(check_key(key));
    Object object = content_->with([&](Content& content) {
      auto found = content.objects.find(key);
      return found == content.objects.end() ? Object() : found->second;
    });
    if (!object.bytes) return missing("no such object: " + key);
    return std::unique_ptr<Reader>(std::make_unique<MemoryReader>(std::move(object)));
  }
  Result<std::vector<Entry>> list(const std::string& folder) override {
    if (!folder.empty()) TRY(check_key(folder));
    std::string prefix = folder.empty() ? "" : folder + "/";
    std::map<std::string, Entry> children;
    content_->with([&](Content& content) {
      const Objects& objects = content.objects;
      for (auto it = objects.lower_bound(prefix); it != objects.end(); ++it) {
        if (!it->first.starts_with(prefix)) break;
        std::string rest = it->first.substr(prefix.size());
        std::size_t slash = rest.find('/');
        std::string name = rest.substr(0, slash);
        bool nested = slash != std::string::npos;
        children.insert({name, Entry{name, nested, nested ? 0 : it->second.bytes->size()}});
      }
    });
    std::vector<Entry> entries;
    for (auto& [name, entry] : children) entries.push_back(std::move(entry));
    return entries;
  }
  Result<std::optional<Entry>> find(const std::string& key) override {
    TRY(check_key(key));
    return content_->with([&](Content& content) -> std::optional<Entry> {
      std::string name = key.substr(key.rfind('/') + 1);
      auto found = content.objects.find(key);
      if (found != content.objects.end()) return Entry{name, false, found->second.bytes->size()};
      if (is_folder(content.objects, key)) return Entry{name, true, 0};
      return std::nullopt;
    });
  }
  Result<> remove(const std::string& key) override {
    TRY(check_key(key));
    content_->with([&](Content& content) {
      std::erase_if(content.objects, [&](const auto& object) {
        return object.first == key || object.first.starts_with(key + "/");
      });
    });
    return {};
  }

  Result<std::string> begin_parts(const std::string& key) override {
    TRY(check_key(key));
    std::string upload = random_hex32();
    content_->with([&](Content& content) { content.uploads[upload].key = key; });
    return upload;
  }
  Result<std::unique_ptr<Writer>> create_part(const std::string& upload, int number) override {
    if (number < 1 || number > kPartsMax) return invalid("parts are numbered from 1 to 10000");
    const bool known =
        content_->with([&](Content& content) { return content.uploads.contains(upload); });
    if (!known) return missing("no such upload: " + upload);
    return std::unique_ptr<Writer>(std::make_unique<MemoryWriter>(
        upload, [shared = content_, upload, number](std::string bytes) -> Result<Stored> {
          Stored stored{bytes.size(), etag_of(bytes), ""};
          return shared->with([&](Content& content) -> Result<Stored> {
            auto found = content.uploads.find(upload);
            if (found == content.uploads.end()) return missing("no such upload: " + upload);
            found->second.parts[number] = std::move(bytes);
            return stored;
          });
        }));
  }
  Result<Stored> join_parts(const std::string& key, const std::string& upload,
                            const std::vector<Part>& parts) override {
    return content_->with([&](Content& content) -> Result<Stored> {
      if (auto done = content.joined.find(upload); done != content.joined.end()) {
        return done->second;
      }
      auto found = content.uploads.find(upload);
      if (found == content.uploads.end() || found->second.key != key) {
        return missing("no such upload: " + upload);
      }
      std::string whole;
      for (std::size_t i = 0; i < parts.size(); ++i) {
        auto part = found->second.parts.find(parts[i].number);
        const bool there = part != found->second.parts.end() &&
                           parts[i].number == static_cast<int>(i) + 1 &&
                           (parts[i].etag.empty() || parts[i].etag == etag_of(part->second));
        if (!there) return invalid("part " + std::to_string(i + 1) + " is not there as told");
        whole += part->second;
      }
      if (parts.size() != found->second.parts.size()) return invalid("parts are left over");
      Stored stored = TRY(place(content, key, std::move(whole)));
      content.uploads.erase(found);
      content.joined[upload] = stored;
      return stored;
    });
  }
  Result<> drop_parts(const std::string& key, const std::string& upload) override {
    content_->with([&](Content& content) {
      auto found = content.uploads.find(upload);
      if (found != content.uploads.end() && found->second.key == key) content.uploads.erase(found);
    });
    return {};
  }
  std::string identity() const override { return "memory"; }
  Result<std::optional<std::string>> direct_url(const DirectUse&) override {
    return std::optional<std::string>();
  }

 private:
  Shared content_ = std::make_shared<Guarded<Content>>();
};

}  // namespace

std::unique_ptr<Blobs> open_memory() {
  return std::make_unique<MemoryBlobs>();
}

}  // namespace slipway::blob
