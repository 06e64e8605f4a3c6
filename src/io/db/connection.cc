#include "io/db/connection.h"

#include <cmath>

#include "base/text.h"
#include "io/db/put.h"

namespace slipway::db {

Result<std::int64_t> Connection::execute(std::string_view sql, const std::vector<Value>& values) {
  if (failure_) return *failure_;
  Result<std::int64_t> changed = execute_statement(sql, values);
  if (!changed.ok()) failure_ = changed.error();
  return changed;
}

Result<> Connection::defer(std::string_view sql, std::vector<Value> values) {
  if (failure_) return *failure_;
  Result<> deferred = defer_statement(sql, std::move(values));
  if (!deferred.ok()) failure_ = deferred.error();
  return deferred;
}

Result<> defer(Tx& tx, std::string_view sql, std::vector<Value> values) {
  if (auto* connection = dynamic_cast<Connection*>(&tx))
    return connection->defer(sql, std::move(values));
  TRY(tx.execute(sql, values));
  return {};
}

Result<> Connection::query(std::string_view sql, const std::vector<Value>& values,
                           const std::function<Result<>(const Columns&)>& each, bool cache) {
  if (failure_) return *failure_;
  std::optional<Error> row_error;
  Result<> done = query_statement(sql, values, each, cache, row_error);
  if (!done.ok()) failure_ = done.error();
  if (done.ok() && row_error) return std::move(*row_error);
  return done;
}

Result<> Connection::ask_each(std::string_view sql, const std::vector<std::vector<Value>>& lists,
                              const EachOfMany& each) {
  if (failure_) return *failure_;
  std::optional<Error> row_error;
  Result<> done = ask_each_statement(sql, lists, each, row_error);
  if (!done.ok()) failure_ = done.error();
  if (done.ok() && row_error) return std::move(*row_error);
  return done;
}

Result<> Connection::ask_each_statement(std::string_view sql,
                                        const std::vector<std::vector<Value>>& lists,
                                        const EachOfMany& each, std::optional<Error>& row_error) {
  for (std::size_t i = 0; i < lists.size() && !row_error; ++i) {
    TRY(query_statement(
        sql, lists[i], [&](const Columns& columns) { return each(i, columns); },
        /*cache=*/true, row_error));
  }
  return {};
}

Result<> ask_each(Tx& tx, std::string_view sql, const std::vector<std::vector<Value>>& lists,
                  const std::function<Result<>(std::size_t, const Columns&)>& each) {
  if (auto* connection = dynamic_cast<Connection*>(&tx))
    return connection->ask_each(sql, lists, each);
  for (std::size_t i = 0; i < lists.size(); ++i) {
    TRY(tx.query(sql, lists[i], [&](const Columns& columns) { return each(i, columns); }));
  }
  return {};
}

Result<> check_value(const Value& value) {
  if (const double* number = std::get_if<double>(&value.get()); number && std::isnan(*number)) {
    return internal("a NaN was given to a statement; store a flag beside the number instead");
  }
  const std::string* text = std::get_if<std::string>(&value.get());
  if (!text) return {};
  if (text->find('\0') != std::string::npos) return invalid("a text contains a NUL character");
  if (!is_valid_utf8(*text)) return invalid("a text is not valid UTF-8");
  return {};
}

}  // namespace slipway::db
