#include "tools/cli/parser.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

#include "platform/encoding.h"
#include "platform/suggestion.h"
#include "tools/cli/commands.h"

namespace signet::tools {
namespace {

constexpr const char* kDefaultSocket = "/run/signet/signetd.sock";

// What CLI11 writes into for one row of the table.
struct Row {
  const Command* command = nullptr;
  CLI::App* app = nullptr;
  Invocation typed;
};

struct Tree {
  CLI::App app{"signet: certificates and their token-held keys", "signet"};
  Globals globals;
  std::string output;
  std::map<std::string, CLI::App*> nouns;
  std::vector<std::unique_ptr<Row>> rows;
};

Error UsageError(std::string detail, std::string remedy) {
  return MakeError(Kind::kUsage, "COMMAND_LINE_INVALID", std::move(detail), std::move(remedy));
}

std::string FullName(const Command& command) {
  std::string name(command.noun);
  if (!command.verb.empty()) name.append(" ").append(command.verb);
  return name;
}

void AddArgument(CLI::App& app, const Argument& argument, std::vector<std::string>& typed) {
  CLI::Option* option =
      app.add_option(std::string(argument.name), typed, std::string(argument.help));
  option->type_name("");
  switch (argument.count) {
    case Argument::Count::kOne:
      option->required()->expected(1);
      break;
    case Argument::Count::kOptional:
      option->expected(1);
      break;
    case Argument::Count::kMany:
      option->required()->expected(1, 1000);
      return;
    case Argument::Count::kAny:
      option->expected(0, 1000);
      return;
  }
  option->allow_extra_args(false);
}

void AddOption(CLI::App& app, const Option& row, std::vector<std::string>& typed) {
  std::string help(row.help);
  if (!row.choices.empty()) {
    help.append(help.empty() ? "" : "; ").append("one of ").append(row.choices);
  }
  if (row.type == Option::Type::kFlag) {
    app.add_flag_callback(
        std::string(row.flag), [&typed] { typed.assign(1, "true"); }, help);
    return;
  }
  CLI::Option* option = app.add_option(std::string(row.flag), typed, help);
  option->type_name(std::string(row.value))->allow_extra_args(false)->required(row.required);
  if (row.type == Option::Type::kText || row.type == Option::Type::kInteger ||
      row.type == Option::Type::kSwitch || row.type == Option::Type::kListFile) {
    option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  }
  if (row.type == Option::Type::kSwitch) option->check(CLI::IsMember({"on", "off"}));
  if (row.type == Option::Type::kInteger) {
    option->check(CLI::TypeValidator<std::int64_t>("NUMBER"));
  }
}

void AddCommand(Tree& tree, const Command& command) {
  const std::string noun_name(command.noun);
  CLI::App*& noun = tree.nouns[noun_name];
  const bool alone = command.verb.empty();
  if (noun == nullptr) {
    noun = tree.app.add_subcommand(
        noun_name, std::string(alone ? command.summary : NounSummary(command.noun)));
    noun->fallthrough()->allow_extras()->require_subcommand(0, 1);
  }
  auto row = std::make_unique<Row>();
  row->command = &command;
  row->app =
      alone ? noun : noun->add_subcommand(std::string(command.verb), std::string(command.summary));
  CLI::App& app = *row->app;
  app.fallthrough()->allow_extras();
  std::string footer = "Examples:\n  ";
  for (const char c : command.examples) footer.append(c == '\n' ? "\n  " : std::string(1, c));
  app.footer(footer);

  Invocation& typed = row->typed;
  typed.command = &command;
  typed.arguments.resize(command.arguments.size());
  typed.options.resize(command.options.size());
  for (std::size_t i = 0; i < command.arguments.size(); ++i) {
    AddArgument(app, command.arguments[i], typed.arguments[i]);
  }
  for (std::size_t i = 0; i < command.options.size(); ++i) {
    AddOption(app, command.options[i], typed.options[i]);
  }
  if (command.special == Special::kDownload || command.special == Special::kSign) {
    app.add_option("-o", typed.output_file, "write this file, or into this folder when it is one")
        ->type_name("FILE");
  }
  if (command.special == Special::kSign) {
    app.add_flag("--digest", typed.digest, "the message is the digest itself (raw octets)");
  }
  if (command.special == Special::kUnlock) {
    app.add_option("--pin-fd", typed.pin_fd, "read the PIN from this open file descriptor")
        ->type_name("N");
  }
  if (!command.question.empty()) app.add_flag("-y,--yes", typed.yes, "do not ask");
  tree.rows.push_back(std::move(row));
}

void AddGlobals(Tree& tree) {
  CLI::App& app = tree.app;
  Globals& globals = tree.globals;
  app.set_version_flag("--version", "signet " SIGNET_VERSION);
  CLI::Option* socket = app.add_option(
      "--socket", globals.socket,
      std::string("the daemon's Unix socket (SIGNET_SOCKET; default ") + kDefaultSocket + ")");
  socket->type_name("PATH");
  app.add_option("--url", globals.url, "the daemon's TLS address, https://HOST:PORT (SIGNET_URL)")
      ->type_name("URL")
      ->excludes(socket);
  app.add_option("--output", tree.output, "table or json (SIGNET_OUTPUT; default table)")
      ->type_name("FORM");
  app.add_option("--ca-file", globals.ca_file, "PEM file of the CAs that --url trusts")
      ->type_name("FILE");
  app.add_option("--client-cert", globals.client_certificate, "PEM client certificate for --url")
      ->type_name("FILE");
  app.add_option("--client-key", globals.client_key, "its key")->type_name("FILE");
  app.add_option("--idempotency-key", globals.idempotency_key,
                 "a change with the same key is made once, however often it is sent")
      ->type_name("TEXT");
  app.require_subcommand(0, 1)->allow_extras();
  app.get_formatter()->column_width(32);
  app.footer(
      "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 denied, 5 conflict,\n"
      "            6 token locked or gone, 7 unreachable\n"
      "Examples:\n  signet status\n  signet csr generate tomcat\n"
      "  signet certificate upload --help");
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Status FinishGlobals(Globals& globals, std::string output) {
  if (globals.socket.empty() && globals.url.empty()) {
    globals.socket = Environment("SIGNET_SOCKET");
    globals.url = Environment("SIGNET_URL");
    if (!globals.socket.empty() && !globals.url.empty()) {
      return UsageError("SIGNET_SOCKET and SIGNET_URL are both set",
                        "Unset one, or give --socket or --url.");
    }
    if (globals.url.empty() && globals.socket.empty()) globals.socket = kDefaultSocket;
  }
  if (!globals.url.empty() && !globals.url.starts_with("https://")) {
    return UsageError("the URL '" + globals.url + "' does not begin with https://",
                      "Give --url https://HOST:PORT.");
  }
  if (output.empty()) output = Environment("SIGNET_OUTPUT");
  if (!output.empty() && output != "table" && output != "json") {
    return UsageError("output form '" + output + "' is not known", "Use table or json.");
  }
  globals.json = output == "json";
  for (const char c : globals.idempotency_key) {
    if (c < 0x21 || c > 0x7e) {
      return UsageError("the idempotency key holds a blank or a control character",
                        "Use printable ASCII, for example the output of uuidgen.");
    }
  }
  return Ok();
}

// Words that no row took: the wrong noun, verb or option is among them.
Status CheckExtras(const Tree& tree, const CLI::App* noun, const Row* row) {
  const std::vector<std::string> extras = tree.app.remaining(true);
  const std::string where = row != nullptr    ? FullName(*row->command)
                            : noun != nullptr ? noun->get_name()
                                              : "";
  const std::string help = "See 'signet" + (where.empty() ? "" : " " + where) + " --help'.";
  const auto is_option = [](const std::string& word) { return word.size() > 1 && word[0] == '-'; };
  if (extras.empty()) {
    if (row != nullptr) return Ok();
    return UsageError(noun == nullptr ? "no command given" : "'" + where + "' needs a verb", help);
  }
  const std::string& word = extras.front();
  std::vector<std::string> known;
  if (is_option(word)) {
    const auto collect = [&](const CLI::App* app) {
      for (const CLI::Option* option : app->get_options()) {
        if (!option->get_lnames().empty()) known.push_back("--" + option->get_lnames().front());
      }
    };
    if (row != nullptr) collect(row->app);
    collect(&tree.app);
    return UsageError("unknown option '" + word + "'", Suggestion(word, known) + help);
  }
  if (row != nullptr) return UsageError("'" + where + "' takes no argument '" + word + "'", help);
  const CLI::App& level = noun == nullptr ? tree.app : *noun;
  for (const CLI::App* app : level.get_subcommands(nullptr)) known.push_back(app->get_name());
  return UsageError("unknown command '" + (where.empty() ? "" : where + " ") + word + "'",
                    Suggestion(word, known) + help);
}

// The documented words of the source's own command line: `utils service …` is `service …`.
std::vector<const char*> WithoutUtils(int argc, const char* const* argv) {
  std::vector<const char*> words(argv, argv + argc);
  for (std::size_t i = 1; i + 1 < words.size(); ++i) {
    if (std::string_view(words[i]) != "utils" || std::string_view(words[i + 1]) != "service")
      continue;
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(i));
    break;
  }
  return words;
}

}  // namespace

Result<std::optional<Invocation>> ParseCommandLine(int argc, const char* const* argv) {
  Tree tree;
  AddGlobals(tree);
  for (const Command& command : Commands()) AddCommand(tree, command);
  try {
    const std::vector<const char*> words = WithoutUtils(argc, argv);
    tree.app.parse(static_cast<int>(words.size()), words.data());
  } catch (const CLI::Success& help) {
    tree.app.exit(help);
    return std::optional<Invocation>();
  } catch (const CLI::ParseError& e) {
    // A misspelt word explains more than what went missing because of it.
    const auto nouns = tree.app.get_subcommands();
    if (nouns.empty()) {
      SIGNET_TRY(CheckExtras(tree, nullptr, nullptr));
    }
    std::string where;
    for (const CLI::App* app = &tree.app; !app->get_subcommands().empty();) {
      app = app->get_subcommands().front();
      where += app->get_name() + " ";
    }
    return UsageError(e.what(), "See 'signet " + where + "--help'.");
  }
  const auto nouns = tree.app.get_subcommands();
  const CLI::App* noun = nouns.empty() ? nullptr : nouns.front();
  Row* chosen = nullptr;
  for (const auto& row : tree.rows) {
    if (row->app->parsed() && (row->app != noun || row->command->verb.empty())) chosen = row.get();
  }
  SIGNET_TRY(CheckExtras(tree, noun, chosen));
  SIGNET_TRY(FinishGlobals(tree.globals, tree.output));
  chosen->typed.globals = std::move(tree.globals);
  return std::optional<Invocation>(std::move(chosen->typed));
}

}  // namespace signet::tools
