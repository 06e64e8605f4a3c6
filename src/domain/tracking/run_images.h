#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/guarded.h"
#include "domain/tracking/run_image.h"
#include "domain/tracking/store.h"

namespace slipway::tracking {

/// Runs, and what each has in some columns.
struct RunTable {
  std::vector<std::int64_t> keys;
  std::vector<std::string> run_ids;
  std::vector<UnixMs> start_ms;
  std::vector<std::vector<Cell>> columns;  // of each asked for, a cell for each run
};

/// Runs in memory for searches, an image per experiment and in it a column per key that was asked
/// for. Each is read from the database when it is first needed, and brought up to date at each
/// search by the notes of what changed since (store.h), inside the search's own snapshot: a search
/// sees what SQL would show it, whoever wrote, this server or another. Bounded memory: what was not
/// asked for longest goes. Any thread.
class RunImages {
 public:
  static constexpr std::size_t kBytesMax = 128u << 20;
  explicit RunImages(db::Pool& pool, std::size_t bytes_max = kBytesMax)
      : pool_(pool), bytes_max_(bytes_max) {}

  /// The runs found, `query.limit` + 1 of them; nothing for what is left to SQL: a query that has
  /// no columns, or whose columns are too large. `query` is valid (run_search_sql()).
  Result<std::optional<std::vector<Run>>> search(const RunQuery& query);

  /// All runs that `query` finds, in no order, with those columns; kInvalid for more than
  /// kTableRunsMax. Its order, limit and page count for nothing.
  Result<RunTable> table(const RunQuery& query, const std::vector<ColumnName>& columns);
  static constexpr std::size_t kTableRunsMax = 1'000'000;

  std::size_t bytes() const { return bytes_; }

 private:
  struct Kept {
    std::shared_ptr<Column> column;  // none: it is too large
    std::uint64_t used = 0;
  };
  struct Image {
    std::mutex mutex;  // guards all below
    std::shared_ptr<RunRows> rows;  // none: not read yet
    bool too_large = false;  // stays so
    ChangePlace at;
    std::map<ColumnName, Kept> columns;
    std::uint64_t used = 0;
    /// Searches that look at what is here without the mutex: a change makes a copy meanwhile.
    std::atomic<int> lookers{0};
    void forget();
  };
  class Looking;
  using Images = std::vector<std::shared_ptr<Image>>;

  /// What `pick` makes of the columns, with the snapshot that they are of; nothing where they are
  /// not in memory. `pick` asks no database.
  template <class Pick, class Use>
  auto look(const RunQuery& query, const std::vector<ColumnName>& more, Pick pick, Use use)
      -> Result<std::optional<typename std::invoke_result_t<
          Use, db::Tx&, std::invoke_result_t<Pick, const std::vector<RunImage>&>>::value_type>>;
  Images images_of(const std::vector<std::int64_t>& experiments);
  Result<std::optional<std::vector<RunImage>>> views(db::Tx& tx, const Images& images,
                                                     const std::vector<std::int64_t>& experiments,
                                                     const std::vector<ColumnName>& names);
  Result<bool> bring_up(db::Tx& tx, Image& image, std::int64_t experiment, const ChangePlace& now,
                        const std::vector<ColumnName>& names);
  Result<> catch_up(db::Tx& tx, Image& image, std::int64_t experiment);
  Result<> refresh(db::Tx& tx, Image& image, std::int64_t experiment,
                   const std::vector<std::int64_t>& runs);
  Result<> read_rows(db::Tx& tx, Image& image, std::int64_t experiment);
  Result<> read_column(db::Tx& tx, Image& image, std::int64_t experiment, const ColumnName& name);
  void shrink();

  db::Pool& pool_;
  const std::size_t bytes_max_;
  std::atomic<std::uint64_t> searches_{0};
  std::atomic<std::size_t> bytes_{0};
  Guarded<std::map<std::int64_t, std::shared_ptr<Image>>> images_;
};

}  // namespace slipway::tracking
