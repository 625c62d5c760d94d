#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {
namespace {

using As = Column::As;

const std::vector<Column> kItems = {{"level", "LEVEL"},
                                    {"place", "WHERE", As::kText, true},
                                    {"end", "END", As::kDate},
                                    {"when", "WHEN"},
                                    {"subject", "CERTIFICATE", As::kText, true}};

}  // namespace

void AddMonitor(std::vector<Command>& table) {
  table.push_back({.noun = "monitor",
                   .verb = "show",
                   .method = "monitor.show",
                   .summary = "Settings, runs and mails of the certificate monitor, what it finds",
                   .examples = "signet monitor show\nsignet --output json monitor show",
                   .columns = {{"running", "running"},
                               {"since", "since"},
                               {"lastRun", "last run"},
                               {"nextRun", "next run"},
                               {"startDays", "warned of, days before the end"},
                               {"frequency", "told again after"},
                               {"email", "e-mail"},
                               {"addresses", "addresses"},
                               {"lsc", "endpoints' certificates watched"},
                               {"lscs", "endpoints' certificates registered"},
                               {"server", "mail server"},
                               {"mailsSent", "mails sent"},
                               {"mailsWaiting", "mails waiting"},
                               {"lastMail", "last mail"},
                               {"checked", "certificates looked at"},
                               {"expired", "expired"},
                               {"soon", "expire soon"},
                               {"unknown", "not to be seen"}}});
  table.push_back(
      {.noun = "monitor",
       .verb = "set",
       .method = "monitor.set",
       .summary = "Change when and whom the certificate monitor warns",
       .examples = "signet monitor set --start-days 30 --frequency 7d\n"
                   "signet monitor set --email on --addresses 'admin@example.com;noc@example.com'",
       .options = Plannable(
           {{"--start-days", "startDays", "DAYS", "before the end of a certificate",
             Option::Type::kInteger},
            {"--frequency", "frequency", "INTERVAL", "the same is told again after: 12h, 7d"},
            {"--email", "email", "on|off", "mail what expires", Option::Type::kSwitch},
            {"--addresses", "addresses", "LIST", "who is mailed, split by ;"},
            {"--lsc", "lsc", "on|off", "watch the certificates of endpoints too ('signet lsc')",
             Option::Type::kSwitch}}),
       .columns = kChange});
  table.push_back({.noun = "monitor",
                   .verb = "run",
                   .method = "monitor.run",
                   .summary = "Let the certificate monitor run now",
                   .examples = "signet monitor run",
                   .columns = {{"checked", "certificates looked at"},
                               {"expired", "expired"},
                               {"soon", "expire soon"},
                               {"unknown", "unreadable"},
                               {"mail", "mail"},
                               {"nextRun", "next run"},
                               {"operation", "operation"}}});
  table.push_back({.noun = "monitor",
                   .verb = "preview",
                   .method = "monitor.preview",
                   .summary = "What it would find at a time to come, and whom it would mail",
                   .examples = "signet monitor preview --at 2027-03-01T00:00:00Z",
                   .options = {{"--at", "at", "TIME", "RFC 3339, 2027-03-01T00:00:00Z",
                                Option::Type::kText, "", true}},
                   .columns = kItems,
                   .rows = "certificates"});
  table.push_back({.noun = "monitor",
                   .verb = "test-mail",
                   .method = "monitor.testMail",
                   .summary = "Mail all addresses now; says what the server answers of each",
                   .examples = "signet monitor test-mail",
                   .columns = {{"address", "ADDRESS"},
                               {"accepted", "ACCEPTED"},
                               {"answer", "THE SERVER SAYS", As::kText, true}},
                   .rows = "recipients",
                   .verdict = "ok"});
}

}  // namespace signet::tools
