#include "services/keys.h"

#include "platform/encoding.h"
#include "services/paging.h"

namespace signet::services {

namespace {

// Enough for a slow HSM; a hanging one must not hold callers for long.
constexpr Duration kSignLimit = std::chrono::seconds(10);

}  // namespace

std::string_view TokenStateName(hsm::TokenState state) {
  switch (state) {
    case hsm::TokenState::kUnprovisioned:
      return "unprovisioned";
    case hsm::TokenState::kLocked:
      return "locked";
    case hsm::TokenState::kOperational:
      return "operational";
    case hsm::TokenState::kFailed:
      return "failed";
  }
  return "failed";
}

api::TokenStatus Keys::Status() const {
  const hsm::TokenInfo info = token_.Info();
  api::TokenStatus status;
  status.state = std::string(TokenStateName(info.state));
  status.reason = info.reason;
  status.label = info.label;
  status.manufacturer = info.manufacturer;
  status.model = info.model;
  status.serial = info.serial;
  status.library = info.library;
  status.failed_logins = static_cast<std::int64_t>(info.failed_logins);
  status.next_login_in_seconds = info.next_login_in_s;
  return status;
}

boost::asio::awaitable<Result<api::Change>> Keys::Unlock(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::UnlockRequest request) {
  auto pin = std::make_shared<Secret>(std::move(request.pin));
  auto job = [this, pin] { return token_.Unlock(std::move(*pin)); };
  SIGNET_CO_TRY(co_await RunOn(changes_, std::move(job), context.limit));
  operation->detail = "token unlocked";
  api::Change change;
  change.changed = true;
  change.operation = operation->id;
  co_return change;
}

boost::asio::awaitable<Result<api::SelfTestAnswer>> Keys::SelfTest(RequestContext context) {
  auto job = [this] { return token_.SelfTest(); };
  SIGNET_CO_TRY(std::vector<hsm::SelfTestStep> steps,
                co_await RunOn(changes_, std::move(job), context.limit));
  api::SelfTestAnswer answer;
  answer.passed = true;
  for (hsm::SelfTestStep& step : steps) {
    answer.passed = answer.passed && step.passed;
    api::SelfTestStep row;
    row.name = std::move(step.name);
    row.passed = step.passed;
    row.detail = EscapeLine(step.detail);
    answer.steps.push_back(std::move(row));
  }
  co_return answer;
}

boost::asio::awaitable<Result<api::Page<api::KeyInfo>>> Keys::List(RequestContext context,
                                                                   api::PageRequest request) {
  auto job = [this] { return identities_.Keys(); };
  SIGNET_CO_TRY(std::vector<keystore::KeyRow> keys,
                co_await RunOn(changes_, std::move(job), context.limit));
  auto count = [this] { return token_.Use(); };
  const Result<hsm::UseReport> report = co_await RunOn(changes_, std::move(count), context.limit);
  std::map<std::string, std::int64_t> uses;
  if (report) {
    for (const hsm::UseRow& row : report.value().rows) uses[row.key] += row.count;
  }
  std::map<std::string, const keystore::KeyRow*> rows;
  for (const keystore::KeyRow& key : keys) rows[key.owner + " " + key.id] = &key;
  auto describe = [&uses, &report](const keystore::KeyRow* row) {
    api::KeyInfo info;
    info.id = row->id;
    info.label = EscapeLine(row->label, 128);
    info.key = row->spec;
    info.policy = row->policy;
    info.owner = row->owner;
    info.on_token = row->on_token;
    const auto used = uses.find(row->id);
    if (report) info.uses = used == uses.end() ? 0 : used->second;
    return info;
  };
  co_return MakePage<api::Page<api::KeyInfo>>(rows, request.limit, request.cursor, describe);
}

boost::asio::awaitable<Result<api::SignAnswer>> Keys::Sign(RequestContext context,
                                                           api::SignRequest request) {
  const auto& allowed = context.purposes;
  if (context.role == Role::kService &&
      std::find(allowed.begin(), allowed.end(), request.purpose) == allowed.end()) {
    co_return MakeError(
        Kind::kDenied, "PURPOSE_DENIED",
        context.actor + " may not use the key of " + EscapeLine(request.purpose, 64),
        "An administrator lists its purposes in the configuration ([service.NAME]).");
  }
  auto job = [this, shared = std::move(request)]() -> Result<api::SignAnswer> {
    if (shared.digest.has_value() == shared.data.has_value()) {
      return MakeError(Kind::kUsage, "PARAMETER_INVALID",
                       "send either 'digest' or 'data', in base64",
                       "'data' is hashed here; a 'digest' was hashed by you.");
    }
    keystore::SignRequest wanted{
        shared.purpose, shared.algorithm, shared.hash, {}, shared.digest.has_value()};
    SIGNET_TRY(wanted.input, Base64Decode(shared.digest ? *shared.digest : *shared.data));
    SIGNET_TRY(keystore::Signature signature, identities_.Sign(wanted));
    api::SignAnswer answer;
    answer.key = std::move(signature.key);
    answer.algorithm = std::move(signature.algorithm);
    answer.hash = std::move(signature.hash);
    answer.signature = Base64Encode(signature.bytes);
    return answer;
  };
  Result<api::SignAnswer> answer =
      co_await RunOn(sign_, std::move(job), std::min(context.limit, kSignLimit));
  if (!answer && answer.error().kind == Kind::kTimeout) token_.ReportHang();
  co_return answer;
}

}  // namespace signet::services
