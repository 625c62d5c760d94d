// Odd answers to a real CSR: items 1 to 36 of the abuse list that are about one certificate.
#include <barrier>

#include "tests/abuse/abuse.h"
#include "tests/support/certificate_authority.h"

namespace signet::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Odd {
  const char* name;
  json::object how;     // see test_ca.py
  const char* word;     // of the refusal
  const char* finding;  // that is listed too, or null
};
void PrintTo(const Odd& odd, std::ostream* out) { *out << odd.name; }

std::vector<Odd> Odds() {
  const json::array none;
  auto usage = [](const char* text) { return json::array{text}; };
  const char* malformed = "CERTIFICATE_MALFORMED";
  return {
      {"A1_OtherKeyIsRefused", {{"key", "ec-p256"}}, "KEY_MISMATCH", nullptr},
      {"A5_FlippedSignatureBitIsRefused", {{"raw", "flipped"}}, "SIGNATURE_INVALID", nullptr},
      {"A5_IssuerOfTheSameNameWithAnotherKeyIsRefused",
       {{"issuer", "twin"}},
       "SIGNATURE_INVALID",
       nullptr},
      {"A6_UnknownIssuerIsRefused", {{"issuer", "unknown"}}, "CHAIN_INCOMPLETE", nullptr},
      {"A7_ExpiredIsRefused", {{"begin", -30}, {"end", -2}}, "EXPIRED", nullptr},
      {"A8_NotYetValidIsRefused", {{"begin", 2}}, "NOT_YET_VALID", nullptr},
      {"A9_EndBeforeBeginIsRefused", {{"odd", "inverted"}}, malformed, nullptr},
      {"A10_Sha1SignatureIsRefused", {{"digest", "sha1"}}, "SIGNATURE_WEAK", nullptr},
      {"A11_Rsa1024IsRefused", {{"key", "rsa-1024"}}, "KEY_MISMATCH", "KEY_WEAK"},
      {"A11_Rsa512IsRefused", {{"key", "rsa-512"}}, "KEY_MISMATCH", "KEY_WEAK"},
      {"A11_RsaOf2049BitsIsRefused", {{"odd", "rsa-2049"}}, "KEY_MISMATCH", "KEY_WEAK"},
      {"A11_RsaExponent1IsRefused", {{"odd", "rsa-e1"}}, "KEY_MISMATCH", "KEY_WEAK"},
      {"A11_RsaExponent3IsRefused", {{"odd", "rsa-e3"}}, "KEY_MISMATCH", "KEY_WEAK"},
      {"A11_ClosePrimesAreRefused", {{"odd", "rsa-fermat"}}, "KEY_MISMATCH", "KEY_WEAK"},
      {"A11_RocaModulusIsRefused", {{"odd", "rsa-roca"}}, "KEY_MISMATCH", "KEY_WEAK"},
      {"A12_Rsa16384IsRefusedUnread", {{"odd", "rsa-16384"}}, "KEY_UNSUPPORTED", nullptr},
      {"A13_ExplicitCurveParametersAreRefused",
       {{"odd", "ec-explicit"}},
       "KEY_UNSUPPORTED",
       nullptr},
      {"A14_PointOffTheCurveIsRefused", {{"odd", "ec-off-curve"}}, "KEY_UNSUPPORTED", nullptr},
      {"A14_PointAtInfinityIsRefused", {{"odd", "ec-infinity"}}, "KEY_UNSUPPORTED", nullptr},
      {"A15_DsaIsRefused", {{"key", "dsa"}}, "KEY_MISMATCH", "KEY_UNSUPPORTED"},
      {"A15_Ed25519IsRefused", {{"key", "ed25519"}}, "KEY_MISMATCH", "KEY_UNSUPPORTED"},
      {"A15_GostIsRefused", {{"odd", "key-gost"}}, "KEY_UNSUPPORTED", nullptr},
      {"A15_OtherCurveIsRefused", {{"key", "ec-p224"}}, "KEY_MISMATCH", "KEY_WEAK"},
      {"A16_ZeroSerialIsRefused", {{"odd", "serial-zero"}}, "SERIAL_INVALID", nullptr},
      {"A16_NegativeSerialIsRefused", {{"odd", "serial-negative"}}, "SERIAL_INVALID", nullptr},
      {"A16_SerialOf21OctetsIsRefused", {{"odd", "serial-21"}}, "SERIAL_INVALID", nullptr},
      {"A17_UnknownCriticalExtensionIsRefused",
       {{"odd", "unknown-critical"}},
       "EXTENSION_UNKNOWN_CRITICAL",
       nullptr},
      {"A18_DuplicateExtensionIsRefused", {{"odd", "duplicate-extension"}}, malformed, nullptr},
      {"A19_CaInALeafIsRefused", {{"ca", true}, {"issuer", "second"}}, "CA_IN_LEAF", nullptr},
      {"A19_CertSignWithoutCaIsRefused",
       {{"ku", json::array{"digital_signature", "key_cert_sign"}}},
       "KEY_CERT_SIGN_WITHOUT_CA",
       nullptr},
      {"A20_LostDigitalSignatureIsRefused",
       {{"ku", usage("key_encipherment")}},
       "KEY_USAGE_LOST_digitalSignature",
       nullptr},
      {"A21_LostServerAuthIsRefused",
       {{"eku", json::array{"1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.5"}}},
       "EKU_LOST_serverAuth",
       nullptr},
      {"A21_LostClientAuthOfATlsClientIsRefused",
       {{"eku", json::array{"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.5"}}},
       "EKU_LOST_clientAuth",
       nullptr},
      {"A21_AnyUsageIsRefused", {{"eku", usage("2.5.29.37.0")}}, "EKU_ANY", "EKU_LOST_serverAuth"},
      {"A22_DroppedNameIsRefused",
       {{"sans", usage("DNS:node1.signet.localhost")}},
       "SAN_MISSING",
       nullptr},
      {"A22_ReplacedNameIsRefusedAndTheNewOneNamed",
       {{"sans", json::array{"DNS:node1.signet.localhost", "DNS:other.example.com"}}},
       "SAN_MISSING",
       "SAN_ADDED"},
      {"A23_CommonNameAloneIsRefused", {{"sans", none}}, "SAN_MISSING", nullptr},
      {"A23_CommonNameThatIsNoSanIsRefused",
       {{"subject", "a.example.com"}},
       "CN_NOT_IN_SAN",
       "SUBJECT_ALTERED"},
      {"A25_NameOutsideOfTheIssuersConstraintsIsRefused",
       {{"issuer", "constrained"}},
       "NAME_CONSTRAINT_VIOLATED",
       nullptr},
      {"A26_Version1IsRefused", {{"odd", "version-1"}}, "VERSION_INVALID", nullptr},
      {"A26_Version2WithExtensionsIsRefused",
       {{"odd", "version-2-extensions"}},
       malformed,
       nullptr},
      {"A27_DifferingSignatureAlgorithmsAreRefused",
       {{"odd", "algorithm-mismatch"}},
       malformed,
       nullptr},
      {"A28_TrailingOctetsAreRefused", {{"raw", "trailing"}}, malformed, nullptr},
      {"A28_IndefiniteLengthIsRefused", {{"raw", "ber-indefinite"}}, malformed, nullptr},
      {"A28_NonMinimalLengthIsRefused", {{"raw", "ber-long-length"}}, malformed, nullptr},
      {"A28_LengthOf4GiBIsRefused", {{"raw", "ber-4gib"}}, malformed, nullptr},
      {"A28_LengthOf5OctetsIsRefused", {{"raw", "ber-5-byte-length"}}, malformed, nullptr},
      {"A35_NulInTheSubjectIsRefused", {{"odd", "subject-nul"}}, "NAME_UNSAFE", "SUBJECT_ALTERED"},
      {"A35_NewlineInTheSubjectIsRefused", {{"odd", "subject-newline"}}, "NAME_UNSAFE", nullptr},
      {"A35_InvalidUtf8IsRefused", {{"odd", "subject-invalid-utf8"}}, malformed, nullptr},
      {"A35_OddBmpStringIsRefused", {{"odd", "subject-bmp-odd"}}, malformed, nullptr},
      {"A35_SubjectOf32768CharactersIsRefused",
       {{"odd", "subject-32768"}},
       "NAME_TOO_LONG",
       nullptr},
      {"A35_SubjectOf1000PartsIsRefused",
       {{"odd", "subject-1000-rdns"}},
       "TOO_MANY_NAMES",
       nullptr},
      {"A36_101NamesAreRefused", {{"odd", "san-101"}}, "TOO_MANY_NAMES", nullptr},
      {"A36_100000NamesAreRefused", {{"odd", "san-100000"}}, "UPLOAD_TOO_LARGE", nullptr},
      {"A36_NulInANameIsRefused", {{"odd", "san-nul"}}, "CN_NOT_IN_SAN", "NAME_UNSAFE"},
  };
}

class OddCertificate : public AbuseTest, public ::testing::WithParamInterface<Odd> {};

// ABUSE 1, 5-13, 14-23, 25-28, 35, 36: the rows above, by their numbers.
TEST_P(OddCertificate, NothingIsStored) {
  const std::string pem = ca().Sign(csr(), GetParam().how);
  const auto start = std::chrono::steady_clock::now();
  const Answer answer = UploadRefused(GetParam().word, pem);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  if (GetParam().finding != nullptr) {
    EXPECT_NE(FindingOf(answer.error, GetParam().finding), "") << answer.error;
  }
}
INSTANTIATE_TEST_SUITE_P(Abuse, OddCertificate, ::testing::ValuesIn(Odds()),
                         [](const auto& odd) { return std::string(odd.param.name); });

class Certificate : public AbuseTest {};

// ABUSE 2.
TEST_F(Certificate, A2_CertificateOfAnotherLocalKeyIsNotAttached) {
  const OwnCsr other = MakeCsr("tomcat-ECDSA");
  const Answer answer = UploadRefused("KEY_MISMATCH", ca().Sign(other.pem));
  EXPECT_THAT(json::serialize(answer.error), HasSubstr("tomcat-ECDSA csr " + other.id));
  appliance().MustRpc("csr.discard", {{"id", other.id}});
}

// ABUSE 3.
TEST_F(Certificate, A3_AnsweredCsrTakesTheSameCertificateAgainAndNoOther) {
  const OwnCsr own = MakeCsr();
  const std::string first = ca().Sign(own.pem), second = ca().Sign(own.pem);
  ASSERT_TRUE(Upload(first).ok());
  const World before = Look();
  const Answer again = Upload(first);
  ASSERT_TRUE(again.ok()) << again.error;
  EXPECT_FALSE(again.result.at("changed").as_bool());
  EXPECT_NE(FindingOf(again.result.at("findings"), "ALREADY_THERE"), "");
  EXPECT_EQ(Look(), before);
  UploadRefused("CSR_ALREADY_ANSWERED", second);
}

// ABUSE 4.
TEST_F(Certificate, A4_WithdrawnCsrIsSaidToBeGone) {
  const OwnCsr own = MakeCsr("cup-xmpp-ECDSA");
  const std::string pem = ca().Sign(own.pem);
  appliance().MustRpc("csr.discard", {{"id", own.id}});
  UploadRefused("NO_PENDING_CSR", pem, "cup-xmpp-ECDSA");
}

// ABUSE 9.
TEST_F(Certificate, A9_EndAfterTheIssuersIsAWarning) {
  const OwnCsr own = MakeCsr();
  const Answer answer = Upload(ca().Sign(own.pem, {{"issuer", "short"}}));
  ASSERT_TRUE(answer.ok()) << answer.error;
  EXPECT_THAT(FindingOf(answer.result.at("findings"), "OUTLIVES_ISSUER"), StartsWith("warning"));
}

// ABUSE 14.
TEST_F(Certificate, A14_CompressedPointIsTheSameKey) {
  const OwnCsr own = MakeCsr();
  const Answer answer = Upload(ca().Sign(own.pem, {{"odd", "ec-compressed"}}));
  EXPECT_TRUE(answer.ok()) << answer.error;
}

// ABUSE 22.
TEST_F(Certificate, A22_AddedNameIsAWarningThatNamesTheHabit) {
  const OwnCsr own = MakeCsr();
  const Answer answer = Upload(ca().Sign(
      own.pem,
      {{"sans", json::array{"DNS:node1.signet.localhost", "DNS:www.node1.signet.localhost"}}}));
  ASSERT_TRUE(answer.ok()) << answer.error;
  EXPECT_THAT(FindingOf(answer.result.at("findings"), "SAN_ADDED"),
              ::testing::AllOf(StartsWith("warning"), HasSubstr("adds 'www.'")));
}

// ABUSE 24.
TEST_F(Certificate, A24_AlteredSubjectIsAWarningThatShowsBoth) {
  const OwnCsr own = MakeCsr(kPurpose, {{"organization", "Example"}});
  const Answer answer = Upload(ca().Sign(own.pem, {{"subject", "node1.signet.localhost"}}));
  ASSERT_TRUE(answer.ok()) << answer.error;
  EXPECT_THAT(FindingOf(answer.result.at("findings"), "SUBJECT_ALTERED"),
              ::testing::AllOf(StartsWith("warning"), HasSubstr("O=Example")));
}

// ABUSE 35.
TEST_F(Certificate, A35_OtherStringTypesAreShownAsText) {
  for (const char* odd : {"subject-bmp", "subject-teletex"}) {
    const OwnCsr own = MakeCsr();
    const Answer answer = Upload(ca().Sign(own.pem, {{"odd", odd}}));
    ASSERT_TRUE(answer.ok()) << odd << answer.error;
    const json::value shown = appliance().MustRpc("certificate.show", {{"purpose", kPurpose}});
    EXPECT_THAT(json::serialize(shown.at("subject")), HasSubstr("Zoë")) << odd;
  }
  const OwnCsr own = MakeCsr();
  EXPECT_TRUE(Upload(ca().Sign(own.pem, {{"odd", "subject-multi"}})).ok());
}

// ABUSE 37: two clients at the same moment, each on a connection of its own.
TEST_F(Certificate, A37_OfTwoAnswersAtOnceExactlyOneWins) {
  for (int round = 0; round < 10; ++round) {
    const OwnCsr own = MakeCsr();
    const std::string pems[] = {ca().Sign(own.pem), ca().Sign(own.pem)};
    Answer answers[2];
    std::barrier start(2);
    const auto upload = [&](int i) {
      start.arrive_and_wait();
      answers[i] = Upload(pems[i]);
    };
    std::thread other(upload, 1);
    upload(0);
    other.join();
    ASSERT_NE(answers[0].ok(), answers[1].ok()) << answers[0].error << answers[1].error;
    const int winner = answers[0].ok() ? 0 : 1;
    EXPECT_EQ(answers[1 - winner].word(), "CSR_ALREADY_ANSWERED");
    const json::value shown = appliance().MustRpc("certificate.show", {{"purpose", kPurpose}});
    EXPECT_EQ(json::value_to<std::string>(shown.at("fingerprint")), Fingerprint(pems[winner]));
    for (const json::value& pending : appliance().List("csr.list"))
      EXPECT_NE(pending.at("id"), json::string(own.id));
  }
}

// ABUSE 38.
TEST_F(Certificate, A38_CertificateOfARenewedKeyIsRefused) {
  const OwnCsr old = MakeCsr();
  const std::string pem = ca().Sign(old.pem);
  ASSERT_TRUE(Upload(pem).ok());
  const OwnCsr renewed = MakeCsr();
  ASSERT_TRUE(Upload(ca().Sign(renewed.pem)).ok());
  const Answer answer = UploadRefused("KEY_MISMATCH", pem);
  EXPECT_THAT(json::serialize(answer.error), HasSubstr("cup-ECDSA previous"));
}

}  // namespace
}  // namespace signet::testing
