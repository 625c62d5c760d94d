// Keys: how they are made, read back, named, proved and destroyed, seen by foreign tools.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "hsm/key_text.h"
#include "hsm/module.h"
#include "hsm/objects.h"
#include "platform/encoding.h"
#include "tests/support/soft_token.h"

namespace signet::hsm {
namespace {

using ::signet::testing::OpenToken;
using ::signet::testing::Shell;
using ::signet::testing::WriteFile;
using ::testing::HasSubstr;

constexpr KeySpec kSpecs[] = {{KeyAlgorithm::kRsa, 2048}, {KeyAlgorithm::kRsa, 3072},
                              {KeyAlgorithm::kRsa, 4096}, {KeyAlgorithm::kEc, 256},
                              {KeyAlgorithm::kEc, 384},   {KeyAlgorithm::kEc, 521}};
constexpr KeySpec kP256{KeyAlgorithm::kEc, 256};
constexpr KeySpec kRsa2048{KeyAlgorithm::kRsa, 2048};

EvpPkeyPtr FromSpki(const std::string& spki) {
  const auto* cursor = reinterpret_cast<const unsigned char*>(spki.data());
  return EvpPkeyPtr(d2i_PUBKEY(nullptr, &cursor, static_cast<long>(spki.size())));
}

bool Verifies(const std::string& spki, SignScheme scheme, HashAlgorithm hash,
              const std::string& message, const std::string& signature) {
  const EvpPkeyPtr key = FromSpki(spki);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* inner = nullptr;
  bool ok = EVP_DigestVerifyInit_ex(context, &inner, std::string(ToString(hash)).c_str(), nullptr,
                                    nullptr, key.get(), nullptr) == 1;
  if (ok && scheme == SignScheme::kRsaPss) {
    ok = EVP_PKEY_CTX_set_rsa_padding(inner, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(inner, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  ok = ok &&
       EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()),
                        signature.size(), reinterpret_cast<const unsigned char*>(message.data()),
                        message.size()) == 1;
  EVP_MD_CTX_free(context);
  return ok;
}

std::string Hash(HashAlgorithm hash, const std::string& message) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(message.data(), message.size(), digest, &size,
             EVP_get_digestbyname(std::string(ToString(hash)).c_str()), nullptr);
  return {reinterpret_cast<char*>(digest), size};
}

std::size_t ObjectCount(const OpenToken& open) {
  const auto ran = open.soft.Pkcs11Tool("--list-objects");
  std::size_t count = 0;
  for (std::size_t at = 0; (at = ran.out.find(" Object;", at)) != std::string::npos; ++at) ++count;
  return count;
}

class Keys : public ::testing::Test {
 protected:
  Keys() {
    open.Open();
    EXPECT_EQ(open.owner->Info().state, TokenState::kOperational) << open.owner->Info().reason;
  }
  GeneratedKey Make(const std::string& label, const KeySpec& spec,
                    KeyPolicy policy = KeyPolicy::kFixed) {
    auto key = open.token().Generate(label, spec, policy);
    EXPECT_TRUE(key) << key.error().ToString();
    return key ? key.value() : GeneratedKey{};
  }
  OpenToken open;
};

// SPEC C1: every key of the list is made in the token, and is what its policy says. ABUSE 68.
TEST_F(Keys, EverySpecAndPolicyIsMadeAsItsPolicySays) {
  for (const KeySpec& spec : kSpecs) {
    for (const KeyPolicy policy : {KeyPolicy::kFixed, KeyPolicy::kMovable, KeyPolicy::kBackup}) {
      if (spec.bits == 4096 && policy != KeyPolicy::kFixed) continue;  // seconds each
      const std::string label = std::string(ToString(policy)) + "-" + std::to_string(spec.bits);
      const GeneratedKey key = Make(label, spec, policy);
      EXPECT_EQ(key.spec, spec);
      // pkcs11-tool lists all keys, whatever --id says: the paragraph of this one.
      auto shown = open.soft.Pkcs11Tool("--list-objects --type privkey");
      shown.out = shown.out.substr(shown.out.find("label:      " + label + "\n"));
      shown.out = shown.out.substr(0, shown.out.find("Private Key", 1));
      EXPECT_THAT(shown.out, HasSubstr("ID:         " + key.id));
      EXPECT_THAT(shown.out, HasSubstr("label:      " + label));
      EXPECT_THAT(shown.out, HasSubstr("Usage:      sign\n"));
      EXPECT_THAT(shown.out, HasSubstr("sensitive, always sensitive"));
      EXPECT_THAT(shown.out, HasSubstr("local"));
      const bool fixed = policy == KeyPolicy::kFixed;
      const bool says_never = shown.out.find("never extractable") != std::string::npos;
      EXPECT_EQ(says_never, fixed) << shown.out;
      auto listed = open.token().List();
      ASSERT_TRUE(listed);
      const auto found = std::find_if(listed.value().begin(), listed.value().end(),
                                      [&](const TokenKey& k) { return k.id == key.id; });
      ASSERT_NE(found, listed.value().end());
      EXPECT_EQ(found->label, label);
      EXPECT_TRUE(found->known_spec && found->sensitive && found->always_sensitive && found->local);
      EXPECT_EQ(found->spec, spec);
      EXPECT_EQ(found->extractable, !fixed);
      EXPECT_EQ(found->never_extractable, fixed);
      EXPECT_EQ(found->wrap_with_trusted, !fixed);
    }
  }
}

TEST_F(Keys, IdIsTheSkiThatOpensslComputes) {
  for (const KeySpec& spec : {kRsa2048, kP256}) {
    const GeneratedKey key = Make("ski-" + std::to_string(spec.bits), spec);
    const std::string file = open.soft.dir() / "key.der";
    WriteFile(file, key.spki);
    // The certificate's own SKI extension, made by the openssl CLI for this public key.
    const auto ran = Shell(
        "cd " + open.soft.dir().path() +
        " && openssl pkey -pubin -inform DER -in key.der -out key.pem"
        " && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=ca -out ca.pem 2>&1"
        " && openssl req -new -key ca.key -subj /CN=x -out x.csr"
        " && printf 'subjectKeyIdentifier=hash\\n' > ext"
        " && openssl x509 -req -in x.csr -force_pubkey key.pem -CA ca.pem -CAkey ca.key"
        " -extfile ext -out x.pem 2>&1"
        " && openssl x509 -in x.pem -noout -ext subjectKeyIdentifier");
    std::string wanted;
    for (std::size_t i = 0; i < key.id.size(); ++i) {
      if (i > 0 && i % 2 == 0) wanted += ':';
      wanted += static_cast<char>(std::toupper(key.id[i]));
    }
    EXPECT_THAT(ran.out, HasSubstr(wanted));
  }
}

TEST_F(Keys, EverySchemeAndHashVerifiesWithOpenssl) {
  const std::string message = "what is signed";
  for (const KeySpec& spec : kSpecs) {
    if (spec.bits == 4096) continue;
    const GeneratedKey key = Make("k" + std::to_string(spec.bits), spec);
    const bool ec = spec.algorithm == KeyAlgorithm::kEc;
    for (const HashAlgorithm hash :
         {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
      for (const SignScheme scheme :
           {SignScheme::kRsaPkcs1, SignScheme::kRsaPss, SignScheme::kEcdsa}) {
        auto signature = open.token().SignDigest(key.id, scheme, hash, Hash(hash, message));
        if (ec != (scheme == SignScheme::kEcdsa)) {
          ASSERT_FALSE(signature);
          EXPECT_EQ(signature.error().word, "SCHEME_MISMATCH");
          continue;
        }
        ASSERT_TRUE(signature) << signature.error().ToString();
        EXPECT_TRUE(Verifies(key.spki, scheme, hash, message, signature.value()))
            << ToString(spec) << ToString(scheme) << ToString(hash);
        EXPECT_FALSE(Verifies(key.spki, scheme, hash, "another", signature.value()));
      }
    }
  }
}

TEST_F(Keys, DigestOfTheWrongLengthIsRefused) {
  const GeneratedKey key = Make("k", kP256);
  auto signature =
      open.token().SignDigest(key.id, SignScheme::kEcdsa, HashAlgorithm::kSha256, "short");
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error().word, "DIGEST_LENGTH");
}

// ABUSE 63.
TEST_F(Keys, LabelIsTakenOnce) {
  Make("same", kP256);
  const std::size_t before = ObjectCount(open);
  auto again = open.token().Generate("same", kP256, KeyPolicy::kFixed);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().word, "KEY_LABEL_TAKEN");
  EXPECT_EQ(again.error().kind, Kind::kConflict);
  EXPECT_EQ(ObjectCount(open), before);
}

// ABUSE 57, 63.
TEST_F(Keys, BadLabelsAndSpecsMakeNothing) {
  for (const std::string& label : {std::string(), std::string("a b"), std::string("x\n"),
                                   std::string(200, 'a'), std::string("\xe2\x80\xae")}) {
    auto key = open.token().Generate(label, kP256, KeyPolicy::kFixed);
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().word, "KEY_LABEL_INVALID");
  }
  for (const KeySpec& spec : {KeySpec{KeyAlgorithm::kRsa, 1024}, KeySpec{KeyAlgorithm::kEc, 192}}) {
    auto key = open.token().Generate("weak", spec, KeyPolicy::kFixed);
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().word, "KEY_SPEC_INVALID");
  }
  EXPECT_EQ(ObjectCount(open), 0u);
}

TEST_F(Keys, DestroyTakesBothHalvesAndAbsentIsSuccess) {
  const GeneratedKey key = Make("gone", kP256);
  EXPECT_EQ(ObjectCount(open), 2u);
  ASSERT_TRUE(open.token().Destroy(key.id));
  EXPECT_EQ(ObjectCount(open), 0u);
  EXPECT_TRUE(open.token().Destroy(key.id));
  EXPECT_TRUE(open.token().DestroyLabelled("gone"));
  auto signature = open.token().SignDigest(key.id, SignScheme::kEcdsa, HashAlgorithm::kSha256,
                                           std::string(32, 'x'));
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error().word, "KEY_NOT_FOUND");
}

TEST_F(Keys, DestroyLabelledFindsAPairWithoutId) {
  ASSERT_TRUE(open.soft.Pkcs11Tool("--keypairgen --key-type EC:prime256v1 --label half").ok);
  EXPECT_EQ(ObjectCount(open), 2u);
  ASSERT_TRUE(open.token().DestroyLabelled("half"));
  EXPECT_EQ(ObjectCount(open), 0u);
}

TEST_F(Keys, EvpKeySignsAndOlderOnesSurviveNewKeys) {
  const GeneratedKey first = Make("first", kRsa2048);
  auto evp = open.token().Evp(first.id);
  ASSERT_TRUE(evp) << evp.error().ToString();
  const GeneratedKey second = Make("second", kP256);
  auto other = open.token().Evp(second.id);
  ASSERT_TRUE(other) << other.error().ToString();
  const auto sign = [](EVP_PKEY* key, const std::string& message) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::string signature(1024, '\0');
    std::size_t size = signature.size();
    const bool ok =
        EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key) == 1 &&
        EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
    EVP_MD_CTX_free(context);
    signature.resize(ok ? size : 0);
    return signature;
  };
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(Verifies(first.spki, SignScheme::kRsaPkcs1, HashAlgorithm::kSha256, "m",
                         sign(evp.value().get(), "m")));
    EXPECT_TRUE(Verifies(second.spki, SignScheme::kEcdsa, HashAlgorithm::kSha256, "m",
                         sign(other.value().get(), "m")));
    const GeneratedKey more = Make("more" + std::to_string(round), kP256);
    ASSERT_TRUE(open.token().Evp(more.id));
    ASSERT_TRUE(open.token().Destroy(more.id));
    auto gone = open.token().Evp(more.id);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().word, "KEY_NOT_FOUND");
  }
}

TEST_F(Keys, PublicKeyIsTheSpki) {
  const GeneratedKey key = Make("pub", kP256);
  auto spki = open.token().PublicKey(key.id);
  ASSERT_TRUE(spki);
  EXPECT_EQ(spki.value(), key.spki);
}

TEST_F(Keys, TwoPrivateKeysWithOneIdAreAmbiguous) {
  ASSERT_TRUE(open.soft.Pkcs11Tool("--keypairgen --key-type EC:prime256v1 --id 0badcafe").ok);
  ASSERT_TRUE(open.soft.Pkcs11Tool("--keypairgen --key-type EC:prime256v1 --id 0badcafe").ok);
  auto signature = open.token().SignDigest("0badcafe", SignScheme::kEcdsa, HashAlgorithm::kSha256,
                                           std::string(32, 'x'));
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error().word, "KEY_ID_AMBIGUOUS");
  EXPECT_EQ(open.token().Destroy("0badcafe").error().word, "KEY_ID_AMBIGUOUS");
}

// What a kill in the middle of C_GenerateKeyPair leaves on SoftHSM: an object that says neither
// what it is called nor where it comes from.
TEST_F(Keys, UnfinishedObjectsGoAndAllOthersStay) {
  const GeneratedKey kept = Make("kept", kP256);
  auto module = Module::Load(testing::kSoftHsm).value();
  module->Abandon();  // it is initialised for the token's owner too
  CK_SLOT_ID slot = 0;
  CK_ULONG slots = 1;
  ASSERT_EQ((*module)->C_GetSlotList(CK_TRUE, nullptr, &slots), CKR_OK);
  std::vector<CK_SLOT_ID> all(slots);
  ASSERT_EQ((*module)->C_GetSlotList(CK_TRUE, all.data(), &slots), CKR_OK);
  slot = all.front();  // the last one is the free slot
  CK_SESSION_HANDLE session = 0;
  ASSERT_EQ((*module)->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr,
                                     &session),
            CKR_OK);
  const std::string curve = HexDecode("06082a8648ce3d030107").value();
  const std::string point =
      HexDecode("0441" + HexEncode(kept.spki.substr(kept.spki.size() - 65))).value();
  const auto make = [&](const std::string& label) {
    Template parts;
    parts.Number(CKA_CLASS, CKO_PUBLIC_KEY).Number(CKA_KEY_TYPE, CKK_EC).Flag(CKA_TOKEN, false);
    parts.Bytes(CKA_EC_PARAMS, curve).Bytes(CKA_EC_POINT, point);
    if (!label.empty()) parts.Bytes(CKA_LABEL, label);
    CK_OBJECT_HANDLE object = 0;
    EXPECT_EQ((*module)->C_CreateObject(session, parts.data(), parts.size(), &object), CKR_OK);
    return object;
  };
  const auto there = [&](CK_OBJECT_HANDLE object) {
    CK_ULONG size = 0;
    return (*module)->C_GetObjectSize(session, object, &size) == CKR_OK;
  };
  const CK_OBJECT_HANDLE unfinished = make("");
  const CK_OBJECT_HANDLE named = make("somebody's");
  ASSERT_TRUE(open.token().DestroyUnfinished());
  EXPECT_FALSE(there(unfinished));
  EXPECT_TRUE(there(named));
  EXPECT_TRUE(open.token().PublicKey(kept.id));
}

TEST_F(Keys, NonsenseIdsAreUsageErrors) {
  EXPECT_EQ(open.token().PublicKey("zz").error().word, "KEY_ID_INVALID");
  EXPECT_EQ(open.token().Destroy("").error().word, "KEY_ID_INVALID");
}

TEST(KeyText, WordsGoThereAndBack) {
  for (const KeySpec& spec : kSpecs) EXPECT_EQ(ParseKeySpec(ToString(spec)).value(), spec);
  EXPECT_EQ(ToString(KeySpec{KeyAlgorithm::kEc, 521}), "ec:P-521");
  const auto bad = ParseKeySpec("rsa:1024");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().word, "KEY_SPEC_INVALID");
  EXPECT_THAT(bad.error().remedy, HasSubstr("rsa:3072"));
}

}  // namespace
}  // namespace signet::hsm
