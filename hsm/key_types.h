// The nouns of key material that every room may name: what a key is, what may be done with it, how
// it signs. Types only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace signet::hsm {

enum class KeyAlgorithm : std::uint8_t { kRsa, kEc };

// RSA 2048, 3072, 4096 (bits) or EC P-256, P-384, P-521 (256, 384, 521); see SPEC C1.
struct KeySpec {
  KeyAlgorithm algorithm = KeyAlgorithm::kRsa;
  int bits = 2048;
  friend bool operator==(const KeySpec&, const KeySpec&) = default;
};

// What may happen to a private key, chosen when it is made (SPEC C1).
enum class KeyPolicy : std::uint8_t {
  kFixed,    // never leaves its token: sensitive, never extractable
  kMovable,  // may move to another token, wrapped by a trusted wrapping key only
  kBackup,   // may be backed up by a ceremony, wrapped by a trusted wrapping key only
};

enum class HashAlgorithm : std::uint8_t { kSha256, kSha384, kSha512 };
enum class SignScheme : std::uint8_t {
  kRsaPkcs1,
  kRsaPss,
  kEcdsa
};  // RFC 8017 §8.2, §8.1 (salt = hash length); X9.62

// CKA_ID of a key pair: its SKI (SHA-1 of the subjectPublicKey bits, RFC 5280 §4.2.1.2 method 1) in
// lower-case hex.
using KeyId = std::string;

// A private key as the token shows it.
struct TokenKey {
  KeyId id;           // CKA_ID as hex; whatever it is for keys that are not ours
  std::string label;  // CKA_LABEL
  KeySpec spec;
  bool known_spec = false;  // false: an algorithm or size that Signet does not make
  bool sensitive = false, always_sensitive = false, extractable = true, never_extractable = false,
       local = false, wrap_with_trusted = false;
};

// The public half of a fresh key.
struct GeneratedKey {
  KeyId id;
  std::string label;
  KeySpec spec;
  std::string spki;  // SubjectPublicKeyInfo, DER
};

}  // namespace signet::hsm
