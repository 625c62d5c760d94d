// SPEC A3: what services see of the token and what they may do with it, through the stock client
// library and as users of the machine. ABUSE 87, 90.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "platform/encoding.h"
#include "platform/users.h"
#include "tests/keyd/keyd_world.h"
#include "tests/keyd/stock_client.h"

namespace signet::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr char kServices[] = R"(
[service.web]
user = "www-data"
[service.sip]
user = "nobody"
socket = "DIR/sip.sock"
[service.play]
group = "games"
purposes = ["board"]
)";

constexpr hsm::KeySpec kRsa{hsm::KeyAlgorithm::kRsa, 2048};

#define NEEDS_ROOT() \
  if (!IsRoot()) GTEST_SKIP() << "becomes other users of the machine"

class View : public ::testing::Test {
 protected:
  explicit View(const std::string& user = "") : world({.user = user, .services = kServices}) {
    world.MakeKeys({{.purpose = "tomcat", .services = {"web"}},
                    {.purpose = "cup", .services = {"sip"}},
                    {.purpose = "board", .services = {}}});
  }
  std::vector<std::string> Labels(const std::string& socket) {
    const StockClient client(socket);
    if (!client.Served()) return {"refused"};
    const CK_SESSION_HANDLE session = client.Open();
    std::vector<std::string> labels;
    for (const CK_OBJECT_HANDLE object : client.Find(session))
      labels.push_back(client.Label(session, object));
    return labels;
  }
  std::vector<std::string> PrivateKeys(const std::string& socket) {
    const StockClient client(socket);
    if (!client.Served()) return {"refused"};
    const CK_SESSION_HANDLE session = client.Open();
    std::vector<std::string> labels;
    for (const CK_OBJECT_HANDLE object :
         client.Find(session, {NumberValue(CKA_CLASS, CKO_PRIVATE_KEY)})) {
      labels.push_back(client.Label(session, object));
    }
    return labels;
  }
  KeydWorld world;
};

// As systemd starts services: the master is root, signet-keyd another user.
class ViewOfAnotherUser : public View {
 protected:
  ViewOfAnotherUser() : View(IsRoot() ? "daemon" : "") {}
};

TEST_F(View, OfAServicesUserIsItsOwnKeysWithCertificatesAndChains) {
  NEEDS_ROOT();
  AsUser("www-data", [&] {
    EXPECT_THAT(Labels(world.keys()),
                UnorderedElementsAre("tomcat", "tomcat", "tomcat", "tomcat-ca1", "tomcat-ca2"));
  });
  const Outcome listed =
      RunProgram({"setpriv", "--reuid", "www-data", "--regid", "www-data", "--clear-groups",
                  "pkcs11-tool", "--module", kClientModule, "--list-objects"},
                 {.environment = {{"P11_KIT_SERVER_ADDRESS", "unix:path=" + world.keys()}}});
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_THAT(listed.out, HasSubstr("Private Key Object; EC"));
  EXPECT_THAT(listed.out, HasSubstr("Public Key Object; EC  EC_POINT 256 bits"));
  EXPECT_THAT(listed.out, HasSubstr("subject:    DN: CN=tomcat"));
  EXPECT_THAT(listed.out, HasSubstr("subject:    DN: CN=Keyd Root"));
  EXPECT_THAT(listed.out, HasSubstr(world.Key("tomcat").id));
  EXPECT_THAT(listed.out, Not(HasSubstr("cup")));
}

// ABUSE 87: refused by the kernel's word before anything of theirs is read.
TEST_F(View, OtherUsersAreTurnedAwayAndLogged) {
  NEEDS_ROOT();
  AsUser("man", [&] {
    for (const std::string& socket : {world.keys(), world.Path("sip.sock"), world.management()})
      EXPECT_FALSE(StockClient(socket).Served()) << socket;
  });
  AsUser("www-data", [&] {
    EXPECT_FALSE(StockClient(world.Path("sip.sock")).Served());
    EXPECT_FALSE(StockClient(world.management()).Served());
  });
  EXPECT_TRUE(Within(5, [&] {
    return world.Log().find("refused a client: uid " + std::to_string(FindUser("man").value().uid) +
                            ", pid " + std::to_string(getpid())) != std::string::npos;
  }));
}

TEST_F(View, OnASocketOfItsOwnIsThatOfOneService) {
  NEEDS_ROOT();
  AsUser("nobody", [&] {
    EXPECT_THAT(PrivateKeys(world.Path("sip.sock")), UnorderedElementsAre("cup"));
    EXPECT_THAT(PrivateKeys(world.keys()), UnorderedElementsAre("refused"));
  });
}

// The groups of the process decide, not those that somebody with its user id had a moment ago.
TEST_F(View, OfAGroupIsForWhoRunsInItAndForNobodyElse) {
  NEEDS_ROOT();
  AsUserInGroup("man", "games",
                [&] { EXPECT_THAT(PrivateKeys(world.keys()), UnorderedElementsAre("board")); });
  AsUserInGroup("man", "man",
                [&] { EXPECT_THAT(PrivateKeys(world.keys()), UnorderedElementsAre("refused")); });
  AsUserInGroup("man", "games",
                [&] { EXPECT_THAT(PrivateKeys(world.keys()), UnorderedElementsAre("board")); });
}

TEST_F(ViewOfAnotherUser, OfRootIsThatOfTheMasterOfAServer) {
  NEEDS_ROOT();
  EXPECT_THAT(PrivateKeys(world.Path("sip.sock")), UnorderedElementsAre("cup"));
  EXPECT_THAT(PrivateKeys(world.keys()), UnorderedElementsAre("tomcat", "board"));
  // No service uses it, so nobody does.
  world.MakeKeys({{.purpose = "lonely"}});
  EXPECT_THAT(PrivateKeys(world.keys()), Not(Contains("lonely")));
  AsUser("daemon", [&] { EXPECT_THAT(PrivateKeys(world.keys()), Contains("lonely")); });
}

TEST_F(View, OfTheUserThatRunsItIsEveryKey) {
  EXPECT_THAT(PrivateKeys(world.keys()), UnorderedElementsAre("tomcat", "cup", "board"));
}

TEST_F(View, ShowsTheFormerKeyBesideTheCurrentOneAndChangesAtOnce) {
  world.MakeKeys({{.purpose = "tomcat", .services = {"web"}, .label = "tomcat-previous"}});
  EXPECT_THAT(PrivateKeys(world.keys()),
              UnorderedElementsAre("tomcat", "tomcat-previous", "cup", "board"));
  const StockClient client(world.keys());
  const CK_SESSION_HANDLE session = client.Open();
  const CK_OBJECT_HANDLE former = client.Key(session, "tomcat-previous");
  const CK_OBJECT_HANDLE current = client.Key(session, "tomcat");
  CK_MECHANISM ecdsa{CKM_ECDSA, nullptr, 0};
  ASSERT_EQ(client->C_SignInit(session, &ecdsa, former), CKR_OK);
  world.view.keys.pop_back();
  world.Show();
  // What was begun is not finished with a key that is no longer shown.
  std::string data(32, 'd'), room(64, '\0');
  CK_ULONG size = room.size();
  EXPECT_EQ(client->C_Sign(session, reinterpret_cast<CK_BYTE*>(data.data()), data.size(),
                           reinterpret_cast<CK_BYTE*>(room.data()), &size),
            CKR_KEY_HANDLE_INVALID);
  EXPECT_EQ(client.Sign(session, former, CKM_ECDSA, data).code, CKR_KEY_HANDLE_INVALID);
  EXPECT_EQ(client.Get(session, former, CKA_LABEL), std::nullopt);
  EXPECT_EQ(client.Sign(session, current, CKM_ECDSA, data).code, CKR_OK);
}

TEST_F(View, LooksAsServersExpectIt) {
  const StockClient client(world.keys());
  const CK_SLOT_ID slot = FirstSlot(client);
  CK_TOKEN_INFO token{};
  ASSERT_EQ(client->C_GetTokenInfo(slot, &token), CKR_OK);
  EXPECT_EQ(token.flags & CKF_LOGIN_REQUIRED, 0u);
  EXPECT_NE(token.flags & CKF_WRITE_PROTECTED, 0u);
  EXPECT_NE(token.flags & CKF_TOKEN_INITIALIZED, 0u);
  EXPECT_THAT(std::string(reinterpret_cast<char*>(token.label), 32), HasSubstr("keyd-test"));
  std::vector<CK_MECHANISM_TYPE> list(64);
  CK_ULONG count = list.size();
  ASSERT_EQ(client->C_GetMechanismList(slot, list.data(), &count), CKR_OK);
  list.resize(count);
  // The library of 0.24 leaves out the PSS mechanisms that hash, which it cannot hand over.
  EXPECT_THAT(list, UnorderedElementsAre(CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS, CKM_SHA384_RSA_PKCS,
                                         CKM_SHA512_RSA_PKCS, CKM_RSA_PKCS_PSS, CKM_ECDSA,
                                         CKM_SHA256, CKM_SHA384, CKM_SHA512));
  for (const CK_MECHANISM_TYPE mechanism : list) {
    CK_MECHANISM_INFO info{};
    EXPECT_EQ(client->C_GetMechanismInfo(slot, mechanism, &info), CKR_OK);
    EXPECT_NE(info.flags & (CKF_SIGN | CKF_DIGEST), 0u);
  }
  CK_MECHANISM_INFO none{};
  EXPECT_EQ(client->C_GetMechanismInfo(slot, CKM_RSA_X_509, &none), CKR_MECHANISM_INVALID);
  EXPECT_EQ(client->C_GetTokenInfo(slot + 1, &token), CKR_SLOT_ID_INVALID);
}

TEST_F(View, OfAPrivateKeyHasItsPublicPartsAndNothingElseOfIt) {
  world.MakeKeys({{.purpose = "rsa", .spec = kRsa}});
  const StockClient client(world.keys());
  const CK_SESSION_HANDLE session = client.Open();
  for (const char* label : {"rsa", "tomcat"}) {
    const CK_OBJECT_HANDLE key = client.Key(session, label);
    const auto flag = [&](CK_ATTRIBUTE_TYPE type) {
      const auto value = client.Get(session, key, type);
      return value && value->size() == 1 && value->front() == CK_TRUE;
    };
    for (const CK_ATTRIBUTE_TYPE yes : {CKA_TOKEN, CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE,
                                        CKA_NEVER_EXTRACTABLE, CKA_SIGN, CKA_LOCAL}) {
      EXPECT_TRUE(flag(yes)) << yes;
    }
    for (const CK_ATTRIBUTE_TYPE no : {CKA_PRIVATE, CKA_EXTRACTABLE, CKA_DECRYPT, CKA_UNWRAP,
                                       CKA_MODIFIABLE, CKA_ALWAYS_AUTHENTICATE}) {
      EXPECT_FALSE(flag(no)) << no;
      EXPECT_NE(client.Get(session, key, no), std::nullopt) << no;
    }
    for (const CK_ATTRIBUTE_TYPE secret :
         {CKA_VALUE, CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2,
          CKA_COEFFICIENT}) {
      CK_ATTRIBUTE wanted{secret, nullptr, 0};
      EXPECT_EQ(client->C_GetAttributeValue(session, key, &wanted, 1), CKR_ATTRIBUTE_SENSITIVE);
      EXPECT_EQ(wanted.ulValueLen, CK_UNAVAILABLE_INFORMATION);
    }
    const CK_OBJECT_HANDLE certificate = client.Key(session, label, CKO_CERTIFICATE);
    EXPECT_EQ(client.Get(session, certificate, CKA_ID), HexDecode(world.Key(label).id).value());
    EXPECT_EQ(client.Get(session, key, CKA_ID), client.Get(session, certificate, CKA_ID));
    EXPECT_EQ(client.Get(session, certificate, CKA_VALUE),
              Base64Decode(world.Key(label).certificates.front()).value());
  }
  EXPECT_EQ(client.Get(session, client.Key(session, "rsa"), CKA_MODULUS)->size(), 256u);
  EXPECT_EQ(client.Get(session, client.Key(session, "tomcat"), CKA_EC_POINT)->size(), 67u);
}

TEST_F(View, NoSessionMayWriteAndAnyPinIsTaken) {
  const StockClient client(world.keys());
  CK_SESSION_HANDLE session = 0;
  EXPECT_EQ(client->C_OpenSession(FirstSlot(client), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                                  nullptr, &session),
            CKR_TOKEN_WRITE_PROTECTED);
  session = client.Open();
  for (std::string pin : {std::string("0000"), std::string("wrong"), std::string(300, 'x')}) {
    EXPECT_EQ(
        client->C_Login(session, CKU_USER, reinterpret_cast<CK_BYTE*>(pin.data()), pin.size()),
        CKR_OK);
  }
  EXPECT_EQ(client->C_Login(session, CKU_SO, nullptr, 0), CKR_OK);
  EXPECT_EQ(client->C_Logout(session), CKR_OK);
  EXPECT_EQ(world.manager().Info().failed_logins, 0u);
  EXPECT_EQ(client.Sign(session, client.Key(session, "cup"), CKM_ECDSA, std::string(32, 'd')).code,
            CKR_OK);
}

// One client's handles and sessions mean nothing to another, though both see the same key.
TEST_F(View, HandlesAndSessionsOfOthersDoNotExist) {
  const StockClient one(world.keys()), other(world.keys());
  const CK_SESSION_HANDLE session = one.Open();
  const CK_OBJECT_HANDLE key = one.Key(session, "cup");
  ASSERT_NE(key, 0u);
  const CK_SESSION_HANDLE theirs = other.Open();
  EXPECT_EQ(other.Get(theirs, key, CKA_LABEL), std::nullopt);
  EXPECT_EQ(other.Sign(theirs, key, CKM_ECDSA, std::string(32, 'd')).code, CKR_KEY_HANDLE_INVALID);
  CK_SESSION_INFO info{};
  for (const CK_SESSION_HANDLE guess : {theirs + 1, theirs + 1000, CK_SESSION_HANDLE(0), key})
    EXPECT_EQ(other->C_GetSessionInfo(guess, &info), CKR_SESSION_HANDLE_INVALID);
  for (CK_OBJECT_HANDLE guess = 0; guess < 100; ++guess)
    EXPECT_EQ(other.Get(theirs, guess, CKA_LABEL), std::nullopt);
  // A key of another service, whose handle was seen by who may see it.
  if (!IsRoot()) return;
  AsUser("www-data", [&] {
    const StockClient web(world.keys());
    const CK_SESSION_HANDLE mine = web.Open();
    EXPECT_EQ(web.Get(mine, key, CKA_LABEL), std::nullopt);
  });
}

}  // namespace
}  // namespace signet::testing
