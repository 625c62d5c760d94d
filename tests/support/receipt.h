// A receipt of `signet service apply` as an auditor has it: files, and openssl alone.
#pragma once

#include <string>

#include "tests/support/appliance.h"

namespace signet::testing {

class Receipt {
 public:
  // Fetched by the CLI; the test fails when it is not there.
  Receipt(const Appliance& appliance, const std::string& id);

  const std::string& document() const { return document_; }
  // Whether its signature is that of a document: `openssl dgst -verify`.
  bool Signs(const std::string& document) const;

 private:
  ScratchFolder folder_;
  std::string document_;
};

}  // namespace signet::testing
