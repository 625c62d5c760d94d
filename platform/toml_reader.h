// Reading TOML with the rule that nothing is ignored: a key that nobody asked for is an error with
// line and column. Used by the configuration and by the catalogues.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/error.h"

namespace signet {

class TomlTable;

// Parses a document; errors (kUsage CONFIG_INVALID) say "<name>:<line>:<column>: …".
Result<TomlTable> ParseToml(std::string_view text, std::string name);

// A table being read. Getters note problems instead of returning them; Finish() returns them all in
// one error, with the keys that were never asked for. Sub-tables report into the document's root.
class TomlTable {
 public:
  std::string String(std::string_view key, std::optional<std::string> fallback = {});
  std::int64_t Integer(std::string_view key, std::int64_t min, std::int64_t max,
                       std::optional<std::int64_t> fallback = {});
  bool Boolean(std::string_view key, std::optional<bool> fallback = {});
  std::vector<std::string> Strings(std::string_view key, bool required = false);
  bool Has(std::string_view key) const;
  TomlTable Table(std::string_view key);                // absent: empty table
  std::vector<TomlTable> Tables(std::string_view key);  // array of tables; absent: none
  std::vector<std::pair<std::string, TomlTable>> Named(
      std::string_view key);  // [key.NAME] tables in document order
  // All key = "string" pairs of this table, in document order (marks them as read).
  std::vector<std::pair<std::string, std::string>> Pairs();
  // Notes an error at the key (or at the table when the key is absent).
  void Fail(std::string_view key, std::string_view problem);
  // Of the root: kUsage CONFIG_INVALID with one line for each problem; success when there is none.
  Status Finish();
  // Notes the keys of this table that nobody asked for.
  void RefuseUnknown();
  // The same without the keys that were never asked for: of a program that reads a part of the
  // document.
  Status Problems();

  struct Node;
  explicit TomlTable(std::shared_ptr<Node> node) : node_(std::move(node)) {}

 private:
  std::shared_ptr<Node> node_;
};

}  // namespace signet
