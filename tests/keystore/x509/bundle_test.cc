// Bundle mode (SPEC C5a): what can not be read is told, the rest is taken.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <random>

#include "keystore/x509/pem.h"
#include "tests/keystore/x509/certs.h"

namespace signet::keystore::x509 {
namespace {

std::string Block(const std::string& label, std::string_view der) {
  return "-----BEGIN " + label + "-----\n" + Base64Encode(der) + "\n-----END " + label + "-----\n";
}
Bundle Read(std::string_view upload, std::size_t most = 20000) {
  auto bundle = ReadBundle(upload, most);
  if (!bundle) {
    ADD_FAILURE() << bundle.error().ToString();
    return {};
  }
  return std::move(bundle).value();
}
std::string WordOf(std::string_view upload, std::size_t most = 20000) {
  auto bundle = ReadBundle(upload, most);
  return bundle ? "accepted" : bundle.error().word;
}

// SPEC C5a: each good certificate is taken, each other reported.
TEST(ReadBundle, TakesTheGoodAndReportsTheBadWithTheirPlace) {
  const std::string bad = "-----BEGIN CERTIFICATE-----\n" + Base64Encode(Der("ber-long-length")) +
                          "\n-----END CERTIFICATE-----\n";
  auto bundle = ReadBundle(ReadTestFile("leaf.pem") + bad + ReadTestFile("root.pem"), 20000);
  ASSERT_TRUE(bundle);
  EXPECT_EQ(bundle.value().certificates.size(), 2u);
  ASSERT_EQ(bundle.value().rejected.size(), 1u);
  EXPECT_EQ(bundle.value().rejected[0].number, 2u);
  EXPECT_EQ(bundle.value().rejected[0].error.word, "CERTIFICATE_MALFORMED");
  auto strict = ReadCertificates(ReadTestFile("leaf.pem") + bad, 16);
  EXPECT_EQ(strict.error().word, "CERTIFICATE_MALFORMED");
  EXPECT_NE(strict.error().detail.find("certificate 2"), std::string::npos);
}

// Real roots: the strict parser takes those that this machine trusts.
TEST(ReadBundle, TakesTheRootsOfTheOperatingSystem) {
  std::ifstream in("/etc/ssl/certs/ca-certificates.crt", std::ios::binary);
  if (!in) GTEST_SKIP() << "no system bundle here";
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  auto bundle = ReadBundle(text, 20000);
  ASSERT_TRUE(bundle);
  EXPECT_GT(bundle.value().certificates.size(), 100u);
  for (const auto& rejected : bundle.value().rejected) {
    ADD_FAILURE() << rejected.number << " " << rejected.error.ToString();
  }
}

// What stands between two good certificates, and how it is told.
struct Fault {
  const char* name;
  std::string text;
  const char* word;
};
std::vector<Fault> Faults() {
  const std::string leaf = ReadTestFile("leaf.pem");
  const std::string body = leaf.substr(28, leaf.size() - 28 - 26);
  const std::string begin = "-----BEGIN CERTIFICATE-----\n";
  const std::string end = "-----END CERTIFICATE-----\n";
  return {{"bad base64", begin + "!!!!\n" + end, "PEM_MALFORMED"},
          {"not canonical base64", begin + "AA_-\n" + end, "PEM_MALFORMED"},
          {"no END line", begin + body, "PEM_MALFORMED"},
          {"END of another kind", begin + body + "-----END X-----\n", "PEM_MALFORMED"},
          {"damaged BEGIN line", "----BEGIN CERTIFICATE-----\n" + body + end, "PEM_MALFORMED"},
          {"damaged END line", begin + body + "----END CERTIFICATE----\n", "PEM_MALFORMED"},
          {"nothing inside", begin + end, "PEM_MALFORMED"},
          {"a header", begin + "Proc-Type: 4,ENCRYPTED\n\n" + body + end, "PEM_MALFORMED"},
          {"a line of 1 MiB", std::string(1 << 20, 'x') + "\n", "PEM_MALFORMED"},
          {"garbage", Block("CERTIFICATE", "garbage"), "CERTIFICATE_MALFORMED"},
          {"a CSR", ReadTestFile("request.pem"), "PEM_BLOCK_UNEXPECTED"},
          {"a CRL", ReadTestFile("crl.pem"), "PEM_BLOCK_UNEXPECTED"},
          {"a trusted certificate", ReadTestFile("trusted.pem"), "PEM_BLOCK_UNEXPECTED"},
          {"a signed message", Block("PKCS7", ReadTestFile("signed.p7b")), "PEM_BLOCK_UNEXPECTED"},
          {"a PKCS#7 that is none", Block("PKCS7", Der("leaf")), "PEM_MALFORMED"}};
}

TEST(ReadBundle, OneBadBlockInTheMiddleCostsNoOther) {
  const std::string first = "first\n" + ReadTestFile("leaf.pem");
  const auto line = static_cast<std::size_t>(std::count(first.begin(), first.end(), '\n')) + 1;
  for (const Fault& fault : Faults()) {
    SCOPED_TRACE(fault.name);
    const Bundle bundle = Read(first + fault.text + ReadTestFile("root.pem"));
    ASSERT_EQ(bundle.certificates.size(), 2u);
    EXPECT_EQ(bundle.certificates[0], Cert("leaf"));
    EXPECT_EQ(bundle.certificates[1], Cert("root"));
    ASSERT_EQ(bundle.rejected.size(), 1u);
    EXPECT_EQ(bundle.rejected[0].number, 2u);
    EXPECT_EQ(bundle.rejected[0].line, line);
    EXPECT_EQ(bundle.rejected[0].error.word, fault.word);
    EXPECT_FALSE(bundle.rejected[0].error.remedy.empty());
  }
}

TEST(ReadBundle, TellsAllFaultsInTheirOrder) {
  std::string text;
  for (const Fault& fault : Faults()) text += fault.text + ReadTestFile("leaf.pem");
  const Bundle bundle = Read(text);
  EXPECT_EQ(bundle.certificates.size(), Faults().size());
  ASSERT_EQ(bundle.rejected.size(), Faults().size());
  for (std::size_t i = 0; i < Faults().size(); ++i) {
    EXPECT_EQ(bundle.rejected[i].number, 2 * i + 1) << Faults()[i].name;
    EXPECT_EQ(bundle.rejected[i].error.word, Faults()[i].word) << Faults()[i].name;
  }
}

TEST(ReadBundle, NothingGoodIsNoErrorOfTheWhole) {
  const Bundle bundle = Read(Block("CERTIFICATE", "garbage"));
  EXPECT_TRUE(bundle.certificates.empty());
  EXPECT_EQ(bundle.rejected.size(), 1u);
  EXPECT_EQ(WordOf("nothing\n-- BEGIN"), "accepted");
  EXPECT_EQ(WordOf(""), "UPLOAD_EMPTY");
}

TEST(ReadBundle, TakesCommentsAndCarriageReturns) {
  std::string text;
  for (const char c :
       "# a root\n" + ReadTestFile("root.pem") + "\n# and\n" + ReadTestFile("three.pem")) {
    text += c == '\n' ? "\r\n" : std::string(1, c);
  }
  const Bundle bundle = Read(text);
  EXPECT_EQ(bundle.certificates.size(), 4u);
  EXPECT_TRUE(bundle.rejected.empty());
}

TEST(ReadBundle, APkcs7WithABadCertificateGivesTheOthers) {
  std::string p7 = ReadTestFile("three.p7b");
  const auto certificates = Read(p7).certificates;
  ASSERT_EQ(certificates.size(), 3u);
  const std::size_t at = p7.find(certificates[1].der());
  ASSERT_NE(at, std::string::npos);
  p7[at + 8] = '\x7f';  // the tag of what should be the version
  for (const std::string& form : {p7, Block("PKCS7", p7), Block("CMS", p7)}) {
    const Bundle bundle = Read(form);
    ASSERT_EQ(bundle.certificates.size(), 2u);
    EXPECT_EQ(bundle.certificates[1], certificates[2]);
    ASSERT_EQ(bundle.rejected.size(), 1u);
    EXPECT_EQ(bundle.rejected[0].number, 2u);
    EXPECT_EQ(bundle.rejected[0].line, form == p7 ? 0u : 1u);
    EXPECT_EQ(WordOf(form, 2), "TOO_MANY_CERTIFICATES");
  }
  EXPECT_EQ(WordOf(ReadTestFile("leaf.pem") + Block("PKCS7", p7), 3), "TOO_MANY_CERTIFICATES");
  EXPECT_EQ(Read(p7 + "x").rejected.at(0).error.word, "PEM_MALFORMED");
  EXPECT_EQ(Read(p7.substr(0, p7.size() - 1)).rejected.at(0).error.word, "CERTIFICATE_MALFORMED");
}

TEST(ReadBundle, Abuse29APrivateKeyAnywhereRefusesTheWhole) {
  const std::string leaf = ReadTestFile("leaf.pem");
  const std::string key = ReadTestFile("key-ec.der");
  const std::string base64 = Base64Encode(key) + "\n";
  for (const std::string& bad :
       {ReadTestFile("key-ec.pem"), std::string(9000, ' ') + "-----BEGIN PRIVATE KEY-----\n",
        Block("CERTIFICATE", key), Block("X509 CRL", key), Block("PKCS7", key),
        Block("PKCS7", ReadTestFile("bundle.p12")),
        "-----BEGIN CERTIFICATE-----\nProc-Type: 4\n" + base64 + "-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n" + base64 + "-----END X-----\n",
        "-----BEGIN CERTIFICATE-----\n" + base64}) {
    EXPECT_EQ(WordOf(leaf + bad + leaf), "PRIVATE_KEY_IN_UPLOAD") << bad.substr(0, 200);
  }
  std::string many;  // a key behind many empty elements
  for (int i = 0; i < 1000; ++i) many += std::string("\x30\x00", 2);
  EXPECT_EQ(WordOf(leaf + Block("CERTIFICATE", many + key)), "PRIVATE_KEY_IN_UPLOAD");
}

// SPEC C5a: up to 20,000. ABUSE 34, 41: refused above the cap.
TEST(ReadBundle, Abuse34And41IsRefusedAboveTheCapWhateverIsInside) {
  const std::string garbage = Block("CERTIFICATE", "garbage");
  std::string text;
  for (int i = 0; i < 20001; ++i) text += garbage;
  EXPECT_EQ(WordOf(text), "TOO_MANY_CERTIFICATES");
  EXPECT_EQ(Read(std::string_view(text).substr(garbage.size())).rejected.size(), 20000u);
  std::string borders;
  for (int i = 0; i < 20001; ++i) borders += "--BEGIN\n";
  EXPECT_EQ(WordOf(borders), "TOO_MANY_CERTIFICATES");
}

TEST(ReadBundle, TenThousandBlocksOfGarbageEndSoon) {
  std::mt19937 random(7);
  std::string text;
  for (int i = 0; i < 10000; ++i) {
    std::string der(700, '\0');
    for (char& c : der) c = static_cast<char>(random());
    text += Block("CERTIFICATE", der);
  }
  // What is searched for keys element by element, and like a key in its first members.
  std::string elements;
  while (elements.size() < 60000) elements += std::string("\x30\x06\x02\x01\x00\x30\x01\x00", 8);
  for (int i = 0; i < 300; ++i) text += Block("CERTIFICATE", elements);
  const std::clock_t start = std::clock();
  EXPECT_EQ(Read(text).rejected.size(), 10300u);
  const auto seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  RecordProperty("seconds", std::to_string(seconds));
  EXPECT_LT(seconds, 30);  // one to three on a busy machine
}

}  // namespace
}  // namespace signet::keystore::x509
