#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {
namespace {

using Type = Option::Type;

}  // namespace

void AddImport(std::vector<Command>& table) {
  table.push_back(
      {.noun = "import",
       .verb = "fetch",
       .method = "import.fetch",
       .summary = "Look at another server's certificates and store them",
       .examples = "signet import fetch cup-trust imp1.example.com:5061\n"
                   "signet import fetch tomcat-trust ldap.example.com:389 "
                   "--starttls ldap --dry-run",
       .arguments = {kStore, {"HOST", "host", "HOST[:PORT], port 443 by default"}},
       .options =
           Plannable({{"--algorithm", "algorithm", "ALGORITHM", "which certificates", Type::kText,
                       "rsa ecdsa both"},
                      {"--starttls", "starttls", "PROTOCOL", "before TLS", Type::kText,
                       "xmpp xmpp-server smtp ldap"},
                      {"--fingerprint", "fingerprint", "SHA256",
                       "of the server's certificate, known beforehand; repeatable", Type::kList}}),
       .columns = kChange,
       .question = "Are these fingerprints right? Trust them in {STORE}?",
       .special = Special::kImport});
}

}  // namespace signet::tools
