#include "tests/support/tls_login.h"

#include "tests/support/certificate_authority.h"

namespace signet::testing {

TlsLogin::TlsLogin(const Appliance& appliance, const std::string& name, const std::string& row,
                   int days)
    : appliance_(appliance), base_(appliance.Spare("login-" + name)) {
  MustRun({"openssl",  "req",
           "-x509",    "-nodes",
           "-newkey",  "ec",
           "-pkeyopt", "ec_paramgen_curve:P-256",
           "-subj",    "/CN=" + name,
           "-days",    std::to_string(days),
           "-addext",  "extendedKeyUsage=clientAuth",
           "-addext",  "keyUsage=critical,digitalSignature",
           "-keyout",  base_ + ".key",
           "-out",     base_ + ".pem"});
  appliance.EditConfig("[outgoing]", "[client." + name + "]\nfingerprint = \"" +
                                         Fingerprint(ReadWhole(base_ + ".pem")) + "\"\n" + row +
                                         "\n[outgoing]");
}

json::object TlsLogin::Call(const std::string& method, const json::object& params) const {
  const json::object call{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}};
  WriteWhole(base_ + ".json", json::serialize(call));
  const std::string answer =
      MustRun({"curl", "-sk", "--noproxy", "*", "--cert", base_ + ".pem", "--key", base_ + ".key",
               "-H", "Content-Type: application/json", "--data-binary", "@" + base_ + ".json",
               appliance_.url() + "/rpc"});
  return json::parse(answer).as_object();
}

std::string TlsLogin::Word(const std::string& method, const json::object& params) const {
  const json::object answer = Call(method, params);
  const json::value* error = answer.if_contains("error");
  return error == nullptr ? "" : json::value_to<std::string>(error->at("data").at("code"));
}

}  // namespace signet::testing
