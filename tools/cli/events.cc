#include "tools/cli/events.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <thread>

#include "platform/encoding.h"
#include "services/event_api.h"
#include "tools/cli/event_reader.h"
#include "tools/cli/message.h"
#include "tools/cli/request.h"
#include "tools/cli/rpc_client.h"
#include "tools/cli/table.h"

namespace signet::tools {
namespace {

constexpr std::int64_t kPage = 1000;
constexpr Duration kSilence = std::chrono::seconds(60);  // four signs of life did not come
constexpr Duration kPause = std::chrono::seconds(1);
constexpr Duration kPatience = std::chrono::seconds(30);  // with a daemon that is away
constexpr std::size_t kLongLine = 8192;

struct Wish {
  std::optional<std::int64_t> after;
  std::string kind;  // empty: all
  bool follow = false, as_json = false;
};

Result<Wish> ReadWish(const Invocation& invocation) {
  SIGNET_TRY(const json::object params, MakeParams(invocation, {}));
  Wish wish;
  if (const json::value* after = params.if_contains("after")) wish.after = after->get_int64();
  wish.kind = TextOf(params, "kind");
  wish.follow = params.contains("follow");
  wish.as_json = invocation.globals.json;
  if (wish.after && *wish.after < 0) {
    return MakeError(Kind::kUsage, "COMMAND_LINE_INVALID", "--after wants a number from 0 on",
                     "Give the number of the last event that you have seen.");
  }
  std::string kinds;
  for (const std::string_view kind : services::kEventKinds) {
    if (wish.kind == kind) return wish;
    kinds.append(kinds.empty() ? "" : ", ").append(kind);
  }
  if (wish.kind.empty()) return wish;
  return MakeError(Kind::kUsage, "COMMAND_LINE_INVALID", "no event is of kind '" + wish.kind + "'",
                   "Use one of " + kinds + ".");
}

Error Unreadable(std::string detail) {
  return MakeError(Kind::kUnavailable, "ANSWER_UNREADABLE", std::move(detail),
                   "Check that the socket or URL is signetd's and of the same version.");
}

Status Print(std::string line) {
  line.push_back('\n');
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() || std::fflush(stdout) != 0)
    return ErrnoError(errno, "write", "standard output");
  return Ok();
}

// All pages behind `after`, joined.
Result<json::array> List(const Invocation& invocation, const Wish& wish) {
  RpcClient client(TargetOf(invocation.globals), "");
  json::array all;
  std::int64_t after = wish.after.value_or(0);
  for (;;) {
    json::object params;
    params["after"] = after;
    params["limit"] = kPage;
    SIGNET_TRY(const json::value page, client.Call("event.list", params));
    const json::value* items = page.is_object() ? page.get_object().if_contains("items") : nullptr;
    if (items == nullptr || !items->is_array()) return Unreadable("the answer is not a page");
    const std::int64_t before = after;
    for (const json::value& item : items->get_array()) {
      if (!item.is_object()) continue;
      const json::value* sequence = item.get_object().if_contains("sequence");
      if (sequence != nullptr && sequence->is_int64())
        after = std::max(after, sequence->get_int64());
      if (wish.kind.empty() || TextOf(item.get_object(), "kind") == wish.kind) all.push_back(item);
    }
    if (items->get_array().size() < static_cast<std::size_t>(kPage) || after == before) return all;
  }
}

// The number of the newest event: where one begins who wants no past. Asked for beforehand, so that
// a restart of the daemon before the first event loses none.
Result<std::int64_t> Newest(const Invocation& invocation) {
  RpcClient client(TargetOf(invocation.globals), "");
  json::object params;
  params["limit"] = 1;
  SIGNET_TRY(const json::value page, client.Call("event.list", params));
  const json::value* newest = page.is_object() ? page.get_object().if_contains("newest") : nullptr;
  if (newest == nullptr || !newest->is_int64()) return Unreadable("the answer is not a page");
  return newest->get_int64();
}

class Follower {
 public:
  Follower(const Invocation& invocation, Wish wish)
      : target_(TargetOf(invocation.globals)), wish_(std::move(wish)) {
    last_ = std::to_string(wish_.after.value_or(0));
  }
  Result<int> Run();

 private:
  // One connection, until it ends.
  Status Once();
  Status Show(const SentEvent& event);

  HttpTarget target_;
  const Wish wish_;
  std::string last_;  // the id to go on from
  bool connected_ = false;
  Status problem_ = Ok();  // with printing
};

Status Follower::Show(const SentEvent& event) {
  if (event.name == "gap") {
    PrintNote("Events behind number " + EscapeLine(last_, 32) + " are not kept any more.");
    return Ok();
  }
  if (!event.id.empty()) last_ = EscapeLine(event.id, 32);
  if (!wish_.kind.empty() && event.name != wish_.kind) return Ok();
  const Result<json::value> data = ParseJson(event.data);
  if (!data || !data.value().is_object()) return Unreadable("an event is no JSON object");
  if (wish_.as_json) return Print(json::serialize(data.value()));
  const json::object& object = data.value().get_object();
  std::string line = EscapeLine(event.id.empty() ? "-" : event.id, 32);
  line.insert(0, line.size() < 6 ? 6 - line.size() : 0, ' ');
  std::string kind = EscapeLine(event.name, 32);
  kind.resize(std::max<std::size_t>(kind.size(), 12), ' ');
  return Print(line + "  " + EscapeLine(TextOf(object, "time"), 32) + "  " + kind + "  " +
               EscapeLine(TextOf(object, "text"), kLongLine));
}

Status Follower::Once() {
  HttpTarget target = target_;
  target.headers.emplace_back("Accept: text/event-stream");
  target.headers.push_back("Last-Event-ID: " + last_);
  EventReader reader;
  connected_ = false;
  const auto on_data = [&](std::string_view bytes) {
    connected_ = true;
    reader.Feed(bytes);
    while (problem_) {
      const std::optional<SentEvent> event = reader.Next();
      if (!event) break;
      problem_ = Show(*event);
    }
    if (problem_ && reader.too_large()) problem_ = Unreadable("an event has no end");
    return problem_.has_value();
  };
  SIGNET_TRY(const HttpResponse response, HttpStream(target, "/events", on_data, kSilence));
  if (!problem_) return problem_;
  if (response.status != 200) return ErrorOfAnswer(response.status, response.body);
  return Ok();
}

Result<int> Follower::Run() {
  SteadyTime heard = std::chrono::steady_clock::now();
  bool ever = false;
  for (;;) {
    const Status ended = Once();
    if (!problem_) return problem_.error();
    const SteadyTime now = std::chrono::steady_clock::now();
    if (connected_) {
      ever = true;
      heard = now;
    }
    // A daemon that restarts is away for a moment; one that says no goes on saying it.
    const bool away = ended || ended.error().kind == Kind::kUnreachable ||
                      ended.error().kind == Kind::kUnavailable ||
                      ended.error().kind == Kind::kTimeout;
    if (!ended && (!ever || !away || now - heard > kPatience)) return ended.error();
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

Result<int> ShowEvents(const Invocation& invocation) {
  SIGNET_TRY(Wish wish, ReadWish(invocation));
  if (wish.follow && !wish.after) {
    SIGNET_TRY(wish.after, Newest(invocation));
  }
  if (wish.follow) return Follower(invocation, std::move(wish)).Run();
  SIGNET_TRY(const json::array events, List(invocation, wish));
  if (wish.as_json) {
    SIGNET_TRY(Print(json::serialize(events)));
  } else {
    SIGNET_TRY(PrintTable(invocation.command->columns, events));
  }
  return 0;
}

}  // namespace signet::tools
