#include "tests/support/certificate_authority.h"

#include <algorithm>

namespace signet::testing {

CertificateAuthority::CertificateAuthority(const std::string& name) {
  MakeCa("root", name + " Root", "");
  MakeCa("int1", name + " Intermediate 1", "root");
  MakeCa("int2", name + " Intermediate 2", "int1");
}

void CertificateAuthority::MakeCa(const std::string& name, const std::string& common_name,
                                  const std::string& issuer, const std::string& basic_constraints,
                                  const std::string& key) const {
  MustRun({"openssl", "genpkey", "-algorithm", key.starts_with("ec") ? "EC" : "RSA", "-pkeyopt",
           key, "-out", KeyFile(name)});
  const std::string csr = MustRun({"openssl", "req", "-new", "-key", KeyFile(name), "-subj",
                                   "/O=Signet tests/CN=" + common_name});
  const std::string extensions = folder_ / "ca.ext";
  WriteWhole(extensions, "basicConstraints=" + basic_constraints +
                             "\nkeyUsage=critical,keyCertSign,cRLSign\n"
                             "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
  std::vector<std::string> command = {"openssl",  "x509",     "-req", "-days",   "3650",
                                      "-extfile", extensions, "-out", File(name)};
  const std::vector<std::string> by =
      issuer.empty() ? std::vector<std::string>{"-key", KeyFile(name)}
                     : std::vector<std::string>{"-CA", File(issuer), "-CAkey", KeyFile(issuer)};
  command.insert(command.end(), by.begin(), by.end());
  MustRun(command, {csr, "", {}});
}

std::string CertificateAuthority::Sign(const std::string& csr_pem,
                                       const SignOptions& options) const {
  std::string extensions = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
  for (const std::string& line : options.extensions) extensions += line + "\n";
  const std::string file = folder_ / "leaf.ext";
  WriteWhole(file, extensions);
  std::vector<std::string> command = {"openssl",
                                      "x509",
                                      "-req",
                                      "-days",
                                      std::to_string(options.days),
                                      "-CA",
                                      File(options.issuer),
                                      "-CAkey",
                                      KeyFile(options.issuer),
                                      "-extfile",
                                      file};
  if (options.copy_extensions) {
    command.insert(command.end(), {"-copy_extensions", "copy"});
  }
  return MustRun(command, {csr_pem, "", {}});
}

std::string Fingerprint(const std::string& pem) {
  std::string text =
      MustRun({"openssl", "x509", "-noout", "-fingerprint", "-sha256"}, {pem, "", {}});
  text = text.substr(text.find('=') + 1);
  std::string hex;
  for (const char c : text) {
    if (std::isxdigit(static_cast<unsigned char>(c)) != 0)
      hex += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return hex;
}

}  // namespace signet::testing
