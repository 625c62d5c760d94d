#include "tools/cli/table.h"

#include <libsmartcols/libsmartcols.h>

#include <cstdio>
#include <memory>

#include "platform/encoding.h"

namespace signet::tools {
namespace {

using Table = std::unique_ptr<libscols_table, decltype(&scols_unref_table)>;

constexpr std::size_t kCellLimit = 4000;
constexpr std::size_t kDigestDigits = 16;
constexpr std::size_t kDigestsShown = 16;  // more are counted
constexpr std::size_t kDateDigits = 10;    // of 2026-11-22T20:13:39Z

Error TableFailed() { return InternalError("the table could not be made"); }

Table NewTable() {
  Table table(scols_new_table(), &scols_unref_table);
  if (table != nullptr) scols_table_set_stream(table.get(), stdout);
  return table;
}

bool AddColumn(const Table& table, const char* heading, int flags) {
  return scols_table_new_column(table.get(), heading, 0, flags) != nullptr;
}

Status Print(const Table& table) {
  if (scols_print_table(table.get()) != 0) return TableFailed();
  return Ok();
}

std::string Shorten(std::string text, Column::As as) {
  if (as == Column::As::kDate) return text.substr(0, kDateDigits);
  if (as == Column::As::kDigest) return text.substr(0, kDigestDigits);
  return text;
}

std::string Join(const json::array& array, Column::As as) {
  std::string all;
  for (const json::value& item : array) {
    all.append(all.empty() ? "" : ", ").append(CellText(item, as));
  }
  return all;
}

}  // namespace

std::string CellText(const json::value& value, Column::As as) {
  switch (value.kind()) {
    case json::kind::null:
      return "";
    case json::kind::bool_:
      return value.get_bool() ? "yes" : "no";
    case json::kind::string: {
      const json::string& text = value.get_string();
      return Shorten(EscapeLine({text.data(), text.size()}, kCellLimit), as);
    }
    case json::kind::array:
      if (as == Column::As::kCount) return std::to_string(value.get_array().size());
      if (as == Column::As::kDigest && value.get_array().size() > kDigestsShown)
        return std::to_string(value.get_array().size()) + " entries";
      return Join(value.get_array(), as);
    default:
      return EscapeLine(json::serialize(value), kCellLimit);
  }
}

Status PrintTable(std::span<const Column> columns, const json::array& rows) {
  const Table table = NewTable();
  if (table == nullptr) return TableFailed();
  for (const Column& column : columns) {
    const int flags = (column.as == Column::As::kNumber ? SCOLS_FL_RIGHT : 0) |
                      (column.flexible ? SCOLS_FL_TRUNC : 0);
    if (!AddColumn(table, std::string(column.heading).c_str(), flags)) return TableFailed();
  }
  for (const json::value& row : rows) {
    libscols_line* line = scols_table_new_line(table.get(), nullptr);
    if (line == nullptr) return TableFailed();
    if (!row.is_object()) continue;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const json::value* value = row.get_object().if_contains(columns[i].member);
      std::string text = value == nullptr ? "" : CellText(*value, columns[i].as);
      if (text.empty()) text.push_back('-');
      if (scols_line_set_data(line, i, text.c_str()) != 0) return TableFailed();
    }
  }
  return Print(table);
}

Status PrintRecord(std::span<const Column> columns, const json::object& record) {
  const Table table = NewTable();
  if (table == nullptr) return TableFailed();
  scols_table_enable_noheadings(table.get(), 1);
  if (!AddColumn(table, "name", 0) || !AddColumn(table, "value", SCOLS_FL_WRAP)) {
    return TableFailed();
  }
  for (const Column& column : columns) {
    const json::value* value = record.if_contains(column.member);
    const std::string text = value == nullptr ? "" : CellText(*value, column.as);
    if (text.empty()) continue;
    libscols_line* line = scols_table_new_line(table.get(), nullptr);
    if (line == nullptr || scols_line_set_data(line, 0, std::string(column.heading).c_str()) != 0 ||
        scols_line_set_data(line, 1, text.c_str()) != 0) {
      return TableFailed();
    }
  }
  return Print(table);
}

}  // namespace signet::tools
