// Files in and out.
#include <filesystem>

#include "tests/tools/cli_runner.h"

namespace signet::tools {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kDownloads = R"({
  "certificate.download":[{"result":{"name":"cup_ECDSA.pem","format":"pem","encoding":"text",
                                     "content":"-----BEGIN CERTIFICATE-----\n"}}],
  "csr.download":[{"result":{"name":"tomcat.der","format":"der","encoding":"base64",
                             "content":"MIIA"}}],
  "trust.download":[{"result":{"name":"../../evil","format":"pem","encoding":"text",
                               "content":"x"}}]})";

TEST_F(CliTest, ADownloadGoesToStandardOutput) {
  Play(kDownloads);
  const Ran ran = Signet({"certificate", "download", "cup-ECDSA"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "-----BEGIN CERTIFICATE-----\n");
  EXPECT_EQ(ran.err, "");
}

TEST_F(CliTest, AFolderGetsTheFileByItsProperName) {
  Play(kDownloads);
  EXPECT_EQ(Signet({"certificate", "download", "cup-ECDSA", "-o", "new/"}).code, 0);
  EXPECT_EQ(ReadFile(Path("new/cup_ECDSA.pem")), "-----BEGIN CERTIFICATE-----\n");
  EXPECT_EQ(Signet({"csr", "download", "tomcat", "--format", "der", "-o", "new"}).code, 0);
  EXPECT_EQ(ReadFile(Path("new/tomcat.der")), std::string("\x30\x82\x00", 3));
  const Ran named = Signet({"certificate", "download", "cup-ECDSA", "-o", "mine.pem"});
  EXPECT_EQ(named.code, 0);
  EXPECT_EQ(named.out, "");
  EXPECT_EQ(named.err, "wrote mine.pem\n");
  EXPECT_EQ(ReadFile(Path("mine.pem")), "-----BEGIN CERTIFICATE-----\n");
}

TEST_F(CliTest, ANameThatLeavesTheFolderIsRefused) {
  Play(kDownloads);
  const Ran ran = Signet({"trust", "download", "s", "-o", "a/b/"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("NAME_UNSAFE"));
  EXPECT_FALSE(std::filesystem::exists(Path("evil")));
}

TEST_F(CliTest, JsonOfADownloadIsTheResultItself) {
  Play(kDownloads);
  const Ran ran = Signet({"csr", "download", "tomcat", "--output", "json"});
  EXPECT_EQ(json::parse(ran.out).at("encoding").as_string(), "base64");
}

TEST_F(CliTest, ACsrIsNamedByItsIdOrItsPurpose) {
  Play(kDownloads);
  Signet({"csr", "download", "tomcat"});
  Signet({"csr", "download", "0123456789abcdef"});
  const auto received = Received();
  ASSERT_EQ(received.size(), 2u);
  EXPECT_EQ(received[0].at("request").at("params"), json::parse(R"({"purpose":"tomcat"})"));
  EXPECT_EQ(received[1].at("request").at("params"), json::parse(R"({"id":"0123456789abcdef"})"));
}

TEST_F(CliTest, SeveralTrustFilesTravelInOneRequestWithTheirDescriptions) {
  Play(R"({"trust.upload":[{"result":{"changed":true,"stored":["aa"]}}]})");
  WriteFile("root.pem", "ROOT");
  WriteFile("sub.pem", "SUB");
  const Ran ran =
      Signet({"trust", "upload", "tomcat-trust", "root.pem", "sub.pem", "--yes", "--description",
              "Demo", "--predecessor", "", "--predecessor", "Root", "--as", "pinned"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(Received().at(0).at("request").at("params"),
            json::parse(R"({"store":"tomcat-trust","as":"pinned","certificates":[
              {"pem":"ROOT","description":"Demo"},
              {"pem":"SUB","description":"Demo","predecessor":"Root"}]})"));
  EXPECT_EQ(Signet({"trust", "upload", "s", "root.pem", "sub.pem", "root.pem", "--yes",
                    "--description", "1", "--description", "2"})
                .code,
            2);
}

TEST_F(CliTest, AnUploadReadsAFileOrStandardInput) {
  Play(R"({"certificate.upload":[{"result":{"changed":false}}]})");
  EXPECT_EQ(Signet({"certificate", "upload", "tomcat", "-", "--yes", "--with-chain"}, "PEM").code,
            0);
  EXPECT_EQ(Received().at(0).at("request").at("params"),
            json::parse(R"({"purpose":"tomcat","pem":"PEM","withChain":true})"));
  const Ran missing = Signet({"certificate", "upload", "tomcat", "no.pem", "--yes"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("no.pem"));
}

// Ended with SIGSEGV: the list lay in an object whose members moved.
TEST_F(CliTest, SeveralCertificatesTravelInOneRequest) {
  Play(R"({"certificate.upload":[{"result":{"changed":true}}]})");
  WriteFile("a.pem", "A");
  WriteFile("b.pem", "B");
  WriteFile("c.pem", "C");
  const Ran ran = Signet({"certificate", "upload", "tomcat", "a.pem", "tomcat-ECDSA", "b.pem",
                          "cup", "c.pem", "--with-chain", "--yes"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(Received().at(0).at("request").at("params"),
            json::parse(R"({"withChain":true,"uploads":[{"purpose":"tomcat","pem":"A"},
              {"purpose":"tomcat-ECDSA","pem":"B"},{"purpose":"cup","pem":"C"}]})"));
}

TEST_F(CliTest, ASignatureIsBase64OrAFile) {
  Play(R"({"key.sign":[{"result":{"key":"k","algorithm":"ecdsa","hash":"sha256",
                                  "signature":"AAEC"}}]})");
  EXPECT_EQ(Signet({"key", "sign", "cup-ECDSA"}, "hello").out, "AAEC\n");
  EXPECT_EQ(Received().at(0).at("request").at("params").at("data").as_string(), "aGVsbG8=");
  WriteFile("digest", "12345678901234567890123456789012");
  EXPECT_EQ(
      Signet({"key", "sign", "tomcat", "digest", "--digest", "--algorithm", "rsa-pss", "-o", "sig"})
          .code,
      0);
  EXPECT_EQ(ReadFile(Path("sig")), std::string("\x00\x01\x02", 3));
  EXPECT_TRUE(Received().at(1).at("request").at("params").as_object().contains("digest"));
}

}  // namespace
}  // namespace signet::tools
