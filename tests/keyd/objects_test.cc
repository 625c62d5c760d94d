// SPEC B11: what signetd may make of the token's objects through signet-keyd, and what even it may
// not. ABUSE 68.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "hsm/module.h"
#include "tests/keyd/keyd_world.h"
#include "tests/keyd/raw_client.h"

namespace signet::testing {
namespace {

using hsm::wire::Attribute;
using hsm::wire::Call;
using hsm::wire::FlagAttribute;
using hsm::wire::NumberAttribute;
using hsm::wire::Reader;
using hsm::wire::Writer;
using ::testing::HasSubstr;

constexpr char kWord[] = "the manager's word";
using Attributes = std::vector<Attribute>;

std::string TemplateOctets(const Attributes& attributes) {
  std::string out;
  Writer(out).Template(attributes);
  return out;
}

std::string P256() { return std::string("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10); }

// The halves of a pair as signetd makes them.
Attributes PublicPart(const std::string& label) {
  return {FlagAttribute(CKA_TOKEN, true),
          FlagAttribute(CKA_PRIVATE, false),
          FlagAttribute(CKA_VERIFY, true),
          {CKA_LABEL, label},
          {CKA_EC_PARAMS, P256()}};
}
Attributes PrivatePart(const std::string& label) {
  return {{CKA_LABEL, label},
          FlagAttribute(CKA_TOKEN, true),
          FlagAttribute(CKA_PRIVATE, true),
          FlagAttribute(CKA_SENSITIVE, true),
          FlagAttribute(CKA_EXTRACTABLE, false),
          FlagAttribute(CKA_SIGN, true),
          FlagAttribute(CKA_SIGN_RECOVER, false),
          FlagAttribute(CKA_DECRYPT, false),
          FlagAttribute(CKA_UNWRAP, false),
          FlagAttribute(CKA_DERIVE, false)};
}
Attributes With(Attributes attributes, const Attribute& changed) {
  for (Attribute& attribute : attributes) {
    if (attribute.type == changed.type) {
      attribute = changed;
      return attributes;
    }
  }
  attributes.push_back(changed);
  return attributes;
}
Attributes Without(Attributes attributes, CK_ATTRIBUTE_TYPE type) {
  std::erase_if(attributes, [&](const Attribute& attribute) { return attribute.type == type; });
  return attributes;
}
Attributes Twice(Attributes attributes, const Attribute& other) {
  attributes.push_back(other);
  return attributes;
}

class Objects : public ::testing::Test {
 protected:
  Objects() {
    raw.emplace(world.management());
    EXPECT_EQ(raw->Greet(kWord), CKR_OK);
    const auto answer = raw->Call(Call::kOpenSession, "uu",
                                  Number(1) + Number(CKF_SERIAL_SESSION | CKF_RW_SESSION));
    session = Reader(answer.arguments).Number();
  }
  struct Pair {
    CK_RV code = CKR_OK;
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;
  };
  Pair Generate(const Attributes& private_part, CK_MECHANISM_TYPE mechanism = CKM_EC_KEY_PAIR_GEN,
                const Attributes& public_part = PublicPart("made")) {
    const auto answer = raw->Call(Call::kGenerateKeyPair, "uMaAaA",
                                  Number(session) + MechanismOctets(mechanism) +
                                      TemplateOctets(public_part) + TemplateOctets(private_part));
    Reader reader(answer.arguments);
    if (answer.error != CKR_OK) return {answer.error, 0, 0};
    return {CKR_OK, reader.Number(), reader.Number()};
  }
  CK_RV Name(CK_OBJECT_HANDLE object, const Attributes& names) {
    return raw
        ->Call(Call::kSetAttributeValue, "uuaA",
               Number(session) + Number(object) + TemplateOctets(names))
        .error;
  }
  CK_RV Destroy(CK_OBJECT_HANDLE object) {
    return raw->Call(Call::kDestroyObject, "uu", Number(session) + Number(object)).error;
  }
  RawClient::Answer Wrap(CK_OBJECT_HANDLE with, CK_OBJECT_HANDLE key,
                         CK_MECHANISM_TYPE mechanism = CKM_AES_KEY_WRAP_PAD) {
    return raw->Call(
        Call::kWrapKey, "uMuufy",
        Number(session) + MechanismOctets(mechanism) + Number(with) + Number(key) + Word(8192));
  }
  // The numbers of the objects that a search finds.
  std::vector<CK_OBJECT_HANDLE> Find(const Attributes& match) {
    raw->Call(Call::kFindObjectsInit, "uaA", Number(session) + TemplateOctets(match));
    const auto found = raw->Call(Call::kFindObjects, "ufu", Number(session) + Word(1000));
    raw->Call(Call::kFindObjectsFinal, "u", Number(session));
    Reader reader(found.arguments);
    reader.Byte();
    std::vector<CK_OBJECT_HANDLE> objects(reader.Word());
    for (CK_OBJECT_HANDLE& object : objects) object = reader.Number();
    return objects;
  }
  std::string ListToken() { return world.TokenTool({"--list-objects"}); }

  KeydWorld world;
  std::optional<RawClient> raw;
  CK_SESSION_HANDLE session = 0;
};

TEST_F(Objects, RefusesKeysThatMightLeaveOrDoMoreThanSign) {
  const std::string before = world.TokenDigest();
  const Attributes good = PrivatePart("made");
  const Attributes wrong[] = {
      With(good, FlagAttribute(CKA_EXTRACTABLE, true)),
      Without(good, CKA_EXTRACTABLE),
      With(good, FlagAttribute(CKA_SENSITIVE, false)),
      Without(good, CKA_SENSITIVE),
      With(good, FlagAttribute(CKA_PRIVATE, false)),
      With(good, FlagAttribute(CKA_TOKEN, false)),
      With(good, FlagAttribute(CKA_SIGN, false)),
      With(good, FlagAttribute(CKA_DECRYPT, true)),
      With(good, FlagAttribute(CKA_UNWRAP, true)),
      With(good, FlagAttribute(CKA_DERIVE, true)),
      With(good, FlagAttribute(CKA_SIGN_RECOVER, true)),
      Without(good, CKA_DECRYPT),
      With(good, FlagAttribute(CKA_TRUSTED, true)),
      With(good, {CKA_VALUE, std::string(32, 'v')}),
      With(good, {CKA_PRIVATE_EXPONENT, std::string(256, 'd')}),
      With(good, {CKA_PRIME_1, std::string(128, 'p')}),
      // A token may take the second of two.
      Twice(good, FlagAttribute(CKA_EXTRACTABLE, true)),
      Twice(good, FlagAttribute(CKA_SENSITIVE, false)),
      Twice(good, {CKA_EXTRACTABLE, ""}),
      {},
  };
  for (std::size_t i = 0; i < std::size(wrong); ++i)
    EXPECT_EQ(Generate(wrong[i]).code, CKR_TEMPLATE_INCONSISTENT) << i;
  for (const CK_MECHANISM_TYPE mechanism :
       {CKM_DSA_KEY_PAIR_GEN, CKM_DH_PKCS_KEY_PAIR_GEN, CKM_AES_KEY_GEN, CKM_RSA_PKCS,
        CKM_RSA_X9_31_KEY_PAIR_GEN}) {
    EXPECT_EQ(Generate(good, mechanism).code, CKR_MECHANISM_INVALID) << mechanism;
  }
  EXPECT_EQ(world.TokenDigest(), before);
  const Pair pair = Generate(good);
  EXPECT_EQ(pair.code, CKR_OK);
  EXPECT_NE(pair.private_key, pair.public_key);
  EXPECT_THAT(ListToken(), HasSubstr("Private Key Object; EC"));
}

TEST_F(Objects, NamesKeysAndChangesNothingElseOfThem) {
  const Pair pair = Generate(PrivatePart("first"));
  ASSERT_EQ(pair.code, CKR_OK);
  EXPECT_EQ(Name(pair.private_key, {{CKA_LABEL, "second"}, {CKA_ID, "an-id"}}), CKR_OK);
  EXPECT_EQ(Find({{CKA_ID, "an-id"}}), std::vector<CK_OBJECT_HANDLE>{pair.private_key});
  const std::string before = world.TokenDigest();
  for (const Attribute& other :
       {FlagAttribute(CKA_EXTRACTABLE, true), FlagAttribute(CKA_SENSITIVE, false),
        FlagAttribute(CKA_DECRYPT, true), FlagAttribute(CKA_WRAP_WITH_TRUSTED, false),
        FlagAttribute(CKA_MODIFIABLE, false), FlagAttribute(CKA_TOKEN, false),
        Attribute{CKA_VALUE, "v"}, Attribute{CKA_SUBJECT, "s"}, NumberAttribute(CKA_KEY_TYPE, 0)}) {
    EXPECT_EQ(Name(pair.private_key, {{CKA_LABEL, "third"}, other}), CKR_ATTRIBUTE_READ_ONLY)
        << other.type;
  }
  EXPECT_EQ(Name(pair.private_key + 1000, {{CKA_LABEL, "x"}}), CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(world.TokenDigest(), before);
}

TEST_F(Objects, DestroysWhatItIsToldToAndTheHandleIsDead) {
  const Pair one = Generate(PrivatePart("one")), two = Generate(PrivatePart("two"));
  EXPECT_EQ(Destroy(one.private_key), CKR_OK);
  EXPECT_EQ(Destroy(one.private_key), CKR_OBJECT_HANDLE_INVALID);
  EXPECT_EQ(Destroy(one.public_key), CKR_OK);
  EXPECT_EQ(Find({}).size(), 2u);
  EXPECT_EQ(Name(two.private_key, {{CKA_LABEL, "still"}}), CKR_OK);
  // What was made since is never met under an old handle.
  const Pair three = Generate(PrivatePart("three"));
  EXPECT_NE(three.private_key, one.private_key);
  EXPECT_EQ(Destroy(one.private_key), CKR_OBJECT_HANDLE_INVALID);
}

TEST_F(Objects, ShowsKeysAloneAndNothingSecretOfThem) {
  const std::string file = world.Path("data");
  WriteWhole(file, "something else on the token");
  world.TokenTool({"--write-object", file, "--type", "data", "--label", "data"});
  const Pair pair = Generate(PrivatePart("made"));
  EXPECT_EQ(Find({}).size(), 2u);
  const auto answer = raw->Call(Call::kGetAttributeValue, "uufA",
                                Number(session) + Number(pair.private_key) + Word(2) +
                                    Word(CKA_VALUE) + Word(1000) + Word(CKA_LABEL) + Word(100));
  Reader reader(answer.arguments);
  EXPECT_EQ(reader.Word(), 2u);
  EXPECT_EQ(reader.Word(), static_cast<std::uint32_t>(CKA_VALUE));
  EXPECT_EQ(reader.Byte(), 0u);  // not to be had
  EXPECT_EQ(answer.arguments.find(std::string("made")) != std::string::npos, true);
}

// A trusted wrapping key as the officer makes it: by the token's own module, beside signet-keyd.
class Wrapping : public Objects {
 protected:
  void MakeKek(const std::string& label, bool trusted) {
    ::setenv("SOFTHSM2_CONF", world.Path("softhsm2.conf").c_str(), 1);
    auto module = hsm::Module::Load("/usr/lib/softhsm/libsofthsm2.so");
    ASSERT_TRUE(module && module.value()->Initialize());
    CK_FUNCTION_LIST* p11 = module.value().operator->()->operator->();
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;
    ASSERT_EQ(p11->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    CK_SESSION_HANDLE own = 0;
    ASSERT_EQ(
        p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &own),
        CKR_OK);
    std::string pin = trusted ? "12345678" : kKeydPin;
    ASSERT_EQ(p11->C_Login(own, trusted ? CKU_SO : CKU_USER, reinterpret_cast<CK_BYTE*>(pin.data()),
                           pin.size()),
              CKR_OK);
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE, trust = trusted ? CK_TRUE : CK_FALSE;
    CK_ULONG size = 32;
    std::string name = label;
    CK_ATTRIBUTE attributes[] = {{CKA_TOKEN, &yes, 1},
                                 {CKA_PRIVATE, &no, 1},
                                 {CKA_SENSITIVE, &yes, 1},
                                 {CKA_WRAP, &yes, 1},
                                 {CKA_UNWRAP, &yes, 1},
                                 {CKA_ENCRYPT, &no, 1},
                                 {CKA_DECRYPT, &no, 1},
                                 {CKA_VALUE_LEN, &size, sizeof size},
                                 {CKA_LABEL, name.data(), name.size()},
                                 {CKA_TRUSTED, &trust, 1}};
    CK_MECHANISM aes{CKM_AES_KEY_GEN, nullptr, 0};
    CK_OBJECT_HANDLE made = 0;
    ASSERT_EQ(p11->C_GenerateKey(own, &aes, attributes, std::size(attributes), &made), CKR_OK);
  }
  CK_OBJECT_HANDLE Kek(const std::string& label) {
    const auto found = Find({NumberAttribute(CKA_CLASS, CKO_SECRET_KEY), {CKA_LABEL, label}});
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? 0 : found.front();
  }
  Attributes Movable(const std::string& label) {
    return With(With(PrivatePart(label), FlagAttribute(CKA_EXTRACTABLE, true)),
                FlagAttribute(CKA_WRAP_WITH_TRUSTED, true));
  }
};

TEST_F(Wrapping, LetsMovableKeysLeaveUnderATrustedKeyAndNoOther) {
  MakeKek("trusted", true);
  MakeKek("untrusted", false);
  const CK_OBJECT_HANDLE trusted = Kek("trusted"), untrusted = Kek("untrusted");
  const Pair fixed = Generate(PrivatePart("fixed")), movable = Generate(Movable("movable"));
  ASSERT_EQ(movable.code, CKR_OK);
  EXPECT_EQ(Wrap(trusted, fixed.private_key).error, CKR_KEY_NOT_WRAPPABLE);
  EXPECT_EQ(Wrap(untrusted, movable.private_key).error, CKR_WRAPPING_KEY_HANDLE_INVALID);
  EXPECT_EQ(Wrap(movable.public_key, movable.private_key).error, CKR_WRAPPING_KEY_HANDLE_INVALID);
  EXPECT_EQ(Wrap(trusted, trusted).error, CKR_KEY_NOT_WRAPPABLE);
  for (const CK_MECHANISM_TYPE other : {CKM_RSA_PKCS, CKM_AES_CBC_PAD, CKM_AES_KEY_WRAP})
    EXPECT_EQ(Wrap(trusted, movable.private_key, other).error, CKR_MECHANISM_INVALID);
  const auto wrapped = Wrap(trusted, movable.private_key);
  ASSERT_EQ(wrapped.error, CKR_OK);
  const std::string octets(Reader(wrapped.arguments).Array());
  EXPECT_GT(octets.size(), 40u);

  // And back: with the attributes of a key of ours, or not at all.
  const auto unwrap = [&](const Attributes& attributes, const std::string& what,
                          CK_MECHANISM_TYPE mechanism = CKM_AES_KEY_WRAP_PAD) {
    return raw->Call(Call::kUnwrapKey, "uMuayaA",
                     Number(session) + MechanismOctets(mechanism) + Number(trusted) + Array(what) +
                         TemplateOctets(attributes));
  };
  const Attributes back =
      With(With(PrivatePart("back"), NumberAttribute(CKA_CLASS, CKO_PRIVATE_KEY)),
           NumberAttribute(CKA_KEY_TYPE, CKK_EC));
  EXPECT_EQ(unwrap(With(back, FlagAttribute(CKA_EXTRACTABLE, true)), octets).error,
            CKR_TEMPLATE_INCONSISTENT);
  EXPECT_EQ(unwrap(With(back, FlagAttribute(CKA_SENSITIVE, false)), octets).error,
            CKR_TEMPLATE_INCONSISTENT);
  EXPECT_EQ(unwrap(back, octets, CKM_AES_CBC_PAD).error, CKR_MECHANISM_INVALID);
  std::string damaged = octets;
  damaged[10] = static_cast<char>(damaged[10] ^ 1);
  EXPECT_NE(unwrap(back, damaged).error, CKR_OK);
  const auto unwrapped = unwrap(back, octets);
  ASSERT_EQ(unwrapped.error, CKR_OK);
  const CK_OBJECT_HANDLE came = Reader(unwrapped.arguments).Number();
  EXPECT_EQ(Find({{CKA_LABEL, "back"}}), std::vector<CK_OBJECT_HANDLE>{came});
}

TEST_F(Objects, AHandleOutlivesTheTokensOwnAsLongAsItsKeyHasAnId) {
  const Pair pair = Generate(PrivatePart("made"));
  ASSERT_EQ(Name(pair.private_key, {{CKA_ID, "an-id"}}), CKR_OK);
  const Pair nameless = Generate(PrivatePart("nameless"));
  // The token goes and comes back: all of its own handles are new.
  std::filesystem::rename(world.Path("tokens"), world.Path("away"));
  EXPECT_TRUE(world.WaitState(hsm::TokenState::kFailed, 10));
  std::filesystem::rename(world.Path("away"), world.Path("tokens"));
  EXPECT_TRUE(world.WaitState(hsm::TokenState::kOperational, 15));
  EXPECT_EQ(Name(pair.private_key, {{CKA_LABEL, "again"}}), CKR_OK);
  EXPECT_EQ(Name(nameless.private_key, {{CKA_LABEL, "gone"}}), CKR_OBJECT_HANDLE_INVALID);
  // And a successor has them too.
  world.Replace();
  EXPECT_EQ(Name(pair.private_key, {{CKA_LABEL, "and again"}}), CKR_OK);
  EXPECT_THAT(ListToken(), HasSubstr("and again"));
}

}  // namespace
}  // namespace signet::testing
