// What the makers of tests/support wrote into a corpus folder: certificates and keys of players.
#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "keystore/x509/certificate.h"
#include "keystore/x509/openssl_ptr.h"

namespace signet::fuzz {

inline void Require(bool condition) {
  if (!condition) std::abort();
}

inline std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  Require(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

// From a DER file.
inline keystore::x509::Certificate Player(const std::string& path) {
  auto certificate = keystore::x509::Certificate::FromDer(Read(path));
  Require(certificate.has_value());
  return std::move(certificate).value();
}

// From a PEM file.
inline keystore::x509::PkeyPtr Key(const std::string& path) {
  const std::string pem = Read(path);
  const keystore::x509::BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  keystore::x509::PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  Require(key != nullptr);
  return key;
}

// Both of a document: what `exercise` does with it as it comes, and as `signed_anew` gives it back
// (empty: that cannot be).
template <class Exercise, class SignedAnew>
void AsItComesAndSignedAnew(const std::uint8_t* data, std::size_t size, Exercise exercise,
                            SignedAnew signed_anew) {
  const std::string_view der(reinterpret_cast<const char*>(data), size);
  exercise(der);
  const std::string anew = signed_anew(der);
  ERR_clear_error();
  if (!anew.empty()) exercise(anew);
}

}  // namespace signet::fuzz
