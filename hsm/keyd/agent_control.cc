// What signetd asks beside PKCS#11, and the view that it gives.
#include <openssl/crypto.h>

#include "hsm/control_words.h"
#include "hsm/keyd/agent_impl.h"
#include "platform/logging.h"

namespace signet::hsm {
namespace {

constexpr char kViewFile[] = "/view.json";

std::string Answer(const Error& error) {
  const control::ErrorAnswer answer{std::string(KindName(error.kind)), error.word, error.detail,
                                    error.remedy};
  return json::serialize(json::object{{"error", ToJson(answer)}});
}

std::string Answer(json::value result) {
  return json::serialize(json::object{{"result", std::move(result)}});
}

}  // namespace

bool Agent::Impl::IsManager(std::string_view given) {
  const std::string_view own = credential.Reveal();
  return given.size() == own.size() && !own.empty() &&
         CRYPTO_memcmp(given.data(), own.data(), own.size()) == 0;
}

std::string Agent::Impl::Control(std::string_view method, std::string_view octets) {
  auto result = Run(method, octets);
  WipeStackBelow();
  return result ? Answer(std::move(result).value()) : Answer(result.error());
}

Status Agent::Impl::TakeView(std::string_view document) {
  SIGNET_TRY(auto value, ParseJson(document, {8u << 20, 8, false}));
  SIGNET_TRY(auto given, FromJson<KeyView>(value));
  std::uint64_t version = 0;
  {
    const std::lock_guard guard(view_mutex);
    version = view->version + 1;
  }
  SIGNET_TRY(auto made, MakeVirtualObjects(given, version));
  const std::lock_guard guard(view_mutex);
  view = std::move(made);
  view_digest = Sha256Hex(document);
  return Ok();
}

// So that services go on from the first moment, whether signetd runs or not.
void Agent::Impl::ReadViewFile() {
  auto text = files.Read(config.directory + kViewFile, 8u << 20);
  if (!text) {
    if (text.error().word != "FILE_NOT_FOUND")
      Log(LogLevel::kError, "the view of the keys cannot be read: " + text.error().ToString());
    return;
  }
  const Status taken = TakeView(text.value());
  if (!taken) {
    Log(LogLevel::kError,
        "the view of the keys is damaged, services see none until signetd gives "
        "it anew: " +
            taken.error().ToString());
  }
}

json::value Agent::Impl::State() {
  const TokenInfo info = owner->Info();
  control::StateAnswer answer;
  answer.state = static_cast<std::int64_t>(info.state);
  answer.reason = info.reason;
  if (info.state == TokenState::kOperational && server->IsStuck()) {
    answer.state = static_cast<std::int64_t>(TokenState::kFailed);
    answer.reason =
        "calls to the token never came back, so none is made. Check the token, then "
        "restart signet-keyd.";
  }
  answer.label = info.label;
  answer.manufacturer = info.manufacturer;
  answer.model = info.model;
  answer.serial = info.serial;
  answer.library = info.library;
  answer.failed_logins = static_cast<std::int64_t>(info.failed_logins);
  answer.next_login_in_s = info.next_login_in_s;
  answer.instance = instance;
  answer.generation = static_cast<std::int64_t>(owner->Generation());
  answer.connections = static_cast<std::int64_t>(server->Connections());
  const std::lock_guard guard(view_mutex);
  answer.view = view_digest;
  return ToJson(answer);
}

Result<json::value> Agent::Impl::Run(std::string_view method, std::string_view octets) {
  if (method == control::kState) return State();
  if (method == control::kUse) return ToJson(counters.Report(owner->count()));
  if (method == control::kShow) {
    SIGNET_TRY(TakeView(octets));
    SIGNET_TRY(files.WriteAtomic(config.directory + kViewFile, octets, 0600));
    return json::value(nullptr);
  }
  if (method == control::kUnlock) {
    SIGNET_TRY(owner->Unlock(Secret(octets)));
    return json::value(nullptr);
  }
  if (method == control::kLock) {
    owner->Lock();
    return json::value(nullptr);
  }
  if (method == control::kSelfTest) {
    SIGNET_TRY(auto steps, owner->SelfTest());
    std::vector<control::SelfTestRow> rows;
    for (SelfTestStep& step : steps)
      rows.push_back({std::move(step.name), step.passed, std::move(step.detail)});
    return ToJson(rows);
  }
  return MakeError(Kind::kUsage, "CONTROL_UNKNOWN", "signet-keyd has no such method",
                   "Use signetd and signet-keyd of one version.");
}

}  // namespace signet::hsm
