// The token and the disk fail beneath the running daemon: it says so, leaves nothing half done, and
// recovers by itself.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <future>

#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"
#include "tests/support/certificate_authority.h"

namespace signet::testing {
namespace {

constexpr char kModule[] = "module = \"/usr/lib/softhsm/libsofthsm2.so\"";

// An appliance whose token fails by plan (tests/support/faulty_p11 has the plan's form).
class FaultyToken : public ::testing::Test {
 protected:
  void SetUp() override {
    appliance_.EditConfig(kModule, "module = \"" SIGNET_FAULTY_P11 "\"");
    appliance_.StartAndWait({{"SIGNET_FAULTY_PLAN", plan_}});
  }
  void Plan(const std::string& rules) {
    WriteWhole(plan_ + ".new", rules + "\n");
    std::filesystem::rename(plan_ + ".new", plan_);
  }
  void EndPlan() { std::filesystem::remove(plan_); }

  // The key works and the listener presents it.
  void ExpectAtWork() {
    const Answer answer = appliance_.Rpc("key.sign", {{"purpose", "tomcat"}, {"data", "aGVsbG8="}});
    EXPECT_TRUE(answer.ok()) << answer.word();
    const auto chain = appliance_.ServedChain();
    ASSERT_FALSE(chain.empty());
    EXPECT_EQ(Fingerprint(chain.front()), Current(appliance_, "tomcat"));
  }

  Appliance appliance_;
  std::string plan_ = appliance_.Spare("plan");
};

TEST_F(FaultyToken, HangingTokenLeavesTheLocalAdministratorServedAndIsTakenBackByItself) {
  Plan("* every hang");
  auto stuck = std::async(std::launch::async, [this] {
    return appliance_.Rpc("key.sign", {{"purpose", "tomcat"}, {"data", "aGVsbG8="}});
  });
  Seconds slowest(0);
  const bool failed = Eventually(
      [&] {
        const auto start = std::chrono::steady_clock::now();
        const Outcome status = appliance_.Cli({"--output", "json", "status"});
        slowest = std::max<Seconds>(slowest, std::chrono::steady_clock::now() - start);
        return status.code == 0 && json::parse(status.out).at("state") == json::value("failed");
      },
      Seconds(25));
  EXPECT_TRUE(failed) << "the hang was not noticed";
  EXPECT_LT(slowest, Seconds(1));
  EXPECT_EQ(appliance_.Cli({"certificate", "list"}).code, 0);
  EXPECT_EQ(appliance_.Cli({"token", "status"}).code, 0);
  EXPECT_EQ(appliance_.Get("/health/alive").first, 200);
  EXPECT_EQ(appliance_.Get("/health/ready").first, 503);
  const Outcome refused = appliance_.Cli({"csr", "generate", "cup-ECDSA"});
  EXPECT_EQ(refused.code, 6) << refused.out << refused.err;
  EXPECT_FALSE(stuck.get().ok());
  EndPlan();
  EXPECT_TRUE(appliance_.WaitState("operational", Seconds(20)));
  EXPECT_TRUE(appliance_.WaitReady(Seconds(10)));
  ExpectAtWork();
  CheckInvariants(appliance_, "a hang");
}

TEST_F(FaultyToken, ErrorWhileACsrIsMadeLeavesNothing) {
  const std::size_t before = appliance_.ObjectsOnToken();
  for (const char* rules :
       {"C_GenerateKeyPair every CKR_0x30", "C_GenerateKeyPair every after:0x30",
        "C_GenerateKeyPair 1 after:0x31", "C_SetAttributeValue every CKR_0x30",
        "C_SetAttributeValue 2 after:0x5", "C_Sign every CKR_0x5", "C_Sign every corrupt",
        "C_Sign every length:1000000", "C_SignInit every CKR_0x82",
        "C_GetAttributeValue every CKR_0x30", "C_GetAttributeValue 3 length:1000000",
        "C_GetAttributeValue every extractable", "C_FindObjects every CKR_0x30"}) {
    SCOPED_TRACE(rules);
    Plan(rules);
    const Answer answer = appliance_.Rpc("csr.generate", {{"purpose", "cup-ECDSA"}});
    EndPlan();
    EXPECT_TRUE(answer.ok() || !answer.word().empty());
    EXPECT_NE(answer.word(), "NO_ANSWER");
    EXPECT_NE(answer.word(), "INTERNAL") << answer.error;
    EXPECT_TRUE(appliance_.WaitReady(Seconds(20)));
    if (answer.ok()) {  // a fault that was overcome: then the CSR is whole
      const std::string id = answer.Text("csr");
      EXPECT_TRUE(HasCsr(appliance_, id));
      EXPECT_TRUE(appliance_.Rpc("csr.discard", {{"id", id}}).ok());
    }
    EXPECT_TRUE(Eventually([&] { return appliance_.ObjectsOnToken() == before; }, Seconds(10)))
        << appliance_.ObjectsOnToken() << " objects, before " << before;
    EXPECT_TRUE(appliance_.List("csr.list").empty());
  }
  CheckInvariants(appliance_, "token errors");
  ExpectAtWork();
}

TEST(VanishingToken, TokenThatGoesAwayAndComesBackIsUsedAgain) {
  Appliance appliance;
  appliance.StartAndWait();
  std::filesystem::rename(appliance.Path("token"), appliance.Path("away"));
  EXPECT_TRUE(appliance.WaitState("failed", Seconds(20)));
  EXPECT_EQ(appliance.Cli({"certificate", "list"}).code, 0);
  const Outcome refused = appliance.Cli({"csr", "generate", "cup-ECDSA"});
  EXPECT_EQ(refused.code, 6) << refused.out << refused.err;
  EXPECT_NE(refused.err.find("remedy"), std::string::npos) << refused.err;
  std::filesystem::remove_all(appliance.Path("token"));  // what was made anew in its place
  std::filesystem::rename(appliance.Path("away"), appliance.Path("token"));
  EXPECT_TRUE(appliance.WaitState("operational", Seconds(20)));
  EXPECT_TRUE(appliance.WaitReady(Seconds(10)));
  EXPECT_EQ(appliance.Cli({"csr", "generate", "cup-ECDSA"}).code, 0);
  const auto chain = appliance.ServedChain();
  ASSERT_FALSE(chain.empty());
  EXPECT_EQ(Fingerprint(chain.front()), Current(appliance, "tomcat"));
  CheckInvariants(appliance, "the token came back");
}

// A small disk of its own beneath one folder of the appliance; it can be filled and emptied.
class FullDisk : public ::testing::Test {
 protected:
  void Mount(const std::string& folder) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      GTEST_SKIP() << "no mount namespace here: " << std::strerror(errno);
    }
    const std::string moved = appliance_.Spare("moved");
    std::filesystem::rename(folder, moved);
    std::filesystem::create_directory(folder);
    ASSERT_EQ(::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=4m,mode=0700"), 0)
        << std::strerror(errno);
    folder_ = folder;
    MustRun({"cp", "-a", moved + "/.", folder});
  }
  void TearDown() override {
    appliance_.Kill();
    if (!folder_.empty()) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  void Fill() const {
    const int file = ::open((folder_ + "/filler").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ASSERT_GE(file, 0);
    const std::string block(4096, 'x');
    while (::write(file, block.data(), block.size()) > 0) continue;
    EXPECT_EQ(errno, ENOSPC);
    ::close(file);
  }
  void Empty() const { std::filesystem::remove(folder_ + "/filler"); }

  void ExpectRefusedUntilThereIsSpace() {
    appliance_.StartAndWait();
    const std::size_t keys = appliance_.PrivateKeysOnToken();
    Fill();
    Answer answer;
    // What was allocated before may hold a few more changes.
    int made = 0;
    for (; made < 50; ++made) {
      answer = appliance_.Rpc("csr.generate", {{"purpose", "cup-ECDSA"}});
      if (!answer.ok()) break;
    }
    EXPECT_FALSE(answer.ok());
    EXPECT_NE(answer.word(), "NO_ANSWER");
    EXPECT_NE(answer.word(), "INTERNAL") << answer.error;
    const json::value* remedy = answer.error.if_contains("remedy");
    ASSERT_NE(remedy, nullptr);
    EXPECT_NE(Text(*remedy), "") << answer.error;
    RecordProperty("word", answer.word());
    EXPECT_EQ(appliance_.List("csr.list").size(), static_cast<std::size_t>(made));
    EXPECT_EQ(appliance_.Cli({"certificate", "list"}).code, 0);
    EXPECT_EQ(appliance_.Cli({"trust", "list"}).code, 0);
    EXPECT_FALSE(appliance_.ServedChain().empty());
    Empty();
    EXPECT_TRUE(appliance_.WaitReady(Seconds(20)));
    Answer again;
    EXPECT_TRUE(Eventually(
        [&] {
          again = appliance_.Rpc("csr.generate", {{"purpose", "cup-ECDSA"}});
          return again.ok();
        },
        Seconds(10)))
        << again.word() << again.error;
    EXPECT_TRUE(Eventually([&] { return appliance_.NodeDatabase("SELECT id FROM journal") == ""; },
                           Seconds(10)));
    EXPECT_EQ(appliance_.PrivateKeysOnToken(), keys + static_cast<std::size_t>(made) + 1);
    CheckInvariants(appliance_, "a full disk");
  }

  Appliance appliance_;
  std::string folder_;
};

TEST_F(FullDisk, ChangeIsRefusedWhileTheStateHasNoSpaceAndPossibleWhenItHas) {
  Mount(appliance_.Path("state"));
  if (!IsSkipped() && !HasFatalFailure()) ExpectRefusedUntilThereIsSpace();
}

TEST_F(FullDisk, ChangeIsRefusedWhileTheTokenHasNoSpaceAndPossibleWhenItHas) {
  Mount(appliance_.Path("token"));
  if (!IsSkipped() && !HasFatalFailure()) ExpectRefusedUntilThereIsSpace();
}

}  // namespace
}  // namespace signet::testing
