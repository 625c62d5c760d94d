// Makes the recordings anew, with the clients of this machine and the real signet-keyd:
//
//     SIGNET_RECORDINGS=tests/keyd/recordings keyd_replay_test --gtest_also_run_disabled_tests
//         --gtest_filter='*AreMadeAnew'
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "platform/json.h"
#include "tests/keyd/keyd_world.h"
#include "tests/keyd/stock_client.h"

namespace signet::testing {
namespace {

// A proxy between a client and the real signet-keyd.
class Recorder {
 public:
  Recorder(const std::string& target, const std::string& listen, const std::string& prefix) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    pid_ = Spawn({"/usr/bin/python3", "-B", std::string(KEYD_RECORDINGS) + "/record.py", listen,
                  target, prefix},
                 {}, STDIN_FILENO, ends[1], STDERR_FILENO);
    ::close(ends[1]);
    char ready = 0;
    if (::read(ends[0], &ready, 1) != 1) std::abort();
    ::close(ends[0]);
  }
  ~Recorder() {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = 0;
};

// Every call of a service, with answers of every kind.
void EveryCall(const std::string& socket) {
  const StockClient client(socket);
  CK_INFO info{};
  CK_SLOT_INFO slot_info{};
  CK_TOKEN_INFO token{};
  CK_MECHANISM_INFO mechanism_info{};
  CK_SESSION_INFO session_info{};
  client->C_GetInfo(&info);
  const CK_SLOT_ID slot = FirstSlot(client);
  CK_ULONG count = 0;
  client->C_GetSlotList(CK_FALSE, nullptr, &count);
  client->C_GetSlotInfo(slot, &slot_info);
  client->C_GetSlotInfo(slot + 5, &slot_info);
  client->C_GetTokenInfo(slot, &token);
  client->C_GetMechanismList(slot, nullptr, &count);
  std::vector<CK_MECHANISM_TYPE> mechanisms(count + 1);  // the library reads beyond the last
  client->C_GetMechanismList(slot, mechanisms.data(), &count);
  mechanisms.resize(count);
  for (const CK_MECHANISM_TYPE one : mechanisms)
    client->C_GetMechanismInfo(slot, one, &mechanism_info);
  CK_SESSION_HANDLE session = 0;
  client->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
  session = client.Open();
  const CK_SESSION_HANDLE second = client.Open();
  client->C_GetSessionInfo(session, &session_info);
  std::string pin = "0000", room(1024, '\0'), part = "part";
  CK_BYTE* octets = reinterpret_cast<CK_BYTE*>(room.data());
  client->C_Login(session, CKU_USER, reinterpret_cast<CK_BYTE*>(pin.data()), pin.size());
  client->C_Login(session, CKU_USER, nullptr, 0);
  for (const CK_OBJECT_HANDLE object : client.Find(session)) {
    for (const CK_ATTRIBUTE_TYPE type :
         {CKA_CLASS, CKA_KEY_TYPE, CKA_LABEL, CKA_ID, CKA_SIGN, CKA_SENSITIVE, CKA_MODULUS,
          CKA_EC_PARAMS, CKA_EC_POINT, CKA_VALUE, CKA_SUBJECT, CKA_SERIAL_NUMBER, CKA_MODULUS_BITS,
          CKA_START_DATE, CKA_PRIVATE_EXPONENT}) {
      client.Get(session, object, type);
    }
  }
  for (const char* label : {"tomcat", "tomcat-ECDSA"}) {
    const CK_OBJECT_HANDLE key = client.Key(session, label);
    const bool ec = std::string(label).ends_with("ECDSA");
    const CK_MECHANISM_TYPE mechanism = ec ? CKM_ECDSA : CKM_SHA256_RSA_PKCS;
    client.Sign(session, key, mechanism, std::string(32, 'd'));
    if (!ec) {
      client.Sign(session, key, CKM_RSA_PKCS_PSS, std::string(32, 'd'),
                  PssParameter(CKM_SHA256, CKG_MGF1_SHA256, 32));
      client.Sign(session, key, CKM_RSA_PKCS_PSS, std::string(32, 'd'),
                  PssParameter(CKM_SHA256, CKG_MGF1_SHA512, 32));
      client.Sign(session, key, CKM_RSA_PKCS, std::string(51, 'd'));
    }
    CK_MECHANISM native{mechanism, nullptr, 0};
    client->C_SignInit(second, &native, key);
    for (int i = 0; i < 8; ++i)
      client->C_SignUpdate(second, reinterpret_cast<CK_BYTE*>(part.data()), part.size());
    CK_ULONG size = 0;
    client->C_SignFinal(second, nullptr, &size);
    size = 3;
    client->C_SignFinal(second, octets, &size);
    size = room.size();
    client->C_SignFinal(second, octets, &size);
    client->C_SignInit(second, &native, key + 1);
  }
  client->C_Logout(session);
  client->C_CloseSession(second);
  client->C_CloseSession(second);
  client->C_CloseAllSessions(slot);
}

TEST(Recordings, DISABLED_AreMadeAnew) {
  const char* out = std::getenv("SIGNET_RECORDINGS");
  ASSERT_NE(out, nullptr);
  const std::string to = out;
  KeydWorld world;
  world.MakeKeys({{.purpose = "tomcat", .spec = {hsm::KeyAlgorithm::kRsa, 2048}},
                  {.purpose = "tomcat-ECDSA"}});
  const hsm::TokenInfo info = world.manager().Info();
  WriteWhole(to + "/view.json", ReadWhole(world.Path("state/view.json")));
  WriteWhole(to + "/token.json", json::serialize(json::object{{"label", info.label},
                                                              {"manufacturer", info.manufacturer},
                                                              {"model", info.model},
                                                              {"serial", info.serial}}) +
                                     "\n");
  WriteWhole(world.Path("digest"), std::string(32, 'd'));
  const std::string proxy = world.Path("proxy.sock");
  const Environment address = {{"P11_KIT_SERVER_ADDRESS", "unix:path=" + proxy},
                               {"PKCS11_MODULE_PATH", kClientModule}};
  const auto tool = [&](const std::string& name, std::vector<std::string> arguments) {
    const Recorder recorder(world.keys(), proxy, to + "/service-" + name);
    arguments.insert(arguments.begin(), {"pkcs11-tool", "--module", kClientModule});
    MustRun(arguments, {.environment = address});
  };
  tool("pkcs11-tool-list", {"--list-slots", "--list-mechanisms", "--list-objects"});
  tool("pkcs11-tool-ecdsa", {"--sign", "--mechanism", "ECDSA", "--id", world.Key("tomcat-ECDSA").id,
                             "-i", world.Path("digest"), "-o", world.Path("signature")});
  tool("pkcs11-tool-pss",
       {"--sign", "--mechanism", "RSA-PKCS-PSS", "--hash-algorithm", "SHA256", "--id",
        world.Key("tomcat").id, "-i", world.Path("digest"), "-o", world.Path("signature")});
  {
    const Recorder recorder(world.keys(), proxy, to + "/service-openssl-engine");
    MustRun({"openssl", "dgst", "-engine", "pkcs11", "-keyform", "engine", "-sha256", "-sign",
             "pkcs11:object=tomcat;type=private", "-out", world.Path("signature"),
             world.Path("digest")},
            {.environment = address});
  }
  {
    const Recorder recorder(world.keys(), proxy, to + "/service-java-keytool");
    WriteWhole(world.Path("java.cfg"),
               std::string("name = Signet\nlibrary = ") + kClientModule + "\nslotListIndex = 0\n");
    MustRun({"keytool", "-list", "-keystore", "NONE", "-storetype", "PKCS11", "-storepass", "0000",
             "-addprovider", "SunPKCS11", "-providerArg", world.Path("java.cfg")},
            {.environment = address});
  }
  {
    const Recorder recorder(world.keys(), proxy, to + "/service-every-call");
    EveryCall(proxy);
  }
  {
    const Recorder recorder(world.management(), proxy, to + "/management");
    auto files = MakeFileSystem();
    auto manager = hsm::TokenClient::Open(
        {kClientModule, proxy, world.credential(), "pkcs11:token=keyd-test"}, *files);
    ASSERT_TRUE(manager);
    auto key = manager.value()->token().Generate("recorded", {hsm::KeyAlgorithm::kEc, 256},
                                                 hsm::KeyPolicy::kFixed);
    ASSERT_TRUE(key);
    EXPECT_TRUE(manager.value()->token().Evp(key.value().id));
    EXPECT_TRUE(manager.value()->token().List());
    EXPECT_TRUE(manager.value()->token().SignDigest(key.value().id, hsm::SignScheme::kEcdsa,
                                                    hsm::HashAlgorithm::kSha256,
                                                    std::string(32, 'd')));
    EXPECT_TRUE(manager.value()->Use());
    EXPECT_TRUE(manager.value()->SelfTest());
    EXPECT_TRUE(manager.value()->token().Destroy(key.value().id));
  }
}

}  // namespace
}  // namespace signet::testing
