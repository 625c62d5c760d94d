// Exports are read back by the programs that they are for: openssl and Java's keytool.
#include "keystore/x509/export.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "keystore/x509/pem.h"
#include "tests/keystore/x509/certs.h"
#include "tests/support/command.h"

namespace signet::keystore::x509 {
namespace {

using testing::MustRun;
using testing::RunProgram;
using testing::ScratchFolder;
using testing::WriteWhole;

constexpr const char* kPassword = "changeit";

std::vector<Certificate> Three() { return {Cert("leaf"), Cert("int1"), Cert("root")}; }
std::vector<NamedCertificate> NamedThree() {
  return {{Cert("leaf"), "the.leaf", "pinned", ""},
          {Cert("int1"), "Int_1", "intermediate", "the first"},
          {Cert("root"), "root-2026", "anchor", "the root"}};
}
std::vector<Certificate> SystemRoots() {
  std::ifstream in("/etc/ssl/certs/ca-certificates.crt", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return text.empty() ? std::vector<Certificate>() : ReadBundle(text, 20000).value().certificates;
}
std::size_t Count(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}
template <class T>
std::string WordOf(const Result<T>& result) {
  return result ? "accepted" : result.error().word;
}
std::string StoreWord(const std::string& alias, std::string_view password = kPassword) {
  return WordOf(ToPkcs12TrustStore({{Cert("root"), alias, "", ""}}, password));
}
testing::Outcome Keytool(std::vector<std::string> more) {
  std::vector<std::string> arguments{"keytool", "-storetype", "PKCS12", "-J-Duser.language=en"};
  arguments.insert(arguments.begin() + 1, more.begin(), more.end());
  return RunProgram(arguments);
}

TEST(ToPkcs7, IsReadByOpenSslInOrder) {
  const ScratchFolder folder;
  WriteWhole(folder / "out.p7b", ToPkcs7(Three()).value());
  EXPECT_TRUE(ToPkcs7(Three()).value().starts_with("-----BEGIN PKCS7-----\n"));
  const std::string printed =
      MustRun({"openssl", "pkcs7", "-print_certs", "-in", folder / "out.p7b"});
  const auto blocks = testing::CertificatesIn(printed);
  ASSERT_EQ(blocks.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(blocks[i], Three()[i].ToPem());
}

TEST(ToPkcs7, IsWhatCrl2Pkcs7Writes) {
  EXPECT_EQ(ToPkcs7(Three()).value(), ReadTestFile("three.p7b.pem"));
}

TEST(ToPkcs7, IsReadBackByBundleMode) {
  const auto bundle = ReadBundle(ToPkcs7(Three()).value(), 3);
  ASSERT_TRUE(bundle);
  EXPECT_EQ(bundle.value().certificates, Three());
}

TEST(ToPkcs7, TakesAllRootsOfTheOperatingSystem) {
  const std::vector<Certificate> roots = SystemRoots();
  if (roots.empty()) GTEST_SKIP() << "no system bundle here";
  const ScratchFolder folder;
  WriteWhole(folder / "out.p7b", ToPkcs7(roots).value());
  EXPECT_EQ(Count(MustRun({"openssl", "pkcs7", "-print_certs", "-in", folder / "out.p7b"}),
                  "-----BEGIN CERTIFICATE-----"),
            roots.size());
}

TEST(Exports, RefuseNothingAndTooMuch) {
  EXPECT_EQ(WordOf(ToPkcs7({})), "EXPORT_EMPTY");
  EXPECT_EQ(WordOf(ToPkcs12TrustStore({}, kPassword)), "EXPORT_EMPTY");
  EXPECT_EQ(WordOf(ToPkcs7(std::vector<Certificate>(kMaxExported + 1, Cert("root")))),
            "EXPORT_TOO_LARGE");
  EXPECT_TRUE(ToHashedDirectory({}).empty());
  EXPECT_EQ(ToPemBundle({}), "");
}

TEST(ToPkcs12TrustStore, JavaListsEachAliasAsATrustedCertificate) {
  const ScratchFolder folder;
  const std::string store = folder / "trust.p12";
  WriteWhole(store, ToPkcs12TrustStore(NamedThree(), kPassword).value());
  const auto listed = Keytool({"-list", "-keystore", store, "-storepass", kPassword});
  ASSERT_EQ(listed.code, 0) << listed.out << listed.err;
  EXPECT_NE(listed.out.find("contains 3 entries"), std::string::npos) << listed.out;
  EXPECT_EQ(Count(listed.out, "trustedCertEntry"), 3u) << listed.out;
  for (const char* alias : {"the.leaf, ", "int_1, ", "root-2026, "}) {
    EXPECT_NE(listed.out.find(alias), std::string::npos) << alias;
  }
  const auto exported = Keytool(
      {"-exportcert", "-rfc", "-alias", "int_1", "-keystore", store, "-storepass", kPassword});
  const auto back = ReadCertificates(exported.out, 1);
  ASSERT_TRUE(back) << exported.out << exported.err;
  EXPECT_EQ(back.value().front(), Cert("int1"));
}

// The control: Java sees nothing in a store without the attribute.
TEST(ToPkcs12TrustStore, JavaListsNothingOfAStoreWithoutTheAttribute) {
  const ScratchFolder folder;
  MustRun({"openssl", "pkcs12", "-export", "-nokeys", "-in",
           std::string(SIGNET_TEST_CERTS) + "/three.pem", "-passout",
           std::string("pass:") + kPassword, "-out", folder / "plain.p12"});
  const auto listed =
      Keytool({"-list", "-keystore", folder / "plain.p12", "-storepass", kPassword});
  EXPECT_EQ(Count(listed.out, "trustedCertEntry"), 0u) << listed.out;
}

TEST(ToPkcs12TrustStore, IsReadByOpenSslWithItsPasswordOnly) {
  const ScratchFolder folder;
  WriteWhole(folder / "trust.p12", ToPkcs12TrustStore(NamedThree(), "pass word:~!").value());
  const auto read = [&](const std::string& password) {
    return RunProgram({"openssl", "pkcs12", "-info", "-nokeys", "-in", folder / "trust.p12",
                       "-passin", "pass:" + password});
  };
  const auto good = read("pass word:~!");
  ASSERT_EQ(good.code, 0) << good.err;
  EXPECT_EQ(testing::CertificatesIn(good.out).size(), 3u);
  EXPECT_EQ(Count(good.out, "2.16.840.1.113894.746875.1.1: "), 3u) << good.out;
  EXPECT_NE(good.out.find("friendlyName: Int_1"), std::string::npos);
  EXPECT_NE(good.err.find("MAC: sha256, Iteration 10000"), std::string::npos) << good.err;
  EXPECT_NE(good.err.find("PBES2, PBKDF2, AES-256-CBC, Iteration 10000, PRF hmacWithSHA256"),
            std::string::npos)
      << good.err;
  EXPECT_NE(read("another word").code, 0);
}

TEST(ToPkcs12TrustStore, TakesAllRootsOfTheOperatingSystem) {
  const std::vector<Certificate> roots = SystemRoots();
  if (roots.empty()) GTEST_SKIP() << "no system bundle here";
  std::vector<NamedCertificate> named;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    named.push_back({roots[i], "root-" + std::to_string(i), "anchor", ""});
  }
  const ScratchFolder folder;
  WriteWhole(folder / "trust.p12", ToPkcs12TrustStore(named, kPassword).value());
  const auto listed =
      Keytool({"-list", "-keystore", folder / "trust.p12", "-storepass", kPassword});
  EXPECT_EQ(Count(listed.out, "trustedCertEntry"), roots.size()) << listed.err;
}

// ABUSE 57.
TEST(ToPkcs12TrustStore, AliasesComeFromAnAllowList) {
  EXPECT_EQ(StoreWord("a"), "accepted");
  EXPECT_EQ(StoreWord(std::string(64, 'A')), "accepted");
  for (const std::string& bad :
       {std::string(), std::string(65, 'A'), std::string("a b"), std::string("a/b"),
        std::string("ä"), std::string("a\0b", 3), std::string("a\n")}) {
    EXPECT_EQ(StoreWord(bad), "ALIAS_INVALID") << bad;
  }
}

TEST(ToPkcs12TrustStore, AliasesThatJavaWouldTakeForOneAreRefused) {
  for (const char* second : {"root", "Root"}) {
    EXPECT_EQ(WordOf(ToPkcs12TrustStore(
                  {{Cert("root"), "root", "", ""}, {Cert("int1"), second, "", ""}}, kPassword)),
              "ALIAS_DUPLICATE");
  }
}

TEST(ToPkcs12TrustStore, PasswordsThatProgramsDisagreeAboutAreRefused) {
  EXPECT_EQ(StoreWord("a", std::string(128, 'p')), "accepted");
  for (const std::string& bad : {std::string(), std::string("short"), std::string(129, 'p'),
                                 std::string("pässword"), std::string("pass\0word", 9)}) {
    EXPECT_EQ(StoreWord("a", bad), "PASSWORD_UNSUITABLE");
  }
}

TEST(ToHashedDirectory, OpenSslFindsTheIssuersInIt) {
  const ScratchFolder folder;
  const auto verify = [&] {
    return RunProgram({"openssl", "verify", "-no_check_time", "-no-CAfile", "-no-CAstore",
                       "-CApath", folder.path(), std::string(SIGNET_TEST_CERTS) + "/leaf.pem"})
        .code;
  };
  EXPECT_NE(verify(), 0);
  for (const NamedFile& file : ToHashedDirectory({Cert("root"), Cert("int1"), Cert("int2")})) {
    WriteWhole(folder / file.name, file.content);
  }
  EXPECT_EQ(verify(), 0);
}

// ABUSE 57: names of files are digests.
TEST(ToKeyReference, IsASequenceOfDescriptionAndUri) {
  const std::string uri = "pkcs11:token=a%20b;id=%01%ff;type=private";
  const std::string pem = ToKeyReference(uri).value();
  EXPECT_TRUE(pem.starts_with("-----BEGIN PKCS#11 PROVIDER URI-----\n"));
  EXPECT_TRUE(pem.ends_with("-----END PKCS#11 PROVIDER URI-----\n"));
  const std::string parsed = MustRun({"openssl", "asn1parse"}, {pem, "", {}});
  EXPECT_EQ(Count(parsed, "\n"), 3u) << parsed;
  EXPECT_NE(parsed.find("SEQUENCE"), std::string::npos);
  EXPECT_NE(parsed.find("VISIBLESTRING     :PKCS#11 Provider URI v1.0\n"), std::string::npos);
  EXPECT_NE(parsed.find("UTF8STRING        :" + uri + "\n"), std::string::npos);
}

TEST(VouchesForOthers, IsWhatOpenSslTakesForAnIssuer) {
  EXPECT_TRUE(VouchesForOthers(Cert("root")));
  EXPECT_TRUE(VouchesForOthers(Cert("int1")));
  EXPECT_TRUE(VouchesForOthers(Cert("root-v1")));
  EXPECT_FALSE(VouchesForOthers(Cert("leaf")));
}

TEST(ToHashedDirectory, NamesFilesAsRehashDoes) {
  std::vector<Certificate> certificates = SystemRoots();
  // Subjects in odd string types and spellings; two with one name; one that is there twice.
  for (const char* name : {"root", "root-twin", "root", "leaf", "subject-teletex", "subject-bmp",
                           "subject-multi", "subject-spelling"}) {
    certificates.push_back(Cert(name));
  }
  const ScratchFolder folder;
  std::set<std::string> names;
  const auto files = ToHashedDirectory(certificates);
  EXPECT_EQ(files.size(), certificates.size() - 1);
  for (std::size_t i = 0; i < files.size(); ++i) {
    names.insert(files[i].name);
    WriteWhole(folder / ("c" + std::to_string(i) + ".pem"), files[i].content);
  }
  EXPECT_EQ(names.size(), files.size());
  MustRun({"openssl", "rehash", folder.path()});
  std::set<std::string> links;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (entry.is_symlink()) links.insert(entry.path().filename());
  }
  EXPECT_EQ(names, links);
}

TEST(ToPemBundle, HasCommentsThatAreOneLineEach) {
  const std::string text = ToPemBundle(
      {{Cert("root"), "root", "anchor", "two\nlines -----BEGIN CERTIFICATE-----\r\n\x1b[31m"},
       {Cert("subject-newline"), "x", "", ""}});
  std::size_t comments = 0;
  bool inside = false;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line == "-----BEGIN CERTIFICATE-----") inside = true;
    if (!inside) {
      EXPECT_TRUE(line.starts_with("# ")) << line;
      EXPECT_EQ(line.find("--"), std::string::npos) << line;
      EXPECT_EQ(line.find('\x1b'), std::string::npos);
      ++comments;
    }
    if (line == "-----END CERTIFICATE-----") inside = false;
  }
  EXPECT_EQ(comments, 4u) << text;
  EXPECT_NE(text.find("# subject: " + Cert("root").fields().subject + "\n# kind: anchor\n"),
            std::string::npos);
  const auto bundle = ReadBundle(text, 2);
  ASSERT_TRUE(bundle);
  EXPECT_TRUE(bundle.value().rejected.empty());
  EXPECT_EQ(bundle.value().certificates,
            (std::vector<Certificate>{Cert("root"), Cert("subject-newline")}));
}

TEST(ToPemBundle, IsReadByOpenSsl) {
  const ScratchFolder folder;
  std::vector<NamedCertificate> chain = NamedThree();
  chain.push_back({Cert("int2"), "", "intermediate", "in between"});
  WriteWhole(folder / "ca.pem", ToPemBundle(chain));
  EXPECT_EQ(RunProgram({"openssl", "verify", "-no_check_time", "-no-CApath", "-no-CAstore",
                        "-CAfile", folder / "ca.pem", std::string(SIGNET_TEST_CERTS) + "/leaf.pem"})
                .code,
            0);
}

}  // namespace
}  // namespace signet::keystore::x509
