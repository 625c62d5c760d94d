#include "services/revocation/exchange.h"

#include <algorithm>
#include <array>

#include "keystore/x509/crl_status.h"
#include "keystore/x509/revocation_list.h"
#include "platform/encoding.h"
#include "platform/outgoing_http.h"

namespace signet::services {
namespace {

namespace x509 = keystore::x509;
using x509::StatusJudgement;

constexpr std::size_t kNonceOctets = 32;
constexpr std::size_t kMostGetUrl = 255;  // RFC 5019 §5
constexpr auto kLimit = std::chrono::seconds(5);

struct Translation {
  std::string_view error, word;
};
// Of what FetchOutgoing says. All others: RESPONDER_FAILED.
constexpr std::array<Translation, 8> kErrors{{
    {"ADDRESS_NOT_ALLOWED", "RESPONDER_NOT_ALLOWED"},
    {"URL_INVALID", "RESPONDER_NOT_ALLOWED"},
    {"URL_SCHEME_NOT_ALLOWED", "RESPONDER_NOT_ALLOWED"},
    {"HTTP_TIMED_OUT", "RESPONDER_TIMED_OUT"},
    {"CONNECT_TIMED_OUT", "RESPONDER_TIMED_OUT"},
    {"HOST_NOT_FOUND", "RESPONDER_UNREACHABLE"},
    {"CONNECTION_REFUSED", "RESPONDER_UNREACHABLE"},
    {"HOST_UNREACHABLE", "RESPONDER_UNREACHABLE"},
}};
// Answers that say that the server is ill, not what it thinks of a certificate.
constexpr std::array<std::string_view, 6> kIll{"OCSP_MALFORMED", "OCSP_TOO_LARGE",
                                               "OCSP_TRY_LATER", "OCSP_RESPONDER_FAILED",
                                               "CRL_MALFORMED",  "CRL_TOO_LARGE"};

// Not the server's fault: a bound of ours, or a rule of the administrator's, that may change.
bool IsOurs(const Error& error) {
  return error.word == "RESOLVER_BUSY" || error.word == "ADDRESS_NOT_ALLOWED" ||
         error.word.starts_with("URL_");
}

Error Translated(Error error) {
  const auto* known = std::ranges::find(kErrors, error.word, &Translation::error);
  error.detail = error.word + ": " + error.detail;
  error.word = known == kErrors.end() ? "RESPONDER_FAILED" : std::string(known->word);
  return error;
}

Error BadStatus(int status) {
  return MakeError(Kind::kUnavailable, "RESPONDER_FAILED",
                   "the server answers with the HTTP status " + std::to_string(status),
                   "Check the address; where it is right, tell who runs the server.");
}

// RFC 6960 §A.1 and RFC 5019 §5. Empty when it has no place in a URL of that length.
std::string GetUrl(const std::string& url, std::string_view request) {
  if (url.find_first_of("?#") != std::string::npos) return {};
  std::string out = url + (url.ends_with('/') ? "" : "/");
  for (const char c : Base64Encode(request)) {
    switch (c) {
      case '+':
        out += "%2B";
        break;
      case '/':
        out += "%2F";
        break;
      case '=':
        out += "%3D";
        break;
      default:
        out += c;
    }
  }
  return out.size() <= kMostGetUrl ? out : std::string();
}

OutgoingRequest OcspRequest(const StatusPlace& place, std::string der, bool nonce) {
  OutgoingRequest request;
  request.accept = "application/ocsp-response";
  request.limit = kLimit;
  request.most = x509::kMaxOcspResponse;
  request.url = nonce ? std::string() : GetUrl(place.url, der);
  if (!request.url.empty()) return request;
  request.url = place.url;
  request.method = HttpMethod::kPost;
  request.content_type = "application/ocsp-request";
  request.body = std::move(der);
  return request;
}

// The body of a 200, with what the server says about keeping it. Tells `responders` of failures of
// the way; of the content the caller tells.
struct Exchanged {
  Responders::Turn turn;
  OutgoingResponse response;
};
Result<Exchanged> Exchange(StatusDesk& desk, const StatusPlace& place, OutgoingRequest request,
                           StatusFinding& finding) {
  auto turn = desk.responders.Begin(place.Patient());
  if (!turn) {
    finding.next_try = desk.responders.NextTry(place.Patient());
    return turn.error();
  }
  request.policy = desk.policy();
  auto response = FetchOutgoing(request);
  finding.asked = true;
  std::optional<Error> error;
  bool ill = true;
  std::optional<std::chrono::seconds> retry_after;
  if (!response) {
    ill = !IsOurs(response.error());
    // Our own bound, over in a moment: nothing to remember of the certificate either.
    if (response.error().word == "RESOLVER_BUSY") finding.next_try = desk.clock.Now();
    error = Translated(std::move(response).error());
  } else if (const int status = response.value().status; status != 200) {
    ill = status >= 500 || status == 429;
    retry_after = response.value().retry_after;
    error = BadStatus(status);
  }
  if (!error) return Exchanged{std::move(turn).value(), std::move(response).value()};
  if (ill) {
    desk.responders.Failed(turn.value(), error->detail, retry_after);
    finding.next_try = desk.responders.NextTry(place.Patient());
  }
  return *std::move(error);
}

void TellResponders(StatusDesk& desk, const Exchanged& exchanged, const std::string& word,
                    const std::string& detail, StatusFinding& finding) {
  if (std::ranges::find(kIll, word) == kIll.end()) {
    desk.responders.Succeeded(exchanged.turn);
    return;
  }
  desk.responders.Failed(exchanged.turn, detail, exchanged.response.retry_after);
  finding.next_try = desk.responders.NextTry(exchanged.turn.place);
}

StatusJudgement UnknownFrom(const Error& error) {
  return UnknownStatus(error.word, error.detail, error.remedy);
}

Result<ListShelf::Fetched> FetchList(StatusDesk& desk, const StatusPlace& place,
                                     StatusFinding& finding) {
  OutgoingRequest request;
  request.url = place.url;
  request.accept = "application/pkix-crl";
  request.limit = kLimit;
  request.most = x509::kMaxCrl;
  SIGNET_TRY(const Exchanged exchanged, Exchange(desk, place, std::move(request), finding));
  const Bytes& der = exchanged.response.body;
  auto list = x509::RevocationList::FromDer(der);
  if (!list) {
    Error error = std::move(list).error();
    if (error.remedy.empty()) error.remedy = "Check what lies at the distribution point.";
    TellResponders(desk, exchanged, error.word, error.detail, finding);
    return error;
  }
  desk.responders.Succeeded(exchanged.turn);
  return ListShelf::Fetched{.list = std::move(list).value(),
                            .octets = der.size(),
                            .fetched = desk.clock.Now(),
                            .max_age = exchanged.response.max_age};
}

}  // namespace

void StatusDesk::Count(const std::string& kind, const std::string& word) {
  const std::lock_guard lock(mutex);
  ++counts[{kind, word}];
}

std::string StatusPlace::Label() const {
  return (kind == Kind::kOcsp ? "OCSP " : "CRL ") + EscapeLine(url, 200);
}

const std::string& StatusPlace::Patient() const { return kind == Kind::kOcsp ? host : url; }

StatusJudgement UnknownStatus(std::string word, std::string detail, std::string remedy) {
  StatusJudgement out;
  out.word = std::move(word);
  out.detail = std::move(detail);
  out.remedy = std::move(remedy);
  return out;
}

StatusFinding AskResponder(StatusDesk& desk, const StatusPlace& place,
                           const StatusQuestion& question, const StatusRules& rules) {
  StatusFinding finding{.judgement = {}, .label = place.Label()};
  x509::OcspRules how;
  if (rules.nonce) how.nonce = RandomBytes(kNonceOctets);
  how.nonce_required = false;
  how.max_age_without_next = rules.max_age;
  how.designated = rules.designated;
  auto request = x509::MakeOcspRequest(question.certificate, question.issuer, how.nonce);
  if (!request) {
    finding.judgement = UnknownFrom(request.error());
    return finding;
  }
  const auto exchanged =
      Exchange(desk, place, OcspRequest(place, std::move(request).value(), rules.nonce), finding);
  if (!exchanged) {
    finding.judgement = UnknownFrom(exchanged.error());
    return finding;
  }
  const OutgoingResponse& response = exchanged.value().response;
  how.now = desk.clock.Now();
  x509::OcspJudgement judged =
      x509::JudgeOcsp(response.body, question.certificate, question.issuer, how);
  TellResponders(desk, exchanged.value(), judged.word, judged.detail, finding);
  finding.max_age = response.max_age;
  finding.delegate = std::move(judged.delegate);
  finding.judgement = std::move(judged);
  return finding;
}

StatusFinding ReadList(StatusDesk& desk, const StatusPlace& place, const StatusQuestion& question,
                       const StatusRules& rules, RoundNumber round) {
  StatusFinding finding{.judgement = {}, .label = place.Label()};
  const ListShelf::Wish wish{place.url, round, desk.clock.Now(), rules.max_age, rules.anew};
  const auto fetched = desk.lists.Get(wish, [&] { return FetchList(desk, place, finding); });
  if (!fetched) {
    finding.judgement = UnknownFrom(fetched.error());
    // Another inquiry's flight may have told the responders, and not this finding.
    const WallTime next_try = desk.responders.NextTry(place.Patient());
    if (next_try > desk.clock.Now()) finding.next_try = next_try;
    return finding;
  }
  finding.asked = true;
  const ListShelf::Fetched& list = fetched.value();
  x509::CrlRules how;
  how.now = desk.clock.Now();
  how.max_age_without_next = rules.max_age;
  finding.judgement = x509::JudgeCrl(list.list, question.certificate, question.issuer, how);
  finding.max_age = list.max_age;
  if (finding.judgement.status != x509::OcspStatus::kUnknown) {
    const WallTime most = list.fetched + list.max_age.value_or(rules.max_age);
    desk.lists.Trust(place.url, list.list.fingerprint(),
                     std::min(finding.judgement.next_update.value_or(most), most));
  }
  return finding;
}

}  // namespace signet::services
