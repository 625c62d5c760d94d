#include "platform/toml_reader.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

// Header-only and without exceptions: Debian's shared library is built with them, this is the only
// user.
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "platform/encoding.h"

namespace signet {
namespace {

struct Problem {
  toml::source_position place;
  std::string text;
};

Error Invalid(std::string detail) {
  return MakeError(Kind::kUsage, "CONFIG_INVALID", std::move(detail),
                   "Correct the lines named and try again.");
}

std::string_view TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a floating-point number";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

// One document while it is read.
struct Document {
  std::string name;
  toml::table root;
  std::vector<Problem> problems;
  std::map<const toml::table*, std::set<std::string, std::less<>>> asked;  // keys read, per table

  std::string Format(const Problem& problem) const {
    return EscapeLine(name) + ":" + std::to_string(problem.place.line) + ":" +
           std::to_string(problem.place.column) + ": " + EscapeLine(problem.text, 1024);
  }

  Status Report(std::vector<Problem> all) const {
    if (all.empty()) return Ok();
    std::stable_sort(all.begin(), all.end(),
                     [](const Problem& a, const Problem& b) { return a.place < b.place; });
    std::string detail;
    for (const Problem& problem : all) {
      const std::string line = Format(problem);
      // A value that two readers asked for is one problem to the person who mends it.
      if (detail.ends_with(line)) continue;
      if (!detail.empty()) detail += '\n';
      detail += line;
    }
    return Invalid(std::move(detail));
  }
};

// Keys of a table in the order of the document (toml++ sorts them by name).
std::vector<std::pair<const toml::key*, const toml::node*>> InOrder(const toml::table& table) {
  std::vector<std::pair<const toml::key*, const toml::node*>> items;
  for (auto&& [key, value] : table) items.emplace_back(&key, &value);
  std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
    return a.first->source().begin < b.first->source().begin;
  });
  return items;
}

}  // namespace

struct TomlTable::Node {
  std::shared_ptr<Document> document;
  const toml::table* table = nullptr;  // null: absent from the document
  std::string path;                    // "rpc.limits", empty for the root
  toml::source_position place{1, 1};   // of the table, or of the nearest one around it

  std::string PathOf(std::string_view key) const {
    return path.empty() ? std::string(key) : path + "." + std::string(key);
  }

  // The value at the key, which then counts as read; null when absent.
  const toml::node* Ask(std::string_view key) {
    if (table == nullptr) return nullptr;
    document->asked[table].emplace(key);
    return table->get(key);
  }

  void Note(const toml::source_position& where, std::string text) {
    document->problems.push_back({where, std::move(text)});
  }

  void NoteMissing(std::string_view key) { Note(place, "'" + PathOf(key) + "' is missing"); }

  void NoteWrongType(const toml::node& node, std::string_view key, std::string_view wanted) {
    Note(node.source().begin, "'" + PathOf(key) + "' must be " + std::string(wanted) + ", not " +
                                  std::string(TypeName(node)));
  }

  std::shared_ptr<Node> Child(const toml::table* child, std::string child_path) {
    auto node = std::make_shared<Node>();
    node->document = document;
    node->table = child;
    node->path = std::move(child_path);
    node->place = child == nullptr ? place : child->source().begin;
    if (child != nullptr) document->asked[child];  // its own keys are now checked
    return node;
  }
};

Result<TomlTable> ParseToml(std::string_view text, std::string name) {
  toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const Document place{std::move(name), {}, {}, {}};
    const toml::parse_error& error = parsed.error();
    return Invalid(place.Format({error.source().begin, std::string(error.description())}));
  }
  auto document = std::make_shared<Document>();
  document->name = std::move(name);
  document->root = std::move(parsed).table();
  document->asked[&document->root];
  auto node = std::make_shared<TomlTable::Node>();
  node->table = &document->root;
  node->document = std::move(document);
  return TomlTable(std::move(node));
}

std::string TomlTable::String(std::string_view key, std::optional<std::string> fallback) {
  const toml::node* value = node_->Ask(key);
  if (value == nullptr) {
    if (!fallback) node_->NoteMissing(key);
    return std::move(fallback).value_or("");
  }
  if (const auto* text = value->as_string()) return text->get();
  node_->NoteWrongType(*value, key, "a string");
  return std::move(fallback).value_or("");
}

std::int64_t TomlTable::Integer(std::string_view key, std::int64_t min, std::int64_t max,
                                std::optional<std::int64_t> fallback) {
  const toml::node* value = node_->Ask(key);
  if (value == nullptr) {
    if (!fallback) node_->NoteMissing(key);
    return fallback.value_or(min);
  }
  const auto* number = value->as_integer();
  if (number == nullptr) {
    node_->NoteWrongType(*value, key, "an integer");
    return fallback.value_or(min);
  }
  if (number->get() < min || number->get() > max) {
    node_->Note(value->source().begin, "'" + node_->PathOf(key) + "' must be " +
                                           std::to_string(min) + " to " + std::to_string(max) +
                                           ", not " + std::to_string(number->get()));
    return fallback.value_or(min);
  }
  return number->get();
}

bool TomlTable::Boolean(std::string_view key, std::optional<bool> fallback) {
  const toml::node* value = node_->Ask(key);
  if (value == nullptr) {
    if (!fallback) node_->NoteMissing(key);
    return fallback.value_or(false);
  }
  if (const auto* flag = value->as_boolean()) return flag->get();
  node_->NoteWrongType(*value, key, "true or false");
  return fallback.value_or(false);
}

std::vector<std::string> TomlTable::Strings(std::string_view key, bool required) {
  std::vector<std::string> result;
  const toml::node* value = node_->Ask(key);
  if (value == nullptr) {
    if (required) node_->NoteMissing(key);
    return result;
  }
  const auto* array = value->as_array();
  if (array == nullptr) {
    node_->NoteWrongType(*value, key, "an array of strings");
    return result;
  }
  for (const toml::node& element : *array) {
    if (const auto* text = element.as_string()) {
      result.push_back(text->get());
    } else {
      node_->NoteWrongType(element, key, "an array of strings");
    }
  }
  return result;
}

bool TomlTable::Has(std::string_view key) const {
  return node_->table != nullptr && node_->table->contains(key);
}

TomlTable TomlTable::Table(std::string_view key) {
  const toml::node* value = node_->Ask(key);
  const toml::table* table = value == nullptr ? nullptr : value->as_table();
  if (value != nullptr && table == nullptr) node_->NoteWrongType(*value, key, "a table");
  return TomlTable(node_->Child(table, node_->PathOf(key)));
}

std::vector<TomlTable> TomlTable::Tables(std::string_view key) {
  std::vector<TomlTable> result;
  const toml::node* value = node_->Ask(key);
  if (value == nullptr) return result;
  const auto* array = value->as_array();
  if (array == nullptr) {
    node_->NoteWrongType(*value, key, "an array of tables");
    return result;
  }
  for (const toml::node& element : *array) {
    if (const auto* table = element.as_table()) {
      result.push_back(TomlTable(
          node_->Child(table, node_->PathOf(key) + "[" + std::to_string(result.size()) + "]")));
    } else {
      node_->NoteWrongType(element, key, "an array of tables");
    }
  }
  return result;
}

std::vector<std::pair<std::string, TomlTable>> TomlTable::Named(std::string_view key) {
  std::vector<std::pair<std::string, TomlTable>> result;
  TomlTable parent = Table(key);
  if (parent.node_->table == nullptr) return result;
  for (const auto& [name, value] : InOrder(*parent.node_->table)) {
    parent.node_->Ask(name->str());
    if (const auto* table = value->as_table()) {
      result.emplace_back(std::string(name->str()),
                          TomlTable(node_->Child(table, parent.node_->PathOf(name->str()))));
    } else {
      parent.node_->NoteWrongType(*value, name->str(), "a table");
    }
  }
  return result;
}

std::vector<std::pair<std::string, std::string>> TomlTable::Pairs() {
  std::vector<std::pair<std::string, std::string>> result;
  if (node_->table == nullptr) return result;
  for (const auto& [name, value] : InOrder(*node_->table)) {
    node_->Ask(name->str());
    if (const auto* text = value->as_string()) {
      result.emplace_back(std::string(name->str()), text->get());
    } else {
      node_->NoteWrongType(*value, name->str(), "a string");
    }
  }
  return result;
}

void TomlTable::Fail(std::string_view key, std::string_view problem) {
  const toml::node* value = node_->table == nullptr ? nullptr : node_->table->get(key);
  const std::string text = key.empty() ? (node_->path.empty() ? "" : "'" + node_->path + "': ")
                                       : "'" + node_->PathOf(key) + "': ";
  node_->Note(value == nullptr ? node_->place : value->source().begin, text + std::string(problem));
}

void TomlTable::RefuseUnknown() {
  if (node_->table == nullptr) return;
  const auto& asked = node_->document->asked[node_->table];
  for (auto&& [key, value] : *node_->table) {
    if (!asked.contains(key.str()))
      node_->Note(key.source().begin, "unknown key '" + std::string(key.str()) + "'");
  }
}

Status TomlTable::Problems() { return node_->document->Report(node_->document->problems); }

Status TomlTable::Finish() {
  const Document& document = *node_->document;
  std::vector<Problem> problems = document.problems;
  for (const auto& [table, asked] : document.asked) {
    for (auto&& [key, value] : *table) {
      if (asked.contains(key.str())) continue;
      problems.push_back({key.source().begin, "unknown key '" + std::string(key.str()) + "'"});
    }
  }
  return document.Report(std::move(problems));
}

}  // namespace signet
