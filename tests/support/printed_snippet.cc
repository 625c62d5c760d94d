#include "tests/support/printed_snippet.h"

#include <gtest/gtest.h>

#include <regex>
#include <sstream>

namespace signet::testing {

PrintedSnippet::PrintedSnippet(const std::string& text) {
  const std::regex head("[#;] ---- (.*)");
  std::istringstream lines(text);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_match(line, match, head)) {
      sections_.emplace_back(match[1], "");
    } else if (!sections_.empty()) {
      sections_.back().second += line + "\n";
    }
  }
  EXPECT_FALSE(sections_.empty()) << text;
}

const PrintedSnippet::Section& PrintedSnippet::Find(const std::string& part) const {
  static const Section kNone;
  const Section* found = nullptr;
  for (const Section& section : sections_) {
    if (section.first.find(part) == std::string::npos) continue;
    EXPECT_EQ(found, nullptr) << "two places: " << part;
    found = &section;
  }
  EXPECT_NE(found, nullptr) << "no place: " << part;
  return found == nullptr ? kNone : *found;
}

const std::string& PrintedSnippet::Under(const std::string& part) const {
  return Find(part).second;
}

const std::string& PrintedSnippet::Place(const std::string& part) const { return Find(part).first; }

// Environment=A=b C=d, or Environment="A=b c" (systemd.exec(5)).
Environment PrintedSnippet::UnitEnvironment() const {
  Environment environment;
  const auto add = [&](const std::string& assignment) {
    const std::size_t equals = assignment.find('=');
    environment[assignment.substr(0, equals)] = assignment.substr(equals + 1);
  };
  std::istringstream lines(Under("/etc/systemd/system/"));
  const std::string begin = "Environment=";
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(begin)) continue;
    line.erase(0, begin.size());
    if (line.starts_with('"')) {
      add(line.substr(1, line.size() - 2));
      continue;
    }
    std::istringstream words(line);
    for (std::string word; words >> word;) add(word);
  }
  return environment;
}

std::string Replaced(const std::string& text, const std::string& pattern, const std::string& by) {
  const std::regex regex(pattern);
  EXPECT_TRUE(std::regex_search(text, regex)) << pattern << " is not in: " << text;
  return std::regex_replace(text, regex, by);
}

}  // namespace signet::testing
