#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {

namespace {

using As = Column::As;
using Type = Option::Type;

}  // namespace

void AddConnections(std::vector<Command>& table) {
  table.push_back({.noun = "connection",
                   .verb = "list",
                   .method = "connection.list",
                   .summary = "Long-lived connections, and whether their peers may go on",
                   .examples = "signet connection list",
                   .columns = {{"state", "STATE"},
                               {"id", "ID", As::kText, true},
                               {"kind", "KIND"},
                               {"peer", "PEER", As::kText, true},
                               {"notAfter", "ENDS", As::kDate},
                               {"reason", "WHY", As::kText, true},
                               {"closing", "CLOSING", As::kText, true}},
                   .rows = "items"});
  table.push_back(
      {.noun = "connection",
       .verb = "register",
       .method = "connection.register",
       .summary = "Register a connection with its peer's chain",
       .examples = "signet connection register cti 10.1.1.7:2748 peer.pem --id cti-7",
       .arguments = {{"KIND", "kind", "cti, ipsec or ldap"},
                     {"PEER", "peer", "for people: its address"},
                     {"FILE", "certificates", "PEM: the peer's own certificate, then its issuers",
                      Argument::Count::kOne, Argument::Source::kFile}},
       .options = {{"--id", "id", "ID", "of your choice; the same again replaces"},
                   {"--store", "store", "STORE", "that its certificate must lead to"}},
       .columns = {
           {"id", "id"}, {"state", "state"}, {"reason", "reason"}, {"operation", "operation"}}});
  table.push_back({.noun = "connection",
                   .verb = "remove",
                   .method = "connection.remove",
                   .summary = "Forget a connection that is over",
                   .examples = "signet connection remove cti-7",
                   .arguments = {{"ID", "id", "of 'signet connection list'"}},
                   .columns = kChange});
  table.push_back({.noun = "connection",
                   .verb = "check",
                   .method = "connection.check",
                   .summary = "Check all connections now, and close those that fail",
                   .examples = "signet connection check",
                   .columns = {{"checked", "checked"},
                               {"failing", "failing"},
                               {"unknown", "unknown"},
                               {"closed", "closed"},
                               {"operation", "operation"}}});
  table.push_back(
      {.noun = "connection",
       .verb = "set",
       .method = "connection.set",
       .summary = "Change whether and how often connections are checked",
       .examples = "signet connection set --validity-check on --frequency 6h",
       .options = Plannable({{"--validity-check", "validityCheck", "on|off",
                              "check the peers' certificates again and again", Type::kSwitch},
                             {"--frequency", "frequency", "INTERVAL",
                              "6h, 1d; while the revocation check is on, its interval counts"}}),
       .columns = kChange});
}

}  // namespace signet::tools
