// Whether a certificate is DER and not merely BER. For this folder only.
#pragma once

#include <string_view>

namespace signet::keystore::x509 {

// OpenSSL reads BER, and keeps the octets of the signed part as they came, so that the certificate
// is read once more as plain ASN.1, written anew and compared: that finds indefinite, non-minimal
// and over-long lengths wherever they are. But for the names, which ReadName checks, and what
// extensions hold, which ReadExtensions does. (i2d_re_X509_tbs would do too, but leaves the
// certificate as one that is written anew for each verification of its signature.)
bool IsStrictDer(std::string_view certificate);

}  // namespace signet::keystore::x509
