#include "hsm/self_test.h"

#include "hsm/objects.h"
#include "hsm/public_key.h"

namespace signet::hsm {
namespace {

struct Needed {
  CK_MECHANISM_TYPE type;
  const char* name;
};
constexpr Needed kNeeded[] = {
    {CKM_RSA_PKCS_KEY_PAIR_GEN, "CKM_RSA_PKCS_KEY_PAIR_GEN"},
    {CKM_RSA_PKCS, "CKM_RSA_PKCS"},
    {CKM_EC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN"},
    {CKM_ECDSA, "CKM_ECDSA"},
};

Status CheckMechanisms(const Mechanisms& mechanisms) {
  std::string missing;
  for (const Needed& needed : kNeeded) {
    if (!mechanisms.contains(needed.type)) missing += std::string(" ") + needed.name;
  }
  if (!mechanisms.contains(CKM_RSA_PKCS_PSS) && !mechanisms.contains(CKM_RSA_X_509)) {
    missing += " CKM_RSA_PKCS_PSS";
  }
  if (missing.empty()) return Ok();
  return MakeError(Kind::kTokenFailed, "MECHANISM_MISSING", "the token lacks" + missing,
                   "Use a token that has these mechanisms.");
}

Status CheckRandom(Session& session) {
  unsigned char first[32] = {};
  unsigned char second[32] = {};
  Module& module = session.module();
  SIGNET_CK("C_GenerateRandom", module->C_GenerateRandom(session.handle(), first, sizeof first));
  SIGNET_CK("C_GenerateRandom", module->C_GenerateRandom(session.handle(), second, sizeof second));
  if (std::equal(std::begin(first), std::end(first), std::begin(second))) {
    return MakeError(Kind::kTokenFailed, "TOKEN_ERROR", "the token's random octets repeat",
                     "Replace the token.");
  }
  return Ok();
}

Status SignAndVerify(Session& session, const Mechanisms& mechanisms, const KeySpec& spec) {
  Template public_part;
  Template private_part;
  CK_MECHANISM mechanism{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  public_part.Flag(CKA_TOKEN, false).Flag(CKA_PRIVATE, false).Flag(CKA_VERIFY, true);
  private_part.Flag(CKA_TOKEN, false).Flag(CKA_PRIVATE, true).Flag(CKA_SIGN, true);
  private_part.Flag(CKA_SENSITIVE, true).Flag(CKA_EXTRACTABLE, false);
  if (spec.algorithm == KeyAlgorithm::kRsa) {
    public_part.Number(CKA_MODULUS_BITS, static_cast<CK_ULONG>(spec.bits))
        .Bytes(CKA_PUBLIC_EXPONENT, std::string_view("\x01\x00\x01", 3));
  } else {
    mechanism.mechanism = CKM_EC_KEY_PAIR_GEN;
    SIGNET_TRY(auto parameters, EcParams(spec.bits));
    public_part.Bytes(CKA_EC_PARAMS, parameters);
  }
  Module& module = session.module();
  CK_OBJECT_HANDLE public_key = 0;
  SigningKey key;
  key.spec = spec;
  SIGNET_CK("C_GenerateKeyPair",
            module->C_GenerateKeyPair(session.handle(), &mechanism, public_part.data(),
                                      public_part.size(), private_part.data(), private_part.size(),
                                      &public_key, &key.handle));
  const auto prove = [&]() -> Status {
    SIGNET_TRY(key.public_key, ReadPublicKey(session, public_key, spec));
    return ProveKey(session, mechanisms, key);
  };
  auto status = prove();
  module->C_DestroyObject(session.handle(), key.handle);
  module->C_DestroyObject(session.handle(), public_key);
  return status;
}

// Whether an RSA key of the token makes signatures that verify. False proves nothing: a foreign key
// may want its own PIN or serve another use. A signature that does not verify is an error.
Result<bool> RsaKeySigns(Session& session, const Mechanisms& mechanisms) {
  Template match;
  match.Number(CKA_CLASS, CKO_PRIVATE_KEY)
      .Number(CKA_KEY_TYPE, CKK_RSA)
      .Flag(CKA_TOKEN, true)
      .Flag(CKA_SIGN, true);
  const auto found = FindObjects(session, std::move(match));
  if (!found || found.value().empty()) return false;
  SigningKey key;
  key.handle = found.value().front();
  const auto spec = ReadKeySpec(session, key.handle);
  if (!spec || !spec.value()) return false;
  key.spec = *spec.value();
  auto public_key = ReadPublicKey(session, key.handle, key.spec);
  if (!public_key) return false;
  key.public_key = std::move(public_key).value();
  auto proved = ProveKey(session, mechanisms, key);
  if (!proved && proved.error().word == "SIGNATURE_WRONG") return std::move(proved).error();
  return proved.has_value();
}

}  // namespace

std::vector<SelfTestStep> RunSelfTest(TokenLink& link, SelfTestKind kind) {
  std::vector<SelfTestStep> steps;
  const auto step = [&](const char* name, const auto& check) {
    const auto run = [&]() -> Status {
      SIGNET_TRY(auto session, link.Acquire());
      auto status = check(session);
      session.Discard();  // its session objects go with it
      return status;
    };
    const Status status = link.Run(run);
    steps.push_back({name, status.has_value(), status ? "" : status.error().ToString()});
  };
  step("mechanisms", [&](Session&) { return CheckMechanisms(link.mechanisms()); });
  step("random", [](Session& session) { return CheckRandom(session); });
  step("sign-verify rsa", [&](Session& session) -> Status {
    if (kind == SelfTestKind::kBoot) {
      SIGNET_TRY(const bool signs, RsaKeySigns(session, link.mechanisms()));
      if (signs) return Ok();
    }
    return SignAndVerify(session, link.mechanisms(), {KeyAlgorithm::kRsa, 2048});
  });
  step("sign-verify ec", [&](Session& session) {
    return SignAndVerify(session, link.mechanisms(), {KeyAlgorithm::kEc, 256});
  });
  return steps;
}

bool AllPassed(const std::vector<SelfTestStep>& steps) {
  return std::all_of(steps.begin(), steps.end(), [](const auto& step) { return step.passed; });
}

std::string FirstFailure(const std::vector<SelfTestStep>& steps) {
  for (const auto& step : steps) {
    if (!step.passed) return step.name + ": " + step.detail;
  }
  return {};
}

}  // namespace signet::hsm
