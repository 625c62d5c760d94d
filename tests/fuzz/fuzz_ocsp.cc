// An OCSP responder's octets, as they come and signed anew by the issuing CA, so that what lies
// behind the signature is reached, too. The players are those of tests/support/make_ocsp.py.
#include <openssl/ocsp.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "keystore/x509/ocsp.h"
#include "keystore/x509/openssl_ptr.h"
#include "tests/fuzz/players.h"

namespace {

using namespace signet;
using namespace signet::keystore::x509;
using fuzz::Require;

using ResponsePtr = std::unique_ptr<OCSP_RESPONSE, Deleter<OCSP_RESPONSE_free>>;
using BasicPtr = std::unique_ptr<OCSP_BASICRESP, Deleter<OCSP_BASICRESP_free>>;

struct World {
  Certificate leaf = fuzz::Player(OCSP_PLAYERS "/leaf.der"),
              ca = fuzz::Player(OCSP_PLAYERS "/ca.der"),
              root = fuzz::Player(OCSP_PLAYERS "/root.der");
  PkeyPtr key = fuzz::Key(OCSP_PLAYERS "/ca.key");
  OcspRules rules;
  OcspSignerRules signer;

  World() {
    rules.now = signer.now = ParseTime("2026-06-01T00:00:00Z").value();
    rules.designated = {fuzz::Player(OCSP_PLAYERS "/designated.der"),
                        fuzz::Player(OCSP_PLAYERS "/plain.der")};
    signer.trusted = {root};
    signer.untrusted = {ca};
  }
};

// Times of what is believed lie around now, and all that is told is one line.
void Exercise(const World& world, std::string_view der) {
  const OcspRules& rules = world.rules;
  const OcspJudgement judgement = JudgeOcsp(der, world.leaf, world.ca, rules);
  Require(!judgement.word.empty() && !judgement.detail.empty());
  Require(EscapeLine(judgement.detail) == judgement.detail);
  (void)JudgeOcspSigner(der, world.signer);
  const bool good = judgement.status == OcspStatus::kGood;
  Require(good == (judgement.word == "OCSP_GOOD"));
  if (judgement.status == OcspStatus::kUnknown) return;
  Require(!judgement.signer.empty() && judgement.this_update && judgement.next_update);
  Require(*judgement.this_update <= rules.now + rules.tolerance);
  Require(*judgement.next_update >= rules.now - rules.tolerance);
  Require(good != judgement.revoked_at.has_value());
}

std::string SignedAnew(const World& world, std::string_view der) {
  const unsigned char* p = Octets(der);
  const ResponsePtr came(d2i_OCSP_RESPONSE(nullptr, &p, static_cast<long>(der.size())));
  const BasicPtr basic(came ? OCSP_response_get1_basic(came.get()) : nullptr);
  const ASN1_OCTET_STRING* id = nullptr;
  const X509_NAME* name = nullptr;
  // OpenSSL writes the responder's name over whatever id is there, which only fits a name.
  if (!basic || OCSP_resp_get0_id(basic.get(), &id, &name) != 1 || name == nullptr) return {};
  if (OCSP_basic_sign(basic.get(), world.ca.handle(), world.key.get(), EVP_sha256(), nullptr,
                      OCSP_NOCERTS | OCSP_NOTIME) != 1) {
    return {};
  }
  const ResponsePtr anew(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
  return anew ? ToDer(anew.get(), i2d_OCSP_RESPONSE) : std::string();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  fuzz::AsItComesAndSignedAnew(
      data, size, [](std::string_view der) { Exercise(world, der); },
      [](std::string_view der) { return SignedAnew(world, der); });
  return 0;
}
