#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {
namespace {

using As = Column::As;
using Count = Argument::Count;
using Type = Option::Type;

}  // namespace

void AddKeys(std::vector<Command>& table) {
  table.push_back({.noun = "key",
                   .verb = "list",
                   .method = "key.list",
                   .summary = "The keys in the token and their owners",
                   .examples = "signet key list",
                   .columns = {{"id", "ID", As::kDigest},
                               {"key", "KEY"},
                               {"policy", "POLICY"},
                               {"uses", "USES", As::kNumber},
                               {"owner", "OWNER"},
                               {"label", "LABEL", As::kText, true}},
                   .rows = "items"});
  table.push_back(
      {.noun = "key",
       .verb = "sign",
       .method = "key.sign",
       .summary = "Sign a message with a purpose's current key",
       .examples = "signet key sign tomcat message.txt -o message.sig\n"
                   "printf hello | signet key sign cup-ECDSA     (base64)",
       .arguments = {kPurpose,
                     {"FILE", "", "the message; default standard input", Count::kOptional}},
       .options = {{"--algorithm", "algorithm", "ALGORITHM", "default rsa-pkcs1 or ecdsa",
                    Type::kText, "rsa-pkcs1 rsa-pss ecdsa"},
                   kHash},
       .special = Special::kSign});
  table.push_back({.noun = "key",
                   .verb = "agent-env",
                   .method = "key.agentEnv",
                   .summary = "Shell lines for programs that use a purpose's key by the key socket",
                   .examples = "eval \"$(signet key agent-env tomcat)\"\n"
                               "signet key agent-env cup --output json",
                   .arguments = {kPurpose},
                   .options = {kService},
                   .special = Special::kEnvironment});
}

}  // namespace signet::tools
