#include "keystore/x509/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/keystore/x509/certs.h"

namespace signet::keystore::x509 {
namespace {

TEST(CertificateFields, AreThoseOfTheCertificate) {
  const Certificate leaf = Cert("leaf");
  const auto& fields = leaf.fields();
  EXPECT_EQ(fields.subject, "CN=a.example.com,O=Example");
  EXPECT_EQ(fields.issuer, "CN=Intermediate 2");
  EXPECT_EQ(fields.common_name, "a.example.com");
  EXPECT_EQ(fields.sans, std::vector<std::string>{"DNS:a.example.com"});
  EXPECT_EQ(fields.key.text, "ec:P-256");
  EXPECT_EQ(fields.key.spec, (hsm::KeySpec{hsm::KeyAlgorithm::kEc, 256}));
  EXPECT_EQ(fields.key.ski, fields.ski);
  EXPECT_EQ(fields.signature_algorithm, "ecdsa-with-SHA256");
  EXPECT_EQ(FormatTime(fields.not_before), "2026-01-01T00:00:00Z");
  EXPECT_FALSE(fields.ca);
  EXPECT_FALSE(fields.self_issued);
  EXPECT_EQ(*fields.extended, (std::vector<std::string>{"1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"}));
  EXPECT_EQ(*fields.key_usage,
            (std::vector<bool>{true, false, true, false, false, false, false, false, false}));
  EXPECT_EQ(leaf.fingerprint(), Sha256Hex(leaf.der()));
  EXPECT_EQ(leaf.ToPem(), ReadTestFile("leaf.pem"));
}

TEST(CertificateFields, OfACaShowPathLengthAndSelfSignature) {
  EXPECT_EQ(Cert("int2").fields().path_length, 0);
  EXPECT_TRUE(Cert("int2").fields().ca);
  EXPECT_TRUE(Cert("root").fields().self_signed);
  EXPECT_TRUE(Cert("leaf").IsSignedBy(Cert("int2")));
  EXPECT_FALSE(Cert("leaf").IsSignedBy(Cert("int1")));
  EXPECT_EQ(Cert("leaf").fields().issuer_der, Cert("int2").fields().subject_der);
}

// SPEC C9: equal names are not enough.
TEST(CertificateFields, SelfSignedNeedsItsOwnKeysSignature) {
  const auto fields = Cert("root-bad-signature").fields();
  EXPECT_TRUE(fields.self_issued);
  EXPECT_FALSE(fields.self_signed);
}

TEST(CertificateFields, NamesThatDifferInCaseSpaceAndStringTypeAreOne) {
  EXPECT_NE(Cert("subject-spelling").fields().subject, Cert("leaf").fields().subject);
  EXPECT_EQ(Cert("subject-spelling").fields().subject_der, Cert("leaf").fields().subject_der);
}

TEST(CertificateFields, AllKindsOfNamesAreWritten) {
  EXPECT_EQ(Cert("san-kinds").fields().sans,
            (std::vector<std::string>{"DNS:a.example.com", "IP:10.0.0.1", "email:x@example.com",
                                      "URI:sip:a.example.com", "rid:1.2.3.4", "IP:2001:db8::1",
                                      "other:1.2.3.5", "dirName:CN=dir"}));
}

TEST(CertificateFields, SerialsAreHexWithoutLeadingZeros) {
  EXPECT_EQ(Cert("serial-zero").fields().serial, "0");
  EXPECT_EQ(Cert("serial-negative").fields().serial, "-7aef");
  EXPECT_EQ(Cert("serial-21").fields().serial.size(), 42u);
}

// ABUSE 9.
TEST(CertificateParser, Abuse9RefusesNotAfterBeforeNotBefore) {
  EXPECT_EQ(Refusal("inverted"), "CERTIFICATE_MALFORMED");
  EXPECT_EQ(Refusal("time-offset"), "CERTIFICATE_MALFORMED");
}

// ABUSE 12: nothing is computed.
TEST(CertificateParser, Abuse12RefusesGiantRsaBeforeArithmetic) {
  const std::string der = Der("rsa-16384");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Refusal("rsa-16384"), "KEY_UNSUPPORTED");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(100));
  EXPECT_EQ(Refusal("rsa-huge-exponent"), "KEY_UNSUPPORTED");
}

// ABUSE 13.
TEST(CertificateParser, Abuse13RefusesExplicitCurveParameters) {
  EXPECT_EQ(Refusal("ec-explicit"), "KEY_UNSUPPORTED");
}

// ABUSE 14.
TEST(CertificateParser, Abuse14RefusesPointsThatAreNone) {
  EXPECT_EQ(Refusal("ec-off-curve"), "KEY_UNSUPPORTED");
  EXPECT_EQ(Refusal("ec-infinity"), "KEY_UNSUPPORTED");
}

TEST(CertificateParser, Abuse14ComparesCompressedPointsAsKeys) {
  EXPECT_EQ(Cert("ec-compressed").fields().key.spki_sha256,
            Cert("ec-plain").fields().key.spki_sha256);
  EXPECT_EQ(Cert("ec-compressed").fields().key.ski, Cert("ec-plain").fields().key.ski);
}

// ABUSE 15.
TEST(CertificateParser, Abuse15RefusesUnknownKeyAlgorithms) {
  EXPECT_EQ(Refusal("key-unknown"), "KEY_UNSUPPORTED");
}

// ABUSE 16.
TEST(CertificateParser, Abuse16RefusesAbsurdSerials) {
  EXPECT_EQ(Refusal("serial-65"), "CERTIFICATE_MALFORMED");
}

// ABUSE 18.
TEST(CertificateParser, Abuse18RefusesDuplicateExtensions) {
  EXPECT_EQ(Refusal("duplicate-extension"), "CERTIFICATE_MALFORMED");
}

// ABUSE 26.
TEST(CertificateParser, Abuse26RefusesExtensionsBeforeVersion3) {
  EXPECT_EQ(Refusal("version-2-extensions"), "CERTIFICATE_MALFORMED");
  EXPECT_EQ(Refusal("version-9"), "CERTIFICATE_MALFORMED");
}

// ABUSE 27.
TEST(CertificateParser, Abuse27RefusesDifferentInnerAndOuterAlgorithm) {
  EXPECT_EQ(Refusal("algorithm-mismatch"), "CERTIFICATE_MALFORMED");
}

class NotDer : public testing::TestWithParam<const char*> {};
// ABUSE 28.
TEST_P(NotDer, Abuse28IsRefused) { EXPECT_EQ(Refusal(GetParam()), "CERTIFICATE_MALFORMED"); }
INSTANTIATE_TEST_SUITE_P(CertificateParser, NotDer,
                         testing::Values("trailing", "ber-indefinite", "ber-long-length",
                                         "ber-4gib", "ber-5-byte-length", "ber-in-signed-part",
                                         "extension-ber", "extension-trailing"));

TEST(CertificateParser, EmptyAndShortInputsAreRefused) {
  const std::string der = Der("leaf");
  for (std::size_t size = 0; size < der.size(); size += 7) {
    EXPECT_FALSE(Certificate::FromDer(std::string_view(der).substr(0, size)));
  }
}

// Each octet of a certificate flipped: refused, or read without harm (the sanitizers look on).
TEST(CertificateParser, FlippedOctetsDoNoHarm) {
  std::string der = Der("leaf");
  for (char& c : der) {
    c = static_cast<char>(c ^ 0x41);
    (void)Certificate::FromDer(der);
    c = static_cast<char>(c ^ 0x41);
  }
}

// ABUSE 35.
TEST(CertificateParser, Abuse35BoundsAndEscapesNames) {
  EXPECT_EQ(Refusal("subject-1000-rdns"), "TOO_MANY_NAMES");
  EXPECT_LE(Cert("subject-32768").fields().subject.size(), 2100u);
  EXPECT_LE(Cert("subject-32768").fields().common_name.size(), 600u);
  EXPECT_EQ(Cert("subject-newline").fields().common_name, "a\\x0ab\\x1b[31m");
  EXPECT_EQ(Cert("subject-newline").fields().subject.find('\n'), std::string::npos);
  EXPECT_EQ(Cert("subject-newline").fields().subject.find('\x1b'), std::string::npos);
  EXPECT_EQ(Cert("subject-nul").fields().common_name.find('\0'), std::string::npos);
  EXPECT_NE(Cert("subject-nul").fields().subject, "CN=bank.com");
  EXPECT_EQ(Cert("subject-rtl").fields().subject.find("\u202e"), std::string::npos);
  EXPECT_EQ(Cert("subject-bmp").fields().common_name, "Zoë");
  EXPECT_EQ(Cert("subject-teletex").fields().common_name, "Zoë");
  EXPECT_EQ(Cert("subject-multi").fields().subject, "OU=U+O=O");
  EXPECT_EQ(Refusal("subject-bmp-odd"), "CERTIFICATE_MALFORMED");
  EXPECT_EQ(Cert("san-nul").fields().sans.front(), "DNS:a.example.com\\x00.evil");
}

// ABUSE 36.
TEST(CertificateParser, Abuse36BoundsTheNumberOfNames) {
  EXPECT_EQ(Cert("san-100").fields().sans.size(), 100u);
  EXPECT_EQ(Refusal("san-101"), "TOO_MANY_NAMES");
  EXPECT_EQ(Refusal("san-3000"), "TOO_MANY_NAMES");
  const std::string der = Der("san-100000");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Certificate::FromDer(der).error().word, "CERTIFICATE_TOO_LARGE");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(50));
}

TEST(CertificateParser, IsReadByManyThreadsAtOnce) {
  const Certificate leaf = Cert("leaf");
  const Certificate issuer = Cert("int2");
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([leaf, issuer] {
      for (int n = 0; n < 50; ++n) EXPECT_TRUE(leaf.IsSignedBy(issuer));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(RequestParser, ReadsRequestsOfOpenSsl) {
  const auto request = ParseRequest(ReadTestFile("request.der"));
  ASSERT_TRUE(request) << request.error().ToString();
  EXPECT_EQ(request.value().subject, "O=Example,CN=a.example.com");
  EXPECT_EQ(request.value().sans,
            (std::vector<std::string>{"DNS:a.example.com", "DNS:b.example.com"}));
  EXPECT_EQ(request.value().key.spki_sha256, Cert("leaf").fields().key.spki_sha256);
  EXPECT_TRUE(request.value().key_usage[0]);
  EXPECT_FALSE(request.value().ca);
}

// ABUSE 69.
TEST(RequestParser, Abuse69DropsAndListsWhatIsNotHonoured) {
  EXPECT_THAT(ParseRequest(ReadTestFile("request.der")).value().dropped,
              testing::UnorderedElementsAre("challengePassword", "unstructuredName",
                                            "X509v3 Certificate Policies"));
}

TEST(RequestParser, RefusesForeignSignaturesAndTrailingOctets) {
  EXPECT_EQ(ParseRequest(ReadTestFile("request-flipped.der")).error().word,
            "CSR_SIGNATURE_INVALID");
  EXPECT_EQ(ParseRequest(ReadTestFile("request-trailing.der")).error().word, "CSR_MALFORMED");
  EXPECT_EQ(ParseRequest(Der("leaf")).error().word, "CSR_MALFORMED");
}

}  // namespace
}  // namespace signet::keystore::x509
