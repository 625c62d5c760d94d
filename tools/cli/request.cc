#include "tools/cli/request.h"

#include <charconv>
#include <sstream>

#include "platform/encoding.h"
#include "tools/cli/input.h"

namespace signet::tools {
namespace {

constexpr std::string_view kEach = "[].";

json::string MakeString(std::string_view text, const json::storage_ptr& storage) {
  return json::string(json::string_view(text.data(), text.size()), storage);
}

json::array& List(json::object& params, std::string_view member) {
  json::value& value = params[member];
  return value.is_array() ? value.get_array() : value.emplace_array();
}

// The array `certificates` of "certificates[].pem".
json::array& Elements(json::object& params, std::string_view member) {
  return List(params, member.substr(0, member.find(kEach)));
}

json::string_view ElementMember(std::string_view member) {
  const std::string_view name = member.substr(member.find(kEach) + kEach.size());
  return {name.data(), name.size()};
}

bool LooksLikeId(std::string_view text) {
  return text.size() >= 8 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// "PURPOSE FILE PURPOSE FILE…", behind the command's own purpose and file, which join them.
Status AddPairs(const Argument& row, const std::vector<std::string>& typed, json::object& params) {
  if (typed.empty()) return Ok();
  if (typed.size() % 2 != 0) {
    return MakeError(Kind::kUsage, "COMMAND_LINE_INVALID",
                     "'" + typed.back() + "' stands alone: each purpose needs its file",
                     "Give PURPOSE FILE [PURPOSE FILE]….");
  }
  json::array list(params.storage());
  const auto add = [&](json::value purpose, json::value pem) {
    json::object element(params.storage());
    element["purpose"] = std::move(purpose);
    element["pem"] = std::move(pem);
    list.push_back(std::move(element));
  };
  add(std::move(params["purpose"]), std::move(params["pem"]));
  params.erase("purpose");
  params.erase("pem");
  for (std::size_t i = 0; i < typed.size(); i += 2) {
    SIGNET_TRY(const WipedString content, ReadInput(typed[i + 1]));
    add(MakeString(typed[i], params.storage()),
        MakeString({content.data(), content.size()}, params.storage()));
  }
  // Last: erase() moves the members behind the one that goes.
  params[row.member] = std::move(list);
  return Ok();
}

Status AddArgument(const Argument& row, const std::vector<std::string>& typed,
                   json::object& params) {
  if (row.source == Argument::Source::kPairs) return AddPairs(row, typed, params);
  const json::storage_ptr& storage = params.storage();
  if (row.source == Argument::Source::kWords) {
    std::string all;
    for (const std::string& word : typed) all += (all.empty() ? "" : " ") + word;
    params[row.member] = MakeString(all, storage);
    return Ok();
  }
  const bool several = row.count == Argument::Count::kMany || row.count == Argument::Count::kAny;
  for (const std::string& word : typed) {
    if (row.source == Argument::Source::kIdOrPurpose) {
      params[LooksLikeId(word) ? "id" : "purpose"] = MakeString(word, storage);
      continue;
    }
    json::string text(storage);
    if (row.source == Argument::Source::kFile) {
      SIGNET_TRY(const WipedString content, ReadInput(word));
      text.assign(content.data(), content.size());
    } else {
      text.assign(word.data(), word.size());
    }
    if (row.member.find(kEach) == std::string_view::npos && several) {
      List(params, row.member).push_back(std::move(text));
    } else if (row.member.find(kEach) == std::string_view::npos) {
      params[row.member] = std::move(text);
    } else {
      json::object element(storage);
      element[ElementMember(row.member)] = std::move(text);
      Elements(params, row.member).push_back(std::move(element));
    }
  }
  return Ok();
}

Status AddForEach(const Option& row, const std::vector<std::string>& typed, json::object& params) {
  json::array& elements = Elements(params, row.member);
  if (typed.size() != 1 && typed.size() != elements.size()) {
    return MakeError(Kind::kUsage, "COMMAND_LINE_INVALID",
                     std::string(row.flag) + " was given " + std::to_string(typed.size()) +
                         " times for " + std::to_string(elements.size()) + " files",
                     "Give it once for all files, or once for each ('' for none).");
  }
  for (std::size_t i = 0; i < elements.size(); ++i) {
    const std::string& text = typed.size() == 1 ? typed.front() : typed[i];
    if (text.empty()) continue;
    elements[i].as_object()[ElementMember(row.member)] = MakeString(text, params.storage());
  }
  return Ok();
}

Status AddLinesOf(const std::string& path, std::string_view member, json::object& params) {
  SIGNET_TRY(const WipedString content, ReadInput(path));
  std::istringstream lines(std::string(content.data(), content.size()));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    List(params, member).push_back(MakeString(line, params.storage()));
  }
  return Ok();
}

Status AddOption(const Option& row, const std::vector<std::string>& typed, json::object& params) {
  if (typed.empty()) return Ok();
  const std::string& first = typed.front();
  switch (row.type) {
    case Option::Type::kText:
      params[row.member] = MakeString(first, params.storage());
      return Ok();
    case Option::Type::kFlag:
      params[row.member] = true;
      return Ok();
    case Option::Type::kSwitch:
      params[row.member] = first == "on";
      return Ok();
    case Option::Type::kInteger: {
      std::int64_t number = 0;
      const auto end = std::from_chars(first.data(), first.data() + first.size(), number);
      if (end.ec != std::errc() || end.ptr != first.data() + first.size()) {
        return MakeError(Kind::kUsage, "COMMAND_LINE_INVALID",
                         std::string(row.flag) + " wants a whole number, not '" + first + "'",
                         "Give decimal digits only.");
      }
      params[row.member] = number;
      return Ok();
    }
    case Option::Type::kList:
      for (const std::string& word : typed) {
        List(params, row.member).push_back(MakeString(word, params.storage()));
      }
      return Ok();
    case Option::Type::kListFile:
      return AddLinesOf(first, row.member, params);
    case Option::Type::kEach:
      return AddForEach(row, typed, params);
  }
  return Ok();
}

}  // namespace

HttpTarget TargetOf(const Globals& globals) {
  HttpTarget target;
  target.unix_socket = globals.socket;
  target.url = globals.url;
  target.ca_file = globals.ca_file;
  target.client_cert = globals.client_certificate;
  target.client_key = globals.client_key;
  return target;
}

Result<json::object> MakeParams(const Invocation& invocation, json::storage_ptr storage) {
  json::object params(std::move(storage));
  const Command& command = *invocation.command;
  for (std::size_t i = 0; i < command.arguments.size(); ++i) {
    const Argument& row = command.arguments[i];
    if (row.member.empty() && row.source != Argument::Source::kIdOrPurpose) continue;
    SIGNET_TRY(AddArgument(row, invocation.arguments[i], params));
  }
  for (std::size_t i = 0; i < command.options.size(); ++i) {
    SIGNET_TRY(AddOption(command.options[i], invocation.options[i], params));
  }
  return params;
}

bool WasTyped(const Invocation& invocation, std::string_view member) {
  const std::vector<Option>& options = invocation.command->options;
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (options[i].member == member && !invocation.options[i].empty()) return true;
  }
  return false;
}

std::string FillQuestion(const Invocation& invocation) {
  const Command& command = *invocation.command;
  std::string text(command.question);
  for (std::size_t i = 0; i < command.arguments.size(); ++i) {
    const std::string slot = "{" + std::string(command.arguments[i].name) + "}";
    const std::size_t at = text.find(slot);
    if (at == std::string::npos) continue;
    std::string words;
    for (const std::string& word : invocation.arguments[i]) {
      words.append(words.empty() ? "" : ", ").append(word);
    }
    text.replace(at, slot.size(), words);
  }
  return text;
}

}  // namespace signet::tools
