#include "keystore/x509/lint.h"

#include <gtest/gtest.h>

#include "tests/keystore/x509/certs.h"

namespace signet::keystore::x509 {
namespace {

struct Case {
  const char* file;
  LintRole role;
  const char* id;
  const char* severity;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.file << " " << c.id; }

class LintSays : public testing::TestWithParam<Case> {};
TEST_P(LintSays, TheSeverityOfTheRule) {
  const Findings findings = Lint(Cert(GetParam().file), GetParam().role);
  EXPECT_EQ(SeverityOf(findings, GetParam().id), GetParam().severity) << Describe(findings);
}

constexpr LintRole kEnd = LintRole::kEndEntity;
constexpr LintRole kAnchor = LintRole::kAnchor;
constexpr LintRole kMiddle = LintRole::kIntermediate;

INSTANTIATE_TEST_SUITE_P(Abuse10Signatures, LintSays,
                         testing::Values(Case{"sha1", kEnd, "SIGNATURE_WEAK", "error"},
                                         Case{"root-sha1", kAnchor, "SIGNATURE_WEAK", "warning"},
                                         Case{"root-sha1", kMiddle, "SIGNATURE_WEAK", "error"},
                                         Case{"md5-root", kMiddle, "SIGNATURE_WEAK", "error"}));
INSTANTIATE_TEST_SUITE_P(Abuse11WeakRsa, LintSays,
                         testing::Values(Case{"rsa-512", kEnd, "KEY_WEAK", "error"},
                                         Case{"rsa-1024", kEnd, "KEY_WEAK", "error"},
                                         Case{"rsa-2049", kEnd, "KEY_WEAK", "error"},
                                         Case{"rsa-e1", kEnd, "KEY_WEAK", "error"},
                                         Case{"rsa-e3", kEnd, "KEY_WEAK", "error"},
                                         Case{"rsa-fermat", kEnd, "KEY_WEAK", "error"},
                                         Case{"rsa-roca", kEnd, "KEY_WEAK", "error"},
                                         Case{"ec-p224", kEnd, "KEY_WEAK", "error"},
                                         Case{"rsa-2048", kEnd, "KEY_WEAK", ""},
                                         Case{"ec-p384", kEnd, "KEY_WEAK", ""},
                                         Case{"ec-p521", kEnd, "KEY_WEAK", ""}));
INSTANTIATE_TEST_SUITE_P(Abuse15OtherKeys, LintSays,
                         testing::Values(Case{"dsa", kEnd, "KEY_UNSUPPORTED", "error"},
                                         Case{"ed25519", kEnd, "KEY_UNSUPPORTED", "error"}));
INSTANTIATE_TEST_SUITE_P(Abuse16Serials, LintSays,
                         testing::Values(Case{"serial-zero", kEnd, "SERIAL_INVALID", "error"},
                                         Case{"serial-negative", kEnd, "SERIAL_INVALID", "error"},
                                         Case{"serial-21", kEnd, "SERIAL_INVALID", "error"},
                                         Case{"root-odd", kAnchor, "SERIAL_INVALID", "warning"},
                                         Case{"leaf", kEnd, "SERIAL_INVALID", ""}));
INSTANTIATE_TEST_SUITE_P(
    Abuse17And55Extensions, LintSays,
    testing::Values(Case{"unknown-critical", kEnd, "EXTENSION_UNKNOWN_CRITICAL", "error"},
                    Case{"nc-unknown", kMiddle, "NAME_CONSTRAINT_UNSUPPORTED", "error"},
                    Case{"nc", kMiddle, "NAME_CONSTRAINT_UNSUPPORTED", ""}));
INSTANTIATE_TEST_SUITE_P(Abuse19CaInLeaf, LintSays,
                         testing::Values(Case{"ca-leaf", kEnd, "CA_IN_LEAF", "error"},
                                         Case{"cert-sign-leaf", kEnd, "KEY_CERT_SIGN_WITHOUT_CA",
                                              "error"}));
INSTANTIATE_TEST_SUITE_P(Abuse21AnyUsage, LintSays,
                         testing::Values(Case{"eku-any", kEnd, "EKU_ANY", "error"}));
INSTANTIATE_TEST_SUITE_P(Abuse23CommonName, LintSays,
                         testing::Values(Case{"san-none", kEnd, "SAN_MISSING", "error"},
                                         Case{"san-other", kEnd, "CN_NOT_IN_SAN", "error"},
                                         Case{"san-case", kEnd, "CN_NOT_IN_SAN", ""},
                                         Case{"cn-words", kEnd, "CN_NOT_IN_SAN", ""},
                                         Case{"client", LintRole::kClient, "SAN_MISSING", ""},
                                         Case{"client", LintRole::kPinned, "SAN_MISSING", ""}));
INSTANTIATE_TEST_SUITE_P(Abuse26Version1, LintSays,
                         testing::Values(Case{"version-1", kEnd, "VERSION_INVALID", "error"},
                                         Case{"root-v1", kAnchor, "BASIC_CONSTRAINTS_MISSING",
                                              "error"}));
INSTANTIATE_TEST_SUITE_P(Abuse35Names, LintSays,
                         testing::Values(Case{"subject-nul", kEnd, "NAME_UNSAFE", "error"},
                                         Case{"subject-newline", kEnd, "NAME_UNSAFE", "error"},
                                         Case{"subject-rtl", kEnd, "NAME_UNSAFE", "error"},
                                         Case{"subject-bmp", kEnd, "NAME_UNSAFE", ""},
                                         Case{"subject-32768", kEnd, "NAME_TOO_LONG", "error"},
                                         Case{"subject-65", kEnd, "NAME_TOO_LONG", "warning"},
                                         Case{"san-nul", kEnd, "NAME_UNSAFE", "error"},
                                         Case{"san-umlaut", kEnd, "NAME_UNSAFE", "error"},
                                         Case{"san-underscore", kEnd, "NAME_UNSAFE", "warning"},
                                         Case{"san-bad-ip", kEnd, "NAME_UNSAFE", "error"}));
INSTANTIATE_TEST_SUITE_P(
    Abuse47Authorities, LintSays,
    testing::Values(Case{"root-no-basic", kAnchor, "BASIC_CONSTRAINTS_MISSING", "error"},
                    Case{"root-not-ca", kAnchor, "NOT_A_CA", "error"},
                    Case{"leaf", kMiddle, "NOT_A_CA", "error"},
                    Case{"root-odd", kAnchor, "CA_WITHOUT_KEY_CERT_SIGN", "warning"},
                    Case{"root-odd", kMiddle, "CA_WITHOUT_KEY_CERT_SIGN", "error"},
                    Case{"root-odd", kAnchor, "KEY_ID_MISSING", "warning"}));
// ABUSE 56.
INSTANTIATE_TEST_SUITE_P(Abuse56Pss, LintSays,
                         testing::Values(Case{"pss-odd", kEnd, "SIGNATURE_WEAK", "error"},
                                         Case{"pss-good", kEnd, "SIGNATURE_WEAK", ""}));
INSTANTIATE_TEST_SUITE_P(Rfc8813, LintSays,
                         testing::Values(Case{"ec-encipherment", kEnd, "EC_KEY_ENCIPHERMENT",
                                              "info"},
                                         Case{"rsa-2048", kEnd, "EC_KEY_ENCIPHERMENT", ""}));

TEST(Lint, HasNothingToSayOfGoodCertificates) {
  EXPECT_EQ(Describe(Lint(Cert("root"), kAnchor)), "");
  EXPECT_EQ(Describe(Lint(Cert("int1"), kMiddle)), "");
  EXPECT_EQ(Describe(Lint(Cert("rsa-2048"), kEnd)), "");
}

// ABUSE 11.
TEST(Lint, Abuse11NamesEachWeaknessOfAKey) {
  const std::string fermat = Describe(Lint(Cert("rsa-fermat"), kEnd));
  EXPECT_NE(fermat.find("close to each other"), std::string::npos) << fermat;
  const std::string square = Describe(Lint(Cert("rsa-square"), kEnd));
  EXPECT_NE(square.find("close to each other"), std::string::npos) << square;
  const std::string roca = Describe(Lint(Cert("rsa-roca"), kEnd));
  EXPECT_NE(roca.find("ROCA"), std::string::npos) << roca;
  EXPECT_EQ(roca.find("close to each other"), std::string::npos) << roca;
  EXPECT_NE(Describe(Lint(Cert("rsa-e3"), kEnd)).find("exponent"), std::string::npos);
}

TEST(LintRequest, Abuse11FindsWeakKeysInRequests) {
  const auto request = ParseRequest(ReadTestFile("request-weak.der"));
  ASSERT_TRUE(request) << request.error().ToString();
  EXPECT_EQ(SeverityOf(LintRequest(request.value(), Profile{}), "KEY_WEAK"), "error");
}

}  // namespace
}  // namespace signet::keystore::x509
