// Who signed an OCSP response, and whether it may. For this folder only.
#pragma once

#include <span>
#include <string>

#include "keystore/x509/chain.h"
#include "keystore/x509/ocsp_response.h"

namespace signet::keystore::x509 {

struct OcspSigner {
  enum class Role : std::uint8_t { kIssuer, kDesignated, kDelegate } role;
  Certificate certificate;
};

// RFC 6960 §4.2.2.2 about certificates that `issuer` issued. Refused: OCSP_SIGNATURE_INVALID,
// OCSP_SIGNATURE_WEAK, OCSP_RESPONDER_UNAUTHORISED with the first reason that somebody whose key
// did sign is not one of these.
Result<OcspSigner> FindOcspSigner(const OcspResponse& response, const Certificate& issuer,
                                  std::span<const Certificate> designated, WallTime now,
                                  Rigour rigour);

}  // namespace signet::keystore::x509
