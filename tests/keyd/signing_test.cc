// SPEC A3: signatures by keys of the token through the stock client library, and nothing but
// signatures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/keyd/keyd_world.h"
#include "tests/keyd/raw_client.h"
#include "tests/keyd/stock_client.h"

namespace signet::testing {
namespace {

using hsm::KeyAlgorithm;

CK_BYTE* Bytes(std::string& text) { return reinterpret_cast<CK_BYTE*>(text.data()); }

class Signing : public ::testing::Test {
 protected:
  Signing() {
    world.MakeKeys({{"rsa", {KeyAlgorithm::kRsa, 2048}}, {"p256", {KeyAlgorithm::kEc, 256}}});
    client.emplace(world.keys());
    session = client->Open();
  }
  Signed Sign(const std::string& label, CK_MECHANISM_TYPE mechanism, const std::string& data,
              const std::string& parameter = "") {
    return client->Sign(session, client->Key(session, label), mechanism, data, parameter);
  }
  void ExpectGood(const std::string& label, CK_MECHANISM_TYPE mechanism, const std::string& data,
                  const std::string& parameter = "", CK_MECHANISM_TYPE pss = 0) {
    const Signed made = Sign(label, mechanism, data, parameter);
    EXPECT_EQ(made.code, CKR_OK) << label << " " << mechanism;
    EXPECT_TRUE(SignatureFits(world.Key(label), mechanism, data, made.signature, pss))
        << label << " " << mechanism;
  }
  KeydWorld world;
  std::optional<StockClient> client;
  CK_SESSION_HANDLE session = 0;
};

struct PssRow {
  CK_MECHANISM_TYPE mechanism, hash;
  CK_RSA_PKCS_MGF_TYPE mgf;
  CK_ULONG size;
};
constexpr PssRow kPss[] = {{CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32},
                           {CKM_SHA384_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA384, 48},
                           {CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512, 64}};

TEST_F(Signing, EveryMechanismMakesWhatOpenSslVerifies) {
  world.MakeKeys({{"rsa-3072", {KeyAlgorithm::kRsa, 3072}},
                  {"p384", {KeyAlgorithm::kEc, 384}},
                  {"p521", {KeyAlgorithm::kEc, 521}}});
  const std::string text = "a message of any length";
  for (const char* label : {"rsa", "rsa-3072"}) {
    ExpectGood(label, CKM_RSA_PKCS, std::string(51, 'i'));
    for (const CK_MECHANISM_TYPE mechanism :
         {CKM_SHA256_RSA_PKCS, CKM_SHA384_RSA_PKCS, CKM_SHA512_RSA_PKCS}) {
      ExpectGood(label, mechanism, text);
      ExpectGood(label, mechanism, "");
      ExpectGood(label, mechanism, std::string(65536, 'l'));
    }
    for (const PssRow& row : kPss) {
      for (const CK_ULONG salt : {row.size, CK_ULONG(0), CK_ULONG(20)}) {
        const std::string parameter = PssParameter(row.hash, row.mgf, salt);
        ExpectGood(label, CKM_RSA_PKCS_PSS, std::string(row.size, 'h'), parameter, row.hash);
      }
    }
  }
  for (const char* label : {"p256", "p384", "p521"}) {
    for (const std::size_t size : {20, 32, 48, 64}) {
      const std::string digest(size, 'h');
      ExpectGood(label, CKM_ECDSA, digest);
    }
  }
}

// The library of 0.24 does not know these; later ones spell the parameter out or hand over its
// octets.
TEST_F(Signing, PssThatHashesIsDoneForClientsThatKnowIt) {
  RawClient raw(world.keys());
  ASSERT_EQ(raw.Greet(), CKR_OK);
  const CK_SESSION_HANDLE own = raw.Open();
  const CK_OBJECT_HANDLE key = raw.Key(own, "rsa");
  for (const PssRow& row : kPss) {
    std::string numbers = Word(static_cast<std::uint32_t>(row.mechanism));
    numbers += Number(row.hash) + Number(row.mgf) + Number(row.size);
    const std::string octets =
        MechanismOctets(row.mechanism, PssParameter(row.hash, row.mgf, row.size));
    for (const std::string& mechanism : {numbers, octets}) {
      std::string signature;
      EXPECT_EQ(raw.Sign(own, key, mechanism, "a message", &signature), CKR_OK);
      EXPECT_TRUE(SignatureFits(world.Key("rsa"), row.mechanism, "a message", signature, row.hash));
    }
    // A hash other than that of the mechanism.
    const PssRow& other = row.hash == CKM_SHA256 ? kPss[1] : kPss[0];
    EXPECT_EQ(
        raw.Sign(own, key,
                 MechanismOctets(row.mechanism, PssParameter(other.hash, other.mgf, other.size)),
                 "a message"),
        CKR_MECHANISM_PARAM_INVALID);
  }
}

// The protocol hands raw octets over where the client does not know a mechanism's parameter, and
// other servers take them for a structure with pointers.
TEST_F(Signing, ParametersThatDoNotFitAreRefusedBeforeTheTokenSeesThem) {
  RawClient raw(world.keys());
  ASSERT_EQ(raw.Greet(), CKR_OK);
  const CK_SESSION_HANDLE own = raw.Open();
  const CK_OBJECT_HANDLE rsa = raw.Key(own, "rsa"), ec = raw.Key(own, "p256");
  const std::string digest(32, 'h');
  const auto with = [&](CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type,
                        const std::string& parameter) {
    return raw.Sign(own, key, MechanismOctets(type, parameter), digest);
  };
  const auto pss = [&](const std::string& parameter) {
    return with(rsa, CKM_RSA_PKCS_PSS, parameter);
  };
  const std::string good = PssParameter(CKM_SHA256, CKG_MGF1_SHA256, 32);
  EXPECT_EQ(pss(good), CKR_OK);
  EXPECT_EQ(pss(PssParameter(CKM_SHA_1, CKG_MGF1_SHA1, 20)), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(pss(PssParameter(CKM_SHA256, CKG_MGF1_SHA1, 32)), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(pss(PssParameter(CKM_SHA256, CKG_MGF1_SHA512, 32)), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(pss(PssParameter(CKM_SHA256, CKG_MGF1_SHA256, 223)), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(pss(PssParameter(CKM_SHA256, CKG_MGF1_SHA256, ~CK_ULONG(0))),
            CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(pss(PssParameter(0, 0, 0)), CKR_MECHANISM_PARAM_INVALID);
  for (const std::size_t size : {1, 7, 8, 16, 23, 25, 48, 4096})
    EXPECT_EQ(pss(std::string(size, '\x7f')), CKR_MECHANISM_PARAM_INVALID) << size;
  EXPECT_EQ(pss(std::string(24, '\x7f')), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(pss(""), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(with(rsa, CKM_RSA_PKCS, "parameter"), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(with(rsa, CKM_SHA256_RSA_PKCS, good), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(with(ec, CKM_ECDSA, std::string(8, '\x7f')), CKR_MECHANISM_PARAM_INVALID);
  EXPECT_EQ(pss(good), CKR_OK);
}

TEST_F(Signing, MechanismsAndDataThatDoNotFitTheKeyAreRefused) {
  const std::string digest(32, 'h');
  EXPECT_EQ(Sign("p256", CKM_RSA_PKCS, digest).code, CKR_KEY_TYPE_INCONSISTENT);
  EXPECT_EQ(Sign("rsa", CKM_ECDSA, digest).code, CKR_KEY_TYPE_INCONSISTENT);
  for (const CK_MECHANISM_TYPE other :
       {CKM_RSA_X_509, CKM_RSA_9796, CKM_SHA1_RSA_PKCS, CKM_ECDSA_SHA256, CKM_SHA256_HMAC,
        CKM_AES_CBC, CKM_SHA256, CK_MECHANISM_TYPE(0x80001234)}) {
    EXPECT_EQ(Sign("rsa", other, digest).code, CKR_MECHANISM_INVALID) << other;
  }
  EXPECT_EQ(Sign("rsa", CKM_RSA_PKCS, std::string(246, 'x')).code, CKR_DATA_LEN_RANGE);
  EXPECT_EQ(Sign("rsa", CKM_SHA256_RSA_PKCS, std::string(65537, 'x')).code, CKR_DATA_LEN_RANGE);
  EXPECT_EQ(Sign("p256", CKM_ECDSA, "short").code, CKR_DATA_LEN_RANGE);
  EXPECT_EQ(
      Sign("rsa", CKM_RSA_PKCS_PSS, "not a digest", PssParameter(CKM_SHA256, CKG_MGF1_SHA256, 32))
          .code,
      CKR_DATA_LEN_RANGE);
  const CK_OBJECT_HANDLE half = client->Key(session, "p256", CKO_PUBLIC_KEY);
  EXPECT_EQ(client->Sign(session, half, CKM_ECDSA, digest).code, CKR_KEY_FUNCTION_NOT_PERMITTED);
  const CK_OBJECT_HANDLE certificate = client->Key(session, "p256", CKO_CERTIFICATE);
  EXPECT_NE(client->Sign(session, certificate, CKM_ECDSA, digest).code, CKR_OK);
  ExpectGood("p256", CKM_ECDSA, digest);
}

TEST_F(Signing, InPartsIsTheSameAndRoomIsAskedForFirst) {
  StockClient& p11 = *client;
  CK_MECHANISM mechanism{CKM_SHA256_RSA_PKCS, nullptr, 0};
  ASSERT_EQ(p11->C_SignInit(session, &mechanism, p11.Key(session, "rsa")), CKR_OK);
  EXPECT_EQ(p11->C_SignInit(session, &mechanism, p11.Key(session, "rsa")), CKR_OPERATION_ACTIVE);
  std::string all;
  for (int i = 0; i < 20; ++i) {
    std::string part(1000, static_cast<char>('a' + i));
    EXPECT_EQ(p11->C_SignUpdate(session, Bytes(part), part.size()), CKR_OK);
    all += part;
  }
  CK_ULONG size = 0;
  EXPECT_EQ(p11->C_SignFinal(session, nullptr, &size), CKR_OK);
  EXPECT_EQ(size, 256u);
  std::string signature(256, '\0');
  size = 255;
  EXPECT_EQ(p11->C_SignFinal(session, Bytes(signature), &size), CKR_BUFFER_TOO_SMALL);
  size = signature.size();
  EXPECT_EQ(p11->C_SignFinal(session, Bytes(signature), &size), CKR_OK);
  EXPECT_TRUE(SignatureFits(world.Key("rsa"), CKM_SHA256_RSA_PKCS, all, signature));
  EXPECT_EQ(p11->C_SignFinal(session, Bytes(signature), &size), CKR_OPERATION_NOT_INITIALIZED);
  // More than may be signed ends the operation.
  ASSERT_EQ(p11->C_SignInit(session, &mechanism, p11.Key(session, "rsa")), CKR_OK);
  std::string much(60000, 'm');
  EXPECT_EQ(p11->C_SignUpdate(session, Bytes(much), much.size()), CKR_OK);
  EXPECT_EQ(p11->C_SignUpdate(session, Bytes(much), much.size()), CKR_DATA_LEN_RANGE);
  EXPECT_EQ(p11->C_SignUpdate(session, Bytes(much), 1), CKR_OPERATION_NOT_INITIALIZED);
}

TEST_F(Signing, SessionsAreIndependentAndBounded) {
  StockClient& p11 = *client;
  std::vector<CK_SESSION_HANDLE> sessions;
  CK_RV code = CKR_OK;
  while (sessions.size() < 1000) {
    CK_SESSION_HANDLE one = 0;
    code = p11->C_OpenSession(FirstSlot(p11), CKF_SERIAL_SESSION, nullptr, nullptr, &one);
    if (code != CKR_OK) break;
    sessions.push_back(one);
  }
  EXPECT_EQ(code, CKR_SESSION_COUNT);
  EXPECT_GE(sessions.size(), 100u);
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  const CK_OBJECT_HANDLE key = p11.Key(session, "p256");
  for (const CK_SESSION_HANDLE one : sessions)
    EXPECT_EQ(p11->C_SignInit(one, &mechanism, key), CKR_OK);
  std::string digest(32, 'd'), signature(64, '\0');
  for (const CK_SESSION_HANDLE one : sessions) {
    CK_ULONG size = signature.size();
    EXPECT_EQ(p11->C_Sign(one, Bytes(digest), digest.size(), Bytes(signature), &size), CKR_OK);
  }
  EXPECT_EQ(p11->C_CloseAllSessions(FirstSlot(p11)), CKR_OK);
  CK_SESSION_INFO info{};
  EXPECT_EQ(p11->C_GetSessionInfo(sessions.front(), &info), CKR_SESSION_HANDLE_INVALID);
  EXPECT_NE(p11.Open(), 0u);
}

// Every function of PKCS#11 that is not part of signing. Nothing on the token changes.
TEST_F(Signing, NothingElseIsDone) {
  StockClient& p11 = *client;
  const CK_OBJECT_HANDLE key = p11.Key(session, "rsa"),
                         half = p11.Key(session, "rsa", CKO_PUBLIC_KEY);
  const CK_SLOT_ID slot = FirstSlot(p11);
  const std::string before = world.TokenDigest();
  std::string text(64, 't'), out(4096, '\0');
  CK_BYTE* in = Bytes(text);
  CK_BYTE* room = Bytes(out);
  CK_ULONG size = out.size();
  CK_MECHANISM rsa{CKM_RSA_PKCS, nullptr, 0}, sha{CKM_SHA256, nullptr, 0},
      ec{CKM_EC_KEY_PAIR_GEN, nullptr, 0}, aes{CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_CLASS data_class = CKO_DATA;
  char label[] = "new";
  CK_ATTRIBUTE attributes[] = {{CKA_CLASS, &data_class, sizeof data_class}, {CKA_LABEL, label, 3}};
  CK_OBJECT_HANDLE made = 0, other = 0;
  const std::vector<std::pair<const char*, std::function<CK_RV()>>> calls = {
      {"C_InitToken", [&] { return p11->C_InitToken(slot, in, 8, in); }},
      {"C_InitPIN", [&] { return p11->C_InitPIN(session, in, 8); }},
      {"C_SetPIN", [&] { return p11->C_SetPIN(session, in, 8, in, 8); }},
      {"C_GetOperationState", [&] { return p11->C_GetOperationState(session, room, &size); }},
      {"C_SetOperationState", [&] { return p11->C_SetOperationState(session, in, 8, 0, 0); }},
      {"C_CreateObject", [&] { return p11->C_CreateObject(session, attributes, 2, &made); }},
      {"C_CopyObject", [&] { return p11->C_CopyObject(session, key, attributes + 1, 1, &made); }},
      {"C_DestroyObject", [&] { return p11->C_DestroyObject(session, key); }},
      {"C_GetObjectSize", [&] { return p11->C_GetObjectSize(session, key, &size); }},
      {"C_SetAttributeValue",
       [&] { return p11->C_SetAttributeValue(session, key, attributes + 1, 1); }},
      {"C_EncryptInit", [&] { return p11->C_EncryptInit(session, &rsa, half); }},
      {"C_Encrypt", [&] { return p11->C_Encrypt(session, in, 8, room, &size); }},
      {"C_EncryptUpdate", [&] { return p11->C_EncryptUpdate(session, in, 8, room, &size); }},
      {"C_EncryptFinal", [&] { return p11->C_EncryptFinal(session, room, &size); }},
      {"C_DecryptInit", [&] { return p11->C_DecryptInit(session, &rsa, key); }},
      {"C_Decrypt", [&] { return p11->C_Decrypt(session, in, 8, room, &size); }},
      {"C_DecryptUpdate", [&] { return p11->C_DecryptUpdate(session, in, 8, room, &size); }},
      {"C_DecryptFinal", [&] { return p11->C_DecryptFinal(session, room, &size); }},
      {"C_DigestInit", [&] { return p11->C_DigestInit(session, &sha); }},
      {"C_Digest", [&] { return p11->C_Digest(session, in, 8, room, &size); }},
      {"C_DigestUpdate", [&] { return p11->C_DigestUpdate(session, in, 8); }},
      {"C_DigestKey", [&] { return p11->C_DigestKey(session, key); }},
      {"C_DigestFinal", [&] { return p11->C_DigestFinal(session, room, &size); }},
      {"C_SignRecoverInit", [&] { return p11->C_SignRecoverInit(session, &rsa, key); }},
      {"C_SignRecover", [&] { return p11->C_SignRecover(session, in, 8, room, &size); }},
      {"C_VerifyInit", [&] { return p11->C_VerifyInit(session, &rsa, half); }},
      {"C_Verify", [&] { return p11->C_Verify(session, in, 8, room, 256); }},
      {"C_VerifyUpdate", [&] { return p11->C_VerifyUpdate(session, in, 8); }},
      {"C_VerifyFinal", [&] { return p11->C_VerifyFinal(session, room, 256); }},
      {"C_VerifyRecoverInit", [&] { return p11->C_VerifyRecoverInit(session, &rsa, half); }},
      {"C_VerifyRecover", [&] { return p11->C_VerifyRecover(session, in, 8, room, &size); }},
      {"C_DigestEncryptUpdate",
       [&] { return p11->C_DigestEncryptUpdate(session, in, 8, room, &size); }},
      {"C_DecryptDigestUpdate",
       [&] { return p11->C_DecryptDigestUpdate(session, in, 8, room, &size); }},
      {"C_SignEncryptUpdate",
       [&] { return p11->C_SignEncryptUpdate(session, in, 8, room, &size); }},
      {"C_DecryptVerifyUpdate",
       [&] { return p11->C_DecryptVerifyUpdate(session, in, 8, room, &size); }},
      {"C_GenerateKey", [&] { return p11->C_GenerateKey(session, &aes, attributes, 2, &made); }},
      {"C_GenerateKeyPair",
       [&] {
         return p11->C_GenerateKeyPair(session, &ec, attributes + 1, 1, attributes + 1, 1, &made,
                                       &other);
       }},
      {"C_WrapKey", [&] { return p11->C_WrapKey(session, &rsa, half, key, room, &size); }},
      {"C_UnwrapKey",
       [&] { return p11->C_UnwrapKey(session, &rsa, key, in, 64, attributes, 2, &made); }},
      {"C_DeriveKey", [&] { return p11->C_DeriveKey(session, &rsa, key, attributes, 2, &made); }},
      {"C_SeedRandom", [&] { return p11->C_SeedRandom(session, in, 8); }},
      {"C_GenerateRandom", [&] { return p11->C_GenerateRandom(session, room, 16); }},
  };
  for (const auto& [name, call] : calls) {
    size = out.size();
    EXPECT_EQ(call(), CKR_FUNCTION_NOT_SUPPORTED) << name;
  }
  EXPECT_NE(p11->C_GetFunctionStatus(session), CKR_OK);
  EXPECT_NE(p11->C_CancelFunction(session), CKR_OK);
  EXPECT_EQ(world.TokenDigest(), before);
  ExpectGood("rsa", CKM_SHA256_RSA_PKCS, "after all that");
}

}  // namespace
}  // namespace signet::testing
