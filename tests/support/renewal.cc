#include "tests/support/renewal.h"

#include <gtest/gtest.h>

#include <cctype>

namespace signet::testing {

void Generate(const Appliance& appliance, const std::string& purpose) {
  const Outcome made = appliance.Cli({"certificate", "generate", purpose, "--yes"});
  EXPECT_EQ(made.code, 0) << made.err;
}

void Sign(const Appliance& appliance, const CertificateAuthority& ca, const std::string& purpose) {
  const json::value made = appliance.CliJson({"csr", "generate", purpose});
  const std::string file = appliance.Spare("signed.pem");
  WriteWhole(file, ca.Sign(json::value_to<std::string>(made.at("pem"))));
  const Outcome stored = appliance.Cli({"certificate", "upload", purpose, file, "--yes"});
  EXPECT_EQ(stored.code, 0) << stored.err;
}

void Trust(const Appliance& appliance, const CertificateAuthority& ca,
           const std::vector<std::string>& stores) {
  for (const std::string& store : stores) {
    const Outcome stored = appliance.Cli(
        {"trust", "upload", store, ca.File("root"), ca.File("int1"), ca.File("int2"), "--yes"});
    EXPECT_EQ(stored.code, 0) << stored.err;
  }
}

std::string Serial(const Appliance& appliance, const std::string& purpose) {
  const json::value shown = appliance.CliJson({"certificate", "show", purpose});
  std::string serial;
  for (const char c : json::value_to<std::string>(shown.at("serial"))) {
    if (c != ':') serial += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return serial.size() % 2 == 0 ? serial : "0" + serial;  // whole octets, as openssl has it
}

}  // namespace signet::testing
