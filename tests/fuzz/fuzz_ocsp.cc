// An OCSP responder's octets, as they come and signed anew by the issuing CA, so that what lies
// behind the signature is reached, too. The players are those of tests/support/make_ocsp.py.
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>

#include "keystore/x509/ocsp.h"
#include "keystore/x509/openssl_ptr.h"

namespace {

using namespace signet;
using namespace signet::keystore::x509;

using ResponsePtr = std::unique_ptr<OCSP_RESPONSE, Deleter<OCSP_RESPONSE_free>>;
using BasicPtr = std::unique_ptr<OCSP_BASICRESP, Deleter<OCSP_BASICRESP_free>>;

void Require(bool condition) {
  if (!condition) std::abort();
}

std::string Read(const char* name) {
  std::ifstream in(std::string(OCSP_PLAYERS) + "/" + name, std::ios::binary);
  Require(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}
Certificate Player(const char* name) {
  auto certificate = Certificate::FromDer(Read(name));
  Require(certificate.has_value());
  return std::move(certificate).value();
}
PkeyPtr Key(const char* name) {
  const std::string pem = Read(name);
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  PkeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  Require(key != nullptr);
  return key;
}

struct World {
  Certificate leaf = Player("leaf.der"), ca = Player("ca.der"), root = Player("root.der");
  PkeyPtr key = Key("ca.key");
  OcspRules rules;
  OcspSignerRules signer;

  World() {
    rules.now = signer.now = ParseTime("2026-06-01T00:00:00Z").value();
    rules.designated = {Player("designated.der"), Player("plain.der")};
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
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  Exercise(world, octets);
  const std::string anew = SignedAnew(world, octets);
  ERR_clear_error();
  if (!anew.empty()) Exercise(world, anew);
  return 0;
}
