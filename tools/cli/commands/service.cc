#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {

void AddServices(std::vector<Command>& table) {
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
