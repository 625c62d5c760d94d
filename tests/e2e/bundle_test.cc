// Trust stores by the bundle: the roots that Debian ships, and a store of thousands (SPEC C5a).
#include <gtest/gtest.h>

#include <set>

#include "tests/e2e/invariants.h"
#include "tests/support/appliance.h"

namespace signet::testing {
namespace {

constexpr char kDebianRoots[] = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::size_t kMany = 1500;

std::size_t Count(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
    ++count;
  return count;
}

std::set<std::string> Fingerprints(const Appliance& appliance, const std::string& store) {
  std::set<std::string> found;
  for (const json::value& entry : appliance.List("trust.list", {{"store", store}})) {
    if (Text(entry.at("kind")) != "pinned") found.insert(Text(entry.at("id")));
  }
  return found;
}

// SPEC C5a: real roots are odd, and are taken with warnings; each that is not is reported.
TEST(BundleMode, DebiansRootsAreTakenOrReportedEach) {
  const std::size_t given = Count(ReadWhole(kDebianRoots), "BEGIN CERTIFICATE");
  ASSERT_GT(given, 100u) << "the package ca-certificates is missing";
  Appliance appliance;
  appliance.StartAndWait();
  const Outcome chain = appliance.Cli({"trust", "upload", "tomcat-trust", kDebianRoots, "--yes"});
  EXPECT_NE(chain.code, 0);
  EXPECT_NE(chain.err.find("--mode bundle"), std::string::npos) << chain.err;
  const std::vector<std::string> upload = {"trust",      "upload", "tomcat-trust",
                                           kDebianRoots, "--mode", "bundle"};
  const auto with = [&](const std::string& option, const std::string& value = "") {
    std::vector<std::string> all = upload;
    all.push_back(option);
    if (!value.empty()) all.push_back(value);
    return all;
  };
  const json::value plan = appliance.CliJson(with("--dry-run"));
  EXPECT_TRUE(Fingerprints(appliance, "tomcat-trust").empty());
  const Outcome done = appliance.Cli(with("--plan", Text(plan.at("hash"))));
  EXPECT_EQ(done.code, 0) << done.err;
  const std::set<std::string> stored = Fingerprints(appliance, "tomcat-trust");
  EXPECT_EQ(stored.size(), plan.at("steps").as_array().size());
  EXPECT_EQ(stored.size() + Count(done.err, "NOT_TAKEN"), given) << done.err;
  EXPECT_GT(stored.size(), given * 9 / 10) << done.err;
  const Outcome again = appliance.Cli(with("--yes"));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("ALREADY_THERE"), std::string::npos) << again.err;
  // OpenSSL reads the store as it is downloaded.
  const std::string file = appliance.Spare("store.pem");
  EXPECT_EQ(appliance.Cli({"trust", "download", "tomcat-trust", "-o", file}).code, 0);
  EXPECT_GE(Count(ReadWhole(file), "BEGIN CERTIFICATE"), stored.size());
  const Outcome read = RunProgram({"openssl", "storeutl", "-noout", "-certs", file});
  EXPECT_EQ(read.code, 0) << read.err;
}

TEST(BundleMode, StoreOfThousandsIsListedFilteredDeletedFromAndSurvivesARestart) {
  Appliance appliance;
  appliance.StartAndWait();
  const std::string file = appliance.Spare("many.pem");
  MustRun({"/usr/bin/python3", "-B", MANY_CERTS, "bundle", std::to_string(kMany), file});
  const Outcome upload =
      appliance.Cli({"trust", "upload", "cup-trust", file, "--mode", "bundle", "--yes"});
  ASSERT_EQ(upload.code, 0) << upload.err;
  const std::set<std::string> stored = Fingerprints(appliance, "cup-trust");
  EXPECT_EQ(stored.size(), kMany);
  const auto listed = [&](json::object filter) {
    filter["store"] = "cup-trust";
    return appliance.List("trust.list", std::move(filter)).size();
  };
  EXPECT_EQ(listed({{"startsWith", "issuing ca 1"}}), 61u);  // 19, 109 … 199, 1009 … 1499
  EXPECT_EQ(listed({{"kind", "intermediate"}}), kMany / 10);
  EXPECT_EQ(listed({{"expired", true}}), 0u);
  EXPECT_GE(listed({{"selfSigned", true}}), kMany * 9 / 10);
  EXPECT_GE(listed({{"unused", true}}), kMany);
  const std::string one = *stored.begin();
  EXPECT_EQ(appliance.Cli({"trust", "delete", "cup-trust", one.substr(0, 16), "--yes"}).code, 0);
  ASSERT_EQ(appliance.Stop(), 0);
  appliance.StartAndWait();
  std::set<std::string> left = Fingerprints(appliance, "cup-trust");
  EXPECT_EQ(left.size(), kMany - 1);
  EXPECT_FALSE(left.contains(one));
  EXPECT_EQ(Text(appliance.MustRpc("trust.show", {{"store", "cup-trust"}, {"id", *left.begin()}})
                     .at("id")),
            *left.begin());
}

// ABUSE 41: above the cap nothing is verified, and nothing is stored.
TEST(BundleMode, MoreThanTwentyThousandAreRefused) {
  Appliance appliance;
  appliance.StartAndWait();
  std::string many;
  const std::string block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  for (int i = 0; i <= 20'000; ++i) many += block;
  const Outcome refused =
      appliance.Cli({"trust", "upload", "cup-trust", "-", "--mode", "bundle", "--yes"}, many);
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.err.find("TOO_MANY_CERTIFICATES"), std::string::npos) << refused.err;
  EXPECT_TRUE(Fingerprints(appliance, "cup-trust").empty());
}

}  // namespace
}  // namespace signet::testing
