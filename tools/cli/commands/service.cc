#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {

namespace {

const Argument kName{.name = "NAME",
                     .member = "service",
                     .help = "of the service, with or without quotes: Cisco Tomcat",
                     .count = Argument::Count::kMany,
                     .source = Argument::Source::kWords};
const std::vector<Column> kDone = {{"service", "service"},
                                   {"status", "status"},
                                   {"restarted", "restarted"},
                                   {"owed", "still owed"},
                                   {"operation", "operation"}};

}  // namespace

void AddServices(std::vector<Command>& table) {
  table.push_back({.noun = "service",
                   .verb = "list",
                   .method = "service.list",
                   .summary = "The services of this node (also: utils service list)",
                   .examples = "signet service list\nsignet utils service list",
                   .columns = {{"service", "SERVICE", Column::As::kText, true},
                               {"status", "STATUS"},
                               {"since", "SINCE", Column::As::kDate},
                               {"serving", "SERVING", Column::As::kDigest},
                               {"wire", "WIRE"},
                               {"owed", "OWED"}},
                   .rows = "items"});
  struct Row {
    std::string_view verb, method, summary, examples;
  };
  for (const Row& row :
       {Row{"start", "service.start", "Start a service", "signet service start Cisco SIP Proxy"},
        Row{"stop", "service.stop", "Stop a service", "signet service stop Cisco SIP Proxy"},
        Row{"restart", "service.restart",
            "Restart a service and those below it (also: utils service restart NAME)",
            "signet service restart Cisco Tomcat\nsignet utils service restart Cisco XCP Router"},
        Row{"reload", "service.reload", "Let a service read its configuration anew",
            "signet service reload Cisco Tomcat"}}) {
    table.push_back({.noun = "service",
                     .verb = row.verb,
                     .method = row.method,
                     .summary = row.summary,
                     .examples = row.examples,
                     .arguments = {kName},
                     .columns = kDone,
                     .patient = true});
  }
  table.push_back({.noun = "service",
                   .verb = "plan",
                   .method = "service.plan",
                   .summary = "The restarts that are owed, in order",
                   .examples = "signet service plan",
                   .columns = {{"service", "SERVICE"},
                               {"action", "ACTION"},
                               {"causes", "BECAUSE OF", Column::As::kText, true},
                               {"endpoints", "PROVED AT", Column::As::kText, true}},
                   .rows = "steps",
                   .hint = "plan {hash}: signet service apply [--plan HASH]"});
  table.push_back({.noun = "service",
                   .verb = "apply",
                   .method = "service.apply",
                   .summary = "Carry out what is owed, and prove that it is served",
                   .examples = "signet service apply\n"
                               "signet events --follow     (beside it: how far it is)",
                   .options = {{"--plan", "plan", "HASH", "exactly that plan, or nothing"}},
                   .columns = {{"service", "SERVICE"},
                               {"action", "ACTION"},
                               {"outcome", "OUTCOME"},
                               {"detail", "DETAIL", Column::As::kText, true}},
                   .rows = "steps",
                   .hint = "receipt {receipt}: signet service receipt",
                   .verdict = "ok",
                   .patient = true});
  table.push_back({.noun = "service",
                   .verb = "receipt",
                   .method = "service.receipt",
                   .summary = "What a plan has proved, signed by the appliance",
                   .examples = "signet service receipt -o proof.json\n"
                               "signet service receipt --format signature -o proof.sig\n"
                               "signet service receipt --format certificate -o proof.pem\n"
                               "openssl x509 -in proof.pem -noout -pubkey > proof.pub\n"
                               "openssl dgst -sha256 -verify proof.pub -signature proof.sig "
                               "proof.json",
                   .arguments = {{"ID", "id", "of the operation; the latest by default",
                                  Argument::Count::kOptional}},
                   .options = {Format("document signature certificate")},
                   .special = Special::kDownload});
  table.push_back(
      {.noun = "service",
       .verb = "snippet",
       .method = "service.snippet",
       .summary = "What an administrator writes once into a server's configuration",
       .examples = "signet service snippet nginx tomcat\n"
                   "signet service snippet sip-front cup --service sip",
       .arguments = {{"SERVER", "server",
                      "nginx, apache, stunnel, tomcat, strongswan, haproxy, sip-front, xmpp-front "
                      "or ldap-front"},
                     kPurpose},
       .options = {kService},
       .special = Special::kText});
}

}  // namespace signet::tools
