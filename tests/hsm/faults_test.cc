// What happens when the token misbehaves, disappears, is changed by others, or hangs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "hsm/key_text.h"
#include "tests/support/fault_plan.h"
#include "tests/support/faulty_files.h"
#include "tests/support/soft_token.h"

namespace signet::hsm {
namespace {

using ::signet::testing::FaultPlanFile;
using ::signet::testing::FaultyFileSystem;
using ::signet::testing::kSoftHsm;
using ::signet::testing::OpenToken;
using ::testing::HasSubstr;

constexpr KeySpec kP256{KeyAlgorithm::kEc, 256};
constexpr KeySpec kRsa2048{KeyAlgorithm::kRsa, 2048};

class Faults : public ::testing::Test {
 protected:
  Faults() : open(SIGNET_FAULTY_P11), plan(open.soft.dir()) {
    open.Open();
    EXPECT_EQ(open.owner->Info().state, TokenState::kOperational) << open.owner->Info().reason;
  }
  GeneratedKey Make(const std::string& label, const KeySpec& spec = kP256) {
    auto key = open.token().Generate(label, spec, KeyPolicy::kFixed);
    EXPECT_TRUE(key) << key.error().ToString();
    return key ? key.value() : GeneratedKey{};
  }
  Result<std::string> Sign(const GeneratedKey& key) {
    const SignScheme scheme =
        key.spec.algorithm == KeyAlgorithm::kEc ? SignScheme::kEcdsa : SignScheme::kRsaPkcs1;
    return open.token().SignDigest(key.id, scheme, HashAlgorithm::kSha256, std::string(32, 'd'));
  }
  std::size_t ObjectCount() const {
    const auto ran = open.soft.Pkcs11Tool("--list-objects");
    std::size_t count = 0;
    for (std::size_t at = 0; (at = ran.out.find(" Object;", at)) != std::string::npos; ++at) {
      ++count;
    }
    return count;
  }
  OpenToken open;
  FaultPlanFile plan;
};

TEST_F(Faults, KeyThatTheTokenMadeExtractableIsDestroyed) {
  for (const char* lie : {"extractable", "insensitive"}) {
    plan.Set(std::string("C_GetAttributeValue every ") + lie + "\n");
    auto key = open.token().Generate("lied", kP256, KeyPolicy::kFixed);
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().word, "KEY_ATTRIBUTES_WRONG");
    EXPECT_FALSE(key.error().remedy.empty());
    plan.Clear();
    EXPECT_EQ(ObjectCount(), 0u);
  }
}

TEST_F(Faults, FailureAtAnyCallOfGenerationLeavesNothing) {
  for (const char* function :
       {"C_GenerateKeyPair", "C_SetAttributeValue", "C_SignInit", "C_Sign", "C_FindObjectsInit",
        "C_FindObjects", "C_FindObjectsFinal", "C_GetAttributeValue"}) {
    for (const char* when : {"1", "2"}) {
      plan.Set(std::string(function) + " " + when + " CKR_0x30\n");
      auto key = open.token().Generate("broken", kP256, KeyPolicy::kFixed);
      plan.Clear();
      if (key) {
        ASSERT_TRUE(open.token().Destroy(key.value().id));  // there was no second call
      } else {
        EXPECT_EQ(key.error().origin.value, 0x30u) << function;
        EXPECT_EQ(key.error().word, "TOKEN_ERROR");
      }
      EXPECT_EQ(ObjectCount(), 0u) << function << " " << when;
    }
  }
}

TEST_F(Faults, PairWhoseAnswerWasLostIsDestroyedByItsLabel) {
  plan.Set("C_GenerateKeyPair 1 after:0x30\n");
  auto key = open.token().Generate("lost", kP256, KeyPolicy::kFixed);
  ASSERT_FALSE(key);
  plan.Clear();
  EXPECT_EQ(ObjectCount(), 0u);
}

TEST_F(Faults, SessionThatDiesInTheMiddleOfGenerationLeavesOneKeyOrNone) {
  for (const char* function : {"C_SetAttributeValue", "C_GetAttributeValue", "C_SignInit"}) {
    plan.Set(std::string(function) + " 1 close\n");
    auto key = open.token().Generate("middle", kP256, KeyPolicy::kFixed);
    plan.Clear();
    ASSERT_TRUE(key) << function << key.error().ToString();
    EXPECT_EQ(ObjectCount(), 2u) << function;
    EXPECT_TRUE(Sign(key.value()));
    ASSERT_TRUE(open.token().Destroy(key.value().id));
  }
}

TEST_F(Faults, FailedSyncIsAFailureAndLeavesNoKey) {
  FaultyFileSystem files(*open.files);
  open.owner.reset();
  auto owner = TokenOwner::Open(open.config, files, *open.clock, open.throttle);
  ASSERT_TRUE(owner && owner.value()->Start());
  files.Plan({});
  ASSERT_TRUE(owner.value()->token().Generate("synced", kP256, KeyPolicy::kFixed));
  int files_synced = 0;
  int directories_synced = 0;
  for (const std::string& call : files.Calls()) {
    files_synced += call.starts_with("sync_file");
    directories_synced += call.starts_with("sync_directory");
  }
  EXPECT_GE(files_synced, 2);  // both halves
  EXPECT_GE(directories_synced, 1);
  files.Plan({{.operation = "sync_file", .nth = 1, .error_number = EIO}});
  auto key = owner.value()->token().Generate("unsynced", kP256, KeyPolicy::kFixed);
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().word, "IO_FAILED");
  EXPECT_FALSE(key.error().remedy.empty());
  EXPECT_EQ(ObjectCount(), 2u);
}

TEST_F(Faults, WrongRsaSignatureDoesNotLeave) {
  const GeneratedKey key = Make("rsa", kRsa2048);
  plan.Set("C_Sign every corrupt\n");
  auto signature = Sign(key);
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error().word, "SIGNATURE_WRONG");
  plan.Clear();
  EXPECT_TRUE(Sign(key));
}

TEST_F(Faults, GarbageLengthsAreErrors) {
  const GeneratedKey key = Make("k");
  for (const char* length : {"1000000", "0", "18446744073709551615"}) {
    plan.Set(std::string("C_Sign every length:") + length + "\n");
    auto signature = Sign(key);
    ASSERT_FALSE(signature);
    EXPECT_EQ(signature.error().word, "SIGNATURE_WRONG");
  }
  plan.Set("C_GetAttributeValue every length:18446744073709551615\n");
  auto listed = open.token().List();
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().word, "TOKEN_ERROR");
}

TEST_F(Faults, PssIsPaddedHereWhereTheTokenCannot) {
  open.owner.reset();
  plan.Set("C_GetMechanismList every hide:0xd\n");
  open.Open();
  EXPECT_EQ(open.owner->Info().state, TokenState::kOperational) << open.owner->Info().reason;
  const GeneratedKey key = Make("pss", kRsa2048);
  auto signature = open.token().SignDigest(key.id, SignScheme::kRsaPss, HashAlgorithm::kSha384,
                                           std::string(48, 'd'));
  EXPECT_TRUE(signature) << signature.error().ToString();  // verified before it leaves
}

TEST_F(Faults, MissingMechanismFailsTheSelfTest) {
  open.owner.reset();
  plan.Set("C_GetMechanismList every hide:0x1041\n");
  open.Open();
  EXPECT_EQ(open.owner->Info().state, TokenState::kFailed);
  EXPECT_THAT(open.owner->Info().reason, HasSubstr("CKM_ECDSA"));
  EXPECT_FALSE(open.owner->Probe());
}

TEST_F(Faults, AtBootAnRsaKeyThatIsThereSignsAndIsBelievedOnlyWhenItVerifies) {
  Make("rsa", kRsa2048);
  open.owner.reset();
  int made = plan.Calls("C_GenerateKeyPair");
  plan.Set("");
  open.Open();
  EXPECT_EQ(open.owner->Info().state, TokenState::kOperational) << open.owner->Info().reason;
  EXPECT_EQ(plan.Calls("C_GenerateKeyPair"), made + 1) << "for the EC step only";
  made = plan.Calls("C_GenerateKeyPair");
  EXPECT_TRUE(open.owner->SelfTest());
  EXPECT_EQ(plan.Calls("C_GenerateKeyPair"), made + 2) << "asked for, it makes both keys";

  open.owner.reset();
  plan.Set("C_Sign 1 corrupt\n");
  open.Open();
  EXPECT_EQ(open.owner->Info().state, TokenState::kFailed);
  EXPECT_THAT(open.owner->Info().reason, HasSubstr("sign-verify rsa"));
}

TEST_F(Faults, DeadSessionsAreRebuiltOnce) {
  const GeneratedKey key = Make("k");
  const int logins = plan.Calls("C_Login");
  const std::uint64_t generation = open.owner->Generation();
  for (const char* code : {"0xb3", "0xb0", "0x101"}) {
    plan.Set(std::string("C_SignInit 1 CKR_") + code + "\n");
    EXPECT_TRUE(Sign(key)) << code;
  }
  EXPECT_EQ(open.owner->Generation(), generation + 3);
  EXPECT_EQ(plan.Calls("C_Login"), logins + 3);
  plan.Set("C_SignInit every CKR_0xb3\n");
  auto signature = Sign(key);
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error().origin.value, 0xb3u);
  EXPECT_LE(plan.Calls("C_Login"), logins + 5);
}

TEST_F(Faults, SessionClosedByOthersRecovers) {
  const GeneratedKey key = Make("k");
  plan.Set("C_SignInit 1 close\n");
  EXPECT_TRUE(Sign(key));
  EXPECT_EQ(open.owner->Info().state, TokenState::kOperational);
}

TEST_F(Faults, DeviceRemovedReloadsTheModule) {
  const GeneratedKey key = Make("k");
  auto before = open.token().Evp(key.id);
  ASSERT_TRUE(before);
  const int reloads = plan.Calls("C_Finalize");
  for (const char* code : {"0x32", "0xe0", "0x190"}) {
    plan.Set(std::string("C_SignInit 1 CKR_") + code + "\n");
    auto signature = Sign(key);
    EXPECT_TRUE(signature) << code << signature.error().ToString();
  }
  EXPECT_EQ(plan.Calls("C_Finalize"), reloads + 3);
  plan.Clear();
  auto after = open.token().Evp(key.id);
  ASSERT_TRUE(after) << after.error().ToString();
  EXPECT_NE(before.value().get(), after.value().get());
}

TEST_F(Faults, KeyOfBeforeAReloadFailsToSignAndTouchesNoOther) {
  const GeneratedKey key = Make("k");
  auto before = open.token().Evp(key.id);
  ASSERT_TRUE(before);
  plan.Set("C_SignInit 1 CKR_0x32\n");
  ASSERT_TRUE(Sign(key));
  plan.Clear();
  unsigned char signature[256];
  std::size_t size = sizeof signature;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const unsigned char message[] = "m";
  const bool signed_ok =
      EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, before.value().get()) == 1 &&
      EVP_DigestSign(context, signature, &size, message, 1) == 1;
  EVP_MD_CTX_free(context);
  EXPECT_FALSE(signed_ok);
}

TEST_F(Faults, KeyDeletedByAnotherProcessIsNotFound) {
  const GeneratedKey key = Make("k");
  const GeneratedKey other = Make("other");
  ASSERT_TRUE(Sign(key));
  ASSERT_TRUE(open.token().Evp(key.id));
  ASSERT_TRUE(open.soft.Pkcs11Tool("--delete-object --type privkey --id " + key.id).ok);
  ASSERT_TRUE(open.soft.Pkcs11Tool("--delete-object --type pubkey --id " + key.id).ok);
  auto signature = Sign(key);
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error().word, "KEY_NOT_FOUND");
  EXPECT_EQ(open.token().Evp(key.id).error().word, "KEY_NOT_FOUND");
  EXPECT_TRUE(Sign(other));
  EXPECT_TRUE(open.token().Evp(other.id));
  EXPECT_EQ(open.owner->Info().state, TokenState::kOperational);
}

TEST_F(Faults, ReinitialisedTokenIsNoticed) {
  const GeneratedKey key = Make("k");
  ASSERT_TRUE(Sign(key));
  open.soft.Reinitialise();
  auto signature = Sign(key);
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error().word, "KEY_NOT_FOUND");
  // The login is a real one again: what is made now is there for others.
  const GeneratedKey fresh = Make("fresh");
  EXPECT_TRUE(Sign(fresh));
  EXPECT_EQ(ObjectCount(), 2u);
}

TEST_F(Faults, ReinitialisedTokenWithAnotherPinLocksAndIsTriedOnce) {
  const GeneratedKey key = Make("k");
  ASSERT_TRUE(Sign(key));
  open.soft.Reinitialise("another-pin");
  const int logins = plan.Calls("C_Login");
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(Sign(key));
  EXPECT_EQ(plan.Calls("C_Login"), logins + 1);
  EXPECT_EQ(open.owner->Info().state, TokenState::kLocked);
  EXPECT_EQ(open.owner->Info().failed_logins, 1u);
  EXPECT_EQ(Sign(key).error().kind, Kind::kTokenLocked);
}

TEST_F(Faults, VanishedTokenDirectoryAndBack) {
  const GeneratedKey key = Make("k");
  ASSERT_TRUE(Sign(key));
  std::filesystem::rename(open.soft.tokens(), open.soft.tokens() + ".away");
  auto signature = Sign(key);
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error().kind, Kind::kTokenFailed) << signature.error().ToString();
  EXPECT_EQ(open.owner->Info().state, TokenState::kFailed);
  EXPECT_EQ(open.token().List().error().kind, Kind::kTokenFailed);
  EXPECT_EQ(open.token().Destroy(key.id).error().kind, Kind::kTokenFailed);
  EXPECT_FALSE(open.owner->Probe());
  std::filesystem::rename(open.soft.tokens() + ".away", open.soft.tokens());
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (open.owner->Info().state != TokenState::kOperational &&
         std::chrono::steady_clock::now() < until) {
    static_cast<void>(open.owner->Probe().has_value());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(open.owner->Info().state, TokenState::kOperational);
  EXPECT_TRUE(Sign(key));
}

TEST_F(Faults, HangLeavesInfoAnsweringAndOthersSigning) {
  const GeneratedKey key = Make("k");
  ASSERT_TRUE(Sign(key));
  plan.Set("C_Sign 1 hang\n");
  auto hanging = std::async(std::launch::async, [&] { return Sign(key).has_value(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const auto start = std::chrono::steady_clock::now();
  open.owner->ReportHang();
  EXPECT_EQ(open.owner->Info().state, TokenState::kFailed);
  EXPECT_THAT(open.owner->Info().reason, HasSubstr("did not come back"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
  EXPECT_TRUE(Sign(key));  // the second call is not planned to hang
  EXPECT_EQ(open.owner->Info().state, TokenState::kOperational);  // one came back
  plan.Clear();
  EXPECT_TRUE(hanging.get());
}

TEST_F(Faults, SessionsStayFlatOverTenThousandFailures) {
  const GeneratedKey key = Make("k");
  plan.Set("C_SignInit every CKR_0x30\n");
  for (int i = 0; i < 10000; ++i) ASSERT_FALSE(Sign(key));
  plan.Clear();
  EXPECT_LE(plan.Calls("C_OpenSession") - plan.Calls("C_CloseSession"), 4);
  EXPECT_TRUE(Sign(key));
}

TEST_F(Faults, ManyThreadsSignWhileKeysComeAndGo) {
  const GeneratedKey key = Make("steady");
  const GeneratedKey rsa = Make("steady-rsa", kRsa2048);
  auto evp = open.token().Evp(rsa.id);
  ASSERT_TRUE(evp);
  std::atomic<bool> stop = false;
  std::atomic<int> failures = 0;
  const auto must = [&](const auto& result) {
    if (result) return;
    ++failures;
    ADD_FAILURE() << result.error().ToString();
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        must(Sign(key));
        must(Sign(rsa));
      }
    });
  }
  threads.emplace_back([&] {
    while (!stop) {
      must(open.token().List());
      must(open.owner->Probe());
      static_cast<void>(open.owner->Info());
    }
  });
  for (int i = 0; i < 8; ++i) {
    const GeneratedKey next = Make("n" + std::to_string(i));
    must(Sign(next));
    must(open.token().Evp(next.id));
    must(open.token().Destroy(next.id));
  }
  // Sessions die under way, several times.
  for (int i = 0; i < 3; ++i) {
    plan.Set("C_SignInit 5 CKR_0xb3\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  plan.Clear();
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace signet::hsm
