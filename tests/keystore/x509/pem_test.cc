#include "keystore/x509/pem.h"

#include <gtest/gtest.h>

#include "tests/keystore/x509/certs.h"

namespace signet::keystore::x509 {
namespace {

std::string WordOf(std::string_view upload, std::size_t most = 16) {
  auto read = ReadCertificates(upload, most);
  return read ? "accepted" : read.error().word;
}

TEST(ReadCertificates, TakesPemDerAndPkcs7) {
  EXPECT_EQ(ReadCertificates(ReadTestFile("three.pem"), 16).value().size(), 3u);
  EXPECT_EQ(ReadCertificates(ReadTestFile("three.p7b"), 16).value().size(), 3u);
  EXPECT_EQ(ReadCertificates(ReadTestFile("three.p7b.pem"), 16).value().size(), 3u);
  EXPECT_EQ(ReadCertificates(Der("leaf"), 1).value().front(), Cert("leaf"));
}

class PrivateKeys : public testing::TestWithParam<const char*> {};
// SPEC C1: a private key is refused in whatever form. ABUSE 29.
TEST_P(PrivateKeys, Abuse29AreRefusedInAnyForm) {
  const std::string key = ReadTestFile(GetParam());
  auto read = ReadCertificates(key, 16);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().word, "PRIVATE_KEY_IN_UPLOAD");
  EXPECT_NE(read.error().remedy.find("compromised"), std::string::npos);
  EXPECT_EQ(read.error().ToString().find(key.substr(40, 20)), std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(ReadCertificates, PrivateKeys,
                         testing::Values("key-pkcs8.pem", "key-pkcs8.der", "key-rsa.pem",
                                         "key-rsa.der", "key-ec.pem", "key-ec.der",
                                         "key-sealed.pem", "key-sealed.der", "key-openssh.pem",
                                         "bundle.p12"));

TEST(ReadCertificates, Abuse29FindsAPrivateKeyWhereverItHides) {
  const std::string leaf = ReadTestFile("leaf.pem");
  const std::string key = ReadTestFile("key-ec.pem");
  EXPECT_EQ(WordOf(leaf + key), "PRIVATE_KEY_IN_UPLOAD");
  EXPECT_EQ(WordOf(key + leaf), "PRIVATE_KEY_IN_UPLOAD");
  EXPECT_EQ(WordOf(leaf + std::string(1, '\0') + key), "PRIVATE_KEY_IN_UPLOAD");
  EXPECT_EQ(WordOf(leaf + "----- begin private key -----\n"), "PRIVATE_KEY_IN_UPLOAD");
  EXPECT_EQ(WordOf(Der("leaf") + ReadTestFile("key-pkcs8.der")), "PRIVATE_KEY_IN_UPLOAD");
  EXPECT_EQ(WordOf("-----BEGIN CERTIFICATE-----\n" + Base64Encode(ReadTestFile("key-ec.der")) +
                   "\n-----END CERTIFICATE-----\n"),
            "PRIVATE_KEY_IN_UPLOAD");
  EXPECT_EQ(WordOf("-----BEGIN PKCS7-----\n" + Base64Encode(ReadTestFile("bundle.p12")) +
                   "\n-----END PKCS7-----\n"),
            "PRIVATE_KEY_IN_UPLOAD");
  EXPECT_EQ(WordOf(Base64Encode(ReadTestFile("key-pkcs8.der"))), "PRIVATE_KEY_IN_UPLOAD");
  EXPECT_EQ(WordOf("This is no private key.\n" + leaf), "accepted");
}

// ABUSE 30.
TEST(ReadCertificates, Abuse30RefusesOtherBlocksByName) {
  const auto refuses = [](const std::string& file, const std::string& label) {
    auto read = ReadCertificates(ReadTestFile("leaf.pem") + ReadTestFile(file), 16);
    return !read && read.error().word == "PEM_BLOCK_UNEXPECTED" &&
           read.error().detail.find(label) != std::string::npos;
  };
  EXPECT_TRUE(refuses("request.pem", "CERTIFICATE REQUEST"));
  EXPECT_TRUE(refuses("crl.pem", "X509 CRL"));
  EXPECT_TRUE(refuses("trusted.pem", "TRUSTED CERTIFICATE"));
  EXPECT_EQ(WordOf(ReadTestFile("signed.p7b")), "PEM_BLOCK_UNEXPECTED");
}

TEST(ReadCertificates, Abuse31TakesWhiteSpaceAndExplanations) {
  std::string windows;
  for (const char c : ReadTestFile("leaf.pem")) windows += c == '\n' ? "\r\n" : std::string(1, c);
  EXPECT_EQ(WordOf(windows), "accepted");
  EXPECT_EQ(WordOf("\xEF\xBB\xBF" + windows), "accepted");
  EXPECT_EQ(WordOf("subject=CN = x\n\n" + windows + "\n# end\n" + windows), "accepted");
}

// ABUSE 31.
TEST(ReadCertificates, Abuse31RefusesDamagedBlocks) {
  const std::string leaf = ReadTestFile("leaf.pem");
  const std::string body = leaf.substr(28, leaf.size() - 28 - 26);
  const std::string begin = "-----BEGIN CERTIFICATE-----\n";
  const std::string end = "-----END CERTIFICATE-----\n";
  ASSERT_EQ(begin + body + end, leaf);
  for (const std::string& bad :
       {begin + body, body + end, begin + begin + body + end, begin + body + "-----END X-----\n",
        "----BEGIN CERTIFICATE-----\n" + body + end,
        begin + "Proc-Type: 4,ENCRYPTED\n\n" + body + end, begin + "AA_-\n" + end,
        begin + "!!!!\n" + end, begin + end,
        begin + body.substr(0, 10) + std::string(1, '\0') + body.substr(10) + end,
        leaf + std::string(1 << 20, 'x'), begin + body.substr(4) + "=\n" + end}) {
    EXPECT_EQ(WordOf(bad), "PEM_MALFORMED") << bad.substr(0, 60);
  }
}

// ABUSE 32.
TEST(ReadCertificates, Abuse32RefusesBareAndUrlBase64) {
  EXPECT_EQ(WordOf(Base64Encode(Der("leaf"))), "PEM_MALFORMED");
  std::string url = Base64Encode(Der("leaf"));
  for (char& c : url) c = c == '+' ? '-' : c == '/' ? '_' : c;
  EXPECT_EQ(WordOf("-----BEGIN CERTIFICATE-----\n" + url + "\n-----END CERTIFICATE-----\n"),
            "PEM_MALFORMED");
}

// ABUSE 33.
TEST(ReadCertificates, Abuse33RefusesPkcs12WithoutDerivingAKey) {
  EXPECT_EQ(WordOf(ReadTestFile("bundle.p12")), "PRIVATE_KEY_IN_UPLOAD");
}

// ABUSE 34, 41.
TEST(ReadCertificates, Abuse34And41BoundTheNumber) {
  EXPECT_EQ(WordOf(ReadTestFile("three.p7b"), 2), "TOO_MANY_CERTIFICATES");
  EXPECT_EQ(WordOf(ReadTestFile("deep.pem"), 16), "TOO_MANY_CERTIFICATES");
  EXPECT_EQ(WordOf(std::string(3u << 20, ' '), 16), "UPLOAD_TOO_LARGE");
}

TEST(ReadCertificates, EmptyUploadsAreSaidToBeEmpty) {
  EXPECT_EQ(WordOf(""), "UPLOAD_EMPTY");
  EXPECT_EQ(WordOf(" \r\n\t"), "UPLOAD_EMPTY");
}

}  // namespace
}  // namespace signet::keystore::x509
