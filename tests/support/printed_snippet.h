// What `signet service snippet` prints, as a person reads it: texts, each below the place where an
// administrator puts it ("# ---- /etc/nginx/nginx.conf, at the top").
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/support/command.h"

namespace signet::testing {

class PrintedSnippet {
 public:
  explicit PrintedSnippet(const std::string& text);

  // The text below the one place that contains `part`; the test fails when it is not one.
  const std::string& Under(const std::string& part) const;
  // That place.
  const std::string& Place(const std::string& part) const;
  // What the unit of systemd, which is among them, gives the server.
  Environment UnitEnvironment() const;

 private:
  using Section = std::pair<std::string, std::string>;  // place, text
  const Section& Find(const std::string& part) const;

  std::vector<Section> sections_;
};

// `text` with what matches replaced (std::regex_replace), which must have been there: a test never
// goes on with a text that it did not adapt.
std::string Replaced(const std::string& text, const std::string& pattern, const std::string& by);

}  // namespace signet::testing
