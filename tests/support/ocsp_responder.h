// `openssl ocsp` as the responder of one CA of a CertificateAuthority.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "tests/support/certificate_authority.h"
#include "tests/support/running_program.h"

namespace signet::testing {

class OcspResponder {
 public:
  // Listens at once and knows no certificate yet: "unknown" is its answer.
  OcspResponder(const CertificateAuthority& ca, const std::string& issuer);

  std::string url() const { return "http://127.0.0.1:" + port_; }
  // For SignOptions.extensions.
  std::string Access() const { return "authorityInfoAccess=OCSP;URI:" + url(); }

  void Know(const std::string& pem) { Put(pem, "V", ""); }
  void Revoke(const std::string& pem, const std::string& reason = "keyCompromise");
  void Stop() { program_.reset(); }
  void Start();  // again, at the same port

 private:
  void Put(const std::string& pem, const std::string& flag, const std::string& revoked);

  const CertificateAuthority& ca_;
  std::string issuer_, port_ = "0";
  ScratchFolder folder_;
  int written_ = 0;
  std::map<std::string, std::string> lines_;  // of its index, by serial
  std::unique_ptr<RunningProgram> program_;
};

}  // namespace signet::testing
