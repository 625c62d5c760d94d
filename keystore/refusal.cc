#include "keystore/refusal.h"

#include <algorithm>
#include <cstddef>

namespace signet::keystore {

namespace {

// What to do about an error, by the beginning of its id; the first row that fits.
std::string_view RemedyFor(std::string_view id) {
  static constexpr std::pair<std::string_view, std::string_view> kRemedies[] = {
      {"SAN_",
       "Have the CA sign the CSR again with all of its subjectAltName (openssl: -copy_extensions "
       "copy)."},
      {"KEY_USAGE_",
       "Have the CA sign the CSR again with its key usage (openssl: -copy_extensions copy)."},
      {"EKU_",
       "Have the CA sign the CSR again with its extended key usage (openssl: -copy_extensions "
       "copy)."},
      {"CN_", "Have the CA sign the CSR again with the common name among its subjectAltName."},
      {"CHAIN_INCOMPLETE",
       "Upload the issuer that is missing, together with the rest or before it."},
      {"CHAIN_TOO_COMPLEX",
       "Upload the certificates of one path only, from the root on, 16 at most."},
      {"EXPIRED", "Get one that is valid now; if it should be, check the appliance's clock."},
      {"NOT_YET_VALID",
       "Upload it again once it is valid; if it should be, check the appliance's clock."},
      {"SIGNATURE_WEAK", "Have the CA sign it with SHA-256 or stronger."},
      {"SIGNATURE_INVALID",
       "The file was damaged or is of another issuer: get it from the CA again."},
      {"KEY_WEAK", "Use a key of RSA 2048 bits or more, or of P-256, P-384 or P-521."},
      {"NOT_A_CA",
       "Upload the CA's own certificate; an end-entity certificate is trusted only when asked for "
       "(--as pinned)."},
      {"TRUST_ENTRY_NOT_CA",
       "Upload the CA's certificate instead, or ask for this one with --as pinned."},
      {"DELETED_BEFORE", "If it shall come back, repeat the upload with --undelete."},
      {"TRUST_IN_USE",
       "Replace what chains to it first; to delete it all the same, use --force TRUST_IN_USE with "
       "--reason."},
      {"NOT_REPLACED_YET",
       "Install a CA-signed certificate for the purpose first ('signet csr generate')."},
      {"LEFTOVER_STAYS",
       "Leave it there: it is trusted as itself only, and not after its last day."},
      {"PREDECESSOR_",
       "Name the issuer's common name, or leave the predecessor out: it is found by itself."},
  };
  for (const auto& [beginning, remedy] : kRemedies) {
    if (id.starts_with(beginning)) return remedy;
  }
  return "Have it issued anew without this fault.";
}

}  // namespace

Error Refusal(std::string what, Findings findings) {
  const auto is_error = [](const Finding& f) { return f.severity == Severity::kError; };
  const auto first = std::find_if(findings.begin(), findings.end(), is_error);
  const auto errors = std::count_if(findings.begin(), findings.end(), is_error);
  std::string remedy(RemedyFor(first->id));
  if (errors > 1) remedy += " There are " + std::to_string(errors) + " errors: mend them all.";
  Error error = MakeError(Kind::kRefused, first->id, what + " is refused: " + first->text,
                          remedy + " Nothing was stored.");
  error.findings = std::move(findings);
  return error;
}

void Merge(Findings& to, Findings from) {
  const auto known = static_cast<std::ptrdiff_t>(to.size());
  for (Finding& finding : from) {
    const bool seen = std::any_of(to.begin(), to.begin() + known, [&](const Finding& f) {
      return f.id == finding.id && f.certificate == finding.certificate;
    });
    if (!seen) to.push_back(std::move(finding));
  }
}

}  // namespace signet::keystore
