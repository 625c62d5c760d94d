#include "keystore/x509/crl_status.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <span>

#include "keystore/x509/distribution_points.h"
#include "keystore/x509/key_strength.h"
#include "keystore/x509/read.h"

namespace signet::keystore::x509 {
namespace {

struct Remedy {
  std::string_view word, text;
};
constexpr std::string_view kAskTheCa =
    "Tell the CA's operator; until then nothing is known of the certificate.";
constexpr std::string_view kAddress =
    "Check what lies at the distribution point, and proxies on the way to it.";
// Of all others: kAskTheCa.
constexpr std::array<Remedy, 8> kRemedies{{
    {"CRL_REVOKED", "Take the certificate out of service; have it issued anew, or ask the CA why."},
    {"CRL_ON_HOLD", "Take the certificate out of service until the CA releases it."},
    {"CRL_STALE", "Compare this node's clock with the CA's; where it is right, tell the CA."},
    {"CRL_FUTURE", "Compare this node's clock with the CA's."},
    {"CRL_MALFORMED", kAddress},
    {"CRL_SIGNATURE_INVALID", kAddress},
    {"CRL_WRONG_ISSUER", "Check which CA issued the certificate, and whose list lies there."},
    {"CRL_TOO_LARGE", "Ask the CA for partitioned lists, or use OCSP."},
}};

// What may be critical and is understood. The delta indicator is looked at apart.
constexpr std::array kListExtensions{NID_issuing_distribution_point, NID_authority_key_identifier,
                                     NID_crl_number, NID_delta_crl};
constexpr std::array kEntryExtensions{NID_crl_reason, NID_invalidity_date,
                                      NID_hold_instruction_code, NID_certificate_issuer};

using PointPtr = std::unique_ptr<ISSUING_DIST_POINT, Deleter<ISSUING_DIST_POINT_free>>;
using EnumeratedPtr = std::unique_ptr<ASN1_ENUMERATED, Deleter<ASN1_ENUMERATED_free>>;

struct Entry {
  WallTime revoked_at{};
  int reason = -1;
};

Error CrlFault(std::string_view word, std::string detail) {
  const auto* known = std::ranges::find(kRemedies, word, &Remedy::word);
  return MakeError(Kind::kRefused, std::string(word), EscapeLine(detail),
                   std::string(known == kRemedies.end() ? kAskTheCa : known->text));
}

Error Broken(std::string detail) { return CrlFault("CRL_MALFORMED", std::move(detail)); }

Status CheckIssued(const Certificate& certificate, const Certificate& issuer) {
  if (certificate.fields().issuer_der == issuer.fields().subject_der &&
      certificate.IsSignedBy(issuer)) {
    return Ok();
  }
  return CrlFault("CRL_WRONG_ISSUER", "'" + certificate.fields().subject +
                                          "' was not issued by this '" + issuer.fields().subject +
                                          "'");
}

Status CheckStrength(const RevocationList& list, const Certificate& issuer) {
  const X509_ALGOR* algorithm = nullptr;
  X509_CRL_get0_signature(list.handle(), nullptr, &algorithm);
  if (IsBrokenHash(SignatureHash(algorithm))) {
    return CrlFault(
        "CRL_SIGNATURE_WEAK",
        "the list is signed with " + ObjectName(algorithm->algorithm) + ", whose hash is broken");
  }
  for (const Finding& finding : Lint(issuer, LintRole::kAnchor)) {
    if (finding.severity == Severity::kError && finding.id.starts_with("KEY_")) {
      return CrlFault("CRL_SIGNATURE_WEAK", "the list is signed with " + finding.text);
    }
  }
  return Ok();
}

// §6.3.3 (f), (g): the issuer's own key, which may sign lists.
Status CheckSigner(const RevocationList& list, const Certificate& issuer, const CrlRules& rules) {
  const auto& ca = issuer.fields();
  if (X509_NAME_cmp(X509_CRL_get_issuer(list.handle()), X509_get_subject_name(issuer.handle())) !=
      0) {
    return CrlFault("CRL_WRONG_ISSUER",
                    "the list is of '" + list.issuer() + "', not of '" + ca.subject + "'");
  }
  if (X509_CRL_verify(list.handle(), X509_get0_pubkey(issuer.handle())) != 1) {
    return CrlFault("CRL_SIGNATURE_INVALID",
                    "the list is not signed by the key of '" + ca.subject + "'");
  }
  if (ca.key_usage && !(*ca.key_usage)[static_cast<std::size_t>(KeyUsage::kCrlSign)]) {
    return CrlFault("CRL_WRONG_ISSUER", "'" + ca.subject + "' may not sign revocation lists");
  }
  Findings findings;
  CheckDates(issuer, rules.now, findings);
  if (HasErrors(findings)) {
    return CrlFault("CRL_WRONG_ISSUER", "'" + ca.subject + "' is not valid now");
  }
  return rules.rigour == Rigour::kLegacy ? Status(Ok()) : CheckStrength(list, issuer);
}

Status CheckCritical(const STACK_OF(X509_EXTENSION) * extensions, std::span<const int> known) {
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i) {
    X509_EXTENSION* extension = sk_X509_EXTENSION_value(extensions, i);
    if (X509_EXTENSION_get_critical(extension) == 0) continue;
    ASN1_OBJECT* object = X509_EXTENSION_get_object(extension);
    if (std::ranges::find(known, OBJ_obj2nid(object)) != known.end()) continue;
    return CrlFault("CRL_CRITICAL_EXTENSION", "the list has the critical extension " +
                                                  ObjectName(object) + ", which is not known");
  }
  return Ok();
}

// §5.1.2.1: extensions need version 2.
Status CheckForm(const X509_CRL* crl) {
  const STACK_OF(X509_EXTENSION)* extensions = X509_CRL_get0_extensions(crl);
  const long version = X509_CRL_get_version(crl);
  if (version != X509_CRL_VERSION_2 &&
      (version != X509_CRL_VERSION_1 || sk_X509_EXTENSION_num(extensions) > 0)) {
    return Broken("the list's version does not fit what it holds");
  }
  return CheckCritical(extensions, kListExtensions);
}

bool NamesOneOf(const GENERAL_NAMES* names, const Certificate& certificate) {
  const DistributionPointsPtr points = DistributionPoints(certificate);
  for (int p = 0; p < sk_DIST_POINT_num(points.get()); ++p) {
    const GENERAL_NAMES* own = NamesOfPlainPoint(sk_DIST_POINT_value(points.get(), p));
    for (int i = 0; i < sk_GENERAL_NAME_num(own); ++i) {
      for (int k = 0; k < sk_GENERAL_NAME_num(names); ++k) {
        if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(own, i), sk_GENERAL_NAME_value(names, k)) == 0) {
          return true;
        }
      }
    }
  }
  return false;
}

// §5.2.4, §5.2.5, §6.3.3 (b): which certificates the list is about. Sets `partial` for a list that
// does not tell of all reasons.
Status CheckScope(X509_CRL* crl, const Certificate& certificate, bool& partial) {
  const auto outside = [](const char* text) { return CrlFault("CRL_SCOPE", text); };
  if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0) {
    return outside("the list tells of changes to another list alone");
  }
  int found = -1;
  const PointPtr point(static_cast<ISSUING_DIST_POINT*>(
      X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &found, nullptr)));
  if (!point) {
    if (found == -1) return Ok();
    return Broken("the list's distribution point can not be read");
  }
  const bool ca = certificate.fields().ca;
  if (point->indirectCRL > 0) return outside("the list tells of other CAs' certificates, too");
  if (point->onlyattr > 0) return outside("the list is about attribute certificates");
  if (point->onlyuser > 0 && ca) return outside("the list is not about certificates of CAs");
  if (point->onlyCA > 0 && !ca) return outside("the list is about certificates of CAs alone");
  partial = point->onlysomereasons != nullptr;
  if (point->distpoint == nullptr) return Ok();
  if (point->distpoint->type != 0 || !NamesOneOf(point->distpoint->name.fullname, certificate)) {
    return outside("the list is of a distribution point that the certificate does not name");
  }
  return Ok();
}

Status ReadTimes(const X509_CRL* crl, StatusJudgement& out) {
  const auto read = [](const ASN1_TIME* time) -> Result<WallTime> {
    auto value = ReadTime(time, "CRL_MALFORMED");
    if (!value) return Broken(value.error().detail);
    return value.value();
  };
  SIGNET_TRY(out.this_update, read(X509_CRL_get0_lastUpdate(crl)));
  const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl);
  if (next == nullptr) return Ok();
  SIGNET_TRY(out.next_update, read(next));
  if (*out.next_update < *out.this_update) return Broken("nextUpdate lies before thisUpdate");
  return Ok();
}

// Times are compared by adding to `now` alone: a list's may be of the year 9999.
Status CheckFreshness(const StatusJudgement& judgement, const CrlRules& rules) {
  const WallTime earliest = rules.now - rules.tolerance;
  const WallTime of = *judgement.this_update;
  const auto& next = judgement.next_update;
  if (of > rules.now + rules.tolerance) {
    return CrlFault("CRL_FUTURE", "the list is of " + FormatTime(of) + ", which is still to come");
  }
  if (next && *next < earliest) {
    return CrlFault("CRL_STALE", "the list was to be replaced by " + FormatTime(*next));
  }
  const auto without_next = rules.max_age_without_next ? rules.max_age_without_next : rules.max_age;
  if (!next && !without_next) {
    return CrlFault("CRL_STALE",
                    "the list does not say until when it holds, and no greatest age is set");
  }
  const auto too_old = [&](const std::optional<std::chrono::seconds>& age) {
    return age && of < earliest - *age;
  };
  if (too_old(rules.max_age) || (!next && too_old(without_next))) {
    return CrlFault("CRL_STALE", "the list is of " + FormatTime(of) + ", older than is allowed");
  }
  return Ok();
}

Result<Entry> ReadEntry(const X509_REVOKED* entry) {
  auto strict = ReadExtensions(X509_REVOKED_get0_extensions(entry), "CRL_MALFORMED");
  if (!strict) return Broken(strict.error().detail);
  auto time = ReadTime(X509_REVOKED_get0_revocationDate(entry), "CRL_MALFORMED");
  if (!time) return Broken(time.error().detail);
  Entry out{.revoked_at = time.value()};
  const EnumeratedPtr reason(static_cast<ASN1_ENUMERATED*>(
      X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr)));
  if (reason) out.reason = static_cast<int>(ASN1_ENUMERATED_get(reason.get()));
  if (out.reason == kRemoveFromCrl) {
    return Broken("an entry says removeFromCRL, which lists of changes alone may");
  }
  return out;
}

// Whole and in the list's order: X509_CRL_get0_by_serial takes one of several, sorts the list that
// others read, and passes over critical extensions.
Result<std::vector<Entry>> FindEntries(X509_CRL* crl, const ASN1_INTEGER* serial) {
  std::vector<Entry> found;
  STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(crl);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(entries, i);
    const STACK_OF(X509_EXTENSION)* extensions = X509_REVOKED_get0_extensions(entry);
    if (sk_X509_EXTENSION_num(extensions) > 0) {
      if (X509_CRL_get_version(crl) != X509_CRL_VERSION_2) {
        return Broken("the list's version does not fit what it holds");
      }
      SIGNET_TRY(CheckCritical(extensions, kEntryExtensions));
      if (X509_REVOKED_get_ext_by_NID(entry, NID_certificate_issuer, -1) >= 0) {
        return CrlFault("CRL_SCOPE", "the list tells of other CAs' certificates, too");
      }
    }
    if (ASN1_INTEGER_cmp(X509_REVOKED_get0_serialNumber(entry), serial) != 0) continue;
    SIGNET_TRY(Entry read, ReadEntry(entry));
    found.push_back(read);
  }
  return found;
}

void Tell(OcspStatus status, const Error& fault, StatusJudgement& out) {
  out.status = status;
  out.word = fault.word;
  out.detail = fault.detail;
  out.remedy = fault.remedy;
}

void TellRevoked(const std::vector<Entry>& entries, StatusJudgement& out) {
  const auto lasting = std::ranges::find_if(
      entries, [](const Entry& entry) { return entry.reason != kCertificateHold; });
  const Entry& entry = lasting == entries.end() ? entries.front() : *lasting;
  const bool hold = entry.reason == kCertificateHold;
  out.revoked_at = entry.revoked_at;
  out.reason = RevocationReasonName(entry.reason);
  std::string detail = (hold ? "on hold since " : "revoked at ") + FormatTime(entry.revoked_at) +
                       (out.reason.empty() ? "" : " (" + out.reason + ")");
  Tell(OcspStatus::kRevoked, CrlFault(hold ? "CRL_ON_HOLD" : "CRL_REVOKED", std::move(detail)),
       out);
}

Status Examine(const RevocationList& list, const Certificate& certificate,
               const Certificate& issuer, const CrlRules& rules, StatusJudgement& out) {
  X509_CRL* crl = list.handle();
  SIGNET_TRY(CheckIssued(certificate, issuer));
  SIGNET_TRY(CheckSigner(list, issuer, rules));
  SIGNET_TRY(CheckForm(crl));
  SIGNET_TRY(ReadTimes(crl, out));
  bool partial = false;
  SIGNET_TRY(CheckScope(crl, certificate, partial));
  SIGNET_TRY(CheckFreshness(out, rules));
  SIGNET_TRY(const std::vector<Entry> entries,
             FindEntries(crl, X509_get0_serialNumber(certificate.handle())));
  if (!entries.empty()) {
    TellRevoked(entries, out);
    return Ok();
  }
  if (partial) return CrlFault("CRL_SCOPE", "the list does not tell of all reasons");
  out.status = OcspStatus::kGood;
  out.word = "CRL_GOOD";
  out.detail = "not revoked as of " + FormatTime(*out.this_update);
  return Ok();
}

}  // namespace

StatusJudgement JudgeCrl(const RevocationList& list, const Certificate& certificate,
                         const Certificate& issuer, const CrlRules& rules) {
  StatusJudgement out;
  const Status examined = Examine(list, certificate, issuer, rules, out);
  if (!examined) Tell(OcspStatus::kUnknown, examined.error(), out);
  ERR_clear_error();
  return out;
}

StatusJudgement JudgeCrl(std::string_view der, const Certificate& certificate,
                         const Certificate& issuer, const CrlRules& rules) {
  const auto list = RevocationList::FromDer(der);
  if (list) return JudgeCrl(list.value(), certificate, issuer, rules);
  StatusJudgement out;
  Tell(OcspStatus::kUnknown, CrlFault(list.error().word, list.error().detail), out);
  ERR_clear_error();
  return out;
}

}  // namespace signet::keystore::x509
