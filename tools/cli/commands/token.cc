#include "tools/cli/commands/nouns.h"

namespace signet::tools {
namespace {

using As = Column::As;

}  // namespace

void AddToken(std::vector<Command>& table) {
  table.push_back({.noun = "token",
                   .verb = "status",
                   .method = "token.status",
                   .summary = "State and identity of the token",
                   .examples = "signet token status",
                   .columns = {{"state", "state"},
                               {"reason", "reason"},
                               {"label", "label"},
                               {"manufacturer", "manufacturer"},
                               {"model", "model"},
                               {"serial", "serial"},
                               {"library", "library"},
                               {"failedLogins", "failed log-ins"},
                               {"nextLoginInSeconds", "next log-in in (s)"}}});
  table.push_back({.noun = "token",
                   .verb = "unlock",
                   .method = "token.unlock",
                   .summary = "Give the token its PIN (asked for, never an argument)",
                   .examples = "signet token unlock\nsignet token unlock --pin-fd 3 3</run/pin",
                   .columns = {{"state", "state"}, {"reason", "reason"}},
                   .special = Special::kUnlock,
                   .local_only = true});
  table.push_back(
      {.noun = "token",
       .verb = "self-test",
       .method = "token.selfTest",
       .summary = "Try the token's mechanisms; exit code 1 when one fails",
       .examples = "signet token self-test",
       .columns = {{"name", "STEP"}, {"passed", "PASSED"}, {"detail", "DETAIL", As::kText, true}},
       .rows = "steps",
       .verdict = "passed"});
}

}  // namespace signet::tools
