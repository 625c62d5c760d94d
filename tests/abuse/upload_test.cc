// What is sent as a certificate and is none, or not only: items 29 to 34 of the abuse list.
#include "platform/encoding.h"
#include "tests/abuse/abuse.h"

namespace signet::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class UploadText : public AbuseTest {
 protected:
  UploadText() : leaf(ca().Sign(csr())), key_pem() {
    other = ca().SelfSigned("other.example.com", &key_pem);
    WriteWhole(folder / "other.pem", other);
    WriteWhole(folder / "other.key", key_pem);
    WriteWhole(folder / "many.pem", [&] {
      std::string all;
      for (int i = 0; i < 17; ++i) all += leaf;
      return all;
    }());
  }
  std::string OpenSsl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    return MustRun(arguments, {"", folder.path(), {}});
  }
  static std::string DerOf(const std::string& pem) {
    std::string body;
    std::size_t at = pem.find('\n') + 1;
    for (; pem[at] != '-'; ++at) {
      if (pem[at] != '\n') body += pem[at];
    }
    return body;
  }

  ScratchFolder folder;
  std::string leaf, other, key_pem;
};

// SPEC C1: at every upload. ABUSE 29.
TEST_F(UploadText, A29_PrivateKeyInTheFileIsRefusedAndAuditedWithoutIt) {
  for (const std::string& text : {leaf + key_pem, key_pem, key_pem + leaf}) {
    const Answer answer = UploadRefused("PRIVATE_KEY_IN_UPLOAD", text);
    EXPECT_THAT(json::serialize(answer.error), HasSubstr("compromised"));
    EXPECT_THAT(json::serialize(LastAudit()), HasSubstr("private key"));
    EXPECT_THAT(json::serialize(LastAudit()), Not(HasSubstr(DerOf(key_pem).substr(0, 32))));
  }
  const json::array parts{json::object{{"pem", key_pem}}};
  Refused("PRIVATE_KEY_IN_UPLOAD", "trust.upload",
          {{"store", "cup-trust"}, {"certificates", parts}});
  EXPECT_THAT(ReadWhole(appliance().log_file()), Not(HasSubstr(DerOf(key_pem).substr(0, 32))));
}

// ABUSE 30.
TEST_F(UploadText, A30_OtherPemBlocksAreRefusedByName) {
  WriteWhole(folder / "csr.pem", csr());
  const std::string trusted =
      OpenSsl({"x509", "-in", "other.pem", "-trustout", "-addtrust", "serverAuth"});
  WriteWhole(folder / "message", "hello");
  OpenSsl({"smime", "-sign", "-in", "message", "-signer", "other.pem", "-inkey", "other.key",
           "-outform", "PEM", "-out", "signed.pem"});
  const std::pair<std::string, const char*> blocks[] = {
      {csr(), "CERTIFICATE REQUEST"},
      {PemBlock("X509 CRL", "abc"), "X509 CRL"},
      {trusted, "TRUSTED CERTIFICATE"},
      {PemBlock("PUBLIC KEY", "abc"), "PUBLIC KEY"},
      {ReadWhole(folder / "signed.pem"), "signed PKCS7"}};
  for (const auto& [text, name] : blocks) {
    const Answer answer = UploadRefused("PEM_BLOCK_UNEXPECTED", leaf + text);
    EXPECT_THAT(json::serialize(answer.error), HasSubstr(name));
  }
}

TEST_F(UploadText, A30_TwoLeavesAreRefused) {
  UploadRefused("UPLOAD_AMBIGUOUS", leaf + ca().Sign(csr()));
}

TEST_F(UploadText, A31_WhiteSpaceAndCommentsDoNotMatter) {
  const OwnCsr own = MakeCsr();
  const std::string pem = ca().Sign(own.pem);
  std::string crlf;
  for (const char c : pem) crlf += c == '\n' ? "\r\n" : std::string(1, c);
  ASSERT_TRUE(Upload("\xEF\xBB\xBFsubject=CN = node1\n" + crlf + "\r\n  \r\nthe end\r\n").ok());
  const World before = Look();
  const Answer again = Upload("  " + pem);
  EXPECT_TRUE(again.ok()) << again.error;
  EXPECT_EQ(Look(), before);
}

// ABUSE 31.
TEST_F(UploadText, A31_DamagedPemIsRefused) {
  const std::size_t end = leaf.find("-----END");
  const std::string damaged[] = {
      leaf.substr(0, end),                                          // no END
      leaf.substr(0, end) + "-----END PKCS7-----\n",                // the END of another block
      leaf.substr(0, 100) + "\n" + leaf,                            // BEGIN inside of a block
      leaf.substr(0, end) + "-----END CERTIFICATE----\n",           // four dashes
      leaf.substr(0, 60) + std::string(1, '\0') + leaf.substr(60),  // NUL
      leaf.substr(0, 60) + "!" + leaf.substr(60),                   // no base64
      std::string(1 << 20, 'x') + "\n" + leaf,                      // a line of 1 MiB
      "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n\n" + leaf.substr(28),
      "no certificate at all",
  };
  for (const std::string& text : damaged) UploadRefused("PEM_MALFORMED", text);
  UploadRefused("UPLOAD_EMPTY", "");
  UploadRefused("UPLOAD_EMPTY", " \r\n\t");
}

// ABUSE 32.
TEST_F(UploadText, A32_DerAndTheUrlAlphabetAreNoPem) {
  UploadRefused("PEM_MALFORMED", DerOf(leaf));
  std::string url = leaf;
  for (char& c : url) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  if (url != leaf) UploadRefused("PEM_MALFORMED", url);
}

// ABUSE 33.
TEST_F(UploadText, A33_Pkcs12IsRefusedByItsType) {
  OpenSsl({"pkcs12", "-export", "-inkey", "other.key", "-in", "other.pem", "-passout", "pass:x",
           "-out", "b.p12"});
  OpenSsl({"pkcs12", "-export", "-inkey", "other.key", "-in", "other.pem", "-passout",
           "pass:", "-nomac", "-out", "nomac.p12"});
  for (const char* file : {"b.p12", "nomac.p12"}) {
    const std::string octets = ReadWhole(folder / file);
    UploadRefused("PRIVATE_KEY_IN_UPLOAD", Base64Encode(octets));
    UploadRefused("PRIVATE_KEY_IN_UPLOAD", PemBlock("PKCS12", octets));
    UploadRefused("PRIVATE_KEY_IN_UPLOAD", PemBlock("CERTIFICATE", octets));
  }
}

// ABUSE 34.
TEST_F(UploadText, A34_MoreThanSixteenCertificatesAreRefusedUnread) {
  UploadRefused("TOO_MANY_CERTIFICATES", ReadWhole(folder / "many.pem"));
  OpenSsl({"crl2pkcs7", "-nocrl", "-certfile", "many.pem", "-out", "many.p7b"});
  UploadRefused("TOO_MANY_CERTIFICATES", ReadWhole(folder / "many.p7b"));
  const json::array parts(17, json::object{{"pem", other}});
  Refused("TOO_MANY_CERTIFICATES", "trust.upload",
          {{"store", "cup-trust"}, {"certificates", parts}});
}

// ABUSE 34.
TEST_F(UploadText, A34_HugeUploadEndsAtTheDoor) {
  const World before = Look();
  std::string huge;
  while (huge.size() < (3u << 20)) huge += leaf;
  EXPECT_EQ(Upload(huge).word(), "UPLOAD_TOO_LARGE");
  while (huge.size() < (8u << 20)) huge += huge;
  EXPECT_FALSE(Upload(huge).ok());
  EXPECT_EQ(Look(), before);
}

}  // namespace
}  // namespace signet::testing
