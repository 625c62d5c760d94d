#include "tools/cli/chain_cases.h"
#include "tools/cli/commands/nouns.h"

namespace signet::tools {
namespace {

using Count = Argument::Count;
using Type = Option::Type;

}  // namespace

void AddStatus(std::vector<Command>& table) {
  table.push_back({.noun = "status",
                   .method = "status.show",
                   .summary = "State of the appliance",
                   .examples = "signet status\nsignet --output json status",
                   .columns = {{"state", "state"},
                               {"reason", "reason"},
                               {"product", "product"},
                               {"cluster", "cluster"},
                               {"node", "node"},
                               {"version", "version"},
                               {"started", "started"},
                               {"identities", "identities"},
                               {"identitiesWanted", "identities wanted"},
                               {"progress", "progress"},
                               {"applying", "applying"},
                               {"pendingCsrs", "pending CSRs"},
                               {"trustEntries", "trust entries"},
                               {"recovered", "recovered operations"},
                               {"socket", "socket"},
                               {"url", "URL"}}});
}

void AddChain(std::vector<Command>& table) {
  table.push_back(
      {.noun = "chain",
       .verb = "check",
       .summary = "Judge chains of a file with the rules of an upload (no daemon)",
       .examples = "signet chain check --cases chains.jsonl",
       .options = {{"--cases", "cases", "FILE.jsonl",
                    "one case a line; its files are relative to FILE", Type::kText, "", true}},
       .without_daemon = CheckChainCases});
}

void AddRpc(std::vector<Command>& table) {
  table.push_back(
      {.noun = "rpc",
       .summary = "Call a method by name; the result is printed as JSON",
       .examples = "signet rpc rpc.discover\n"
                   "signet rpc certificate.show '{\"purpose\":\"tomcat\"}'",
       .arguments = {{"METHOD", "", "for example certificate.list"},
                     {"JSON", "", "parameters, an object; - is standard input", Count::kOptional}},
       .special = Special::kRaw});
}

void AddCompletion(std::vector<Command>& table) {
  table.push_back({.noun = "completion",
                   .verb = "bash",
                   .summary = "Completion for bash",
                   .examples = "source <(signet completion bash)",
                   .special = Special::kCompletion});
}

}  // namespace signet::tools
