// A throw-away CA made by the openssl CLI: root -> int1 -> int2, EC keys.
#pragma once

#include <string>
#include <vector>

#include "tests/support/command.h"

namespace signet::testing {

class CertificateAuthority {
 public:
  // `name` tells the subjects of several authorities apart.
  explicit CertificateAuthority(const std::string& name = "Test");

  struct SignOptions {
    std::string issuer = "int2";  // root, int1 or int2
    int days = 365;
    bool copy_extensions = true;
    // Lines of an extension file, which take the place of what was copied: "keyUsage=critical,…".
    std::vector<std::string> extensions = {};
  };
  // The signed certificate, PEM.
  std::string Sign(const std::string& csr_pem, const SignOptions& options) const;
  std::string Sign(const std::string& csr_pem) const { return Sign(csr_pem, SignOptions{}); }

  // Another CA certificate, signed by `issuer` (self-signed when empty) and kept under `name`.
  void MakeCa(const std::string& name, const std::string& common_name, const std::string& issuer,
              const std::string& basic_constraints = "critical,CA:TRUE",
              const std::string& key = "ec_paramgen_curve:P-256") const;

  std::string File(const std::string& name) const { return folder_ / (name + ".pem"); }
  std::string Pem(const std::string& name) const { return ReadWhole(File(name)); }
  std::string Chain() const { return Pem("root") + Pem("int1") + Pem("int2"); }
  std::string KeyFile(const std::string& name) const { return folder_ / (name + ".key"); }

 private:
  ScratchFolder folder_;
};

// SHA-256 of a certificate, lower-case hex.
std::string Fingerprint(const std::string& pem);

}  // namespace signet::testing
