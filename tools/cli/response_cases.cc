#include "tools/cli/response_cases.h"

#include <optional>

#include "keystore/x509/ocsp.h"
#include "keystore/x509/pem.h"
#include "platform/clock.h"
#include "platform/encoding.h"
#include "tools/cli/case_file.h"

namespace signet::tools {

namespace x509 = keystore::x509;

struct ResponseRow : LenientRecord {
  std::string id, kind, response;
  std::optional<std::string> cert, issuer, trusted, untrusted;
  std::optional<WallTime> validation_time;
  std::optional<std::int64_t> max_age_s;
  bool partial_chain = false, no_cert_checks = false;
};
BOOST_DESCRIBE_STRUCT(ResponseRow, (LenientRecord),
                      (id, kind, response, cert, issuer, trusted, untrusted, validation_time,
                       max_age_s, partial_chain, no_cert_checks))

namespace {

constexpr std::size_t kMaxCertificates = 100;  // of one file
constexpr std::int64_t kMaxAge = std::int64_t{100} * 366 * 86400;

Error Invalid(std::string detail) {
  return MakeError(Kind::kUsage, "CASE_INVALID", std::move(detail),
                   "See tools/README.md for the form of the rows.");
}

// What a file holds may be refused: that is an answer to the row.
struct FromFile {
  std::vector<x509::Certificate> certificates;  // one at least, unless refused or not asked for
  std::string refused;                          // the word
};
Result<FromFile> ReadFileOf(const CaseFolder& folder, const std::optional<std::string>& path) {
  FromFile out;
  if (!path) return out;
  SIGNET_TRY(const std::string file, folder.Read(*path));
  auto read = x509::ReadCertificates(file, kMaxCertificates, x509::kPublicSiteSans);
  if (read) {
    out.certificates = std::move(read).value();
  } else {
    out.refused = read.error().word;
  }
  return out;
}

WallTime TimeOf(const ResponseRow& row) {
  return row.validation_time ? *row.validation_time : MakeSystemClock()->Now();
}

json::object StatusLine(const ResponseRow& row, x509::OcspStatus status, const std::string& word) {
  return {{"id", row.id}, {"status", x509::OcspStatusName(status)}, {"word", word}};
}

Result<json::object> JudgeStatus(const CaseFolder& folder, const ResponseRow& row,
                                 const std::string& response) {
  if (!row.cert || !row.issuer) return Invalid("a row of the kind 'ocsp' needs cert and issuer");
  SIGNET_TRY(const FromFile certificate, ReadFileOf(folder, row.cert));
  SIGNET_TRY(const FromFile issuer, ReadFileOf(folder, row.issuer));
  for (const FromFile* file : {&certificate, &issuer}) {
    if (file->refused.empty()) continue;
    return StatusLine(row, x509::OcspStatus::kUnknown, file->refused);
  }
  x509::OcspRules rules;
  rules.now = TimeOf(row);
  rules.tolerance = std::chrono::seconds(0);  // the suites' clocks are exact
  if (row.max_age_s) {
    if (*row.max_age_s < 0 || *row.max_age_s > kMaxAge) {
      return Invalid("max_age_s is no number of seconds up to a hundred years");
    }
    rules.max_age = std::chrono::seconds(*row.max_age_s);
  }
  const x509::OcspJudgement judgement = x509::JudgeOcsp(response, certificate.certificates.front(),
                                                        issuer.certificates.front(), rules);
  return StatusLine(row, judgement.status, judgement.word);
}

json::object VerdictLine(const ResponseRow& row, const std::string& refused) {
  return {{"id", row.id}, {"verdict", refused.empty() ? "accept" : "reject"}, {"word", refused}};
}

Result<json::object> JudgeSigner(const CaseFolder& folder, const ResponseRow& row,
                                 const std::string& response) {
  x509::OcspSignerRules rules;
  rules.now = TimeOf(row);
  rules.partial_chain = row.partial_chain;
  rules.no_certificate_checks = row.no_cert_checks;
  rules.rigour = x509::Rigour::kLegacy;  // the suite is of the time of SHA-1
  SIGNET_TRY(FromFile trusted, ReadFileOf(folder, row.trusted));
  SIGNET_TRY(FromFile untrusted, ReadFileOf(folder, row.untrusted));
  for (const FromFile* file : {&trusted, &untrusted}) {
    if (!file->refused.empty()) return VerdictLine(row, file->refused);
  }
  rules.trusted = std::move(trusted.certificates);
  rules.untrusted = std::move(untrusted.certificates);
  const Status judged = x509::JudgeOcspSigner(response, rules);
  return VerdictLine(row, judged ? std::string() : judged.error().word);
}

Result<json::object> JudgeResponse(const CaseFolder& folder, const json::object& object) {
  SIGNET_TRY(const ResponseRow row, FromJson<ResponseRow>(object));
  if (row.id.empty()) return Invalid("the row has no id");
  SIGNET_TRY(const std::string response, folder.Read(row.response));
  if (row.kind == "ocsp") return JudgeStatus(folder, row, response);
  if (row.kind == "ocsp_sig") return JudgeSigner(folder, row, response);
  return Invalid("the kind '" + EscapeLine(row.kind, 64) + "' is not known");
}

}  // namespace

Result<int> CheckResponseCases(const Invocation& invocation) {
  const std::vector<std::string>& cases = invocation.options.front();
  const CaseFolder folder(cases.front());
  return JudgeCases(cases.front(),
                    [&folder](const json::object& row) { return JudgeResponse(folder, row); });
}

}  // namespace signet::tools
