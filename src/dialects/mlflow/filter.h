#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/db/compare.h"

// The grammar of MLflow's searches: clauses joined by AND, each `type.key op value`, and order
// terms `type.key [ASC|DESC]`. One parser, six tables of rules. Errors are kInvalid in MLflow's
// words, followed by where in the text they are: "(at character 17)", counted from 1.
//
// Beyond MLflow's: clauses may be joined by OR and grouped by parentheses; AND binds more closely.
// Where such a filter is wrong it is refused as MLflow refuses every one with OR.
namespace slipway::mlflow {

enum class Entity {
  kAttribute,
  kMetric,
  kParam,
  kTag,
  kDataset,
  // Of traces:
  kMetadata,
  kSpan,      // "name", "type", "status", "content", "attributes.ANY"
  kFeedback,  // values are numbers, quoted texts, true, false
  kExpectation,
};

struct Clause {
  Entity entity = Entity::kAttribute;
  /// Without quotes; an attribute by its first name in the table ("start_time" for "created").
  std::string key;
  db::Op op = db::Op::kEqual;
  /// double for metrics; for an attribute what its rule says; a text otherwise, or a list of them.
  db::Operand value;
  db::Joint joint = {};
  bool quoted = false;  // the key
};

struct OrderTerm {
  Entity entity = Entity::kAttribute;
  std::string key;
  bool ascending = true;
  bool quoted = false;  // the key
};

enum class Kind { kText, kNumber, kId };  // kId: a whole number written as text

struct AttributeRule {
  std::string_view name;
  Kind kind = Kind::kText;
  bool filters = true;
  bool orders = true;
  bool lists = false;           // takes IN and NOT IN
  std::string_view stands_for = {};  // of an alias
};
struct EntityRule {
  std::string_view name;
  Entity entity;
};

struct SearchRules {
  std::span<const EntityRule> entities;
  std::string_view entities_message;  // with %s for the one that was met
  std::span<const AttributeRule> attributes;
  bool nullable_tags = false;    // tags take IS [NOT] NULL
  bool nullable_params = false;  // params likewise
  bool lists_anywhere = false;   // every text takes IN and NOT IN
  bool quoted_numbers = false;   // a number attribute may be given as '3'
  bool bare_texts = false;       // a text may stand without quotes
  bool quotes_pieces = false;    // how "Invalid clause(s)" lists what it could not read
};

extern const SearchRules kRunSearch;
extern const SearchRules kExperimentSearch;
extern const SearchRules kRegisteredModelSearch;
extern const SearchRules kModelVersionSearch;
extern const SearchRules kLoggedModelSearch;
extern const SearchRules kTraceSearch;

/// No clauses for an empty or blank text.
Result<std::vector<Clause>> parse_filter(std::string_view filter, const SearchRules& rules);
Result<OrderTerm> parse_order(std::string_view term, const SearchRules& rules);
/// `type.key` alone, as searches that say ASC and DESC elsewhere have it.
Result<OrderTerm> parse_order_field(std::string_view field, const SearchRules& rules);

}  // namespace slipway::mlflow
