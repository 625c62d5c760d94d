// ABUSE 114: a token that fails, hangs, goes or is locked, seen by services and by signetd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/keyd/keyd_world.h"
#include "tests/keyd/stock_client.h"

namespace signet::testing {
namespace {

using hsm::KeyAlgorithm;
using hsm::TokenState;
using Clock = std::chrono::steady_clock;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class KeydFaults : public ::testing::Test {
 protected:
  explicit KeydFaults(KeydOptions options = {}, bool start = true) : world(With(options), start) {
    if (!start) return;
    world.MakeKeys({{.purpose = "tomcat"}});
    client.emplace(world.keys());
    session = client->Open();
    key = client->Key(session, "tomcat");
    EXPECT_EQ(Sign(), CKR_OK);
  }
  KeydOptions With(KeydOptions options) {
    options.module = SIGNET_FAULTY_P11;
    options.environment = {{"SIGNET_FAULTY_PLAN", plan_file}, {"SIGNET_FAULTY_LOG", calls_file}};
    return options;
  }
  // By a rename: no half plan is ever read.
  void Plan(const std::string& rules) {
    WriteWhole(plan_file + ".new", rules);
    std::filesystem::rename(plan_file + ".new", plan_file);
  }
  void Clear() { std::filesystem::remove(plan_file); }
  int Calls(const std::string& function) {
    std::ifstream file(calls_file);
    int count = 0;
    for (std::string line; std::getline(file, line);) count += line == function;
    return count;
  }
  CK_RV Sign() { return client->Sign(session, key, CKM_ECDSA, std::string(32, 'd')).code; }
  // A client of its own; the code of its signature.
  CK_RV SignAnew(const std::string& label = "tomcat", CK_MECHANISM_TYPE mechanism = CKM_ECDSA) {
    const StockClient other(world.keys());
    const CK_SESSION_HANDLE own = other.Open();
    return other.Sign(own, other.Key(own, label), mechanism, std::string(32, 'd')).code;
  }
  void ExpectBalance() {
    const auto use = world.manager().Use();
    ASSERT_TRUE(use) << use.error().ToString();
    std::int64_t sum = use.value().proofs + use.value().undelivered;
    for (const hsm::UseRow& row : use.value().rows) sum += row.count;
    EXPECT_EQ(use.value().made, sum);
  }
  std::int64_t Undelivered() { return world.manager().Use().value().undelivered; }

  ScratchFolder folder;
  const std::string plan_file = folder / "plan", calls_file = folder / "calls";
  KeydWorld world;
  std::optional<StockClient> client;
  CK_SESSION_HANDLE session = 0;
  CK_OBJECT_HANDLE key = 0;
};

class KeydBegins : public KeydFaults {
 protected:
  explicit KeydBegins(KeydOptions options = {}) : KeydFaults(options, false) {}
};

class KeydWithoutPin : public KeydBegins {
 protected:
  KeydWithoutPin() : KeydBegins({.pin_file = false}) {}
};

TEST_F(KeydFaults, AnErrorOfOneSignatureIsItsClientsAnswerAndNothingElse) {
  Plan("C_Sign 1 CKR_0x30\n");
  EXPECT_EQ(Sign(), CKR_DEVICE_ERROR);
  EXPECT_EQ(Sign(), CKR_OK);
  Plan("C_SignInit 1 CKR_0x31\n");
  EXPECT_EQ(Sign(), CKR_DEVICE_MEMORY);
  EXPECT_EQ(Sign(), CKR_OK);
  EXPECT_EQ(world.manager().Info().state, TokenState::kOperational);
  ExpectBalance();
}

TEST_F(KeydFaults, SessionsThatDieAreOpenedAnewUnseen) {
  for (const char* plan : {"C_SignInit 1 close\n", "C_Sign 1 close\n", "C_Sign 1 CKR_0xb3\n"}) {
    Plan(plan);
    EXPECT_EQ(Sign(), CKR_OK) << plan;
    EXPECT_EQ(SignAnew(), CKR_OK) << plan;
  }
  ExpectBalance();
}

TEST_F(KeydFaults, ACallThatHangsIsAnsweredInTimeAndOthersAtOnce) {
  Plan("C_Sign 1 hang\n");
  const auto begin = Clock::now();
  EXPECT_EQ(Sign(), CKR_DEVICE_ERROR);
  EXPECT_GT(Since(begin), 4);
  EXPECT_LT(Since(begin), 7);
  Clear();
  EXPECT_TRUE(Within(5, [&] { return Undelivered() == 1; }));
  EXPECT_TRUE(Within(5, [&] { return Sign() == CKR_OK; }));
  // Everybody hears of it.
  Plan("C_Sign every hang\nC_GetSessionInfo every hang\n");
  std::thread other([&] { EXPECT_EQ(SignAnew(), CKR_DEVICE_ERROR); });
  other.join();
  EXPECT_TRUE(world.WaitState(TokenState::kFailed, 10));
  const auto later = Clock::now();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Sign(), CKR_DEVICE_ERROR);
  EXPECT_LT(Since(later), 1);
  EXPECT_THAT(world.manager().Info().reason, ::testing::HasSubstr("did not come back in time"));
  // And it recovers by itself. What the token signed meanwhile was for nobody.
  Clear();
  EXPECT_TRUE(world.WaitState(TokenState::kOperational, 10));
  EXPECT_TRUE(Within(5, [&] { return Sign() == CKR_OK; }));
  EXPECT_TRUE(Within(5, [&] { return Undelivered() >= 1; }));
  ExpectBalance();
}

// More calls that never come back than there are threads.
TEST_F(KeydFaults, HangsWithoutEndLeaveThreadsForTheManagerAndEverybodyElse) {
  const std::size_t threads = world.Threads();
  Plan("C_Sign every hang\n");
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> clients;
    for (int i = 0; i < 6; ++i)
      clients.emplace_back([&] { EXPECT_EQ(SignAnew(), CKR_DEVICE_ERROR); });
    for (std::thread& one : clients) one.join();
    EXPECT_TRUE(world.manager().Use());
  }
  const auto begin = Clock::now();
  EXPECT_EQ(SignAnew(), CKR_DEVICE_ERROR);
  EXPECT_LT(Since(begin), 1);
  EXPECT_TRUE(world.WaitState(TokenState::kFailed, 1));
  Clear();
  EXPECT_TRUE(world.WaitState(TokenState::kOperational, 10));
  EXPECT_TRUE(Within(5, [&] { return SignAnew() == CKR_OK; }));
  EXPECT_TRUE(Within(5, [&] { return world.Threads() <= threads; })) << world.Threads();
  ExpectBalance();
}

// Searches wait while the token makes a key, and that may take a while: no reason to call it hung.
TEST_F(KeydFaults, AKeyThatTakesLongToMakeStopsNoSignature) {
  world.MakeKeys({{.purpose = "fresh"}});
  world.Kill();  // what was taken up is forgotten
  world.Start();
  EXPECT_EQ(SignAnew(), CKR_OK);
  world.ForgetManager();
  Plan("C_GenerateKeyPair 1 delay:9000\n");
  std::thread maker([&] {
    EXPECT_TRUE(world.AnotherManager()->token().Generate("slow", {KeyAlgorithm::kEc, 256},
                                                         hsm::KeyPolicy::kFixed));
  });
  std::this_thread::sleep_for(std::chrono::seconds(1));
  std::thread fresh([&] { SignAnew("fresh"); });  // nobody used it yet: it is looked for
  for (int i = 0; i < 60; ++i) {
    const auto begin = Clock::now();
    EXPECT_EQ(SignAnew(), CKR_OK);
    EXPECT_LT(Since(begin), 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  fresh.join();
  maker.join();
  EXPECT_EQ(SignAnew("fresh"), CKR_OK);
  EXPECT_EQ(world.Log().find("did not come back"), std::string::npos);
  ExpectBalance();
}

TEST_F(KeydFaults, TokenFolderThatGoesAndComesBackIsTakenUpAgain) {
  world.MakeKeys({{.purpose = "rsa", .spec = {KeyAlgorithm::kRsa, 2048}}});
  std::filesystem::rename(world.Path("tokens"), world.Path("away"));
  EXPECT_TRUE(world.WaitState(TokenState::kFailed, 10));
  EXPECT_NE(Sign(), CKR_OK);
  EXPECT_EQ(client->Find(session).size(), 10u);  // the view is not the token's
  std::filesystem::rename(world.Path("away"), world.Path("tokens"));
  EXPECT_TRUE(world.WaitState(TokenState::kOperational, 15));
  EXPECT_EQ(Sign(), CKR_OK);
  EXPECT_EQ(SignAnew("rsa", CKM_SHA256_RSA_PKCS), CKR_OK);
  ExpectBalance();
}

TEST_F(KeydFaults, AWrongRsaSignatureNeverLeaves) {
  world.MakeKeys({{.purpose = "rsa", .spec = {KeyAlgorithm::kRsa, 2048}}});
  EXPECT_EQ(SignAnew("rsa", CKM_SHA256_RSA_PKCS), CKR_OK);
  for (const char* fault : {"corrupt", "length:1000000", "length:0"}) {
    for (const CK_MECHANISM_TYPE mechanism : {CKM_SHA256_RSA_PKCS, CKM_RSA_PKCS}) {
      Plan(std::string("C_Sign 1 ") + fault + "\n");
      EXPECT_EQ(SignAnew("rsa", mechanism), CKR_FUNCTION_FAILED) << fault;
      Clear();
      EXPECT_EQ(SignAnew("rsa", mechanism), CKR_OK);
    }
  }
  EXPECT_EQ(Undelivered(), 6);
  EXPECT_EQ(world.manager().Info().state, TokenState::kOperational);
  ExpectBalance();
}

// A token that makes wrong signatures tests itself then, and no more is asked of one that fails.
TEST_F(KeydFaults, AWrongSignatureLeadsToASelfTest) {
  world.MakeKeys({{.purpose = "rsa", .spec = {KeyAlgorithm::kRsa, 2048}}});
  Plan("C_Sign every corrupt\n");
  EXPECT_EQ(SignAnew("rsa", CKM_SHA256_RSA_PKCS), CKR_FUNCTION_FAILED);
  EXPECT_TRUE(world.WaitState(TokenState::kFailed, 10));
  EXPECT_THAT(world.manager().Info().reason, ::testing::HasSubstr("the self-test failed"));
  const int calls = Calls("C_Sign");
  EXPECT_EQ(Sign(), CKR_DEVICE_ERROR);
  EXPECT_EQ(Calls("C_Sign"), calls);
  Clear();
  const auto tested = world.manager().SelfTest();
  ASSERT_TRUE(tested) << tested.error().ToString();
  EXPECT_TRUE(world.WaitState(TokenState::kOperational, 5));
  EXPECT_EQ(SignAnew("rsa", CKM_SHA256_RSA_PKCS), CKR_OK);
}

TEST_F(KeydFaults, ItEndsAlthoughACallHangs) {
  Plan("C_Sign every hang\n");
  std::thread stuck([&] { EXPECT_NE(SignAnew(), CKR_OK); });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const auto begin = Clock::now();
  EXPECT_EQ(world.Stop(), 1);
  EXPECT_LT(Since(begin), 15);
  stuck.join();
}

// The call that hangs ends with its program; everybody else goes on.
TEST_F(KeydFaults, ASuccessorComesAlthoughACallHangs) {
  const StockClient idle(world.keys());
  const CK_SESSION_HANDLE own = idle.Open();
  const CK_OBJECT_HANDLE object = idle.Key(own, "tomcat");
  Plan("C_Sign every hang\n");
  std::thread stuck([&] { EXPECT_NE(Sign(), CKR_OK); });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  ::kill(world.pid(), SIGUSR2);
  // It is waited for, and then no longer; the successor finds a token that hangs, and waits too.
  std::this_thread::sleep_for(std::chrono::seconds(8));
  Clear();
  EXPECT_TRUE(world.WaitReady());
  stuck.join();
  EXPECT_EQ(idle.Sign(own, object, CKM_ECDSA, std::string(32, 'd')).code, CKR_OK);
}

TEST_F(KeydBegins, WithATokenThatHangsItAnswersAllTheSame) {
  for (const char* call : {"C_Initialize", "C_GetSlotList", "C_Login"}) {
    Plan(std::string(call) + " 1 hang\n");
    world.Start();  // it says that it is ready once its clients are answered
    EXPECT_EQ(world.manager().Info().state, TokenState::kFailed) << call;
    EXPECT_NE(world.manager().Info().reason, "") << call;
    const StockClient other(world.keys());
    EXPECT_TRUE(other.Served() || !IsRoot()) << call;
    Clear();
    EXPECT_TRUE(world.WaitState(TokenState::kOperational, 10)) << call;
    if (world.view.keys.empty()) world.MakeKeys({{.purpose = "tomcat"}});
    EXPECT_EQ(SignAnew(), CKR_OK) << call;
    world.ForgetManager();
    EXPECT_EQ(world.Stop(), 0) << call;
  }
}

TEST_F(KeydBegins, WithAWrongPinItTriesOnceAndNeverAgainByItself) {
  WriteWhole(world.Path("pin"), "wrong\n");
  world.Start();
  EXPECT_EQ(world.manager().Info().state, TokenState::kLocked);
  EXPECT_EQ(world.manager().Info().failed_logins, 1u);
  EXPECT_EQ(Calls("C_Login"), 1);
  EXPECT_THAT(ReadWhole(world.Path("state/throttle.json")), ::testing::HasSubstr("\"failures\":1"));
  // Not after a restart either, of any kind, even though the file is right now.
  WriteWhole(world.Path("pin"), std::string(kKeydPin) + "\n");
  world.Replace();
  EXPECT_EQ(world.Stop(), 0);
  world.Start();
  world.ForgetManager();
  std::this_thread::sleep_for(std::chrono::seconds(3));
  EXPECT_EQ(world.manager().Info().state, TokenState::kLocked);
  EXPECT_EQ(Calls("C_Login"), 1);
  // By hand, wrong once more: refused, then the throttle.
  const Status wrong = world.manager().Unlock(Secret("wrong too"));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().word, "PIN_INCORRECT");
  const Status hasty = world.manager().Unlock(Secret(kKeydPin));
  ASSERT_FALSE(hasty);
  EXPECT_EQ(hasty.error().word, "PIN_THROTTLED");
  EXPECT_EQ(Calls("C_Login"), 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  const Status right = world.manager().Unlock(Secret(kKeydPin));
  EXPECT_TRUE(right) << right.error().ToString();
  EXPECT_EQ(world.manager().Info().failed_logins, 0u);
  EXPECT_THAT(ReadWhole(world.Path("state/throttle.json")), ::testing::HasSubstr("\"failures\":0"));
}

TEST_F(KeydBegins, WithADamagedCountOfWrongPinsItDoesNotStart) {
  std::filesystem::create_directory(world.Path("state"));
  WriteWhole(world.Path("state/throttle.json"), "{\"failures\":");
  const Outcome outcome = world.RunToEnd();
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, ::testing::HasSubstr("the count of wrong PINs cannot be read"));
  EXPECT_THAT(outcome.err, ::testing::HasSubstr("remedy: Repair"));
  EXPECT_EQ(Calls("C_Login"), 0);
}

TEST_F(KeydBegins, WithATokenThatSignsWronglyNobodySigns) {
  world.Start();
  world.MakeKeys({{.purpose = "tomcat"}});
  EXPECT_EQ(world.Stop(), 0);
  world.ForgetManager();
  Plan("C_Sign every corrupt\n");
  world.Start();
  EXPECT_EQ(world.manager().Info().state, TokenState::kFailed);
  EXPECT_THAT(world.manager().Info().reason, ::testing::HasSubstr("self-test failed"));
  EXPECT_EQ(SignAnew(), CKR_DEVICE_ERROR);
  Clear();
  EXPECT_EQ(SignAnew(), CKR_DEVICE_ERROR);  // it says so itself, or is not believed
  const auto steps = world.manager().SelfTest();
  ASSERT_TRUE(steps) << steps.error().ToString();
  EXPECT_TRUE(std::all_of(steps.value().begin(), steps.value().end(),
                          [](const hsm::SelfTestStep& step) { return step.passed; }));
  EXPECT_EQ(SignAnew(), CKR_OK);
  ExpectBalance();
}

TEST_F(KeydWithoutPin, ItWaitsAndIsUnlockedAndLockedByHand) {
  world.Start();
  EXPECT_EQ(world.manager().Info().state, TokenState::kLocked);
  EXPECT_EQ(Calls("C_Login"), 0);
  ASSERT_TRUE(world.manager().Unlock(Secret(kKeydPin)));
  const Status again = world.manager().Unlock(Secret(kKeydPin));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().word, "TOKEN_ALREADY_UNLOCKED");
  world.MakeKeys({{.purpose = "tomcat"}});
  EXPECT_EQ(SignAnew(), CKR_OK);
  ASSERT_TRUE(world.manager().Lock());
  EXPECT_EQ(world.manager().Info().state, TokenState::kLocked);
  EXPECT_EQ(SignAnew(), CKR_USER_NOT_LOGGED_IN);
  // Not by time, and not by a successor.
  world.Replace();
  std::this_thread::sleep_for(std::chrono::seconds(3));
  EXPECT_TRUE(world.WaitState(TokenState::kLocked, 3));
  EXPECT_EQ(SignAnew(), CKR_USER_NOT_LOGGED_IN);
  ASSERT_TRUE(world.manager().Unlock(Secret(kKeydPin)));
  EXPECT_EQ(SignAnew(), CKR_OK);
}

// With a source of the PIN, too: a package that is updated unlocks nothing.
TEST_F(KeydFaults, ALockByHandOutlivesASuccessor) {
  ASSERT_TRUE(world.manager().Lock());
  const int logins = Calls("C_Login");
  world.Replace();
  std::this_thread::sleep_for(std::chrono::seconds(3));
  EXPECT_TRUE(world.WaitState(TokenState::kLocked, 3));
  EXPECT_EQ(Calls("C_Login"), logins);
  EXPECT_EQ(Sign(), CKR_USER_NOT_LOGGED_IN);
  ASSERT_TRUE(world.manager().Unlock(Secret(kKeydPin)));
  EXPECT_EQ(Sign(), CKR_OK);
}

TEST_F(KeydBegins, WithoutATokenItWaitsForOne) {
  std::filesystem::rename(world.Path("tokens"), world.Path("away"));
  std::filesystem::create_directory(world.Path("tokens"));
  world.Start();
  EXPECT_EQ(world.manager().Info().state, TokenState::kUnprovisioned);
  EXPECT_TRUE(StockClient(world.keys()).Served());
  std::filesystem::remove(world.Path("tokens"));
  std::filesystem::rename(world.Path("away"), world.Path("tokens"));
  EXPECT_TRUE(world.WaitState(TokenState::kOperational, 15));
  world.MakeKeys({{.purpose = "tomcat"}});
  EXPECT_EQ(SignAnew(), CKR_OK);
}

}  // namespace
}  // namespace signet::testing
