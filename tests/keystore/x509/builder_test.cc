#include "keystore/x509/builder.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "keystore/x509/lint.h"
#include "keystore/x509/openssl_ptr.h"
#include "tests/keystore/x509/certs.h"
#include "tests/keystore/x509/profiles.h"

namespace signet::keystore::x509 {
namespace {

PkeyPtr NewKey() { return PkeyPtr(EVP_EC_gen("P-256")); }
std::string SpkiOf(EVP_PKEY* key) { return ToDer(key, i2d_PUBKEY); }

Template HostTemplate() {
  Template content;
  content.subject.common_name = "a.example.com";
  content.subject.organization = "Example";
  content.subject.country = "KR";
  content.sans = {ParseGeneralName("DNS:a.example.com").value(),
                  ParseGeneralName("IP:192.0.2.1").value(),
                  ParseGeneralName("DNS:a.example.com").value(),
                  ParseGeneralName("IP:2001:db8::1").value(),
                  ParseGeneralName("email:x@example.com").value(),
                  ParseGeneralName("URI:sip:a.example.com").value()};
  content.profile = TomcatProfile();
  return content;
}
Validity OneYear() { return {At("2026-01-01T00:00:00Z"), At("2027-01-01T00:00:00Z")}; }

// What the openssl command prints about `der`.
std::string OpenSslText(const std::string& command, const std::string& der) {
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("signet-builder-" + std::to_string(getpid()) + ".der"))
                               .string();
  std::ofstream(path, std::ios::binary) << der;
  FILE* pipe = popen(
      ("openssl " + command + " -inform DER -noout -text -in " + path + " 2>&1").c_str(), "r");
  std::string out;
  char buffer[4096];
  while (const std::size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
  pclose(pipe);
  std::filesystem::remove(path);
  return out;
}
bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(BuildRequest, WritesWhatOpenSslReadsBack) {
  const PkeyPtr key = NewKey();
  const std::string der = BuildRequest(HostTemplate(), SpkiOf(key.get()), key.get()).value();
  const std::string text = OpenSslText("req -verify", der);
  EXPECT_TRUE(Has(text, "self-signature verify OK")) << text;
  EXPECT_TRUE(Has(text, "Subject: C = KR, O = Example, CN = a.example.com")) << text;
  EXPECT_TRUE(
      Has(text,
          "X509v3 Key Usage: critical\n                    Digital Signature, Key Encipherment, "
          "Data Encipherment\n"))
      << text;
  EXPECT_TRUE(Has(text, "TLS Web Server Authentication, TLS Web Client Authentication\n")) << text;
  EXPECT_TRUE(Has(text,
                  "DNS:a.example.com, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, "
                  "email:x@example.com, URI:sip:a.example.com\n"))
      << text;
  EXPECT_TRUE(Has(text, "X509v3 Subject Key Identifier"));
  EXPECT_FALSE(Has(text, "Basic Constraints"));
}

TEST(BuildRequest, ReadsBackAndKeepsItsProfile) {
  const PkeyPtr key = NewKey();
  const Template content = HostTemplate();
  const auto request =
      ParseRequest(BuildRequest(content, SpkiOf(key.get()), key.get()).value()).value();
  EXPECT_EQ(request.sans.size(), 5u);
  EXPECT_TRUE(request.dropped.empty());
  EXPECT_FALSE(HasErrors(LintRequest(request, content.profile)));
  EXPECT_TRUE(HasErrors(LintRequest(request, CapfProfile())));
}

TEST(BuildRequest, OfACaAsksForCriticalBasicConstraints) {
  Template content = HostTemplate();
  content.profile = CapfProfile();
  const PkeyPtr key = NewKey();
  const std::string der = BuildRequest(content, SpkiOf(key.get()), key.get()).value();
  EXPECT_TRUE(Has(OpenSslText("req", der),
                  "X509v3 Basic Constraints: critical\n                    CA:TRUE, pathlen:0"));
  EXPECT_TRUE(Has(OpenSslText("req", der), "Digital Signature, Certificate Sign\n"));
}

TEST(BuildRequest, Abuse58WritesHostileNamesAsOneAttribute) {
  Template content = HostTemplate();
  content.subject.common_name = "x, O=\"y\" /CN=admin";
  const PkeyPtr key = NewKey();
  const auto request =
      ParseRequest(BuildRequest(content, SpkiOf(key.get()), key.get()).value()).value();
  EXPECT_EQ(request.common_name, "x, O=\"y\" /CN=admin");
}

TEST(BuildRequest, Abuse59RefusesNamesThatWereNotParsed) {
  Template content = HostTemplate();
  content.sans = {{GeneralName::Type::kDns, "a,IP:127.0.0.1"}};
  const PkeyPtr key = NewKey();
  EXPECT_EQ(BuildRequest(content, SpkiOf(key.get()), key.get()).error().word, "NAME_INVALID");
  content.sans.clear();
  for (int i = 0; i < 101; ++i) {
    content.sans.push_back({GeneralName::Type::kDns, "h" + std::to_string(i) + ".example.com"});
  }
  EXPECT_EQ(BuildRequest(content, SpkiOf(key.get()), key.get()).error().word, "TOO_MANY_NAMES");
}

TEST(BuildRequest, NeverReturnsASignatureOfAnotherKey) {
  const PkeyPtr key = NewKey();
  const PkeyPtr other = NewKey();
  const auto made = BuildRequest(HostTemplate(), SpkiOf(key.get()), other.get());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, Kind::kTokenFailed);
  EXPECT_EQ(made.error().word, "SIGNATURE_INVALID");
  EXPECT_EQ(BuildSelfSigned(HostTemplate(), OneYear(), SpkiOf(key.get()), other.get()).error().word,
            "SIGNATURE_INVALID");
}

TEST(BuildSelfSigned, MakesACertificateWithoutFindings) {
  const PkeyPtr key = NewKey();
  const Template content = HostTemplate();
  const std::string der = BuildSelfSigned(content, OneYear(), SpkiOf(key.get()), key.get()).value();
  const auto certificate = Certificate::FromDer(der);
  ASSERT_TRUE(certificate) << certificate.error().ToString();
  EXPECT_TRUE(certificate.value().fields().self_signed);
  EXPECT_EQ(certificate.value().fields().not_after, OneYear().not_after);
  EXPECT_LE(certificate.value().fields().serial.size(), 32u);
  Findings findings = Lint(certificate.value(), LintRole::kEndEntity);
  EXPECT_EQ(SeverityOf(findings, "EC_KEY_ENCIPHERMENT"), "info");
  EXPECT_FALSE(HasErrors(findings)) << Describe(findings);
  EXPECT_TRUE(LintProfile(certificate.value(), content.profile).empty());
  EXPECT_TRUE(Has(OpenSslText("x509", der),
                  "X509v3 Basic Constraints: critical\n                CA:FALSE"));
}

TEST(BuildSelfSigned, SerialsDiffer) {
  const PkeyPtr key = NewKey();
  const auto serial = [&] {
    return Certificate::FromDer(
               BuildSelfSigned(HostTemplate(), OneYear(), SpkiOf(key.get()), key.get()).value())
        .value()
        .fields()
        .serial;
  };
  EXPECT_NE(serial(), serial());
}

TEST(BuildSelfSigned, RefusesValiditiesThatAreNone) {
  const PkeyPtr key = NewKey();
  Validity validity = OneYear();
  std::swap(validity.not_before, validity.not_after);
  EXPECT_EQ(BuildSelfSigned(HostTemplate(), validity, SpkiOf(key.get()), key.get()).error().word,
            "VALIDITY_INVALID");
  validity = {OneYear().not_before, WallTime(std::chrono::seconds(400000000000LL))};
  EXPECT_EQ(BuildSelfSigned(HostTemplate(), validity, SpkiOf(key.get()), key.get()).error().word,
            "VALIDITY_INVALID");
}

TEST(Rehearsal, RefusesWhatTheLintWouldRefuseBeforeTheTokenSigns) {
  const hsm::KeySpec spec{hsm::KeyAlgorithm::kEc, 256};
  const Validity validity = OneYear();
  Rehearsal rehearsal;
  EXPECT_TRUE(rehearsal.Run(HostTemplate(), &validity, spec));
  EXPECT_TRUE(rehearsal.Run(HostTemplate(), nullptr, spec));
  EXPECT_TRUE(rehearsal.Run(HostTemplate(), nullptr, hsm::KeySpec{}));
  Template content = HostTemplate();
  content.sans = {{GeneralName::Type::kDns, "b.example.com"}};
  const auto refused = rehearsal.Run(content, &validity, spec);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().word, "LINT_FAILED");
  EXPECT_EQ(SeverityOf(refused.error().findings, "CN_NOT_IN_SAN"), "error");
}

TEST(CheckHash, RefusesHashesWeakerThanTheCurve) {
  using hsm::HashAlgorithm;
  const hsm::KeySpec p256{hsm::KeyAlgorithm::kEc, 256};
  const hsm::KeySpec p384{hsm::KeyAlgorithm::kEc, 384};
  const hsm::KeySpec p521{hsm::KeyAlgorithm::kEc, 521};
  EXPECT_EQ(DefaultHash(p384), HashAlgorithm::kSha384);
  EXPECT_EQ(DefaultHash(p521), HashAlgorithm::kSha512);
  EXPECT_EQ(DefaultHash(hsm::KeySpec{}), HashAlgorithm::kSha256);
  EXPECT_TRUE(CheckHash(p256, HashAlgorithm::kSha512));
  EXPECT_EQ(CheckHash(p384, HashAlgorithm::kSha256).error().word, "HASH_TOO_WEAK");
  EXPECT_EQ(CheckHash(p521, HashAlgorithm::kSha384).error().word, "HASH_TOO_WEAK");
  EXPECT_TRUE(CheckHash({hsm::KeyAlgorithm::kRsa, 4096}, HashAlgorithm::kSha256));
}

}  // namespace
}  // namespace signet::keystore::x509
