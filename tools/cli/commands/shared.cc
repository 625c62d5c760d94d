#include "tools/cli/commands/shared.h"

#include <utility>

namespace signet::tools {
namespace {

using Type = Option::Type;

}  // namespace

std::vector<Option> NameOptions(bool self_signed) {
  std::vector<Option> options = {
      {"--key", "key", "ALGORITHM", "default rsa:2048 or ec:P-256", Type::kText,
       "rsa:2048 rsa:3072 rsa:4096 ec:P-256 ec:P-384 ec:P-521"},
      kHash,
      {"--distribution", "distribution", "NODE",
       "a node's name (default: this node) or multi-server", Type::kText, "multi-server"},
      {"--cn", "commonName", "NAME", "common name"},
      {"--parent-domain", "parentDomain", "DOMAIN", "named too; of a multi-server common name"},
      {"--san", "sans", "TYPE:VALUE", "a further name, for example DNS:im.example.com; repeatable",
       Type::kList},
      {"--san-file", "sans", "FILE", "further names, one TYPE:VALUE a line", Type::kListFile},
      {"--organization", "organization", "TEXT", "O of the subject"},
      {"--organizational-unit", "organizationalUnit", "TEXT", "OU of the subject"},
      {"--locality", "locality", "TEXT", "L of the subject"},
      {"--state", "state", "TEXT", "ST of the subject"},
      {"--country", "country", "CODE", "C of the subject, two letters"},
  };
  if (self_signed) {
    options.push_back(
        {"--validity-days", "validityDays", "DAYS", "1 to 7300, default 1825", Type::kInteger});
  }
  return options;
}

std::vector<Option> Plannable(std::vector<Option> options) {
  options.push_back(
      {"--dry-run", "dryRun", "", "show the plan and its hash, change nothing", Type::kFlag});
  options.push_back({"--plan", "plan", "HASH", "carry out exactly this plan, or nothing"});
  return options;
}

std::vector<Option> Forcible(std::vector<Option> options) {
  options.push_back({"--force", "force", "WORD", "override this finding; repeatable", Type::kList});
  options.push_back({"--reason", "reason", "TEXT", "why; the audit log keeps it"});
  return Plannable(std::move(options));
}

Option Format(std::string_view choices) {
  return {"--format", "format", "FORMAT", "default pem", Type::kText, choices};
}

}  // namespace signet::tools
