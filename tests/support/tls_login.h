// A client of signet.toml that logs in to the TLS port with a certificate that openssl made.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "tests/support/appliance.h"

namespace signet::testing {

class TlsLogin {
 public:
  // Before the appliance starts. `row`: what is under [client.NAME] beside the fingerprint, as
  // `role = "operator"`. `days`: the certificate's life.
  TlsLogin(const Appliance& appliance, const std::string& name, const std::string& row,
           int days = 30);

  // The whole response.
  json::object Call(const std::string& method, const json::object& params = {}) const;
  // The stable word of the error that a call ends with; empty: it succeeds.
  std::string Word(const std::string& method, const json::object& params = {}) const;

 private:
  const Appliance& appliance_;
  std::string base_;  // of the certificate's and the key's file
};

}  // namespace signet::testing
