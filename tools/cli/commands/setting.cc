#include "tools/cli/commands/nouns.h"
#include "tools/cli/commands/shared.h"

namespace signet::tools {
namespace {

using As = Column::As;

}  // namespace

void AddSettings(std::vector<Command>& table) {
  const std::vector<Column> columns = {{"name", "SETTING"},
                                       {"value", "VALUE"},
                                       {"defaultValue", "DEFAULT"},
                                       {"summary", "MEANING", As::kText, true}};
  const Argument key{"KEY", "name", "for example hosted-domains"};
  table.push_back({.noun = "setting",
                   .verb = "list",
                   .method = "setting.list",
                   .summary = "Every setting with its value and meaning",
                   .examples = "signet setting list",
                   .columns = columns,
                   .rows = "items"});
  table.push_back({.noun = "setting",
                   .verb = "get",
                   .method = "setting.get",
                   .summary = "One setting",
                   .examples = "signet setting get rollback-days",
                   .arguments = {key},
                   .columns = columns});
  table.push_back({.noun = "setting",
                   .verb = "set",
                   .method = "setting.set",
                   .summary = "Change a setting; tells what must be made anew for it",
                   .examples = "signet setting set hosted-domains 'example.com example.org'\n"
                               "signet setting set xmpp-federation-wildcards on --dry-run",
                   .arguments = {key, {"VALUE", "value", "'' for none"}},
                   .options = Plannable({}),
                   .columns = kChange});
}

}  // namespace signet::tools
