// PIN, throttle, URI and states.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fault_plan.h"
#include "tests/support/soft_token.h"

namespace signet::hsm {
namespace {

using ::signet::testing::FaultPlanFile;
using ::signet::testing::kPin;
using ::signet::testing::kSoftHsm;
using ::signet::testing::OpenToken;
using ::signet::testing::WriteFile;
using ::testing::HasSubstr;

class HandClock final : public Clock {
 public:
  WallTime Now() const override { return now; }
  SteadyTime Steady() const override { return {}; }
  std::unique_ptr<Timer> After(Duration, std::function<void()>) override { return nullptr; }
  WallTime now{std::chrono::seconds(1'800'000'000)};
};

class Login : public ::testing::Test {
 protected:
  Login() : open(SIGNET_FAULTY_P11), plan(open.soft.dir()) {
    auto hand = std::make_unique<HandClock>();
    clock = hand.get();
    open.clock = std::move(hand);
  }
  void Pin(const std::string& pin) { WriteFile(open.soft.dir() / "pin", pin); }
  TokenInfo OpenAndLook() {
    open.owner.reset();
    open.Open();
    return open.owner->Info();
  }
  void Pass(int seconds) { clock->now += std::chrono::seconds(seconds); }

  OpenToken open;
  FaultPlanFile plan;
  HandClock* clock;
};

TEST_F(Login, PinFromItsFileMakesItOperational) {
  const TokenInfo info = OpenAndLook();
  EXPECT_EQ(info.state, TokenState::kOperational) << info.reason;
  EXPECT_EQ(info.label, "signet-test");
  EXPECT_EQ(info.model, "SoftHSM v2");
  EXPECT_FALSE(info.serial.empty());
  EXPECT_THAT(info.library, HasSubstr("libfaulty_p11.so"));
  EXPECT_TRUE(info.reason.empty());
}

TEST_F(Login, WithoutASourceItWaitsForUnlock) {
  open.config.pin_source.clear();
  EXPECT_EQ(OpenAndLook().state, TokenState::kLocked);
  EXPECT_EQ(open.token().List().error().word, "TOKEN_LOCKED");
  EXPECT_TRUE(open.owner->Unlock(Secret(kPin)));
  EXPECT_EQ(open.owner->Info().state, TokenState::kOperational);
  EXPECT_TRUE(open.token().List());
  EXPECT_EQ(open.owner->Unlock(Secret(kPin)).error().word, "TOKEN_ALREADY_UNLOCKED");
}

TEST_F(Login, WrongPinOfTheSourceIsNeverTriedAgain) {
  Pin("wrong-pin");
  EXPECT_EQ(OpenAndLook().state, TokenState::kLocked);
  EXPECT_EQ(plan.Calls("C_Login"), 1);
  for (int i = 0; i < 5; ++i) {
    static_cast<void>(open.owner->Probe().has_value());
    EXPECT_FALSE(open.token().List());
  }
  Pass(100000);
  for (int i = 0; i < 3; ++i) {  // nor by a restart, however late
    const TokenInfo info = OpenAndLook();
    EXPECT_EQ(info.state, TokenState::kLocked);
    EXPECT_EQ(info.failed_logins, 1u);
  }
  EXPECT_EQ(plan.Calls("C_Login"), 1);
  EXPECT_TRUE(open.owner->Unlock(Secret(kPin)));
  EXPECT_EQ(open.owner->Info().failed_logins, 0u);
  EXPECT_EQ(open.throttle.entry.failures, 0u);
}

TEST_F(Login, ThrottleDoublesAndSurvivesARestart) {
  open.config.pin_source.clear();
  OpenAndLook();
  std::int64_t wanted = 1;
  for (int i = 0; i < 12; ++i) {
    auto refused = open.owner->Unlock(Secret("wrong-pin"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().word, "PIN_INCORRECT");
    EXPECT_EQ(refused.error().kind, Kind::kTokenLocked);
    EXPECT_EQ(OpenAndLook().next_login_in_s, std::min<std::int64_t>(wanted, 900));
    const int logins = plan.Calls("C_Login");
    EXPECT_EQ(open.owner->Unlock(Secret(kPin)).error().word, "PIN_THROTTLED");
    EXPECT_EQ(plan.Calls("C_Login"), logins);
    Pass(static_cast<int>(std::min<std::int64_t>(wanted, 900)));
    wanted *= 2;
  }
  EXPECT_TRUE(open.owner->Unlock(Secret(kPin)));
}

TEST_F(Login, ClockThatStepsBackDoesNotLengthenTheWait) {
  open.config.pin_source.clear();
  OpenAndLook();
  EXPECT_FALSE(open.owner->Unlock(Secret("wrong-pin")));
  Pass(-100000);
  EXPECT_EQ(open.owner->Info().next_login_in_s, 1);
}

TEST_F(Login, FinalTryAndLockedFlagsForbidALogin) {
  for (const auto& [flag, word] :
       {std::pair{"0x20000", "PIN_FINAL_TRY"}, std::pair{"0x40000", "PIN_LOCKED"}}) {
    plan.Set(std::string("C_GetTokenInfo every flags:") + flag + "\n");
    EXPECT_EQ(OpenAndLook().state, TokenState::kLocked);
    EXPECT_EQ(open.owner->Unlock(Secret(kPin)).error().word, word);
  }
  EXPECT_EQ(plan.Calls("C_Login"), 0);
  EXPECT_EQ(open.owner->Info().failed_logins, 0u);
}

// ABUSE 106.
TEST_F(Login, UnsafePinFilesAreRefused) {
  const std::string pin = open.soft.dir() / "pin";
  ::chmod(pin.c_str(), 0644);
  EXPECT_EQ(OpenAndLook().state, TokenState::kLocked);
  ::chmod(pin.c_str(), 0602);
  EXPECT_EQ(OpenAndLook().state, TokenState::kLocked);
  ::chmod(pin.c_str(), 0600);
  const std::string link = open.soft.dir() / "link";
  ASSERT_EQ(::symlink(pin.c_str(), link.c_str()), 0);
  open.config.pin_source = "file:" + link;
  EXPECT_EQ(OpenAndLook().state, TokenState::kLocked);
  EXPECT_THAT(open.owner->Info().reason, HasSubstr("not a regular file"));
  const std::string fifo = open.soft.dir() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  open.config.pin_source = "file:" + fifo;
  EXPECT_EQ(OpenAndLook().state, TokenState::kLocked);
  open.config.pin_source = "file:" + (open.soft.dir() / "absent");
  EXPECT_EQ(OpenAndLook().state, TokenState::kLocked);
  EXPECT_EQ(plan.Calls("C_Login"), 0);
}

TEST_F(Login, EmptyAndLongPinFilesAreRefused) {
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string(300, 'x'), std::string("two\nlines\n")}) {
    Pin(content);
    EXPECT_EQ(OpenAndLook().state, TokenState::kLocked) << content.size();
  }
  EXPECT_EQ(plan.Calls("C_Login"), 0);
}

TEST_F(Login, CredentialAndDescriptorSourcesWork) {
  const std::string directory = open.soft.dir() / "credentials";
  std::filesystem::create_directory(directory);
  WriteFile(directory + "/token-pin", kPin);
  ::setenv("CREDENTIALS_DIRECTORY", directory.c_str(), 1);
  open.config.pin_source = "credential:token-pin";
  EXPECT_EQ(OpenAndLook().state, TokenState::kOperational) << open.owner->Info().reason;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], kPin, sizeof kPin - 1), static_cast<ssize_t>(sizeof kPin - 1));
  ::close(ends[1]);
  open.config.pin_source = "fd:" + std::to_string(ends[0]);
  EXPECT_EQ(OpenAndLook().state, TokenState::kOperational) << open.owner->Info().reason;
}

TEST_F(Login, BadSourcesAndUrisAreUsageErrors) {
  const auto open_with = [&](const std::string& uri, const std::string& source) {
    TokenConfig config = open.config;
    config.uri = uri;
    config.pin_source = source;
    auto owner = TokenOwner::Open(config, *open.files, *open.clock, open.throttle);
    if (!owner) return owner.error();
    const Status started = owner.value()->Start();
    return started ? Error() : started.error();
  };
  for (const char* source :
       {"1234", "file:relative", "credential:a/b", "credential:..", "fd:x", "fd:-1", "env:PIN"}) {
    EXPECT_EQ(open_with("pkcs11:token=signet-test", source).word, "PIN_SOURCE_INVALID") << source;
  }
  const std::pair<const char*, const char*> uris[] = {
      {"pkcs11:token=a?module-path=/tmp/evil.so", "module"},
      {"pkcs11:token=a?module-name=evil", "module"},
      {"pkcs11:token=a?pin-value=1234", "PIN"},
      {"pkcs11:token=a?pin-source=file:/x", "pin-source"},
      {"pkcs11:token=a;object=key", "object"},
      {"pkcs11:token=a;slot-id=3", "slot"},
      {"pkcs11:token=a;unheard=of", "not understood"},
      {"pkcs11:manufacturer=x", "neither"},
      {"pkcs11:", "neither"},
      {"http://x", "RFC 7512"},
  };
  for (const auto& [uri, why] : uris) {
    const Error error = open_with(uri, "");
    EXPECT_EQ(error.word, "TOKEN_URI_INVALID") << uri;
    EXPECT_THAT(error.detail, HasSubstr(why)) << uri;
    EXPECT_THAT(error.detail, ::testing::Not(HasSubstr("1234")));
    EXPECT_FALSE(error.remedy.empty());
  }
}

TEST_F(Login, NoTokenIsUnprovisionedAndAppearsByItself) {
  open.config.uri = "pkcs11:token=later";
  EXPECT_EQ(OpenAndLook().state, TokenState::kUnprovisioned);
  EXPECT_TRUE(open.owner->Probe());
  EXPECT_EQ(open.token().List().error().kind, Kind::kTokenFailed);
  const auto made = ::signet::testing::Shell(
      std::string("softhsm2-util --init-token --free --label later --so-pin 12345678 --pin ") +
      kPin);
  ASSERT_TRUE(made.ok) << made.out;
  EXPECT_TRUE(open.owner->Probe());
  EXPECT_EQ(open.owner->Info().state, TokenState::kOperational) << open.owner->Info().reason;
}

TEST_F(Login, UnusableModulesAreErrors) {
  for (const std::string& path : {std::string("/nonexistent.so"), std::string("relative.so"),
                                  std::string("/lib/x86_64-linux-gnu/libc.so.6")}) {
    TokenConfig config = open.config;
    config.module = path;
    auto owner = TokenOwner::Open(config, *open.files, *open.clock, open.throttle);
    ASSERT_FALSE(owner);
    EXPECT_EQ(owner.error().word, "MODULE_UNUSABLE");
  }
}

TEST_F(Login, SelfTestListsItsSteps) {
  OpenAndLook();
  auto steps = open.owner->SelfTest();
  ASSERT_TRUE(steps);
  ASSERT_EQ(steps.value().size(), 4u);
  for (const auto& step : steps.value()) EXPECT_TRUE(step.passed) << step.name << step.detail;
  plan.Set("C_GenerateRandom every CKR_0x30\n");
  steps = open.owner->SelfTest();
  ASSERT_TRUE(steps);
  EXPECT_FALSE(steps.value()[1].passed);
  EXPECT_EQ(open.owner->Info().state, TokenState::kFailed);
  plan.Clear();
  ASSERT_TRUE(open.owner->SelfTest());
  EXPECT_EQ(open.owner->Info().state, TokenState::kOperational);
}

TEST_F(Login, NewSoftHsmTokenIsMadeOnce) {
  ::signet::testing::TempDirectory dir;
  TokenConfig config;
  config.module = kSoftHsm;
  config.uri = "pkcs11:token=fresh";
  config.softhsm_config = dir / "softhsm2.conf";
  config.softhsm_tokens = dir / "tokens";
  WriteFile(dir / "pin", "pin-of-fresh");
  config.pin_source = "file:" + (dir / "pin");
  const Secret pin("pin-of-fresh");
  EXPECT_EQ(CreateSoftHsmToken(config, "fresh", Secret("123"), *open.files).error().word,
            "PIN_LENGTH");
  EXPECT_EQ(CreateSoftHsmToken(config, "a b", pin, *open.files).error().word,
            "TOKEN_LABEL_INVALID");
  auto made = CreateSoftHsmToken(config, "fresh", pin, *open.files);
  ASSERT_TRUE(made) << made.error().ToString();
  auto again = CreateSoftHsmToken(config, "fresh", pin, *open.files);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().word, "TOKEN_EXISTS");
  auto owner = TokenOwner::Open(config, *open.files, *open.clock, open.throttle);
  ASSERT_TRUE(owner && owner.value()->Start());
  EXPECT_EQ(owner.value()->Info().state, TokenState::kOperational) << owner.value()->Info().reason;
}

}  // namespace
}  // namespace signet::hsm
