// The lint's rules about names. For this folder only.
#pragma once

#include <openssl/x509.h>

#include <string>
#include <vector>

#include "platform/error.h"

namespace signet::keystore::x509 {

struct NameProblem {
  Severity severity;
  std::string id;
  std::string text;
};
// Of a common name (UTF-8) beside alternative names ("DNS:a.example.com").
std::vector<NameProblem> CommonNameProblems(const std::string& name,
                                            const std::vector<std::string>& sans);
std::vector<NameProblem> SubjectProblems(const X509_NAME* subject);
std::vector<NameProblem> AlternativeNameProblems(const X509* x509);
std::vector<NameProblem> NameConstraintProblems(const X509* x509);

}  // namespace signet::keystore::x509
