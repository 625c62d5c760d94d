// Our requests read, and responses made, by the responder of the openssl CLI.
#include <gtest/gtest.h>

#include "keystore/x509/ocsp.h"
#include "tests/keystore/x509/certs.h"
#include "tests/support/command.h"

namespace signet::keystore::x509 {
namespace {

using signet::testing::MustRun;
using signet::testing::ReadWhole;
using signet::testing::RunProgram;
using signet::testing::ScratchFolder;
using signet::testing::WriteWhole;

class OcspTool : public ::testing::Test {
 protected:
  OcspTool() {
    Make("ca", "/CN=Tool CA", {"-x509", "-days", "3650", "-newkey", "rsa:2048"});
    Issue("leaf", "/CN=leaf.example.com", "basicConstraints=CA:FALSE\n");
    Issue("responder", "/CN=Responder",
          "keyUsage=critical,digitalSignature\nextendedKeyUsage=OCSPSigning\n"
          "noCheck=ignored\nbasicConstraints=critical,CA:FALSE\n");
    WriteIndex("V");
  }

  Certificate Read(const std::string& name) {
    const std::string der = folder_ / (name + ".der");
    MustRun({"openssl", "x509", "-in", folder_ / (name + ".pem"), "-outform", "DER", "-out", der});
    auto certificate = Certificate::FromDer(ReadWhole(der));
    if (!certificate) ADD_FAILURE() << name << ": " << certificate.error().ToString();
    return std::move(certificate).value();
  }
  // What openssl knows of the leaf: "V", "R<TAB>when,why" or "" for nothing.
  void WriteIndex(const std::string& state) {
    const bool revoked = state.starts_with("R");
    const std::string row = std::string(revoked ? "R" : "V") + "\t360101000000Z\t" +
                            (revoked ? state.substr(1) : "") + "\t1001\tunknown\t/CN=leaf\n";
    WriteWhole(folder_ / "index.txt", state.empty() ? "" : row);
  }
  // The answer to our request. `signer` is "ca" or "responder".
  std::string Ask(const std::string& signer, const std::string& nonce,
                  const std::vector<std::string>& more = {"-ndays", "1"}) {
    auto request = MakeOcspRequest(Read("leaf"), Read("ca"), nonce);
    if (!request) ADD_FAILURE() << request.error().ToString();
    WriteWhole(folder_ / "request.der", request.value());
    std::vector<std::string> words{"openssl",  "ocsp",
                                   "-index",   folder_ / "index.txt",
                                   "-CA",      folder_ / "ca.pem",
                                   "-rsigner", folder_ / (signer + ".pem"),
                                   "-rkey",    folder_ / (signer + ".key"),
                                   "-reqin",   folder_ / "request.der",
                                   "-respout", folder_ / "response.der"};
    words.insert(words.end(), more.begin(), more.end());
    MustRun(words);
    return ReadWhole(folder_ / "response.der");
  }
  std::string Judge(const std::string& response, const std::string& nonce = "") {
    OcspRules rules;
    rules.now = MakeSystemClock()->Now();
    rules.nonce = nonce;
    const OcspJudgement judgement = JudgeOcsp(response, Read("leaf"), Read("ca"), rules);
    return std::string(OcspStatusName(judgement.status)) + ": " + judgement.word +
           (judgement.reason.empty() ? "" : " " + judgement.reason) +
           (judgement.signer.empty() ? "" : " by " + judgement.signer);
  }

  ScratchFolder folder_;

 private:
  void Make(const std::string& name, const std::string& subject,
            const std::vector<std::string>& more) {
    std::vector<std::string> words{"openssl",
                                   "req",
                                   "-nodes",
                                   "-keyout",
                                   folder_ / (name + ".key"),
                                   "-subj",
                                   subject,
                                   "-out",
                                   folder_ / (name + ".pem")};
    words.insert(words.end(), more.begin(), more.end());
    MustRun(words);
  }
  void Issue(const std::string& name, const std::string& subject, const std::string& extensions) {
    Make(name, subject, {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"});
    WriteWhole(folder_ / "extensions", extensions);
    const std::string serial = name == "leaf" ? "0x1001" : "0x2002";
    MustRun({"openssl", "x509", "-req", "-in", folder_ / (name + ".pem"), "-CA", folder_ / "ca.pem",
             "-CAkey", folder_ / "ca.key", "-set_serial", serial, "-days", "3650", "-extfile",
             folder_ / "extensions", "-out", folder_ / (name + ".pem")});
  }
};

// SPEC R2
TEST_F(OcspTool, UnderstandsOurRequestAndAnswersWhatWeBelieve) {
  EXPECT_EQ(Judge(Ask("ca", "")), "good: OCSP_GOOD by issuing CA");
  EXPECT_EQ(Judge(Ask("responder", "")), "good: OCSP_GOOD by delegate CN=Responder");
  EXPECT_EQ(Judge(Ask("responder", "", {"-ndays", "1", "-resp_key_id"})),
            "good: OCSP_GOOD by delegate CN=Responder");
  WriteIndex("R260101000000Z,keyCompromise");
  EXPECT_EQ(Judge(Ask("responder", "")),
            "revoked: OCSP_REVOKED keyCompromise by delegate CN=Responder");
  WriteIndex("R260101000000Z,holdInstruction,holdInstructionReject");
  EXPECT_EQ(Judge(Ask("ca", "")), "revoked: OCSP_ON_HOLD certificateHold by issuing CA");
  WriteIndex("");
  EXPECT_EQ(Judge(Ask("ca", "")), "unknown: OCSP_UNKNOWN by issuing CA");
}

// ABUSE 108
TEST_F(OcspTool, EchoesOurNonceWhichAReplayDoesNot) {
  for (const std::size_t size : {1u, 16u, 32u, 128u}) {
    const std::string nonce(size, '\x80');
    EXPECT_EQ(Judge(Ask("ca", nonce), nonce), "good: OCSP_GOOD by issuing CA") << size;
  }
  const std::string former = Ask("ca", "former");
  EXPECT_EQ(Judge(former, "recent"), "unknown: OCSP_NONCE_WRONG");
  EXPECT_EQ(Judge(Ask("ca", ""), "recent"), "unknown: OCSP_NONCE_MISSING");
}

// ABUSE 109
TEST_F(OcspTool, WithoutNextUpdateAResponseProvesNothingByItself) {
  EXPECT_EQ(Judge(Ask("ca", "", {})), "unknown: OCSP_STALE by issuing CA");
}

// ABUSE 112
TEST_F(OcspTool, WeakAndDamagedSignaturesProveNothing) {
  EXPECT_EQ(Judge(Ask("ca", "", {"-ndays", "1", "-badsig"})), "unknown: OCSP_SIGNATURE_INVALID");
  EXPECT_EQ(Judge(Ask("ca", "", {"-ndays", "1", "-rmd", "sha1"})), "unknown: OCSP_SIGNATURE_WEAK");
  EXPECT_EQ(Judge(Ask("ca", "", {"-ndays", "1", "-rmd", "sha512"})),
            "good: OCSP_GOOD by issuing CA");
  const std::vector<std::string> pss{"-ndays", "1", "-rsigopt", "rsa_padding_mode:pss", "-rmd"};
  const auto with = [&pss](const char* hash) {
    std::vector<std::string> words = pss;
    words.emplace_back(hash);
    return words;
  };
  EXPECT_EQ(Judge(Ask("ca", "", with("sha256"))), "good: OCSP_GOOD by issuing CA");
  EXPECT_EQ(Judge(Ask("ca", "", with("sha1"))), "unknown: OCSP_SIGNATURE_WEAK");
}

}  // namespace
}  // namespace signet::keystore::x509
