// Wire words of the types in key_types.h.
#pragma once

#include "hsm/key_types.h"
#include "platform/error.h"

namespace signet::hsm {

std::string ToString(const KeySpec& spec);            // "rsa:2048", "ec:P-256"
Result<KeySpec> ParseKeySpec(std::string_view text);  // kUsage KEY_SPEC_INVALID, names the list
std::string_view ToString(KeyPolicy policy);          // fixed | movable | backup
Result<KeyPolicy> ParseKeyPolicy(std::string_view text);
std::string_view ToString(HashAlgorithm hash);  // sha256 | sha384 | sha512
Result<HashAlgorithm> ParseHashAlgorithm(std::string_view text);
std::string_view ToString(SignScheme scheme);  // rsa-pkcs1 | rsa-pss | ecdsa
Result<SignScheme> ParseSignScheme(std::string_view text);
std::size_t DigestSize(HashAlgorithm hash);  // octets

}  // namespace signet::hsm
