#include "services/import.h"

#include <algorithm>

#include "platform/encoding.h"
#include "platform/tls_fetch.h"
#include "services/revocation/revocation.h"

namespace signet::services {

namespace {

// What `algorithm` asks for, and which keys are fetched then; by default the server chooses.
struct Choice {
  std::string_view name;
  std::vector<std::pair<PeerKey, std::string>> keys;
};
const std::vector<Choice>& Choices() {
  static const std::vector<Choice> rows = {
      {"", {{PeerKey::kAny, "any"}}},
      {"rsa", {{PeerKey::kRsa, "rsa"}}},
      {"ecdsa", {{PeerKey::kEcdsa, "ecdsa"}}},
      {"both", {{PeerKey::kRsa, "rsa"}, {PeerKey::kEcdsa, "ecdsa"}}},
  };
  return rows;
}

struct Looked {
  std::vector<api::ImportAttempt> attempts;
  Findings findings;  // of the attempts, for people
  std::optional<Error> first_error;
  keystore::ImportRequest request;
};

void Note(const Error& error, Looked& looked, api::ImportAttempt& attempt) {
  attempt.code = error.word;
  attempt.detail = error.detail;
  attempt.remedy = error.remedy;
  looked.findings.push_back({Severity::kWarning, error.word,
                             attempt.algorithm + ": " + error.detail + ". " + error.remedy, ""});
  if (!looked.first_error) looked.first_error = error;
}

// One handshake, and what its certificates are.
void LookOnce(const TlsFetchRequest& fetch, const std::string& algorithm, Looked& looked) {
  api::ImportAttempt attempt;
  attempt.algorithm = algorithm;
  const TlsFetched fetched = FetchTls(fetch);
  attempt.connected = fetched.reached;
  attempt.address = fetched.address;
  attempt.protocol = fetched.protocol;
  std::vector<keystore::x509::Certificate> chain;
  std::optional<Error> problem = fetched.error;
  for (std::size_t i = 0; !problem && i < fetched.chain.size(); ++i) {
    auto read = keystore::x509::Certificate::FromDer(fetched.chain[i]);
    if (read) {
      chain.push_back(std::move(read).value());
    } else if (i == 0) {
      problem = std::move(read).error();
    } else {
      looked.findings.push_back(
          {Severity::kWarning, "CA_NOT_TAKEN",
           "a certificate of the server's chain cannot be read: " + read.error().detail, ""});
    }
  }
  if (problem) {
    Note(*problem, looked, attempt);
  } else {
    const auto& own = chain.front().fields();
    attempt.downloaded = true;
    attempt.fingerprint = own.fingerprint;
    looked.findings.push_back({Severity::kInfo, "DOWNLOADED",
                               algorithm + ": " + own.subject + ", issued by " + own.issuer + ", " +
                                   fetched.protocol + " at " + fetched.address + ", SHA-256 " +
                                   own.fingerprint,
                               own.fingerprint});
    looked.request.chains.push_back(std::move(chain));
  }
  looked.attempts.push_back(std::move(attempt));
}

// Blocking. An error only for a request that makes no sense.
Result<Looked> Look(const api::ImportRequest& request, const AddressPolicy& policy) {
  Looked looked;
  TlsFetchRequest fetch;
  SIGNET_TRY(fetch.target, ParseHostPort(request.host, 443));
  if (request.starttls) {
    const auto starttls = StartTlsFromName(*request.starttls);
    if (!starttls) {
      return MakeError(Kind::kUsage, "STARTTLS_UNKNOWN",
                       "'" + EscapeLine(*request.starttls, 32) + "' is no protocol with STARTTLS",
                       "Use xmpp, xmpp-server, smtp or ldap; leave it out for TLS from the start.");
    }
    fetch.starttls = *starttls;
  }
  fetch.policy = policy;
  const std::string asked = request.algorithm.value_or("");
  const auto choice = std::find_if(Choices().begin(), Choices().end(),
                                   [&](const Choice& row) { return row.name == asked; });
  if (choice == Choices().end()) {
    return MakeError(Kind::kUsage, "ALGORITHM_UNKNOWN",
                     "'" + EscapeLine(asked, 32) + "' is no choice of certificates",
                     "Use rsa, ecdsa or both, or leave it out: then the server chooses.");
  }
  looked.request.store = request.store;
  looked.request.host = fetch.target.host;
  for (const auto& [key, name] : choice->keys) {
    fetch.key = key;
    LookOnce(fetch, name, looked);
    // Where the server itself is at fault, another kind of certificate is not worth the wait.
    const auto& code = looked.attempts.back().code;
    if (code && *code != "NO_SUCH_CERTIFICATE" && *code != "HANDSHAKE_FAILED") break;
  }
  return looked;
}

// SPEC X1: three things apart, also where the import ends with an error.
std::string Reached(const Looked& looked) {
  const auto any = [&](bool api::ImportAttempt::*member) {
    return std::any_of(looked.attempts.begin(), looked.attempts.end(),
                       [member](const auto& attempt) { return attempt.*member; });
  };
  return std::string(any(&api::ImportAttempt::connected) ? "reached" : "not reached") + ", " +
         (any(&api::ImportAttempt::downloaded) ? "certificate downloaded" : "nothing downloaded") +
         ", nothing stored: ";
}

Error NothingDownloaded(Looked looked) {
  Error error = *looked.first_error;
  error.detail = Reached(looked) + error.detail;
  error.findings = std::move(looked.findings);
  return error;
}

// Trust on first use is explicit: each server certificate must have been seen.
Status CheckConfirmed(const api::ImportRequest& request, const Looked& looked) {
  if (request.plan) return Ok();  // its hash covers the certificates
  const auto given = request.fingerprint.value_or(std::vector<std::string>());
  for (const auto& chain : looked.request.chains) {
    const std::string& fingerprint = chain.front().fingerprint();
    if (std::find(given.begin(), given.end(), fingerprint) != given.end()) continue;
    Error error = MakeError(
        Kind::kRefused, given.empty() ? "FINGERPRINT_UNCONFIRMED" : "FINGERPRINT_MISMATCH",
        given.empty() ? "nobody has confirmed the server's certificate yet"
                      : "the server shows a certificate with another fingerprint, " + fingerprint,
        "Compare the fingerprint with the one that the server's administrator tells you, then "
        "repeat the import with --fingerprint. Nothing was stored.");
    error.detail = Reached(looked) + error.detail;
    error.findings = looked.findings;
    return error;
  }
  return Ok();
}

}  // namespace

boost::asio::awaitable<Result<api::ImportAnswer>> Import::Fetch(
    RequestContext context, std::shared_ptr<keystore::Operation> operation,
    api::ImportRequest request) {
  auto job = [this, operation, request = std::move(request)]() -> Result<api::ImportAnswer> {
    SIGNET_TRY(Looked looked, Look(request, policy_()));
    if (looked.request.chains.empty()) return NothingDownloaded(std::move(looked));
    SIGNET_TRY(CheckConfirmed(request, looked));
    SIGNET_TRY(looked.request.status,
               revocation_.CheckChains(request.store, looked.request.chains));
    auto imported = trust_.Import(*operation, looked.request, request.plan);
    if (!imported) {
      imported.error().detail = Reached(looked) + imported.error().detail;
      return std::move(imported).error();
    }
    operation->detail += UnknownStatus(looked.request.status);
    keystore::ChangeResult stored = std::move(imported).value();
    api::ImportAnswer answer;
    answer.changed = stored.changed;
    answer.operation = stored.operation;
    answer.restarts = std::move(stored.restarts);
    answer.stored = std::move(stored.stored);
    answer.findings = std::move(looked.findings);
    answer.findings.insert(answer.findings.end(), stored.findings.begin(), stored.findings.end());
    for (api::ImportAttempt& attempt : looked.attempts) attempt.stored = attempt.downloaded;
    answer.attempts = std::move(looked.attempts);
    return answer;
  };
  co_return co_await RunOn(connections_, std::move(job), context.limit);
}

boost::asio::awaitable<Result<api::Plan>> Import::ProposeFetch(RequestContext context,
                                                               api::ImportRequest request) {
  auto job = [this, request = std::move(request)]() -> Result<api::Plan> {
    SIGNET_TRY(Looked looked, Look(request, policy_()));
    if (looked.request.chains.empty()) return NothingDownloaded(std::move(looked));
    SIGNET_TRY(looked.request.status,
               revocation_.CheckChains(request.store, looked.request.chains));
    SIGNET_TRY(keystore::TrustPlan plan, keystore::PlanImport(trust_.Input(), looked.request));
    plan.findings.insert(plan.findings.begin(), looked.findings.begin(), looked.findings.end());
    return keystore::ReportOf(plan);
  };
  co_return co_await RunOn(connections_, std::move(job), context.limit);
}

}  // namespace signet::services
