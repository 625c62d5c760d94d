#include "tools/cli/commands/nouns.h"

namespace signet::tools {
namespace {

using As = Column::As;
using Type = Option::Type;

}  // namespace

void AddEvents(std::vector<Command>& table) {
  table.push_back(
      {.noun = "events",
       .method = "event.list",
       .summary = "What happened on the appliance, and with --follow what happens",
       .examples = "signet events\n"
                   "signet events --follow --kind token\n"
                   "signet --output json events --follow --after 120",
       .options = {{"--after", "after", "N", "only those behind this number", Type::kInteger},
                   {"--follow", "follow", "",
                    "go on with what happens from now on (or behind N), until it is ended",
                    Type::kFlag},
                   {"--kind", "kind", "KIND", "only this kind", Type::kText,
                    "operation restart.owed restart.done service proof drift monitor token"}},
       .columns = {{"sequence", "NO", As::kNumber},
                   {"time", "TIME"},
                   {"kind", "KIND"},
                   {"text", "WHAT", As::kText, true}},
       .special = Special::kEvents});
}

void AddAudit(std::vector<Command>& table) {
  table.push_back({.noun = "audit",
                   .verb = "list",
                   .method = "audit.list",
                   .summary = "The audit log",
                   .examples = "signet audit list",
                   .columns = {{"sequence", "NO", As::kNumber},
                               {"time", "TIME"},
                               {"actor", "ACTOR"},
                               {"method", "METHOD"},
                               {"outcome", "OUTCOME"},
                               {"detail", "DETAIL", As::kText, true}},
                   .rows = "items"});
  table.push_back({.noun = "audit",
                   .verb = "verify",
                   .method = "audit.verify",
                   .summary = "Recompute the log's hash chain; exit code 1 when it is broken",
                   .examples = "signet audit verify",
                   .columns = {{"verified", "verified"},
                               {"records", "records"},
                               {"firstBad", "first bad"},
                               {"problem", "problem"},
                               {"head", "head"}},
                   .verdict = "verified"});
}

}  // namespace signet::tools
