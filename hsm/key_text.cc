#include "hsm/key_text.h"

namespace signet::hsm {
namespace {

template <class Value>
struct Word {
  Value value;
  std::string_view text;
};

constexpr Word<KeySpec> kSpecs[] = {
    {{KeyAlgorithm::kRsa, 2048}, "rsa:2048"}, {{KeyAlgorithm::kRsa, 3072}, "rsa:3072"},
    {{KeyAlgorithm::kRsa, 4096}, "rsa:4096"}, {{KeyAlgorithm::kEc, 256}, "ec:P-256"},
    {{KeyAlgorithm::kEc, 384}, "ec:P-384"},   {{KeyAlgorithm::kEc, 521}, "ec:P-521"},
};
constexpr Word<KeyPolicy> kPolicies[] = {
    {KeyPolicy::kFixed, "fixed"}, {KeyPolicy::kMovable, "movable"}, {KeyPolicy::kBackup, "backup"}};
constexpr Word<HashAlgorithm> kHashes[] = {{HashAlgorithm::kSha256, "sha256"},
                                           {HashAlgorithm::kSha384, "sha384"},
                                           {HashAlgorithm::kSha512, "sha512"}};
constexpr Word<SignScheme> kSchemes[] = {{SignScheme::kRsaPkcs1, "rsa-pkcs1"},
                                         {SignScheme::kRsaPss, "rsa-pss"},
                                         {SignScheme::kEcdsa, "ecdsa"}};

template <class Value, std::size_t N>
std::string_view Text(const Word<Value> (&words)[N], const Value& value) {
  for (const auto& word : words) {
    if (word.value == value) return word.text;
  }
  return "unknown";
}

template <class Value, std::size_t N>
Result<Value> Parse(const Word<Value> (&words)[N], std::string_view text, const char* error_word,
                    std::string_view what) {
  std::string list;
  for (const auto& word : words) {
    if (word.text == text) return word.value;
    if (!list.empty()) list += ", ";
    list += word.text;
  }
  return MakeError(Kind::kUsage, error_word, "no such " + std::string(what),
                   "Use one of " + list + ".");
}

}  // namespace

std::string ToString(const KeySpec& spec) { return std::string(Text(kSpecs, spec)); }
Result<KeySpec> ParseKeySpec(std::string_view text) {
  return Parse(kSpecs, text, "KEY_SPEC_INVALID", "kind of key");
}
std::string_view ToString(KeyPolicy policy) { return Text(kPolicies, policy); }
Result<KeyPolicy> ParseKeyPolicy(std::string_view text) {
  return Parse(kPolicies, text, "KEY_POLICY_INVALID", "key policy");
}
std::string_view ToString(HashAlgorithm hash) { return Text(kHashes, hash); }
Result<HashAlgorithm> ParseHashAlgorithm(std::string_view text) {
  return Parse(kHashes, text, "HASH_INVALID", "hash algorithm");
}
std::string_view ToString(SignScheme scheme) { return Text(kSchemes, scheme); }
Result<SignScheme> ParseSignScheme(std::string_view text) {
  return Parse(kSchemes, text, "SIGN_SCHEME_INVALID", "signature scheme");
}

std::size_t DigestSize(HashAlgorithm hash) {
  switch (hash) {
    case HashAlgorithm::kSha256:
      return 32;
    case HashAlgorithm::kSha384:
      return 48;
    case HashAlgorithm::kSha512:
      return 64;
  }
  return 0;
}

}  // namespace signet::hsm
