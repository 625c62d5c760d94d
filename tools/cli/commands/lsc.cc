#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {
namespace {

using As = Column::As;

const std::vector<Column> kRemoved = {
    {"changed", "changed"}, {"removed", "removed"}, {"operation", "operation"}};

}  // namespace

void AddLscs(std::vector<Command>& table) {
  table.push_back({.noun = "lsc",
                   .verb = "register",
                   .method = "lsc.register",
                   .summary = "Register certificates of endpoints, what is good of them",
                   .examples = "signet lsc register phones.pem\n"
                               "signet monitor set --lsc on",
                   .arguments = {{"FILE", "certificates", "PEM files, - is standard input",
                                  Argument::Count::kMany, Argument::Source::kFile}},
                   .columns = {{"registered", "registered"},
                               {"replaced", "in place of an older one"},
                               {"known", "there already"},
                               {"superseded", "older than what is there"},
                               {"refused", "refused"},
                               {"operations", "operation"}},
                   .verdict = "ok",
                   .special = Special::kPieces});
  table.push_back({.noun = "lsc",
                   .verb = "list",
                   .method = "lsc.list",
                   .summary = "Certificates of endpoints, those that end first before the others",
                   .examples = "signet lsc list --ends-before 2027-03-01T00:00:00Z",
                   .options = {{"--ends-before", "endsBefore", "TIME",
                                "only those, RFC 3339: 2027-03-01T00:00:00Z"}},
                   .columns = {{"id", "ID", As::kDigest},
                               {"device", "DEVICE"},
                               {"notAfter", "END", As::kDate},
                               {"issuer", "ISSUER", As::kText, true},
                               {"serial", "SERIAL", As::kText, true}},
                   .rows = "items"});
  table.push_back(
      {.noun = "lsc",
       .verb = "remove",
       .method = "lsc.remove",
       .summary = "Watch the certificate of an endpoint no more",
       .examples = "signet lsc remove 3f9a0c1d",
       .arguments = {{"ID", "id", "fingerprint, or its beginning, of 'signet lsc list'"}},
       .columns = kRemoved});
  table.push_back({.noun = "lsc",
                   .verb = "remove-expired",
                   .method = "lsc.removeExpired",
                   .summary = "Watch those no more that have ended",
                   .examples = "signet lsc remove-expired\n"
                               "signet lsc remove-expired --before 2026-01-01T00:00:00Z",
                   .options = {{"--before", "before", "TIME", "that ended before; now by default"}},
                   .columns = kRemoved});
}

}  // namespace signet::tools
