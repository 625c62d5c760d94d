#include "tests/support/receipt.h"

#include <gtest/gtest.h>

namespace signet::testing {

Receipt::Receipt(const Appliance& appliance, const std::string& id) {
  for (const char* format : {"document", "signature", "certificate"}) {
    const Outcome got =
        appliance.Cli({"service", "receipt", id, "--format", format, "-o", folder_ / format});
    EXPECT_EQ(got.code, 0) << got.err;
  }
  document_ = ReadWhole(folder_ / "document");
  WriteWhole(folder_ / "key",
             MustRun({"openssl", "x509", "-in", folder_ / "certificate", "-noout", "-pubkey"}));
}

bool Receipt::Signs(const std::string& document) const {
  WriteWhole(folder_ / "asked", document);
  return RunProgram({"openssl", "dgst", "-sha256", "-verify", folder_ / "key", "-signature",
                     folder_ / "signature", folder_ / "asked"})
             .code == 0;
}

}  // namespace signet::testing
