// One input to all that reads certificates and requests from outside: upload, lint, classification,
// chain, request, revocation lists.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "keystore/x509/chain.h"
#include "keystore/x509/issued.h"
#include "keystore/x509/lint.h"
#include "keystore/x509/names.h"
#include "keystore/x509/pem.h"

namespace {

using namespace signet;
using namespace signet::keystore::x509;

void Require(bool condition) {
  if (!condition) std::abort();
}

// What every text that leaves the parser promises: one line, safe to print.
void RequireLine(const std::string& text) { Require(EscapeLine(text, 1u << 20) == text); }

void Exercise(const Certificate& certificate) {
  const auto& fields = certificate.fields();
  RequireLine(fields.subject);
  RequireLine(fields.issuer);
  RequireLine(fields.common_name);
  for (const std::string& san : fields.sans) RequireLine(san);
  for (const LintRole role : {LintRole::kAnchor, LintRole::kIntermediate, LintRole::kEndEntity,
                              LintRole::kClient, LintRole::kPinned}) {
    for (const Finding& finding : Lint(certificate, role)) RequireLine(finding.text);
  }
  (void)ClassifyEntry(certificate, EntryKind::kPinned);
  Require(fields.subject_der.empty() == false);
  const auto again = Certificate::FromDer(certificate.der());
  Require(again.has_value() && again.value() == certificate);
  const auto pem = ReadCertificates(certificate.ToPem(), 1);
  Require(pem.has_value() && pem.value().front() == certificate);
}

void ExerciseUpload(std::string_view bytes) {
  auto read = ReadBundle(bytes, 16);
  if (!read) {
    RequireLine(read.error().word);
    return;
  }
  const auto& certificates = read.value().certificates;
  for (const Certificate& certificate : certificates) Exercise(certificate);
  if (certificates.empty()) return;
  TrustView trust;
  trust.anchors = [&](const std::string& name, const std::string&) {
    std::vector<Certificate> out;
    if (certificates.back().fields().subject_der == name) out.push_back(certificates.back());
    return out;
  };
  ChainPolicy policy;
  policy.time = certificates.front().fields().not_before;
  const ChainVerdict verdict = VerifyPath(certificates.front(), certificates, trust, policy);
  Require(verdict.accepted() || HasErrors(verdict.findings));
  (void)CheckCaChain(certificates, trust, policy.time);
}

void ExerciseRequest(std::string_view bytes) {
  const auto request = ParseRequest(bytes);
  if (!request) return;
  RequireLine(request.value().subject);
  (void)LintRequest(request.value(), Profile{});
}

void ExerciseLists(std::string_view bytes) {
  const auto lists = ReadRevocationLists(bytes, 16);
  if (!lists) return;
  for (const RevocationList& list : lists.value()) {
    RequireLine(list.issuer());
    for (const Finding& finding : Lint(list)) RequireLine(finding.text);
  }
}

void ExerciseName(std::string_view bytes) {
  const auto name = ParseGeneralName(bytes);
  if (!name) return;
  const auto again = ParseGeneralName(ToString(name.value()));
  Require(again.has_value() && again.value() == name.value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ExerciseUpload(bytes);
  ExerciseRequest(bytes);
  ExerciseName(bytes);
  ExerciseLists(bytes);
  return 0;
}
