#include "tools/cli/pieces.h"

#include "platform/encoding.h"
#include "platform/secret.h"
#include "tools/cli/input.h"
#include "tools/cli/request.h"
#include "tools/cli/rpc_client.h"

namespace signet::tools {
namespace {

// A request of 4 MiB needs no special room in the daemon; PEM grows a little in JSON.
constexpr std::size_t kPiece = 3u << 20;
constexpr std::size_t kMostFindings = 100;
constexpr std::string_view kBegin = "\n-----BEGIN ";

std::vector<std::string_view> Pieces(std::string_view text) {
  std::vector<std::string_view> pieces;
  while (text.size() > kPiece) {
    std::size_t cut = text.rfind(kBegin, kPiece);
    if (cut == 0 || cut == std::string_view::npos) cut = text.find(kBegin, kPiece);
    if (cut == std::string_view::npos) break;
    pieces.push_back(text.substr(0, cut + 1));
    text.remove_prefix(cut + 1);
  }
  pieces.push_back(text);
  return pieces;
}

class Sum {
 public:
  // `where` stands before each finding; empty: there is one request alone.
  void Add(const json::object& answer, const std::string& where) {
    for (const auto& member : answer) {
      if (member.value().is_int64())
        numbers_[member.key()] = Number(member.key()) + member.value().get_int64();
    }
    changed_ = changed_ || answer.at("changed") == true;
    if (const std::string operation = TextOf(answer, "operation"); !operation.empty())
      operations_.emplace_back(operation);
    for (Finding finding : FindingsOf(answer)) AddFinding(std::move(finding), where);
  }
  void AddRefusal(const Error& error, const std::string& where) {
    numbers_["refused"] = Number("refused") + 1;
    AddFinding({Severity::kError, error.word, error.detail + ". " + error.remedy, ""}, where);
  }
  std::int64_t Number(json::string_view name) const {
    const json::value* value = numbers_.if_contains(name);
    return value == nullptr ? 0 : value->get_int64();
  }
  json::value Take() && {
    json::object all;
    all["changed"] = changed_;
    all["ok"] = Number("refused") == 0;
    for (const auto& member : numbers_) all[member.key()] = member.value();
    all["operations"] = std::move(operations_);
    all["findings"] = ToJson(findings_);
    return all;
  }

 private:
  void AddFinding(Finding finding, const std::string& where) {
    if (findings_.size() == kMostFindings) return;
    if (!where.empty()) finding.text = where + ": " + finding.text;
    findings_.push_back(std::move(finding));
  }

  json::object numbers_;
  json::array operations_;
  Findings findings_;
  bool changed_ = false;
};

}  // namespace

Result<json::value> SendInPieces(const Invocation& invocation, const json::storage_ptr& storage) {
  const Argument& argument = invocation.command->arguments.front();
  const std::vector<std::string>& files = invocation.arguments.front();
  Sum sum;
  std::size_t sent = 0;
  for (const std::string& file : files) {
    SIGNET_TRY(const WipedString content, ReadInput(file));
    const std::vector<std::string_view> pieces = Pieces({content.data(), content.size()});
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      std::string where;
      if (files.size() + pieces.size() > 2) where = file;
      if (pieces.size() > 1) where += ", piece " + std::to_string(i + 1);
      // One key names one request.
      std::string key = invocation.globals.idempotency_key;
      if (!key.empty() && ++sent > 1) key += "-" + std::to_string(sent);
      RpcClient client(TargetOf(invocation.globals), key, invocation.command->patient);
      json::object params(storage);
      params[argument.member] =
          json::string(json::string_view(pieces[i].data(), pieces[i].size()), storage);
      Result<json::value> answer = client.Call(invocation.command->method, params);
      if (answer && answer.value().is_object()) {
        sum.Add(answer.value().get_object(), where);
      } else if (answer) {
        return InternalError("the answer is not an object");
      } else if (answer.error().kind == Kind::kRefused || answer.error().kind == Kind::kUsage) {
        if (files.size() == 1 && pieces.size() == 1) return answer;
        sum.AddRefusal(answer.error(), where);
      } else {
        Error error = std::move(answer).error();
        if (!where.empty())
          error.detail += " (at " + EscapeLine(where) + "; what came before it is done)";
        return error;
      }
    }
  }
  return std::move(sum).Take();
}

}  // namespace signet::tools
