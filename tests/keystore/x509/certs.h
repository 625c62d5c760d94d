// The certificates of tests/support/make_certs.py by name, and questions about findings.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "keystore/x509/certificate.h"

namespace signet::keystore::x509 {

inline std::string ReadTestFile(const std::string& name) {
  std::ifstream in(std::string(SIGNET_TEST_CERTS) + "/" + name, std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}
inline std::string Der(const std::string& name) { return ReadTestFile(name + ".der"); }
inline Certificate Cert(const std::string& name) {
  auto certificate = Certificate::FromDer(Der(name));
  if (!certificate) ADD_FAILURE() << name << ": " << certificate.error().ToString();
  return std::move(certificate).value();
}
// The word of the refusal, or "accepted".
inline std::string Refusal(const std::string& name) {
  auto certificate = Certificate::FromDer(Der(name));
  return certificate ? "accepted" : certificate.error().word;
}
// "" | "info" | "warning" | "error": the worst finding with that id.
inline std::string SeverityOf(const Findings& findings, const std::string& id) {
  std::string out;
  Severity worst = Severity::kInfo;
  for (const Finding& finding : findings) {
    if (finding.id != id || (!out.empty() && finding.severity < worst)) continue;
    worst = finding.severity;
    out = SeverityName(worst);
  }
  return out;
}
inline std::string Describe(const Findings& findings) {
  std::string out;
  for (const Finding& f : findings) {
    out += std::string(SeverityName(f.severity)) + " " + f.id + ": " + f.text + "\n";
  }
  return out;
}
inline WallTime At(const char* text) { return ParseTime(text).value(); }
inline WallTime MidTerm() { return At("2026-06-01T00:00:00Z"); }

}  // namespace signet::keystore::x509
