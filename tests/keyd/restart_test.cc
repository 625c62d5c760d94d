// SPEC B11: signet-keyd is replaced while its clients go on, and begins again after it was killed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/keyd/keyd_world.h"
#include "tests/keyd/raw_client.h"
#include "tests/keyd/stock_client.h"

namespace signet::testing {
namespace {

using hsm::KeyAlgorithm;
using hsm::wire::Call;
using ::testing::HasSubstr;
using ::testing::Not;

CK_BYTE* Bytes(std::string& text) { return reinterpret_cast<CK_BYTE*>(text.data()); }

class Restart : public ::testing::Test {
 protected:
  explicit Restart(const KeydOptions& options = {}) : world(options) {
    if (!options.pin_file) {
      EXPECT_TRUE(world.manager().Unlock(Secret(kKeydPin)));
    }
    world.MakeKeys({{.purpose = "ec", .services = {"web"}},
                    {.purpose = "rsa", .spec = {KeyAlgorithm::kRsa, 2048}, .services = {"web"}}});
  }
  CK_RV Sign(const StockClient& client, CK_SESSION_HANDLE session,
             const std::string& label = "ec") {
    const CK_MECHANISM_TYPE mechanism = label == "ec" ? CKM_ECDSA : CKM_RSA_PKCS;
    return client.Sign(session, client.Key(session, label), mechanism, std::string(32, 'd')).code;
  }
  KeydWorld world;
};

class RestartWithoutPin : public Restart {
 protected:
  RestartWithoutPin() : Restart({.pin_file = false}) {}
};

class RestartAsAnotherUser : public Restart {
 protected:
  RestartAsAnotherUser() : Restart({.user = IsRoot() ? "daemon" : ""}) {}
};

TEST_F(Restart, ByASuccessorUnderLoadLosesNoCall) {
  std::atomic<bool> stop{false};
  std::atomic<int> good{0}, bad{0}, tools{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const StockClient client(world.keys());
      const CK_SESSION_HANDLE session = client.Open();
      const std::string label = i == 0 ? "rsa" : "ec";
      const CK_OBJECT_HANDLE key = client.Key(session, label);
      const CK_MECHANISM_TYPE mechanism = i == 0 ? CKM_SHA256_RSA_PKCS : CKM_ECDSA;
      const std::string data(32, 'd');
      while (!stop) {
        const Signed made = client.Sign(session, key, mechanism, data);
        const bool fits =
            made.code == CKR_OK && SignatureFits(world.Key(label), mechanism, data, made.signature);
        ++(fits ? good : bad);
      }
    });
  }
  threads.emplace_back([&] {  // comes and goes
    while (!stop) {
      const StockClient client(world.keys());
      ++(Sign(client, client.Open()) == CKR_OK ? good : bad);
    }
  });
  threads.emplace_back([&] {
    WriteWhole(world.Path("digest"), std::string(32, 'd'));
    while (!stop) {
      const Outcome ran =
          RunProgram({"pkcs11-tool", "--module", kClientModule, "--sign", "--mechanism", "ECDSA",
                      "--id", world.Key("ec").id, "--input-file", world.Path("digest"),
                      "--output-file", world.Path("signature")},
                     {.environment = {{"P11_KIT_SERVER_ADDRESS", "unix:path=" + world.keys()}}});
      EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
      ++tools;
    }
  });
  const int rounds = 8;
  double longest = 0;
  for (int i = 0; i < rounds; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const auto begin = std::chrono::steady_clock::now();
    world.Replace();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    longest = std::max(longest, took.count());
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
  EXPECT_GT(good, 200);
  EXPECT_GT(tools, 1);
  std::cout << rounds << " successors, " << good << " signatures, " << tools
            << " runs of pkcs11-tool, none lost; the longest pause " << longest << " s\n";
}

TEST_F(Restart, ByASuccessorKeepsWhatWasBegun) {
  const StockClient client(world.keys());
  const CK_SESSION_HANDLE session = client.Open(), other = client.Open();
  const CK_OBJECT_HANDLE rsa = client.Key(session, "rsa");
  CK_MECHANISM mechanism{CKM_SHA256_RSA_PKCS, nullptr, 0};
  std::string first = "first part, ", second = "second part", signature(256, '\0');
  ASSERT_EQ(client->C_SignInit(session, &mechanism, rsa), CKR_OK);
  ASSERT_EQ(client->C_SignUpdate(session, Bytes(first), first.size()), CKR_OK);
  std::string parameter = PssParameter(CKM_SHA384, CKG_MGF1_SHA384, 48);
  CK_MECHANISM pss{CKM_RSA_PKCS_PSS, parameter.data(), parameter.size()};
  ASSERT_EQ(client->C_SignInit(other, &pss, rsa), CKR_OK);
  // A search of which one object was taken.
  CK_OBJECT_HANDLE object = 0;
  CK_ULONG count = 0;
  ASSERT_EQ(client->C_FindObjectsInit(other, nullptr, 0), CKR_OK);
  ASSERT_EQ(client->C_FindObjects(other, &object, 1, &count), CKR_OK);
  ASSERT_EQ(count, 1u);
  // Half a message, an answer that nobody has read, somebody who said nothing yet.
  RawClient half(world.keys()), unread(world.keys()), silent(world.keys());
  ASSERT_EQ(half.Greet(), CKR_OK);
  ASSERT_EQ(unread.Greet(), CKR_OK);
  const std::string frame = hsm::wire::Frame(5, static_cast<std::uint32_t>(Call::kGetInfo), "", "");
  half.Send(frame.substr(0, 15));
  unread.Send(frame + frame + frame.substr(0, 3));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));

  world.Replace();
  world.Replace();

  CK_ULONG size = signature.size();
  EXPECT_EQ(client->C_SignUpdate(session, Bytes(second), second.size()), CKR_OK);
  EXPECT_EQ(client->C_SignFinal(session, Bytes(signature), &size), CKR_OK);
  EXPECT_TRUE(SignatureFits(world.Key("rsa"), CKM_SHA256_RSA_PKCS, first + second, signature));
  std::string digest(48, 'h');
  size = signature.size();
  EXPECT_EQ(client->C_Sign(other, Bytes(digest), digest.size(), Bytes(signature), &size), CKR_OK);
  EXPECT_TRUE(SignatureFits(world.Key("rsa"), CKM_RSA_PKCS_PSS, digest, signature, CKM_SHA384));
  std::size_t rest = 0;
  while (client->C_FindObjects(other, &object, 1, &count) == CKR_OK && count == 1) ++rest;
  EXPECT_EQ(rest, 9u);
  EXPECT_EQ(client->C_FindObjectsFinal(other), CKR_OK);
  EXPECT_EQ(client->C_CloseSession(other), CKR_OK);
  const CK_SESSION_HANDLE third = client.Open();
  EXPECT_NE(third, session);
  half.Send(frame.substr(15));
  EXPECT_EQ(half.ReadAnswer().value_or(RawClient::Answer{}).code, 5u);
  EXPECT_TRUE(unread.ReadAnswer().has_value());
  EXPECT_TRUE(unread.ReadAnswer().has_value());
  unread.Send(frame.substr(3));
  EXPECT_TRUE(unread.ReadAnswer().has_value());
  // Who has not said C_Initialize within its time is closed by the successor, too.
  EXPECT_TRUE(silent.Closes(12));
}

TEST_F(RestartWithoutPin, ByASuccessorKeepsThePinThatWasGivenByHand) {
  const StockClient client(world.keys());
  const CK_SESSION_HANDLE session = client.Open();
  for (int i = 0; i < 3; ++i) {
    world.Replace();
    EXPECT_EQ(Sign(client, session), CKR_OK);
  }
  EXPECT_EQ(world.manager().Info().state, hsm::TokenState::kOperational);
  // It is on no disk.
  EXPECT_NE(RunProgram({"grep", "-r", kKeydPin, world.Path("state"), world.Path("log")}).code, 0);
}

// systemd runs it as a user of its own, whose processes show others nothing of themselves.
TEST_F(RestartAsAnotherUser, ByASuccessorWorks) {
  if (!IsRoot()) GTEST_SKIP() << "becomes other users of the machine";
  std::optional<StockClient> client;
  AsUser("daemon", [&] { client.emplace(world.keys()); });
  const CK_SESSION_HANDLE session = client->Open();
  EXPECT_EQ(Sign(*client, session), CKR_OK);
  world.Replace();
  EXPECT_EQ(Sign(*client, session), CKR_OK);
  EXPECT_EQ(world.manager().Info().state, hsm::TokenState::kOperational);
}

TEST_F(Restart, BySuccessorsLeaksNothing) {
  const StockClient client(world.keys());
  const CK_SESSION_HANDLE session = client.Open();
  EXPECT_EQ(Sign(client, session), CKR_OK);
  world.Replace();
  EXPECT_EQ(Sign(client, session), CKR_OK);
  const std::size_t descriptors = world.Descriptors(), threads = world.Threads();
  const std::size_t resident = world.ResidentKib();
  for (int i = 0; i < 6; ++i) world.Replace();
  EXPECT_EQ(Sign(client, session), CKR_OK);
  EXPECT_LE(world.Descriptors(), descriptors);
  EXPECT_LE(world.Threads(), threads);
  EXPECT_LT(world.ResidentKib(), resident + 4096);
  // Several signals at once are one or several successors, and nobody is lost.
  for (int i = 0; i < 5; ++i) ::kill(world.pid(), SIGUSR2);
  EXPECT_TRUE(world.WaitReady());
  EXPECT_EQ(Sign(client, session), CKR_OK);
}

// What a package does: another file takes the program's place.
TEST_F(Restart, ByAProgramThatTookTheOldOnesPlace) {
  const std::string program = world.Path("signet-keyd");
  std::filesystem::copy_file(KeydWorld::BuiltProgram(), program);
  EXPECT_EQ(world.Stop(), 0);
  world.UseProgram(program);
  world.Start();
  const StockClient client(world.keys());
  const CK_SESSION_HANDLE session = client.Open();
  std::filesystem::copy_file(KeydWorld::BuiltProgram(), program + ".new");
  std::filesystem::rename(program + ".new", program);
  const std::string exe = "/proc/" + std::to_string(world.pid()) + "/exe";
  EXPECT_THAT(std::filesystem::read_symlink(exe).string(), HasSubstr("(deleted)"));
  world.Replace();
  EXPECT_EQ(std::filesystem::read_symlink(exe).string(), program);
  EXPECT_EQ(Sign(client, session), CKR_OK);
}

TEST_F(Restart, IsNotTriedWhereNoSuccessorCouldStart) {
  const std::string program = world.Path("signet-keyd");
  std::filesystem::copy_file(KeydWorld::BuiltProgram(), program);
  EXPECT_EQ(world.Stop(), 0);
  world.UseProgram(program);
  world.Start();
  const StockClient client(world.keys());
  const CK_SESSION_HANDLE session = client.Open();
  const auto refused = [&](const std::string& why) {
    ::kill(world.pid(), SIGUSR2);
    EXPECT_TRUE(Within(10, [&] { return world.Log().find(why) != std::string::npos; })) << why;
    EXPECT_TRUE(world.running());
    EXPECT_EQ(Sign(client, session), CKR_OK);
  };
  const std::string config = ReadWhole(world.config_file());
  WriteWhole(world.config_file(), config + "[keyd]\nno-such-key = 1\n");
  refused("cannot redefine");
  const std::string table = "[keyd]\n";
  std::string other = config;
  other.replace(other.find(table), table.size(), table + "group = \"no-such-group\"\n");
  WriteWhole(world.config_file(), other);
  refused("no-such-group");
  WriteWhole(world.config_file(), config);
  std::filesystem::rename(program, program + ".away");
  refused("FILE_NOT_FOUND");
  std::filesystem::rename(program + ".away", program);
  world.Replace();
  EXPECT_EQ(Sign(client, session), CKR_OK);
}

TEST_F(Restart, ByASuccessorOpensSocketsOfNewServices) {
  if (!IsRoot()) GTEST_SKIP() << "becomes other users of the machine";
  const std::string config = ReadWhole(world.config_file());
  AsUser("www-data", [&] { EXPECT_FALSE(StockClient(world.keys()).Served()); });
  WriteWhole(world.config_file(),
             config + "[service.web]\nuser = \"www-data\"\nsocket = \"web.sock\"\n");
  world.Replace();
  AsUser("www-data", [&] {
    const StockClient client(world.Path("web.sock"));
    EXPECT_EQ(Sign(client, client.Open()), CKR_OK);
    EXPECT_FALSE(StockClient(world.keys()).Served());
  });
  // A socket goes with its service, and with those who came by it.
  {
    std::optional<StockClient> made;
    AsUser("www-data", [&] { made.emplace(world.Path("web.sock")); });
    const StockClient& own = *made;
    const CK_SESSION_HANDLE session = own.Open();
    EXPECT_EQ(Sign(own, session), CKR_OK);
    WriteWhole(world.config_file(),
               config +
                   "[service.site]\nuser = \"www-data\"\nsocket = \"web.sock\"\n"
                   "purposes = [\"rsa\"]\n");
    world.Replace();  // the service has another name now, and another key
    EXPECT_EQ(Sign(own, session, "rsa"), CKR_OK);
    EXPECT_EQ(own.Key(session, "ec"), 0u);
    WriteWhole(world.config_file(), config);
    world.Replace();
    CK_SESSION_INFO info{};
    EXPECT_EQ(own->C_GetSessionInfo(session, &info), CKR_DEVICE_ERROR);
    EXPECT_FALSE(std::filesystem::exists(world.Path("web.sock")));
  }
  // One that cannot be opened stops nobody.
  WriteWhole(world.Path("taken.sock"), "a file");
  WriteWhole(world.config_file(),
             config + "[service.web]\nuser = \"www-data\"\nsocket = \"taken.sock\"\n");
  world.Replace();
  EXPECT_THAT(world.Log(), HasSubstr("SOCKET_PATH_UNSAFE"));
  EXPECT_TRUE(StockClient(world.keys()).Served());
}

TEST_F(Restart, AfterAKillBeginsAnewWithTheViewOfBeforeAndWithoutSignetd) {
  const StockClient old(world.keys());
  const CK_SESSION_HANDLE session = old.Open();
  EXPECT_EQ(Sign(old, session), CKR_OK);
  world.ForgetManager();
  world.Kill();
  CK_SESSION_INFO info{};
  EXPECT_EQ(old->C_GetSessionInfo(session, &info), CKR_DEVICE_ERROR);
  EXPECT_FALSE(StockClient(world.keys()).Served());
  world.Start();
  EXPECT_EQ(old->C_GetSessionInfo(session, &info), CKR_DEVICE_ERROR);  // the library gives up
  const StockClient anew(world.keys());
  EXPECT_EQ(Sign(anew, anew.Open()), CKR_OK);
  EXPECT_EQ(Sign(anew, anew.Open(), "rsa"), CKR_OK);
}

TEST_F(Restart, AfterAKillIsNoticedBySignetd) {
  auto& manager = world.manager();
  std::atomic<int> rebuilt{0};
  manager.OnRebuild([&] { return ++rebuilt > 0; });
  const auto sign = [&] {
    return manager.token().SignDigest(world.Key("ec").id, hsm::SignScheme::kEcdsa,
                                      hsm::HashAlgorithm::kSha256, std::string(32, 'd'));
  };
  EXPECT_TRUE(sign());
  const pid_t former = manager.keyd();
  EXPECT_EQ(former, world.pid());
  world.Kill();
  EXPECT_FALSE(sign());
  EXPECT_FALSE(manager.Probe());
  EXPECT_EQ(manager.Info().state, hsm::TokenState::kFailed);
  EXPECT_THAT(manager.Info().reason, HasSubstr("Start signet-keyd"));
  world.Start();
  EXPECT_TRUE(manager.Probe());
  EXPECT_EQ(manager.Info().state, hsm::TokenState::kOperational);
  EXPECT_GE(rebuilt, 1);
  EXPECT_TRUE(sign());
  EXPECT_EQ(manager.keyd(), world.pid());
  // Nor is a successor missed: what it has of the token is new.
  const int before = rebuilt;
  world.Replace();
  EXPECT_TRUE(sign());
  EXPECT_TRUE(manager.Probe());
  EXPECT_GT(rebuilt, before);
  EXPECT_TRUE(sign());
}

TEST_F(Restart, BySomebodyElseOnTheSameFolderIsRefused) {
  const Outcome second = world.RunToEnd();
  EXPECT_EQ(second.code, 5) << second.err;
  EXPECT_THAT(second.err, HasSubstr("remedy: "));
  const StockClient client(world.keys());
  EXPECT_EQ(Sign(client, client.Open()), CKR_OK);
  EXPECT_EQ(world.Stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(world.keys()));
  EXPECT_FALSE(std::filesystem::exists(world.management()));
}

// What signetd had of a process that is no more does not pile up.
TEST_F(Restart, AfterAKillLeavesNoDescriptorBehindInSignetd) {
  auto& manager = world.manager();
  const auto use = [&] {
    EXPECT_TRUE(manager.Probe());
    EXPECT_TRUE(manager.token().Evp(world.Key("ec").id, hsm::Proof::kNow));
  };
  const auto open = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  use();
  const auto before = open();
  for (int i = 0; i < 5; ++i) {
    world.Kill();
    world.Start();
    use();
  }
  EXPECT_LE(open(), before + 1);
}

// ABUSE 88.
TEST_F(Restart, OverSomethingForeignIsRefused) {
  EXPECT_EQ(world.Stop(), 0);
  WriteWhole(world.Path("elsewhere"), "somebody's file");
  std::filesystem::create_symlink(world.Path("elsewhere"), world.keys());
  EXPECT_NE(world.RunToEnd().code, 0);
  EXPECT_EQ(ReadWhole(world.Path("elsewhere")), "somebody's file");
  std::filesystem::remove(world.keys());
  WriteWhole(world.keys(), "not a socket");
  EXPECT_NE(world.RunToEnd().code, 0);
  EXPECT_EQ(ReadWhole(world.keys()), "not a socket");
  std::filesystem::remove(world.keys());
  std::filesystem::permissions(world.config_file(), std::filesystem::perms(0666));
  EXPECT_THAT(world.RunToEnd().err, HasSubstr("may be written by"));
  std::filesystem::permissions(world.config_file(), std::filesystem::perms(0600));
  world.Start();
}

TEST_F(Restart, MemoryOfFiveHundredIdleConnectionsIsSmall) {
  const std::size_t before = world.ResidentKib();
  std::vector<std::unique_ptr<StockClient>> clients;
  for (int i = 0; i < 500; ++i) {
    clients.push_back(std::make_unique<StockClient>(world.keys()));
    const CK_SESSION_HANDLE session = clients.back()->Open();
    EXPECT_EQ(Sign(*clients.back(), session), CKR_OK);
  }
  const std::size_t with = world.ResidentKib();
  std::cout << "resident: " << before << " KiB, with 500 idle connections " << with << " KiB\n";
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(with, 24u * 1024);
  EXPECT_LT(with - before, 4u * 1024);
#endif
  world.Replace();
  std::cout << "its successor: " << world.ResidentKib() << " KiB\n";
  EXPECT_EQ(Sign(*clients.front(), clients.front()->Open()), CKR_OK);
  EXPECT_EQ(Sign(*clients.back(), clients.back()->Open()), CKR_OK);
}

}  // namespace
}  // namespace signet::testing
