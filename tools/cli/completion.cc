#include "tools/cli/completion.h"

#include <map>
#include <vector>

#include "tools/cli/commands.h"

namespace signet::tools {
namespace {

constexpr std::string_view kGlobals =
    "--socket --url --output --ca-file --client-cert --client-key --idempotency-key --help";

constexpr std::string_view kHead = R"(# bash completion of signet: source <(signet completion bash)
_signet() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} noun= verb= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --socket|--url|--output|--ca-file|--client-cert|--client-key|--idempotency-key) ((i++)) ;;
      -*) ;;
      *) if [[ -z $noun ]]; then noun=${COMP_WORDS[i]}; elif [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; fi ;;
    esac
  done
  case $previous in
    --output) COMPREPLY=($(compgen -W 'table json' -- "$word")); return ;;
)";

void AppendWord(std::string& list, std::string_view word) {
  if (!list.empty()) list.push_back(' ');
  list.append(word);
}

std::string OptionsOf(const Command& command) {
  std::string options;
  for (const Option& option : command.options) AppendWord(options, option.flag);
  if (command.special == Special::kDownload || command.special == Special::kSign) {
    AppendWord(options, "-o");
  }
  if (command.special == Special::kSign) AppendWord(options, "--digest");
  if (command.special == Special::kUnlock) AppendWord(options, "--pin-fd");
  if (!command.question.empty()) AppendWord(options, "--yes");
  AppendWord(options, kGlobals);
  return options;
}

}  // namespace

std::string BashCompletion() {
  std::map<std::string_view, std::string> verbs, choices;
  std::string nouns, options;
  for (const Command& command : Commands()) {
    const auto [noun, added] = verbs.try_emplace(command.noun);
    if (added) AppendWord(nouns, command.noun);
    if (!command.verb.empty()) AppendWord(noun->second, command.verb);
    options.append("    '").append(command.noun).append(" ").append(command.verb);
    options.append("') options='").append(OptionsOf(command)).append("' ;;\n");
    for (const Option& option : command.options) {
      // The longest list of a flag that several commands have.
      if (option.choices.size() > choices[option.flag].size()) {
        choices[option.flag] = option.choices;
      }
    }
  }
  std::string script(kHead);
  for (const auto& [flag, words] : choices) {
    if (words.empty()) continue;
    script.append("    ").append(flag).append(") COMPREPLY=($(compgen -W '").append(words);
    script.append("' -- \"$word\")); return ;;\n");
  }
  script.append("  esac\n  if [[ -z $noun ]]; then\n    COMPREPLY=($(compgen -W '").append(nouns);
  script.append(" ").append(kGlobals).append("' -- \"$word\"))\n    return\n  fi\n");
  script.append("  local verbs= options=\n  case $noun in\n");
  for (const auto& [noun, words] : verbs) {
    if (!words.empty()) {
      script.append("    ").append(noun).append(") verbs='").append(words).append("' ;;\n");
    }
  }
  script.append("  esac\n  case \"$noun $verb\" in\n").append(options).append("  esac\n");
  script.append(R"(  if [[ -n $verbs && -z $verb ]]; then
    COMPREPLY=($(compgen -W "$verbs" -- "$word"))
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  fi
}
complete -o default -F _signet signet
)");
  return script;
}

}  // namespace signet::tools
