#include "tools/cli/commands/nouns.h"

namespace signet::tools {
namespace {

using As = Column::As;

}  // namespace

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
