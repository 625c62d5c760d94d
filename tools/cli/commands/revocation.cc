#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"
#include "tools/cli/response_cases.h"

namespace signet::tools {

namespace {

using As = Column::As;
using Type = Option::Type;

const std::vector<Column> kStatuses = {{"status", "STATUS"},
                                       {"places", "WHERE", As::kText, true},
                                       {"subject", "CERTIFICATE", As::kText, true},
                                       {"detail", "WHY", As::kText, true},
                                       {"nextUpdate", "GOOD UNTIL", As::kDate}};

}  // namespace

void AddRevocation(std::vector<Command>& table) {
  table.push_back({.noun = "revocation",
                   .verb = "show",
                   .method = "revocation.show",
                   .summary = "Settings of the revocation check, and what it found",
                   .examples = "signet revocation show\nsignet --output json revocation show",
                   .columns = {{"enabled", "check"},
                               {"responder", "responder"},
                               {"every", "check every"},
                               {"unknownUpload", "unknown status, upload"},
                               {"unknownTrust", "unknown status, trust entry"},
                               {"unknownConnection", "unknown status, connection"},
                               {"lastCheck", "last check"},
                               {"nextCheck", "next check"},
                               {"good", "good"},
                               {"revoked", "revoked"},
                               {"unknown", "unknown"},
                               {"withoutSource", "of these, name nobody to ask"}}});
  table.push_back({.noun = "revocation",
                   .verb = "list",
                   .method = "revocation.show",
                   .summary = "The status of each certificate, as it was told last",
                   .examples = "signet revocation list",
                   .columns = kStatuses,
                   .rows = "certificates"});
  table.push_back({.noun = "revocation",
                   .verb = "distrusted",
                   .method = "revocation.show",
                   .summary = "Certificates that are out of trust, and why",
                   .examples = "signet revocation distrusted",
                   .columns = {{"id", "ID", As::kDigest},
                               {"cause", "CAUSE"},
                               {"since", "SINCE", As::kDate},
                               {"places", "WHERE", As::kText, true},
                               {"subject", "CERTIFICATE", As::kText, true},
                               {"reason", "REASON"},
                               {"source", "SAYS", As::kText, true},
                               {"saidGood", "SAID TO BE GOOD"}},
                   .rows = "distrusted"});
  table.push_back(
      {.noun = "revocation",
       .verb = "set",
       .method = "revocation.set",
       .summary = "Change whether, where and how often the status is asked",
       .examples = "signet revocation set --check on --every 24h --dry-run\n"
                   "signet revocation set --responder http://ocsp.example.com\n"
                   "signet revocation set --unknown-trust hard --dry-run",
       .options = Plannable(
           {{"--check", "enabled", "on|off", "ask again and again", Type::kSwitch},
            {"--responder", "responder", "URL", "'' is the one that each certificate names"},
            {"--every", "every", "INTERVAL", "6h, 1d"},
            {"--unknown-upload", "unknownUpload", "soft|hard", "an upload whose status is unknown"},
            {"--unknown-trust", "unknownTrust", "soft|hard", "a trust entry, the same"},
            {"--unknown-connection", "unknownConnection", "soft|hard", "a connection, the same"}}),
       .columns = kChange,
       .hint = "What follows from {operation} is carried out in a moment: 'signet revocation "
               "distrusted', 'signet status'"});
  table.push_back({.noun = "revocation",
                   .verb = "check",
                   .method = "revocation.check",
                   .summary = "Ask for the status of all certificates now",
                   .examples = "signet revocation check",
                   .columns = {{"asked", "asked"},
                               {"good", "good"},
                               {"revoked", "revoked"},
                               {"unknown", "unknown"},
                               {"held", "of these, as said before"},
                               {"restarts", "restart"},
                               {"operation", "operation"}}});
  table.push_back(
      {.noun = "revocation",
       .verb = "clear",
       .method = "revocation.clear",
       .summary = "Take a certificate back into trust that was revoked, and is not any more",
       .examples = "signet revocation clear 3fa2c1d0 --reason 'revoked by mistake, the CA says'",
       .arguments = {{"ID", "id", "fingerprint, or its first digits"}},
       .options =
           Plannable({{"--reason", "reason", "TEXT", "for the audit log", Type::kText, "", true}}),
       .columns = kChange});
  table.push_back(
      {.noun = "revocation",
       .verb = "check-responses",
       .summary = "Judge OCSP responses of a file (no daemon)",
       .examples = "signet revocation check-responses --cases ocsp.jsonl",
       .options = {{"--cases", "cases", "FILE.jsonl",
                    "one case a line; its files are relative to FILE", Type::kText, "", true}},
       .without_daemon = CheckResponseCases});
}

}  // namespace signet::tools
