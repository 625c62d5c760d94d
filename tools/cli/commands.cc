#include "tools/cli/commands.h"

#include <algorithm>
#include <iterator>

#include "tools/cli/commands/nouns.h"

namespace signet::tools {
namespace {

struct Noun {
  std::string_view name;
  std::string_view summary;  // empty: the noun alone is a command, which has its own
  void (*add)(std::vector<Command>& table);
};

// In the order of the help.
constexpr Noun kNouns[] = {
    {"status", "", AddStatus},
    {"certificate", "Certificates of the purposes", AddCertificates},
    {"csr", "Certificate signing requests", AddCsrs},
    {"trust", "Trust stores", AddTrust},
    {"import", "Certificates of other servers", AddImport},
    {"service", "Services of this node, and servers that use the keys", AddServices},
    {"setting", "Settings of the cluster", AddSettings},
    {"monitor", "The certificate monitor: what expires, and who is told", AddMonitor},
    {"lsc", "Certificates of endpoints, which the monitor watches when asked to", AddLscs},
    {"token", "The PKCS#11 token", AddToken},
    {"key", "Keys in the token", AddKeys},
    {"events", "", AddEvents},
    {"audit", "The audit log", AddAudit},
    {"chain", "Certificate chains by themselves", AddChain},
    {"revocation", "Revocation of certificates", AddRevocation},
    {"connection", "Long-lived connections, whose peers are checked", AddConnections},
    {"rpc", "", AddRpc},
    {"completion", "Shell completion", AddCompletion},
};

std::vector<Command> MakeTable() {
  std::vector<Command> table;
  for (const Noun& noun : kNouns) noun.add(table);
  return table;
}

}  // namespace

std::span<const Command> Commands() {
  static const std::vector<Command> table = MakeTable();
  return table;
}

std::string_view NounSummary(std::string_view noun) {
  const auto* const found = std::ranges::find(kNouns, noun, &Noun::name);
  return found == std::end(kNouns) ? std::string_view() : found->summary;
}

}  // namespace signet::tools
