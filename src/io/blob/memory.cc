#include <algorithm>
#include <map>

#include "base/guarded.h"
#include "io/blob/blobs.h"

namespace slipway::blob {

namespace {

using Bytes = std::shared_ptr<const std::string>;
using Objects = std::map<std::string, Bytes>;

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

class MemoryReader final : public Reader {
 public:
  explicit MemoryReader(Bytes bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size() const override { return bytes_->size(); }
  Result<std::size_t> read(std::span<char> buffer) override {
    std::size_t count = bytes_->copy(buffer.data(), buffer.size(), at_);
    at_ += count;
    return count;
  }

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
};

class MemoryWriter final : public Writer {
 public:
  MemoryWriter(std::shared_ptr<Guarded<Objects>> objects, std::string key)
      : objects_(std::move(objects)), key_(std::move(key)) {}
  Result<> write(std::string_view data) override {
    content_ += data;
    return {};
  }
  Result<> commit() override {
    if (committed_) return conflict("the object " + key_ + " was given up or committed already");
    committed_ = true;
    auto bytes = std::make_shared<const std::string>(std::move(content_));
    return objects_->with([&](Objects& objects) -> Result<> {
      if (is_folder(objects, key_)) return conflict("'" + key_ + "' is a folder");
      if (lies_in_a_file(objects, key_)) return conflict("a file lies on the way to " + key_);
      objects[key_] = std::move(bytes);
      return {};
    });
  }

 private:
  std::shared_ptr<Guarded<Objects>> objects_;
  std::string key_;
  std::string content_;
  bool committed_ = false;
};

class MemoryBlobs final : public Blobs {
 public:
  Result<std::unique_ptr<Writer>> create(const std::string& key) override {
    TRY(check_key(key));
    return std::unique_ptr<Writer>(std::make_unique<MemoryWriter>(objects_, key));
  }
  Result<std::unique_ptr<Reader>> open(const std::string& key) override {
    TRY(check_key(key));
    Bytes bytes = objects_->with([&](Objects& objects) {
      auto found = objects.find(key);
      return found == objects.end() ? Bytes() : found->second;
    });
    if (!bytes) return missing("no such object: " + key);
    return std::unique_ptr<Reader>(std::make_unique<MemoryReader>(std::move(bytes)));
  }
  Result<std::vector<Entry>> list(const std::string& folder) override {
    if (!folder.empty()) TRY(check_key(folder));
    std::string prefix = folder.empty() ? "" : folder + "/";
    std::map<std::string, Entry> children;
    objects_->with([&](Objects& objects) {
      for (auto it = objects.lower_bound(prefix); it != objects.end(); ++it) {
        if (!it->first.starts_with(prefix)) break;
        std::string rest = it->first.substr(prefix.size());
        std::size_t slash = rest.find('/');
        std::string name = rest.substr(0, slash);
        bool nested = slash != std::string::npos;
        children.insert({name, Entry{name, nested, nested ? 0 : it->second->size()}});
      }
    });
    std::vector<Entry> entries;
    for (auto& [name, entry] : children) entries.push_back(std::move(entry));
    return entries;
  }
  Result<std::optional<Entry>> find(const std::string& key) override {
    TRY(check_key(key));
    return objects_->with([&](Objects& objects) -> std::optional<Entry> {
      std::string name = key.substr(key.rfind('/') + 1);
      auto found = objects.find(key);
      if (found != objects.end()) return Entry{name, false, found->second->size()};
      if (is_folder(objects, key)) return Entry{name, true, 0};
      return std::nullopt;
    });
  }
  Result<> remove(const std::string& key) override {
    TRY(check_key(key));
    objects_->with([&](Objects& objects) {
      std::erase_if(objects, [&](const auto& object) {
        return object.first == key || object.first.starts_with(key + "/");
      });
    });
    return {};
  }

 private:
  std::shared_ptr<Guarded<Objects>> objects_ = std::make_shared<Guarded<Objects>>();
};

}  // namespace

std::unique_ptr<Blobs> open_memory() {
  return std::make_unique<MemoryBlobs>();
}

}  // namespace slipway::blob
