#include "keystore/x509/issued.h"

#include <gtest/gtest.h>

#include "tests/keystore/x509/certs.h"
#include "tests/keystore/x509/profiles.h"

namespace signet::keystore::x509 {
namespace {

// What the leaf's CSR would have asked for; each test alters it or the profile.
RequestFields AskedByLeaf(const std::string& file = "leaf") {
  const auto fields = Cert(file).fields();
  RequestFields request;
  request.subject = fields.subject;
  request.subject_der = fields.subject_der;
  request.sans = fields.sans;
  request.key = fields.key;
  request.key_usage = fields.key_usage.value_or(std::vector<bool>(kKeyUsageBits));
  request.extended = fields.extended.value_or(std::vector<std::string>());
  return request;
}
Findings Compare(const RequestFields& request, const Profile& profile = TomcatProfile()) {
  return CompareIssued(Cert("leaf"), request, profile);
}

TEST(CompareIssued, FindsNothingInWhatWasAsked) {
  EXPECT_FALSE(HasErrors(Compare(AskedByLeaf()))) << Describe(Compare(AskedByLeaf()));
}

// ABUSE 1.
TEST(CompareIssued, Abuse1RefusesAnotherKey) {
  RequestFields request = AskedByLeaf();
  request.key = Cert("rsa-2048").fields().key;
  EXPECT_EQ(SeverityOf(Compare(request), "KEY_MISMATCH"), "error");
}

// SPEC K2: each bit lost is reported, by the severity of the row. ABUSE 20.
TEST(CompareIssued, Abuse20ReportsLostKeyUsageByTheRow) {
  RequestFields request = AskedByLeaf();
  request.key_usage[3] = true;
  EXPECT_EQ(SeverityOf(Compare(request), "KEY_USAGE_LOST_dataEncipherment"), "error");
  Profile profile = TomcatProfile();
  Bit(profile, KeyUsage::kDataEncipherment).lost = Severity::kInfo;  // the -ECDSA row
  EXPECT_EQ(SeverityOf(Compare(request, profile), "KEY_USAGE_LOST_dataEncipherment"), "info");
}

// SPEC K2: a bit added is an error where the table marks it N, else information.
TEST(CompareIssued, Abuse20ReportsAddedKeyUsageByTheRow) {
  RequestFields request = AskedByLeaf();
  request.key_usage[2] = false;
  EXPECT_EQ(SeverityOf(Compare(request), "KEY_USAGE_ADDED_keyEncipherment"), "info");
  Profile profile = TomcatProfile();
  Bit(profile, KeyUsage::kKeyEncipherment).ask = Ask::kMustNot;
  EXPECT_EQ(SeverityOf(Compare(request, profile), "KEY_USAGE_ADDED_keyEncipherment"), "error");
}

// SPEC K2: clientAuth lost has its own explanation. ABUSE 21.
TEST(CompareIssued, Abuse21ReportsExtendedUsageByTheRow) {
  RequestFields request = AskedByLeaf("eku-code");
  request.extended = {"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"};
  const Findings findings = CompareIssued(Cert("eku-code"), request, TomcatProfile());
  EXPECT_EQ(SeverityOf(findings, "EKU_LOST_serverAuth"), "error");
  EXPECT_EQ(SeverityOf(findings, "EKU_LOST_clientAuth"), "warning");
  EXPECT_EQ(SeverityOf(findings, "EKU_ADDED_codeSigning"), "info") << Describe(findings);
  EXPECT_NE(Describe(findings).find("public CAs are ceasing"), std::string::npos);
  const Findings any = CompareIssued(Cert("eku-any"), AskedByLeaf("eku-any"), CapfProfile());
  EXPECT_EQ(SeverityOf(CompareIssued(Cert("eku-any"), AskedByLeaf(), TomcatProfile()), "EKU_ANY"),
            "error");
  EXPECT_EQ(SeverityOf(any, "NOT_A_CA"), "error");
}

// SPEC C6: a missing name is an error, an extra one a warning. ABUSE 22.
TEST(CompareIssued, Abuse22ComparesNamesAsSets) {
  RequestFields request = AskedByLeaf();
  request.sans = {"DNS:A.example.com"};
  EXPECT_EQ(SeverityOf(Compare(request), "SAN_ADDED"), "");
  request.sans = {"DNS:a.example.com", "DNS:b.example.com"};
  EXPECT_EQ(SeverityOf(Compare(request), "SAN_MISSING"), "error");
  request.sans = {"DNS:x.a.example.com"};
  const Findings findings = Compare(request);
  EXPECT_EQ(SeverityOf(findings, "SAN_ADDED"), "warning");
  EXPECT_NE(Describe(findings).find("adds the parent domain"), std::string::npos)
      << Describe(findings);
}

// ABUSE 24.
TEST(CompareIssued, Abuse24ShowsHowTheSubjectWasAltered) {
  RequestFields request = AskedByLeaf();
  request.subject = "CN=a.example.com,O=Other";
  request.subject_der = "other";
  const Findings findings = Compare(request);
  EXPECT_EQ(SeverityOf(findings, "SUBJECT_ALTERED"), "warning");
  EXPECT_NE(Describe(findings).find("O=Other"), std::string::npos);
}

// ABUSE 19.
TEST(CompareIssued, Abuse19TakesACaOnlyWhereTheProfileIsOne) {
  RequestFields request = AskedByLeaf("int2");
  request.ca = true;
  request.path_length = 0;
  EXPECT_EQ(SeverityOf(CompareIssued(Cert("int2"), request, TomcatProfile()), "CA_IN_LEAF"),
            "error");
  Findings findings = CompareIssued(Cert("int2"), request, CapfProfile());
  EXPECT_FALSE(HasErrors(findings)) << Describe(findings);
  request.path_length = 3;
  EXPECT_EQ(SeverityOf(CompareIssued(Cert("int2"), request, CapfProfile()), "PATH_LENGTH_ALTERED"),
            "warning");
}

}  // namespace
}  // namespace signet::keystore::x509
