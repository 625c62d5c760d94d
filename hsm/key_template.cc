#include "hsm/key_template.h"

#include <p11-kit/pkcs11.h>

#include "hsm/key_text.h"
#include "hsm/public_key.h"

namespace signet::hsm {
namespace {

// How an attribute of a private key depends on its policy.
enum class Rule { kTrue, kFalse, kLeaves, kStays, kGuarded };

struct Row {
  CK_ATTRIBUTE_TYPE type;
  const char* name;
  Rule rule;
  bool in_template;  // else the token sets it, and it is only read back
};

constexpr Row kPrivate[] = {
    {CKA_TOKEN, "CKA_TOKEN", Rule::kTrue, true},
    {CKA_PRIVATE, "CKA_PRIVATE", Rule::kTrue, true},
    {CKA_SENSITIVE, "CKA_SENSITIVE", Rule::kTrue, true},
    {CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE", Rule::kTrue, false},
    {CKA_EXTRACTABLE, "CKA_EXTRACTABLE", Rule::kLeaves, true},
    {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE", Rule::kStays, false},
    {CKA_WRAP_WITH_TRUSTED, "CKA_WRAP_WITH_TRUSTED", Rule::kGuarded, true},
    {CKA_LOCAL, "CKA_LOCAL", Rule::kTrue, false},
    {CKA_SIGN, "CKA_SIGN", Rule::kTrue, true},
    {CKA_SIGN_RECOVER, "CKA_SIGN_RECOVER", Rule::kFalse, true},
    {CKA_DECRYPT, "CKA_DECRYPT", Rule::kFalse, true},
    {CKA_UNWRAP, "CKA_UNWRAP", Rule::kFalse, true},
    {CKA_DERIVE, "CKA_DERIVE", Rule::kFalse, true},
};

// kGuarded says nothing about a key that cannot leave anyway.
std::optional<bool> Wanted(Rule rule, KeyPolicy policy) {
  const bool leaves = policy != KeyPolicy::kFixed;
  switch (rule) {
    case Rule::kTrue:
      return true;
    case Rule::kFalse:
      return false;
    case Rule::kLeaves:
      return leaves;
    case Rule::kStays:
      return !leaves;
    case Rule::kGuarded:
      return leaves ? std::optional(true) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

Result<KeyPairTemplate> MakeKeyPairTemplate(const std::string& label, const KeySpec& spec,
                                            KeyPolicy policy) {
  SIGNET_TRY(ParseKeySpec(ToString(spec)));
  KeyPairTemplate pair;
  pair.public_part.Flag(CKA_TOKEN, true)
      .Flag(CKA_PRIVATE, false)
      .Flag(CKA_VERIFY, true)
      .Flag(CKA_ENCRYPT, false)
      .Flag(CKA_WRAP, false)
      .Flag(CKA_VERIFY_RECOVER, false)
      .Bytes(CKA_LABEL, label);
  if (spec.algorithm == KeyAlgorithm::kRsa) {
    pair.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN;
    pair.public_part.Number(CKA_MODULUS_BITS, static_cast<CK_ULONG>(spec.bits))
        .Bytes(CKA_PUBLIC_EXPONENT, std::string_view("\x01\x00\x01", 3));
  } else {
    pair.mechanism = CKM_EC_KEY_PAIR_GEN;
    SIGNET_TRY(auto parameters, EcParams(spec.bits));
    pair.public_part.Bytes(CKA_EC_PARAMS, parameters);
  }
  pair.private_part.Bytes(CKA_LABEL, label);
  for (const Row& row : kPrivate) {
    const auto wanted = Wanted(row.rule, policy);
    if (row.in_template && wanted) pair.private_part.Flag(row.type, *wanted);
  }
  return pair;
}

Status CheckKeyAttributes(Session& session, CK_OBJECT_HANDLE private_key, KeyPolicy policy) {
  std::vector<const Row*> rows;
  std::vector<CK_ATTRIBUTE_TYPE> types;
  for (const Row& row : kPrivate) {
    if (!Wanted(row.rule, policy)) continue;
    rows.push_back(&row);
    types.push_back(row.type);
  }
  SIGNET_TRY(auto flags, ReadFlags(session, private_key, types));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (flags[i] == *Wanted(rows[i]->rule, policy)) continue;
    return MakeError(Kind::kTokenFailed, "KEY_ATTRIBUTES_WRONG",
                     "the token made a key with " + std::string(rows[i]->name) +
                         (flags[i] ? " = true" : " = false") + " although the policy '" +
                         std::string(ToString(policy)) + "' forbids that; the key was destroyed",
                     "Check the token's own key policy and its module's version.");
  }
  return Ok();
}

}  // namespace signet::hsm
