// Renewals by an administrator, with `signet`; a new key each. The test fails where one fails.
#pragma once

#include <string>
#include <vector>

#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"

namespace signet::testing {

// A self-signed certificate.
void Generate(const Appliance& appliance, const std::string& purpose);
// A CSR, which the CA signs. Its certificates must be in the purpose's trust store.
void Sign(const Appliance& appliance, const CertificateAuthority& ca, const std::string& purpose);
void Trust(const Appliance& appliance, const CertificateAuthority& ca,
           const std::vector<std::string>& stores);

// Of the purpose's certificate, as "openssl x509 -serial" prints it.
std::string Serial(const Appliance& appliance, const std::string& purpose);

}  // namespace signet::testing
