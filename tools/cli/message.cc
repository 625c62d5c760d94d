#include "tools/cli/message.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "platform/encoding.h"

namespace signet::tools {
namespace {

constexpr std::size_t kLongLine = 4000;  // a detail may list several things

bool Coloured() {
  const char* no_colour = std::getenv("NO_COLOR");
  return (no_colour == nullptr || *no_colour == '\0') && ::isatty(STDERR_FILENO) == 1;
}

std::string_view Colour(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "\033[31m";
    case Severity::kWarning:
      return "\033[33m";
    case Severity::kInfo:
      break;
  }
  return "\033[36m";
}

}  // namespace

void PrintError(const Error& error) {
  std::cerr << "signet: " << EscapeLine(error.detail, kLongLine);
  if (!error.word.empty()) std::cerr << " (" << EscapeLine(error.word) << ")";
  std::cerr << '\n';
  // It may show lines to copy.
  std::string_view rest = error.remedy;
  for (std::string_view head = "  remedy: "; !rest.empty(); head = "    ") {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    std::cerr << head << EscapeLine(line, kLongLine) << '\n';
  }
  PrintFindings(error.findings);
}

void PrintFindings(const Findings& findings) {
  const bool coloured = Coloured();
  for (const Finding& finding : findings) {
    const std::string_view name = SeverityName(finding.severity);
    std::cerr << "  ";
    if (coloured) {
      std::cerr << Colour(finding.severity) << name << "\033[0m";
    } else {
      std::cerr << name;
    }
    std::cerr << ' ' << EscapeLine(finding.id) << ": " << EscapeLine(finding.text, kLongLine);
    if (!finding.certificate.empty()) {
      std::cerr << " [" << EscapeLine(finding.certificate.substr(0, 16)) << "]";
    }
    std::cerr << '\n';
  }
}

void PrintNote(std::string_view text) { std::cerr << EscapeLine(text, kLongLine) << '\n'; }

}  // namespace signet::tools
