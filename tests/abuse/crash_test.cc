// Items that kill or damage their appliance: each has one of its own.
#include "tests/abuse/abuse.h"

namespace signet::testing {
namespace {

using ::testing::Not;
using ::testing::StartsWith;

class Crash : public ::testing::Test {
 protected:
  json::object Uploaded(const std::string& pem) { return {{"purpose", "cup-ECDSA"}, {"pem", pem}}; }
  std::string Owner(const json::value& key) { return json::value_to<std::string>(key.at("owner")); }
  void ExpectNoOrphan() {
    for (const json::value& key : appliance.List("key.list"))
      EXPECT_THAT(Owner(key), Not(StartsWith("none")));
  }
  Appliance appliance;
};

class CrashAtAStep : public Crash {
 protected:
  void SetUp() override {
#ifndef SIGNET_FAILPOINTS
    GTEST_SKIP() << "the daemon is built without failpoints";
#endif
  }
};

// ABUSE 39.
TEST_F(CrashAtAStep, A39_UploadIsDoneOrNotWhereverItDies) {
  TestCa ca;
  appliance.StartAndWait();
  const std::string chain = ca.Issuer("root") + ca.Issuer("intermediate");
  appliance.MustRpc("trust.upload", {{"store", "cup-trust"},
                                     {"certificates", json::array{json::object{{"pem", chain}}}}});
  const std::pair<const char*, bool> steps[] = {{"journal.begun", false},
                                                {"upload.key-proved", false},
                                                {"store.committed", true},
                                                {"journal.finished", true}};
  for (const auto& [step, done] : steps) {
    const std::string csr = json::value_to<std::string>(
        appliance.MustRpc("csr.generate", {{"purpose", "cup-ECDSA"}}).at("pem"));
    const std::string pem = ca.Sign(csr);
    ASSERT_EQ(appliance.Stop(), 0);
    appliance.StartAndWait({{"SIGNET_FAILPOINT", step}});
    EXPECT_EQ(appliance.Rpc("certificate.upload", Uploaded(pem)).word(), "NO_ANSWER") << step;
    EXPECT_EQ(appliance.WaitForEnd(Seconds(20)), 128 + 9) << step;
    appliance.StartAndWait();
    EXPECT_EQ(appliance.List("csr.list").size(), done ? 0u : 1u) << step;
    const Answer again = appliance.Rpc("certificate.upload", Uploaded(pem));
    ASSERT_TRUE(again.ok()) << step << again.error;
    EXPECT_EQ(again.result.at("changed").as_bool(), !done) << step;
    EXPECT_TRUE(appliance.MustRpc("audit.verify").at("verified").as_bool()) << step;
    ExpectNoOrphan();
  }
}

// ABUSE 65.
TEST_F(CrashAtAStep, C65_KeyOfADeadOperationIsDestroyedAndForeignOnesAreOnlyListed) {
  appliance.StartAndWait();
  ASSERT_EQ(appliance.Stop(), 0);
  appliance.TokenTool(
      {"--keypairgen", "--key-type", "EC:prime256v1", "--label", "somebody-elses", "--id", "beef"});
  const std::size_t before = appliance.ObjectsOnToken();
  appliance.StartAndWait({{"SIGNET_FAILPOINT", "key.generated"}});
  EXPECT_EQ(appliance.Rpc("csr.generate", {{"purpose", "cup-ECDSA"}}).word(), "NO_ANSWER");
  EXPECT_EQ(appliance.WaitForEnd(Seconds(20)), 128 + 9);
  EXPECT_GT(appliance.ObjectsOnToken(), before);
  appliance.StartAndWait();
  EXPECT_EQ(appliance.ObjectsOnToken(), before);
  EXPECT_TRUE(appliance.List("csr.list").empty());
  int foreign = 0;
  for (const json::value& key : appliance.List("key.list"))
    foreign += Owner(key).starts_with("none") ? 1 : 0;
  EXPECT_EQ(foreign, 1);
}

// ABUSE 67: a destroyed key.
TEST_F(Crash, C67_DestroyedKeySignsNothingAndTheErrorSaysWhatToDo) {
  appliance.StartAndWait();
  std::string id;
  for (const json::value& key : appliance.List("key.list")) {
    if (Owner(key) == "cup-ECDSA current") id = json::value_to<std::string>(key.at("id"));
  }
  for (const char* type : {"privkey", "pubkey"}) {
    appliance.TokenTool({"--delete-object", "--type", type, "--id", id});
  }
  const Answer signature =
      appliance.Rpc("key.sign", {{"purpose", "cup-ECDSA"}, {"data", "aGVsbG8="}});
  EXPECT_FALSE(signature.ok());
  EXPECT_THAT(signature.word(), ::testing::AnyOf("KEY_NOT_FOUND", "TOKEN_ERROR"));
  EXPECT_NE(signature.error.at("remedy").as_string(), "");
  EXPECT_TRUE(appliance.Rpc("key.sign", {{"purpose", "cup"}, {"data", "aGVsbG8="}}).ok());
  EXPECT_EQ(appliance.Rpc("key.sign", {{"purpose", "appliances"}, {"data", "aGVsbG8="}}).word(),
            "PURPOSE_UNKNOWN");
  EXPECT_EQ(
      appliance.Rpc("key.sign", {{"purpose", "cup"}, {"algorithm", "ecdsa"}, {"data", "aGVsbG8="}})
          .word(),
      "SCHEME_DOES_NOT_FIT");
  // A certificate for a CSR whose key is gone is not taken either.
  TestCa ca;
  const json::value made = appliance.MustRpc("csr.generate", {{"purpose", "cup-ECDSA"}});
  const std::string chain = ca.Issuer("root") + ca.Issuer("intermediate");
  appliance.MustRpc("trust.upload", {{"store", "cup-trust"},
                                     {"certificates", json::array{json::object{{"pem", chain}}}}});
  for (const json::value& key : appliance.List("key.list")) {
    if (!Owner(key).starts_with("cup-ECDSA csr ")) continue;
    for (const char* type : {"privkey", "pubkey"}) {
      appliance.TokenTool(
          {"--delete-object", "--type", type, "--id", json::value_to<std::string>(key.at("id"))});
    }
  }
  const Answer upload = appliance.Rpc(
      "certificate.upload", Uploaded(ca.Sign(json::value_to<std::string>(made.at("pem")))));
  EXPECT_FALSE(upload.ok());
  EXPECT_NE(upload.error.at("remedy").as_string(), "") << upload.error;
  EXPECT_EQ(appliance.List("csr.list").size(), 1u);
}

}  // namespace
}  // namespace signet::testing
