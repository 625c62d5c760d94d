// The extensions of a purpose's profile as OpenSSL's objects. For this folder only.
#pragma once

#include "keystore/x509/builder.h"
#include "keystore/x509/openssl_ptr.h"

namespace signet::keystore::x509 {

// `request`: basicConstraints for CAs only (a CSR of an end entity asks for none).
Result<ExtensionsPtr> WriteExtensions(const Template& content, const std::string& spki,
                                      bool request);
Result<NamePtr> WriteSubject(const Subject& subject);

}  // namespace signet::keystore::x509
