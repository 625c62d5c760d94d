// A revocation list's octets, as they come and signed anew by the issuing CA, so that what lies
// behind the signature is reached, too. The players are those of tests/support/make_lists.py.
#include <openssl/x509.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "keystore/x509/crl_status.h"
#include "keystore/x509/read.h"
#include "tests/fuzz/players.h"

namespace {

using namespace signet;
using namespace signet::keystore::x509;
using fuzz::Require;

using CrlPtr = std::unique_ptr<X509_CRL, Deleter<X509_CRL_free>>;

struct World {
  // Names distribution points; names none; is a CA itself.
  Certificate leaf = fuzz::Player(CRL_PLAYERS "/leaf.der"),
              plain = fuzz::Player(CRL_PLAYERS "/plain.der"),
              sub = fuzz::Player(CRL_PLAYERS "/sub.der"), ca = fuzz::Player(CRL_PLAYERS "/ca.der");
  PkeyPtr key = fuzz::Key(CRL_PLAYERS "/ca.key");
  CrlRules rules;

  World() { rules.now = ParseTime("2026-06-01T00:00:00Z").value(); }
};

// Times of what is believed lie around now, and all that is told is one line.
void Exercise(const World& world, std::string_view der) {
  const CrlRules& rules = world.rules;
  for (const Certificate* certificate : {&world.leaf, &world.plain, &world.sub}) {
    const StatusJudgement judgement = JudgeCrl(der, *certificate, world.ca, rules);
    Require(!judgement.word.empty() && !judgement.detail.empty());
    Require(EscapeLine(judgement.detail) == judgement.detail);
    const bool good = judgement.status == OcspStatus::kGood;
    const bool revoked = judgement.status == OcspStatus::kRevoked;
    Require(good == (judgement.word == "CRL_GOOD"));
    Require(revoked == (judgement.word == "CRL_REVOKED" || judgement.word == "CRL_ON_HOLD"));
    if (!good && !revoked) continue;
    Require(judgement.this_update && *judgement.this_update <= rules.now + rules.tolerance);
    Require(judgement.next_update && *judgement.next_update >= rules.now - rules.tolerance);
    Require(good != judgement.revoked_at.has_value());
  }
}

std::string SignedAnew(const World& world, std::string_view der) {
  const unsigned char* p = Octets(der);
  const CrlPtr list(d2i_X509_CRL(nullptr, &p, static_cast<long>(der.size())));
  if (!list || X509_CRL_sign(list.get(), world.key.get(), EVP_sha256()) <= 0) return {};
  return ToDer(list.get(), i2d_X509_CRL);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  fuzz::AsItComesAndSignedAnew(
      data, size, [](std::string_view der) { Exercise(world, der); },
      [](std::string_view der) { return SignedAnew(world, der); });
  return 0;
}
