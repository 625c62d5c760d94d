#include "tools/cli/run.h"

#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <memory>

#include "platform/encoding.h"
#include "platform/files.h"
#include "tools/cli/completion.h"
#include "tools/cli/events.h"
#include "tools/cli/input.h"
#include "tools/cli/message.h"
#include "tools/cli/parser.h"
#include "tools/cli/pieces.h"
#include "tools/cli/request.h"
#include "tools/cli/rpc_client.h"
#include "tools/cli/table.h"

namespace signet::tools {
namespace {

constexpr std::size_t kLongLine = 8192;

Status Write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    return ErrnoError(errno, "write", "standard output");
  }
  return Ok();
}

Status PrintJson(const json::value& value) { return Write(json::serialize(value) + "\n"); }

std::string Member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return {value->get_string().data(), value->get_string().size()};
}

// `-o FILE`, or `-o DIR/` with the name that the daemon gives. The name comes from outside: it may
// not leave the folder.
Status WriteFile(std::string path, const std::string& name, std::string_view content) {
  const std::unique_ptr<FileSystem> files = MakeFileSystem();
  const Result<FileInfo> info = files->Info(path);
  const bool is_folder = info && info.value().type == FileInfo::Type::kDirectory;
  if (path.ends_with('/') || is_folder) {
    const bool safe = !name.empty() && name != "." && name != ".." && name.front() != '-' &&
                      name.find('/') == std::string::npos && EscapeLine(name) == name;
    if (!safe) {
      return MakeError(Kind::kInternal, "NAME_UNSAFE",
                       "the daemon calls the file '" + name + "', which is not a plain name",
                       "Give the file's own name: -o FILE.");
    }
    if (!is_folder) {
      SIGNET_TRY(files->MakeDirectory(path, 0755));
    }
    if (!path.ends_with('/')) path.push_back('/');
    path.append(name);
  }
  SIGNET_TRY(files->WriteAtomic(path, content, 0644));
  PrintNote("wrote " + path);
  return Ok();
}

// A download of several files: -o names their folder.
Status WriteFolder(const Invocation& invocation, const json::array& files,
                   const json::value& result) {
  if (invocation.globals.json) return PrintJson(result);
  if (invocation.output_file.empty()) {
    return MakeError(Kind::kUsage, "FOLDER_WANTED", "this download is a folder of files",
                     "Give the folder: -o DIR/.");
  }
  std::string folder = invocation.output_file;
  if (!folder.ends_with('/')) folder.push_back('/');
  for (const json::value& file : files) {
    if (!file.is_object()) return InternalError("the answer is not a folder");
    SIGNET_TRY(
        WriteFile(folder, Member(file.get_object(), "name"), Member(file.get_object(), "content")));
  }
  return Ok();
}

Status ShowDownload(const Invocation& invocation, const json::value& result) {
  if (!result.is_object()) return InternalError("the answer is not a file");
  const json::object& file = result.get_object();
  if (const json::value* files = file.if_contains("files"); files != nullptr && files->is_array())
    return WriteFolder(invocation, files->get_array(), result);
  std::string content = Member(file, "content");
  const bool binary = Member(file, "encoding") == "base64";
  if (binary) {
    SIGNET_TRY(content, Base64Decode(content));
  }
  if (!invocation.output_file.empty()) {
    SIGNET_TRY(WriteFile(invocation.output_file, Member(file, "name"), content));
  }
  if (invocation.globals.json) return PrintJson(result);
  if (!invocation.output_file.empty()) return Ok();
  if (binary && ::isatty(STDOUT_FILENO) == 1) {
    return MakeError(Kind::kUsage, "BINARY_TO_TERMINAL", "this file is binary",
                     "Give -o FILE, or send standard output into a file.");
  }
  return Write(content);
}

Status ShowSignature(const Invocation& invocation, const json::value& result) {
  if (!result.is_object()) return InternalError("the answer is not a signature");
  const std::string signature = Member(result.get_object(), "signature");
  if (!invocation.output_file.empty()) {
    SIGNET_TRY(const Bytes octets, Base64Decode(signature));
    SIGNET_TRY(WriteFile(invocation.output_file, "signature", octets));
  }
  if (invocation.globals.json) return PrintJson(result);
  return invocation.output_file.empty() ? Write(EscapeLine(signature, 1u << 20) + "\n") : Ok();
}

// Several lines from the daemon, each made safe for a terminal.
Status WriteLines(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    SIGNET_TRY(Write(EscapeLine(line, kLongLine) + "\n"));
  }
  return Ok();
}

// For `eval` of a shell: what is no assignment is a comment.
Status ShowEnvironment(const json::object& answer) {
  for (const auto& member : answer) {
    if (!member.value().is_string()) continue;
    const json::string& text = member.value().get_string();
    SIGNET_TRY(WriteLines("# " + EscapeLine(member.key()) + ": " +
                          EscapeLine({text.data(), text.size()}, kLongLine)));
  }
  const json::value* variables = answer.if_contains("environment");
  if (variables == nullptr || !variables->is_object()) return InternalError("no environment");
  for (const auto& variable : variables->get_object()) {
    std::string quoted;
    for (const char c : Member(variables->get_object(), variable.key()))
      quoted += c == '\'' ? "'\\''" : std::string(1, c);
    SIGNET_TRY(WriteLines("export " + std::string(variable.key()) + "='" + quoted + "'"));
  }
  return Ok();
}

// A table of the rows, or a record; anything unexpected as JSON.
Status ShowTable(const Command& command, const json::value& result) {
  const json::value* rows = result.is_object() && !command.rows.empty()
                                ? result.get_object().if_contains(command.rows)
                                : &result;
  if (rows != nullptr && rows->is_array()) {
    if (rows->get_array().empty()) PrintNote("none");
    return PrintTable(command.columns, rows->get_array());
  }
  if (result.is_object()) return PrintRecord(command.columns, result.get_object());
  return PrintJson(result);
}

const std::vector<Column> kSteps = {
    {"what", "STEP"}, {"node", "NODE"}, {"target", "TARGET", Column::As::kText, true}};
const std::vector<Column> kPlan = {
    {"replaces", "replaces"}, {"restarts", "restart"}, {"nodes", "nodes"}, {"hash", "plan"}};

// What a rehearsal answers.
Status ShowPlan(const json::object& plan) {
  if (const json::value* steps = plan.if_contains("steps"); steps != nullptr && steps->is_array()) {
    SIGNET_TRY(PrintTable(kSteps, steps->get_array()));
  }
  return PrintRecord(kPlan, plan);
}

void ShowHint(const Command& command, const json::object& result) {
  std::string hint(command.hint);
  const std::size_t open = hint.find('{');
  const std::size_t close = hint.find('}');
  if (open == std::string::npos || close == std::string::npos) return;
  const json::value* member = result.if_contains(hint.substr(open + 1, close - open - 1));
  const std::string value = member == nullptr ? "" : CellText(*member, Column::As::kText);
  if (!value.empty()) PrintNote(hint.replace(open, close - open + 1, value));
}

// The exit code of an answer that came.
Result<int> Show(const Invocation& invocation, const json::value& result) {
  const Command& command = *invocation.command;
  if (command.special == Special::kDownload) {
    SIGNET_TRY(ShowDownload(invocation, result));
  } else if (command.special == Special::kSign) {
    SIGNET_TRY(ShowSignature(invocation, result));
  } else if (invocation.globals.json || command.special == Special::kRaw) {
    SIGNET_TRY(PrintJson(result));
  } else if (command.special == Special::kText && result.is_object()) {
    SIGNET_TRY(WriteLines(Member(result.get_object(), "text")));
  } else if (command.special == Special::kEnvironment && result.is_object()) {
    SIGNET_TRY(ShowEnvironment(result.get_object()));
  } else if (WasTyped(invocation, "dryRun") && result.is_object()) {
    SIGNET_TRY(ShowPlan(result.get_object()));
  } else {
    SIGNET_TRY(ShowTable(command, result));
  }
  if (!result.is_object() || command.special == Special::kRaw) return 0;
  const json::object& object = result.get_object();
  if (!invocation.globals.json) {
    PrintFindings(FindingsOf(object));
    PrintFindings(FindingsOf(object, "warnings"));
    if (WasTyped(invocation, "dryRun")) {
      PrintNote("Nothing was done. Repeat it with --plan and the hash to do exactly this.");
    } else if (!command.hint.empty()) {
      ShowHint(command, object);
    }
  }
  if (command.verdict.empty()) return 0;
  const json::value* verdict = object.if_contains(command.verdict);
  return verdict != nullptr && verdict->is_bool() && verdict->get_bool() ? 0
                                                                         : ExitCode(Kind::kRefused);
}

// Parameters that the table cannot say.
Status AddSpecialParams(const Invocation& invocation, json::object& params) {
  const auto assign = [&](json::string_view member, std::string_view value) {
    params[member] = json::string(json::string_view(value.data(), value.size()), params.storage());
  };
  if (invocation.command->special == Special::kUnlock) {
    SIGNET_TRY(const Secret pin, ReadPin(invocation.pin_fd));
    assign("pin", pin.Reveal());
  }
  if (invocation.command->special == Special::kSign) {
    const std::vector<std::string>& file = invocation.arguments[1];
    SIGNET_TRY(const WipedString message, ReadInput(file.empty() ? "-" : file.front()));
    assign(invocation.digest ? "digest" : "data", Base64Encode({message.data(), message.size()}));
  }
  return Ok();
}

Result<json::value> CallRaw(RpcClient& client, const Invocation& invocation,
                            const json::storage_ptr& storage) {
  json::value params = json::object(storage);
  if (const std::vector<std::string>& typed = invocation.arguments[1]; !typed.empty()) {
    std::string_view text = typed.front();
    WipedString read;
    if (text == "-") {
      SIGNET_TRY(read, ReadInput("-"));
      text = {read.data(), read.size()};
    }
    SIGNET_TRY(params, ParseJson(text, {64u << 20, 32}, storage));
    if (!params.is_object()) {
      return MakeError(Kind::kUsage, "COMMAND_LINE_INVALID", "the parameters are not an object",
                       "Give them by name: '{\"purpose\":\"tomcat\"}'.");
    }
  }
  return client.Call(invocation.arguments[0].front(), params.get_object());
}

// Trust on first use: what the server shows is seen before it is trusted, and then only that is
// stored.
Status ConfirmImport(RpcClient& client, const Invocation& invocation, json::object& params) {
  params["dryRun"] = true;
  SIGNET_TRY(const json::value plan, client.Call(invocation.command->method, params));
  params.erase("dryRun");
  if (!plan.is_object()) return InternalError("the answer is not a plan");
  PrintFindings(FindingsOf(plan.get_object()));
  if (const json::value* steps = plan.get_object().if_contains("steps");
      steps != nullptr && steps->is_array()) {
    for (const json::value& step : steps->get_array()) {
      if (step.is_object())
        PrintNote(Member(step.get_object(), "what") + " in " + Member(step.get_object(), "target"));
    }
  }
  if (!invocation.yes) {
    SIGNET_TRY(Confirm(FillQuestion(invocation)));
  }
  const std::string hash = Member(plan.get_object(), "hash");
  params["plan"] = json::string(json::string_view(hash.data(), hash.size()), params.storage());
  return Ok();
}

Result<json::value> Ask(const Invocation& invocation) {
  static WipingResource wiping;
  const json::storage_ptr storage(&wiping);
  const Command& command = *invocation.command;
  const Globals& globals = invocation.globals;
  if (command.local_only && !globals.url.empty()) {
    return MakeError(Kind::kUsage, "LOCAL_ONLY", "a PIN is given on the appliance itself only",
                     "Log in there and use its socket.");
  }
  if (command.special == Special::kPieces) return SendInPieces(invocation, storage);
  RpcClient client(TargetOf(globals), globals.idempotency_key, command.patient);
  if (command.special == Special::kRaw) return CallRaw(client, invocation, storage);

  SIGNET_TRY(json::object params, MakeParams(invocation, storage));
  if (command.special == Special::kImport && !WasTyped(invocation, "dryRun") &&
      !WasTyped(invocation, "plan") && !WasTyped(invocation, "fingerprint")) {
    SIGNET_TRY(ConfirmImport(client, invocation, params));
  }
  // A rehearsal changes nothing, and who names a plan has seen it.
  const bool settled = invocation.yes || command.special == Special::kImport ||
                       WasTyped(invocation, "dryRun") || WasTyped(invocation, "plan");
  if (!command.question.empty() && !settled) {
    SIGNET_TRY(Confirm(FillQuestion(invocation)));
  }
  SIGNET_TRY(AddSpecialParams(invocation, params));
  if (command.rows == "items") return client.CallAll(command.method, std::move(params));
  return client.Call(command.method, params);
}

Result<int> Run(int argc, const char* const* argv) {
  SIGNET_TRY(const std::optional<Invocation> invocation, ParseCommandLine(argc, argv));
  if (!invocation) return 0;
  if (invocation->command->special == Special::kCompletion) {
    SIGNET_TRY(Write(BashCompletion()));
    return 0;
  }
  if (invocation->command->without_daemon != nullptr) {
    return invocation->command->without_daemon(*invocation);
  }
  if (invocation->command->special == Special::kEvents) return ShowEvents(*invocation);
  SIGNET_TRY(const json::value result, Ask(*invocation));
  return Show(*invocation, result);
}

}  // namespace

int RunCli(int argc, const char* const* argv) {
  std::setlocale(LC_ALL, "");
  InitialiseSecretMemory();
  Result<int> code = Run(argc, argv);
  if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && code) {
    code = ErrnoError(errno, "write", "standard output");
  }
  if (!code) {
    PrintError(code.error());
    return ExitCode(code.error().kind);
  }
  return code.value();
}

}  // namespace signet::tools
