// Several files as one table.
#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "io/table/table.h"

namespace slipway::table {
namespace {

std::optional<Type> together(Type a, Type b) {
  const auto is_number = [](Type type) { return type == Type::kInteger || type == Type::kReal; };
  if (a == b) return a;
  if (is_number(a) && is_number(b)) return Type::kReal;
  return std::nullopt;
}

const Field* find(const std::vector<Field>& fields, const std::string& name) {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const Field& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

std::vector<Field> common(const std::vector<Field>& first, const std::vector<Field>& second) {
  std::vector<Field> both;
  for (const Field& field : first) {
    const Field* other = find(second, field.name);
    const auto type = other == nullptr ? std::nullopt : together(field.type, other->type);
    if (type) both.push_back({field.name, *type});
  }
  return both;
}

std::vector<std::string> names_of(const std::vector<Field>& fields) {
  std::vector<std::string> names;
  for (const Field& field : fields) names.push_back(field.name);
  return names;
}

/// Cells of whole numbers as reals, in memory of its own.
struct WidenedChunk final : Chunk {
  WidenedChunk(std::shared_ptr<const Chunk> chunk, const std::vector<Field>& fields)
      : Chunk(*chunk), source(std::move(chunk)) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      ColumnView& column = columns[i];
      if (column.type == fields[i].type) continue;
      reals.emplace_back(column.integers, column.integers + rows);
      column.type = Type::kReal;
      column.integers = nullptr;
      column.reals = reals.back().data();
    }
  }
  std::shared_ptr<const Chunk> source;
  std::vector<std::vector<double>> reals;
};

class ChainScan final : public Scan {
 public:
  ChainScan(Paths paths, std::vector<Field> fields, ScanOptions options)
      : paths_(std::move(paths)), fields_(std::move(fields)), options_(std::move(options)) {
    options_.columns = names_of(fields_);
  }

  /// What is wrong with the first file is said when this one is opened, as of any other.
  Result<> open_next() {
    const std::filesystem::path& path = paths_[next_++];
    scan_ = TRY(Scan::open(path, options_));
    bool same = scan_->fields().size() == fields_.size();
    for (std::size_t i = 0; same && i < fields_.size(); ++i)
      same = together(scan_->fields()[i].type, fields_[i].type) == fields_[i].type;
    if (!same) return unavailable(path.string() + " changed while it was read: read it again");
    return {};
  }

  const std::vector<Field>& fields() const override { return fields_; }

  Result<std::shared_ptr<const Chunk>> take() override {
    for (;;) {
      std::shared_ptr<const Chunk> chunk = TRY(scan_->take());
      if (chunk) return fitted(std::move(chunk));
      if (next_ == paths_.size()) return chunk;
      TRY(open_next());
    }
  }

 private:
  std::shared_ptr<const Chunk> fitted(std::shared_ptr<const Chunk> chunk) const {
    bool fits = true;
    for (std::size_t i = 0; i < fields_.size(); ++i)
      fits = fits && chunk->columns[i].type == fields_[i].type;
    if (fits) return chunk;
    return std::make_shared<WidenedChunk>(std::move(chunk), fields_);
  }

  const Paths paths_;
  const std::vector<Field> fields_;
  ScanOptions options_;
  std::size_t next_ = 0;
  std::unique_ptr<Scan> scan_;  // of the file before `next_`
};

}  // namespace

std::string to_string(const Paths& paths) {
  return join(std::vector<std::string>(paths.begin(), paths.end()), ", ");
}

Result<std::vector<Field>> Scan::fields_of(const Paths& paths, const ScanOptions& options) {
  CHECK(!paths.empty());
  std::vector<Field> fields = TRY(fields_of(paths.front(), options));
  for (std::size_t i = 1; i < paths.size(); ++i) {
    fields = common(fields, TRY(fields_of(paths[i], options)));
    for (const std::string& name : options.columns) {
      if (find(fields, name) == nullptr)
        return invalid("column '" + name + "' of " + paths[i].string() +
                       " is of another type than in " + paths.front().string());
    }
  }
  return fields;
}

Result<std::unique_ptr<Scan>> Scan::open(const Paths& paths, const ScanOptions& options) {
  CHECK(!paths.empty());
  if (paths.size() == 1) return open(paths.front(), options);
  std::vector<Field> fields = TRY(fields_of(paths, options));
  if (fields.empty()) return invalid("these files have no column in common: " + to_string(paths));
  auto chain = std::make_unique<ChainScan>(paths, std::move(fields), options);
  TRY(chain->open_next());
  return std::unique_ptr<Scan>(std::move(chain));
}

}  // namespace slipway::table
