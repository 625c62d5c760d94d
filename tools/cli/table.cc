#include "tools/cli/table.h"

#include <libsmartcols/libsmartcols.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "platform/encoding.h"

namespace signet::tools {
namespace {

using Table = std::unique_ptr<libscols_table, decltype(&scols_unref_table)>;

constexpr std::size_t kCellLimit = 4000;
constexpr std::size_t kDigestDigits = 16;
constexpr std::size_t kDigestsShown = 16;  // more are counted
constexpr std::size_t kNarrowest = 12;     // of a column that is wrapped
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

using Cells = std::vector<std::string>;

// In code points, which are columns for what is shown here.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// Line ends in place of spaces, and within a word that is wider than a line, so that none is wider.
std::string Wrapped(std::string_view text, std::size_t width) {
  std::string wrapped;
  std::size_t used = 0;  // of the last line
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!wrapped.empty()) {
      const bool fits = used + 1 + Width(word) <= width;
      wrapped += fits ? ' ' : '\n';
      used = fits ? used + 1 : 0;
    }
    for (const char c : word) {
      const bool begins = (c & 0xC0) != 0x80;
      if (begins && used == width) {
        wrapped += '\n';
        used = 0;
      }
      wrapped += c;
      used += begins ? 1 : 0;
    }
  }
  return wrapped;
}

// Wraps the flexible columns' cells where a line would be wider than the terminal; the wider a
// column, the more of the room it gets.
void Fit(std::span<const Column> columns, std::size_t room, std::vector<Cells>& lines) {
  std::vector<std::size_t> widths;
  std::size_t fixed = columns.empty() ? 0 : columns.size() - 1, flexible = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t width = columns[i].heading.size();
    for (const Cells& cells : lines) width = std::max(width, Width(cells[i]));
    widths.push_back(width);
    (columns[i].flexible ? flexible : fixed) += width;
  }
  if (fixed + flexible <= room) return;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!columns[i].flexible) continue;
    const std::size_t share = room > fixed ? (room - fixed) * widths[i] / flexible : 0;
    for (Cells& cells : lines) cells[i] = Wrapped(cells[i], std::max(share, kNarrowest));
  }
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
      if (as == Column::As::kIsThere) return text.empty() ? "" : "yes";
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
  std::vector<Cells> lines;
  for (const json::value& row : rows) {
    Cells& cells = lines.emplace_back(columns.size(), "-");
    if (!row.is_object()) continue;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const json::value* value = row.get_object().if_contains(columns[i].member);
      std::string text = value == nullptr ? "" : CellText(*value, columns[i].as);
      if (!text.empty()) cells[i] = std::move(text);
    }
  }
  const Table table = NewTable();
  if (table == nullptr) return TableFailed();
  if (isatty(STDOUT_FILENO) != 0) Fit(columns, scols_table_get_termwidth(table.get()), lines);
  for (const Column& column : columns) {
    libscols_column* made =
        scols_table_new_column(table.get(), std::string(column.heading).c_str(), 0,
                               (column.as == Column::As::kNumber ? SCOLS_FL_RIGHT : 0) |
                                   (column.flexible ? SCOLS_FL_WRAP : 0));
    if (made == nullptr) return TableFailed();
    if (column.flexible) {
      scols_column_set_wrapfunc(made, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, nullptr);
      scols_column_set_safechars(made, "\n");
    }
  }
  for (const Cells& cells : lines) {
    libscols_line* line = scols_table_new_line(table.get(), nullptr);
    if (line == nullptr) return TableFailed();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (scols_line_set_data(line, i, cells[i].c_str()) != 0) return TableFailed();
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
